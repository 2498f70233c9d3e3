//! HTTP/2 with prior knowledge: the `h2` crate, and hand-written header blocks where that crate
//! would refuse them.
//!
//! A raw request uses the same client. The client writes a plain request of the same shape into a
//! pipe, and a pump behind the pipe replaces the client's header block by the hand-written one on
//! the way to the server. So a real HTTP/2 implementation reads the answer to any request.

use std::io;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Answer, Fields, Wire};

const PREFACE_LEN: usize = 24;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
/// The largest frame that every server accepts.
const MAX_FRAME: usize = 16_384;

/// One connection, shared by its streams.
pub(crate) struct Session {
    requests: SendRequest<Bytes>,
    /// Drives the connection until the session is dropped.
    _driver: JoinSet<()>,
}

impl Session {
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        Self::over(TcpStream::connect(("127.0.0.1", port)).await?).await
    }

    async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<Self> {
        let (requests, connection) = client::handshake(io).await.map_err(io::Error::other)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            requests,
            _driver: driver,
        })
    }

    /// Opens a stream and sends the whole request on it; dropping the returned future resets the
    /// stream.
    pub(crate) async fn start(&self, wire: &Wire) -> io::Result<client::ResponseFuture> {
        let mut requests = self
            .requests
            .clone()
            .ready()
            .await
            .map_err(io::Error::other)?;
        let bare = wire.body.is_empty() && wire.trailers.is_empty() && !promises_body(wire);
        let (response, mut stream) = requests
            .send_request(request(wire)?, bare)
            .map_err(io::Error::other)?;
        // A server may answer and end the stream before it has read everything, so a failed write
        // decides nothing yet.
        if !wire.body.is_empty() {
            let _ = stream.send_data(wire.body.clone().into(), wire.trailers.is_empty());
        }
        if !wire.trailers.is_empty() {
            let _ = stream.send_trailers(header_map(&wire.trailers)?);
        }
        Ok(response)
    }

    /// Sends a request and reads its answer; `Err` means that the stream or connection ended
    /// instead.
    pub(crate) async fn exchange(&self, wire: &Wire) -> io::Result<Answer> {
        read(self.start(wire).await?).await
    }
}

/// Sends one request on its own connection, by hand where the case or the fields require it.
pub(crate) async fn exchange_once(wire: &Wire, port: u16) -> io::Result<Answer> {
    let sendable =
        request(wire).is_ok() && header_map(&wire.trailers).is_ok() && !connection_specific(wire);
    if !wire.raw && sendable {
        return Session::open(port).await?.exchange(wire).await;
    }
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let blocks = [request_block(wire), block(&wire.trailers)];
    let mut pump = JoinSet::new();
    pump.spawn(async move {
        let (mut from_client, mut to_client) = tokio::io::split(far);
        let (mut from_server, mut to_server) = server.into_split();
        let up = substitute(&mut from_client, &mut to_server, blocks);
        let down = async {
            let copied = tokio::io::copy(&mut from_server, &mut to_client).await;
            to_client.shutdown().await.and(copied)
        };
        let _ = tokio::join!(up, down);
    });
    Session::over(near).await?.exchange(&plain(wire)).await
}

pub(crate) async fn read(response: client::ResponseFuture) -> io::Result<Answer> {
    let (head, mut stream) = response.await.map_err(io::Error::other)?.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        fields: plain_fields(&head.headers),
        ended_with_headers: stream.is_end_stream(),
        ..Answer::default()
    };
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(io::Error::other)?;
        let _ = stream.flow_control().release_capacity(piece.len());
        answer.body.extend(piece);
    }
    if let Some(trailers) = stream.trailers().await.map_err(io::Error::other)? {
        answer.trailers = plain_fields(&trailers);
    }
    Ok(answer)
}

fn request(wire: &Wire) -> io::Result<Request<()>> {
    let target = [b"http://localhost".as_slice(), &wire.target].concat();
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(wire.method.as_bytes()).map_err(io::Error::other)?;
    *request.uri_mut() = Uri::from_maybe_shared(Bytes::from(target)).map_err(io::Error::other)?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = header_map(&wire.fields)?;
    Ok(request)
}

fn header_map(fields: &Fields) -> io::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name).map_err(io::Error::other)?;
        map.append(
            name,
            HeaderValue::from_bytes(value).map_err(io::Error::other)?,
        );
    }
    Ok(map)
}

fn plain_fields(map: &HeaderMap) -> Fields {
    map.iter()
        .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
        .collect()
}

/// Whether a body is announced. An announced body that is not sent leaves the stream open, as a
/// caller does that waits for a 100.
fn promises_body(wire: &Wire) -> bool {
    wire.fields.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(b"content-length") && value.as_slice() != b"0"
    })
}

/// Whether a field is forbidden in HTTP/2 (RFC 9113, 8.2.2), so that the client would refuse to
/// send it.
fn connection_specific(wire: &Wire) -> bool {
    let te = |value: &Vec<u8>| value.as_slice() != b"trailers";
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ]
    .iter()
    .any(|name| wire.has(name))
        || wire
            .fields
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case(b"te") && te(value))
}

/// The request that the client sends in place of a raw one: the same frames with harmless content.
fn plain(wire: &Wire) -> Wire {
    let trailers = wire
        .trailers
        .iter()
        .map(|_| (b"x".to_vec(), b"x".to_vec()))
        .collect();
    // HEAD stays, because the client must know that no body follows.
    let method = if wire.method == "HEAD" { "HEAD" } else { "GET" }.to_owned();
    let length = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-length");
    let fields = wire.fields.iter().filter(length).cloned().collect();
    Wire {
        method,
        target: b"/".to_vec(),
        fields,
        trailers,
        ..wire.clone()
    }
}

/// The header block of a request, with names and values exactly as given.
fn request_block(wire: &Wire) -> Vec<u8> {
    let mut fields: Fields = vec![
        (b":method".to_vec(), wire.method.as_bytes().to_vec()),
        (b":scheme".to_vec(), b"http".to_vec()),
        (b":authority".to_vec(), b"localhost".to_vec()),
        (b":path".to_vec(), wire.target.clone()),
    ];
    fields.extend(wire.fields.iter().cloned());
    block(&fields)
}

/// The plainest form of HPACK (RFC 7541, 6.2.2): every field is a literal without indexing, no
/// string is compressed.
fn block(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend(text);
        }
    }
    block
}

/// A length as an HPACK integer with a prefix of seven bits (RFC 7541, 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    let low = |bits: usize| u8::try_from(bits & 0x7f).unwrap_or_default();
    if length < 0x7f {
        block.push(low(length));
        return;
    }
    block.push(0x7f);
    let mut rest = length - 0x7f;
    while rest >= 0x80 {
        block.push(low(rest) | 0x80);
        rest >>= 7;
    }
    block.push(low(rest));
}

/// Forwards frames and replaces the first header blocks that the client sends by `blocks`.
async fn substitute(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    blocks: [Vec<u8>; 2],
) -> io::Result<()> {
    let mut preface = [0; PREFACE_LEN];
    client.read_exact(&mut preface).await?;
    server.write_all(&preface).await?;
    let mut blocks = blocks.into_iter();
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await?;
        let [l1, l2, l3, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l1, l2, l3]) as usize];
        client.read_exact(&mut payload).await?;
        let own = if kind == HEADERS { blocks.next() } else { None };
        match own {
            Some(own) => {
                server
                    .write_all(&header_frames(&own, flags & END_STREAM, stream))
                    .await?
            }
            None => {
                server
                    .write_all(&[head.as_slice(), &payload].concat())
                    .await?
            }
        }
    }
}

/// HEADERS and as many CONTINUATION frames as the block needs.
fn header_frames(block: &[u8], end_stream: u8, stream: [u8; 4]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = block.chunks(MAX_FRAME).collect();
    let mut frames = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let kind = if index == 0 { HEADERS } else { CONTINUATION };
        let first = if index == 0 { end_stream } else { 0 };
        let last = if index + 1 == pieces.len() {
            END_HEADERS
        } else {
            0
        };
        let length = u32::try_from(piece.len()).unwrap_or_default().to_be_bytes();
        frames.extend(&length[1..]);
        frames.extend([kind, first | last]);
        frames.extend(stream);
        frames.extend(*piece);
    }
    frames
}

#[test]
fn lengths_follow_hpack() {
    for (length, bytes) in [
        (5, vec![5]),
        (127, vec![0x7f, 0]),
        (1464, vec![0x7f, 0xb9, 0x0a]),
    ] {
        let mut written = Vec::new();
        push_length(&mut written, length);
        assert_eq!(written, bytes, "{length}");
    }
}

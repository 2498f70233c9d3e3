//! Sends a case over a real socket and returns the answer as plain data.
//!
//! The clients are written by hand where a library would refuse or normalize what a case sends.

pub(crate) mod http1;
pub(crate) mod http2;

use std::time::{Duration, Instant};

use crate::case::{Case, PathKind, Version, expand};
use crate::server::Ports;

/// How long to wait before a case counts as unanswered; far above every `max_ms`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Names and values in wire order.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request, byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub method: String,
    pub target: Vec<u8>,
    pub version: Version,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Writes the frames by hand, even where a library would do.
    pub raw: bool,
}

/// An answer, byte for byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub status: u16,
    /// The text after the status code; HTTP/2 has none.
    pub reason: Vec<u8>,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Nothing followed the header block: it had END_STREAM, or the length was zero.
    pub ended_with_headers: bool,
    /// The preceding interim answers.
    pub interim: Vec<u16>,
    pub elapsed: Duration,
}

/// The result of sending a request.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    Answered(Answer),
    /// The connection or stream was closed instead.
    Rejected(String),
    /// No answer and no end within [`ANSWER_TIMEOUT`].
    Silent,
}

impl Wire {
    /// Builds the request of a case; returns `Err` if one of its values cannot be read.
    pub(crate) fn of(case: &Case) -> Result<Self, String> {
        Ok(Self {
            method: case.method.clone(),
            target: case.target()?,
            version: case.http_version,
            fields: expand_fields(&case.headers)?,
            body: match &case.body {
                Some(body) => expand(body)?,
                None => empty_message(case),
            },
            trailers: expand_fields(&case.trailers)?,
            raw: case.raw,
        })
    }

    /// Returns whether the request has a field of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Answer {
    /// The values of all fields of this name, as text.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        values(&self.fields, name)
    }

    /// The first field of this name, or the first trailer.
    pub(crate) fn field_or_trailer(&self, name: &str) -> Option<String> {
        let trailers = [self.trailers.clone(), self.web_trailers()].concat();
        values(&self.fields, name)
            .into_iter()
            .chain(values(&trailers, name))
            .next()
    }

    /// Status line, fields, body and trailers in one piece, for searching.
    pub(crate) fn everything(&self) -> Vec<u8> {
        let mut all = [
            self.status.to_string().as_bytes(),
            b" ",
            &self.reason,
            b"\n",
        ]
        .concat();
        for (name, value) in self.fields.iter().chain(&self.trailers) {
            all.extend([name, b": ".as_slice(), value, b"\n"].concat());
        }
        all.extend(&self.body);
        all
    }

    /// Everything that two indistinguishable answers must share: all but the date.
    pub(crate) fn fingerprint(&self) -> Vec<u8> {
        let mut bare = self.clone();
        bare.fields
            .retain(|(name, _)| !name.eq_ignore_ascii_case(b"date"));
        bare.everything()
    }

    /// The body, decoded if it is gRPC-Web's base64 text.
    pub(crate) fn binary_body(&self) -> Vec<u8> {
        let text = self
            .all("content-type")
            .iter()
            .any(|kind| kind.starts_with("application/grpc-web-text"));
        if text {
            unbase64(&self.body)
        } else {
            self.body.clone()
        }
    }

    /// The trailers that gRPC-Web sends as the last frame of the body.
    fn web_trailers(&self) -> Fields {
        let web = self
            .all("content-type")
            .iter()
            .any(|kind| kind.starts_with("application/grpc-web"));
        let body = if web { self.binary_body() } else { Vec::new() };
        let mut rest = body.as_slice();
        while let [flag, a, b, c, d, tail @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (frame, after) = tail.split_at(length.min(tail.len()));
            if flag & 0x80 != 0 {
                return http1::parse_fields(frame);
            }
            rest = after;
        }
        Fields::new()
    }
}

/// Sends one case on its own connection.
pub(crate) async fn send(case: &Case, ports: Ports) -> Result<Sent, String> {
    let port = if case.path_kind == PathKind::Grpc {
        ports.grpc
    } else {
        ports.http
    };
    Ok(send_wire(&Wire::of(case)?, port).await)
}

/// Sends one request on its own connection.
pub(crate) async fn send_wire(wire: &Wire, port: u16) -> Sent {
    let exchange = async {
        match wire.version {
            Version::Http2 => http2::exchange_once(wire, port).await,
            _ => http1::Connection::open(port).await?.exchange(wire).await,
        }
    };
    with_timeout(exchange).await
}

/// Waits for an exchange, measures its time, and classifies its failure.
pub(crate) async fn with_timeout(exchange: impl Future<Output = std::io::Result<Answer>>) -> Sent {
    let begun = Instant::now();
    match tokio::time::timeout(ANSWER_TIMEOUT, exchange).await {
        Ok(Ok(answer)) => Sent::Answered(Answer {
            elapsed: begun.elapsed(),
            ..answer
        }),
        Ok(Err(error)) => Sent::Rejected(error.to_string()),
        Err(_) => Sent::Silent,
    }
}

fn expand_fields(fields: &[(String, String)]) -> Result<Fields, String> {
    fields
        .iter()
        .map(|(name, value)| Ok((name.clone().into_bytes(), expand(value)?)))
        .collect()
}

/// gRPC has no call without a message: the empty message, in the encoding of the content-type.
fn empty_message(case: &Case) -> Vec<u8> {
    match case.content_type() {
        Some(kind) if kind.starts_with("application/grpc-web-text") => b"AAAAAAA=".to_vec(),
        Some(kind) if kind.starts_with("application/grpc") => vec![0; 5],
        _ => Vec::new(),
    }
}

fn values(fields: &Fields, name: &str) -> Vec<String> {
    let named = fields
        .iter()
        .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
    named
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// Decodes base64, in which gRPC-Web may pad each piece of a stream separately.
fn unbase64(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |byte: &u8| ALPHABET.iter().position(|letter| letter == byte);
    let quantum = |four: &[u8]| {
        let sextets: Vec<usize> = four.iter().filter_map(sextet).collect();
        let bits = sextets.iter().fold(0, |bits, six| bits << 6 | six) << (6 * (4 - sextets.len()));
        let bytes = [bits >> 16, bits >> 8, bits].map(|byte| (byte & 0xff) as u8);
        bytes
            .into_iter()
            .take(sextets.len().saturating_sub(1))
            .collect::<Vec<u8>>()
    };
    text.chunks(4).flat_map(quantum).collect()
}

#[test]
fn grpc_web_trailers_are_found_after_the_message() {
    let frame = b"grpc-status:7\r\ngrpc-message:no\r\n";
    let mut body = [
        [0, 0, 0, 0, 1].as_slice(),
        b"x",
        &[0x80, 0, 0, 0, u8::try_from(frame.len()).unwrap()],
    ]
    .concat();
    body.extend(frame);
    let fields = vec![(
        b"content-type".to_vec(),
        b"application/grpc-web+proto".to_vec(),
    )];
    let answer = Answer {
        body,
        fields,
        ..Answer::default()
    };
    assert_eq!(answer.field_or_trailer("grpc-status").as_deref(), Some("7"));
    assert_eq!(unbase64(b"AAAAAAA=aGk="), b"\0\0\0\0\0hi");
}

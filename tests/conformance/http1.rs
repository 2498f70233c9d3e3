//! HTTP/1.x by hand, so that duplicate fields, odd methods and bytes that libraries reject reach
//! the server.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, Fields, Wire};
use crate::case::Version;

/// One connection, kept alive between exchanges.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes that were read and not used yet.
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::connect(("127.0.0.1", port)).await?,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and reads its answer; `Err` means that the connection was closed instead.
    pub(crate) async fn exchange(&mut self, wire: &Wire) -> io::Result<Answer> {
        // A server may answer and close before it has read everything, so a failed write decides
        // nothing yet.
        let _ = self.stream.write_all(&head(wire)).await;
        let waits = wire.has("expect");
        if !waits {
            let _ = self.stream.write_all(&payload(wire)).await;
        }
        let mut answer = self.read_head().await?;
        let mut interim = Vec::new();
        while (100..200).contains(&answer.status) && answer.status != 101 {
            interim.push(answer.status);
            if waits && answer.status == 100 {
                let _ = self.stream.write_all(&payload(wire)).await;
            }
            answer = self.read_head().await?;
        }
        answer.interim = interim;
        self.read_body(&mut answer, wire.method == "HEAD").await?;
        Ok(answer)
    }

    async fn read_head(&mut self) -> io::Result<Answer> {
        let head = self.take_through(b"\r\n\r\n").await?;
        let line_end = head
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .unwrap_or(head.len());
        let (line, fields) = head.split_at(line_end);
        let mut words = line.splitn(3, |byte| *byte == b' ').skip(1);
        let status = words
            .next()
            .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        let reason = words.next().unwrap_or_default().to_vec();
        Ok(Answer {
            status,
            reason,
            fields: parse_fields(fields),
            ..Answer::default()
        })
    }

    async fn read_body(&mut self, answer: &mut Answer, head_only: bool) -> io::Result<()> {
        let length = answer
            .all("content-length")
            .first()
            .and_then(|text| text.parse().ok());
        if head_only || matches!(answer.status, 101 | 204 | 304) {
            answer.ended_with_headers = true;
        } else if answer
            .all("transfer-encoding")
            .iter()
            .any(|coding| coding == "chunked")
        {
            self.read_chunks(answer).await?;
        } else if let Some(length) = length {
            answer.body = self.take(length).await?;
            answer.ended_with_headers = length == 0;
        } else {
            self.stream.read_to_end(&mut self.buffer).await?;
            answer.body = std::mem::take(&mut self.buffer);
        }
        Ok(())
    }

    async fn read_chunks(&mut self, answer: &mut Answer) -> io::Result<()> {
        loop {
            let line = self.take_through(b"\r\n").await?;
            let text = String::from_utf8_lossy(&line);
            let size = text.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            answer.body.extend(self.take(size).await?);
            self.take(2).await?;
        }
        loop {
            let line = self.take_through(b"\r\n").await?;
            if line == b"\r\n" {
                return Ok(());
            }
            answer.trailers.extend(parse_fields(&line));
        }
    }

    /// Reads up to and including a mark.
    async fn take_through(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(start) = self
                .buffer
                .windows(mark.len())
                .position(|window| window == mark)
            {
                return self.take(start + mark.len()).await;
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Splits a block of lines into fields and keeps the names as written.
pub(crate) fn parse_fields(block: &[u8]) -> Fields {
    let lines = block
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((
            line.get(..colon)?.to_vec(),
            line.get(colon + 1..)?.trim_ascii().to_vec(),
        ))
    };
    lines.filter_map(field).collect()
}

/// The request line and fields, with the few that every request needs.
fn head(wire: &Wire) -> Vec<u8> {
    let version = if wire.version == Version::Http10 {
        " HTTP/1.0\r\n"
    } else {
        " HTTP/1.1\r\n"
    };
    let mut head = [
        wire.method.as_bytes(),
        b" ",
        &wire.target,
        version.as_bytes(),
    ]
    .concat();
    if !wire.has("host") {
        head.extend(b"Host: localhost\r\n");
    }
    for (name, value) in &wire.fields {
        head.extend([name, b": ".as_slice(), value, b"\r\n"].concat());
    }
    if wire.has("content-length") || wire.has("transfer-encoding") {
        // The case itself states how its body ends.
    } else if !wire.trailers.is_empty() {
        head.extend(b"Transfer-Encoding: chunked\r\n");
    } else if !wire.body.is_empty() || matches!(wire.method.as_str(), "POST" | "PUT" | "PATCH") {
        head.extend(format!("Content-Length: {}\r\n", wire.body.len()).as_bytes());
    }
    head.extend(b"\r\n");
    head
}

/// The body as sent: plain, or chunked if trailers follow.
fn payload(wire: &Wire) -> Vec<u8> {
    if wire.trailers.is_empty() {
        return wire.body.clone();
    }
    let mut chunks = Vec::new();
    if !wire.body.is_empty() {
        let size = format!("{:x}\r\n", wire.body.len());
        chunks.extend([size.as_bytes(), &wire.body, b"\r\n"].concat());
    }
    chunks.extend(b"0\r\n");
    for (name, value) in &wire.trailers {
        chunks.extend([name, b": ".as_slice(), value, b"\r\n"].concat());
    }
    chunks.extend(b"\r\n");
    chunks
}

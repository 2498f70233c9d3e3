//! A server on a loopback port, and clients that send exactly what a test says.

#[path = "../../conformance/http2.rs"]
#[allow(dead_code, reason = "only single requests are sent here")]
mod http2;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, response::IntoResponse};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Names and values in wire order.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request, byte for byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    /// Writes the frames by hand, even where a library would do.
    pub(crate) raw: bool,
}

impl Wire {
    /// A `GET` of a target, which is sent as it is.
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.as_bytes().to_vec(),
            raw: true,
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        let name = name.as_bytes();
        self.fields
            .iter()
            .any(|(field, _)| field.eq_ignore_ascii_case(name))
    }
}

/// An answer, byte for byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    #[allow(dead_code, reason = "the client fills it in")]
    pub(crate) ended_with_headers: bool,
}

/// Counts the requests that reach a handler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached(Arc<AtomicUsize>);

impl Reached {
    /// A handler that counts, for any method.
    pub(crate) fn handler(&self) -> impl Fn() -> std::future::Ready<&'static str> + Clone + use<> {
        let count = self.0.clone();
        move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready("the secret page")
        }
    }

    /// Takes the count since the last call.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// A server that ends when it is dropped. It speaks HTTP/1 and HTTP/2 with prior knowledge.
pub(crate) struct Server {
    port: u16,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, _task: task }
    }

    /// Sends the request over HTTP/1.1 and HTTP/2. Returns the status of each, or `None` where the
    /// server closed the connection or the stream instead.
    pub(crate) async fn statuses(&self, wire: &Wire) -> [Option<u16>; 2] {
        let first = self.http1(wire).await.ok().map(|answer| answer.0);
        let second = self.http2(wire).await.ok().map(|answer| answer.status);
        [first, second]
    }

    /// Sends the request over HTTP/1.1; returns the status and the whole answer.
    pub(crate) async fn http1(&self, wire: &Wire) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let line = [wire.method.as_bytes(), b" ", &wire.target, b" HTTP/1.1\r\n"];
        let mut head = line.concat();
        head.extend(b"Host: localhost\r\nConnection: close\r\n");
        for (name, value) in &wire.fields {
            head.extend([name, b": ".as_slice(), value, b"\r\n"].concat());
        }
        head.extend(format!("Content-Length: {}\r\n\r\n", wire.body.len()).as_bytes());
        head.extend(&wire.body);
        stream.write_all(&head).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("closed without an answer"))?;
        Ok((status, answer))
    }

    /// Sends the request over HTTP/2, with the header block written by hand.
    pub(crate) async fn http2(&self, wire: &Wire) -> io::Result<Answer> {
        http2::exchange_once(wire, self.port).await
    }
}

/// Sends the request over both versions, and asserts that it was answered by none of the handlers:
/// refused with one of `statuses`, or closed.
pub(crate) async fn assert_unreached(
    server: &Server,
    reached: &Reached,
    wire: &Wire,
    statuses: &[u16],
) {
    let target = String::from_utf8_lossy(&wire.target).into_owned();
    let answers = server.statuses(wire).await;
    assert_eq!(reached.take(), 0, "{target}: {answers:?}");
    for status in answers.into_iter().flatten() {
        assert!(statuses.contains(&status), "{target}: {answers:?}");
    }
}

/// A handler's answer for routes that everyone may call.
pub(crate) async fn open() -> impl IntoResponse {
    "open"
}

//! Paths that a router and a rule could read differently: whatever the request line says, over
//! HTTP/1 and HTTP/2, a protected handler is not reached without a credential.
//!
//! Clients normalize paths, so the requests are written to raw sockets.

use crate::support::{KEY, memory};

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    extract::Request,
    routing::{any, get},
};
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestRunner},
};
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt as _};
use tower_api_key::{AuthLayer, PublicLayer};

/// Parts of paths that exist, and ways to write them, or to leave them, differently.
const SEGMENTS: [&str; 30] = [
    "route",
    "nested",
    "inner",
    "files",
    "things",
    "service",
    "methods",
    "public",
    "",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "..%2f",
    "%2f",
    "%5c",
    "\\",
    ";",
    "route;x=1",
    "..;",
    "%00",
    "%c0%ae",
    "*",
    "ROUTE",
    "route%20",
    "%72oute",
    "route?a=/public/x",
    "?",
    "#",
    "x@localhost",
];

/// What stands before the path: nothing, too much, or an absolute form without its slash.
const STARTS: [&str; 9] = [
    "/",
    "//",
    "///",
    "",
    "*",
    "http://localhost",
    "http://localhost/",
    "http://public@localhost/",
    "localhost:80",
];

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO",
];

/// Lines that are no credential.
const CREDENTIALS: [&str; 5] = [
    "",
    "authorization: Bearer ak_testkey.wrong-secret\r\n",
    "proxy-authorization: Bearer ak_testkey.test-secret\r\n",
    "x-original-url: /public/x\r\nx-forwarded-uri: /public/x\r\n",
    "x-http-method-override: OPTIONS\r\n",
];

#[derive(Clone, Debug)]
struct RawRequest {
    method: &'static str,
    target: String,
    version: &'static str,
    credential: &'static str,
}

fn target() -> impl Strategy<Value = String> {
    let segments = prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..5);
    (prop::sample::select(&STARTS[..]), segments)
        .prop_map(|(start, segments)| format!("{start}{}", segments.join("/")))
}

fn raw_request() -> impl Strategy<Value = RawRequest> {
    (
        prop::sample::select(&METHODS[..]),
        target(),
        prop::sample::select(&["1.0", "1.1"][..]),
        prop::sample::select(&CREDENTIALS[..]),
    )
        .prop_map(|(method, target, version, credential)| RawRequest {
            method,
            target,
            version,
            credential,
        })
}

/// Counts the requests that reach a protected handler.
#[derive(Clone, Debug, Default)]
struct Arrivals(Arc<AtomicUsize>);

impl Arrivals {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }

    fn handler(&self) -> impl Fn(Request) -> std::future::Ready<&'static str> + Clone + use<> {
        let arrivals = Arc::clone(&self.0);
        move |_| {
            arrivals.fetch_add(1, SeqCst);
            std::future::ready("reached")
        }
    }
}

/// Every kind of route, under one layer that is added last, and beside a public route.
fn layered(arrivals: &Arrivals) -> Router {
    let handler = arrivals.handler();
    let nested = Router::new()
        .route("/", any(handler.clone()))
        .route("/inner", any(handler.clone()))
        .fallback(handler.clone());
    let protected = Router::new()
        .route("/", any(handler.clone()))
        .route("/route", any(handler.clone()))
        .route("/things/{id}", any(handler.clone()))
        .route("/files/{*rest}", any(handler.clone()))
        .route("/methods", get(handler.clone()).post(handler.clone()))
        .nest("/nested", nested)
        .nest_service("/service", any(handler.clone()))
        .method_not_allowed_fallback(handler.clone())
        .fallback(handler)
        .layer(AuthLayer::new(memory()));
    let public = Router::new().route("/public/{*rest}", any(async || "public"));
    protected.merge(public.layer(PublicLayer::new()))
}

/// A layer of its own inside each nested router, which sees a stripped path.
fn nested(arrivals: &Arrivals) -> Router {
    let auth = AuthLayer::new(memory());
    let inner = || {
        let handler = arrivals.handler();
        Router::new()
            .route("/", any(handler.clone()))
            .route("/inner", any(handler.clone()))
            .route("/public/x", any(handler.clone()))
            .fallback(handler)
    };
    Router::new()
        .nest("/nested", inner().layer(auth.clone()))
        .nest_service("/service", auth.layer(inner()))
        .route("/route", any(arrivals.handler()).layer(auth.clone()))
        .route_service("/files/{*rest}", auth.layer(any(arrivals.handler())))
        .fallback_service(auth.layer(inner()))
        .route(
            "/public/{*rest}",
            any(async || "public").layer(PublicLayer::new()),
        )
}

/// The layer around a whole router.
fn around(arrivals: &Arrivals) -> Router {
    let handler = arrivals.handler();
    let inner = Router::new()
        .route("/route", any(handler.clone()))
        .route("/files/{*rest}", any(handler.clone()))
        .fallback(handler);
    let service = AuthLayer::new(memory()).layer(inner);
    Router::new().fallback_service(service.map_request(|request: Request| request))
}

struct Server {
    arrivals: Arrivals,
    address: SocketAddr,
    _runtime: Runtime,
}

fn servers() -> Vec<(&'static str, Server)> {
    type Build = fn(&Arrivals) -> Router;
    let forms: [(&str, Build); 3] = [("layered", layered), ("nested", nested), ("around", around)];
    let start = |build: Build| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let arrivals = Arrivals::default();
        let router = build(&arrivals);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Server {
            arrivals,
            address,
            _runtime: runtime,
        }
    };
    forms.map(|(name, build)| (name, start(build))).into()
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })
}

/// Writes a request and returns the answer, whose end is the end of the connection.
fn over_http1(address: SocketAddr, request: &RawRequest) -> String {
    let RawRequest {
        method,
        target,
        version,
        credential,
    } = request;
    let head = format!(
        "{method} {target} HTTP/{version}\r\nhost: localhost\r\n{credential}\
         connection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // the server may reset what it cannot parse
    String::from_utf8_lossy(&answer).into_owned()
}

/// A header in HPACK (RFC 7541, section 6.2.2): a literal without indexing or Huffman coding.
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(
            u8::try_from(text.len())
                .ok()
                .filter(|length| *length < 127)
                .unwrap(),
        );
        block.extend(text.as_bytes());
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Writes the frames of one request and reads until the server has answered it, or has closed the
/// stream or the connection (RFC 9113, section 6).
fn over_http2(address: SocketAddr, request: &RawRequest) {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const GO_AWAY: u8 = 7;
    let mut block = Vec::new();
    literal(&mut block, ":method", request.method);
    literal(&mut block, ":scheme", "http");
    literal(&mut block, ":path", &request.target);
    literal(&mut block, ":authority", "localhost");
    for line in request.credential.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        literal(&mut block, name, value);
    }
    let mut stream = TcpStream::connect(address).unwrap();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    sent.extend(frame(HEADERS, 0x5, 1, &block)); // the end of the stream and of the headers
    stream.write_all(&sent).unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        if matches!(head[3], HEADERS | RESET | GO_AWAY) {
            return;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
    }
}

const GOOD: &str = "authorization: Bearer ak_testkey.test-secret\r\n";

/// Routes of every kind, which a good key reaches: the property would hold of a server that answers
/// nothing.
#[test]
fn a_good_key_reaches_every_kind_of_route() {
    assert!(GOOD.contains(KEY));
    for (name, server) in servers() {
        for target in [
            "/route",
            "/nested/inner",
            "/files/a/b",
            "/service/x",
            "/unknown",
            "//",
            "/",
        ] {
            for send in [
                |address, request: &_| drop(over_http1(address, request)),
                over_http2,
            ] {
                let before = server.arrivals.count();
                let request = RawRequest {
                    method: "GET",
                    target: target.to_owned(),
                    version: "1.1",
                    credential: GOOD,
                };
                send(server.address, &request);
                assert_eq!(server.arrivals.count(), before + 1, "{name}: {target}");
            }
        }
    }
}

#[test]
fn no_http1_request_line_reaches_a_handler_without_a_credential() {
    for (name, server) in servers() {
        let outcome = runner(2_000).run(&raw_request(), |request| {
            let answer = over_http1(server.address, &request);
            prop_assert_eq!(server.arrivals.count(), 0, "{}: {}", name, answer);
            let status = answer.split(' ').nth(1).unwrap_or("none");
            // Only the public handler answers 200, without a body to `HEAD` and `CONNECT`.
            let public = status == "200" && !answer.ends_with("reached");
            prop_assert!(
                public || ["401", "400", "none"].contains(&status),
                "{}: {}",
                name,
                answer
            );
            Ok(())
        });
        outcome.unwrap();
    }
}

#[test]
fn no_http2_path_reaches_a_handler_without_a_credential() {
    for (name, server) in servers() {
        let outcome = runner(1_000).run(&raw_request(), |request| {
            over_http2(server.address, &request);
            prop_assert_eq!(server.arrivals.count(), 0, "{}", name);
            Ok(())
        });
        outcome.unwrap();
    }
}

//! Connections that hold back half of a body: what they cost the server, and other requests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_api_key::{AuthLayer, store::Cached};
use tower_api_key_proof::rig::{
    Caller, Node, Protocol, Report, descriptors, millis, quantile, resident_kib,
};

use crate::{
    fixture::{ids, key, memory},
    remote_store::{Behaviour, RemoteStore},
};

/// Requests that the inner service handles at a time.
const PERMITS: usize = 16;

/// The server, in a process of its own, so that its memory and descriptors can be seen.
pub(crate) async fn serve() {
    let store = RemoteStore::new(memory(&ids(1)), Behaviour::Answers);
    let cache = Cached::new(Arc::clone(&store)).with_ttl(Duration::MAX);
    let limited = Router::new()
        .route("/", get(async || "hello").post(async |body: Bytes| body))
        .layer(GlobalConcurrencyLimitLayer::new(PERMITS));
    let router = Router::new()
        .route("/slow", post(async |body: Bytes| body))
        .merge(limited)
        .layer(AuthLayer::new(cache))
        .route("/bare", post(async |body: Bytes| body));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = commands.next_line().await {
        store.set_behaviour(Behaviour::Hangs);
        println!("the store hangs");
    }
}

/// Who holds back a body, and where.
struct Holder {
    name: &'static str,
    path: &'static str,
    token: String,
    /// Whether the server answers before the body is complete.
    answered: bool,
}

pub(crate) async fn run(report: &mut Report, count: usize) {
    let good = key(&ids(1)[0]);
    let stranger = format!("{good}x");
    let unknown = key("nobody00000");
    let holder = |name, path, token: &str, answered| Holder {
        name,
        path,
        token: token.to_owned(),
        answered,
    };
    let control = holder("a route without the layer", "/bare", &good, false);
    let control = hold(report, count, &control).await;
    for holder in [
        holder("a good credential", "/slow", &good, false),
        holder("a wrong secret", "/", &stranger, true),
        holder("an unknown id, the store hangs", "/", &unknown, false),
    ] {
        let used = hold(report, count, &holder).await;
        let name = format!("{count} half bodies, {}: memory beside none", holder.name);
        let figure = format!("{used} KiB, {control} KiB without the layer");
        // A quarter more, and the pages that a process of this size gains at any time.
        let held = used <= control + control / 4 + 1024;
        report.row(&name, figure, "≤ 1.25 × + 1 MiB", held);
    }
}

/// Returns the memory in KiB that the connections need.
async fn hold(report: &mut Report, count: usize, holder: &Holder) -> u64 {
    let mut server = Node::start(&["--serve", "bodies"]).await;
    let good = key(&ids(1)[0]);
    let caller = Caller::new(server.address(), Protocol::Http1);
    let alone = latencies(&caller, &good).await;
    if holder.name.ends_with("hangs") {
        server.tell("hang").await;
    }
    let (memory, open) = (resident_kib(server.pid()), descriptors(server.pid()));
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(half_a_body(server.address(), holder).await);
    }
    // Those that are answered may be closed at once.
    let sent = Instant::now();
    while descriptors(server.pid()) < open + count as u64
        && sent.elapsed() < Duration::from_millis(500)
    {
        tokio::task::yield_now().await;
    }
    let beside = latencies(&caller, &good).await;
    let used = resident_kib(server.pid()).saturating_sub(memory);
    let most = descriptors(server.pid()) - open;
    drop(held);
    let closed = Instant::now();
    while descriptors(server.pid()) > open && closed.elapsed() < Duration::from_secs(10) {
        tokio::task::yield_now().await;
    }
    let left = descriptors(server.pid()).saturating_sub(open);

    let name = format!("{count} half bodies, {}", holder.name);
    let (before, during) = (quantile(&alone, 0.5), quantile(&beside, 0.5));
    let figure = format!(
        "{} alone, {} beside (p99 {}, {})",
        millis(before),
        millis(during),
        millis(quantile(&alone, 0.99)),
        millis(quantile(&beside, 0.99))
    );
    let row = format!("{name}: median latency of others");
    report.row(&row, figure, "≤ 2 × of alone", during <= 2 * before);
    let row = format!("{name}: descriptors");
    let figure = format!("{most} more, {left} left when they are closed");
    let target = "at most one a connection, 0 left";
    report.row(&row, figure, target, most <= count as u64 + 8 && left == 0);
    used
}

/// Opens a connection, sends the head and half of the body, and reads the answer if there is one.
async fn half_a_body(address: &str, holder: &Holder) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-length: 2048\r\n\r\n{}",
        holder.path,
        holder.token,
        "x".repeat(1024)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if holder.answered {
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 401", "{}", holder.name);
    }
    stream
}

/// Returns how long good requests took, one after the other.
async fn latencies(caller: &Caller, token: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let began = Instant::now();
        let answer = caller.get(token, "").await.expect("an answer");
        assert_eq!(answer.status, 200);
        times.push(began.elapsed());
    }
    times
}

//! End to end: axum on loopback, keep-alive HTTP/1.1, bounded load, in slices of a second that
//! rotate over the arms.
//!
//! `cargo bench --features axum --bench e2e [-- --quick]` prints a table. Two arms have no
//! layer at all: their difference is noise, and an effect no larger than that is called *not
//! resolved*. Throughput is compared slice by slice with the first of the two in the same round;
//! the table shows the median over the rounds.
#![allow(clippy::print_stdout, reason = "prints its table")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench stops at the first failure"
)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use axum::{Router, middleware::from_fn_with_state, routing::get};
use tower_api_key::AuthLayer;

mod competitors;
mod support;

use competitors::{
    checked::CheckedLayer,
    jwt::{Jwt, hs256},
    usual,
};
use support::{
    fixtures::{key, store},
    slices::{median, quantile, quick},
};

/// A server and the request to send to it.
struct Arm {
    name: &'static str,
    address: SocketAddr,
    request: Vec<u8>,
}

/// The results of a slice.
struct Slice {
    per_second: f64,
    /// The latency of each request, in microseconds.
    latencies: Vec<f64>,
}

fn main() {
    let (slice, rounds) = if quick() {
        (Duration::from_millis(100), 3)
    } else {
        (Duration::from_secs(1), 15)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let arms = arms(&runtime);
    let mut slices: Vec<Vec<Slice>> = arms.iter().map(|_| Vec::new()).collect();
    for arm in &arms {
        load(arm, slice / 2); // the first connections and pages are not measured
    }
    for _ in 0..rounds {
        for (arm, slices) in arms.iter().zip(&mut slices) {
            slices.push(load(arm, slice));
        }
    }
    runtime.shutdown_background();
    print(&arms, slices);
}

fn arms(runtime: &tokio::runtime::Runtime) -> Vec<Arm> {
    let key = key("live");
    let Jwt { token, check } = hs256();
    let hello = || Router::new().route("/hello", get(async || "hello"));
    let ours = hello().layer(AuthLayer::new(store()));
    let usual = hello().layer(from_fn_with_state(usual::known(&key), usual::from_fn_check));
    vec![
        serve(runtime, "no layer", hello(), &key),
        serve(runtime, "no layer, again", hello(), &key),
        serve(runtime, "**this crate, key**", ours, &key),
        serve(
            runtime,
            "tower-http static bearer",
            static_bearer(hello(), &key),
            &key,
        ),
        serve(runtime, "axum `from_fn`, the usual way", usual, &key),
        serve(
            runtime,
            "JWT HS256 (`jsonwebtoken`)",
            hello().layer(CheckedLayer::new(check)),
            &token,
        ),
    ]
}

#[expect(deprecated, reason = "the simplest layer still in use")]
fn static_bearer(router: Router, token: &str) -> Router {
    router.layer(tower_http::validate_request::ValidateRequestHeaderLayer::bearer(token))
}

fn serve(
    runtime: &tokio::runtime::Runtime,
    name: &'static str,
    router: Router,
    token: &str,
) -> Arm {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, router).await
    });
    let request = format!(
        "GET /hello HTTP/1.1\r\nhost: {address}\r\nuser-agent: bench/1.0\r\naccept: */*\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    Arm {
        name,
        address,
        request: request.into_bytes(),
    }
}

/// Keeps a few connections busy, one request at a time on each.
fn load(arm: &Arm, slice: Duration) -> Slice {
    const CONNECTIONS: usize = 4;
    let start = Instant::now();
    let latencies: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| client(arm, start + slice)))
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    Slice {
        per_second: latencies.len() as f64 / start.elapsed().as_secs_f64(),
        latencies,
    }
}

fn client(arm: &Arm, end: Instant) -> Vec<f64> {
    let mut stream = TcpStream::connect(arm.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut latencies = Vec::new();
    let mut sent = Instant::now();
    while sent < end {
        stream.write_all(&arm.request).unwrap();
        read_hello(&mut stream, arm.name);
        let done = Instant::now();
        latencies.push((done - sent).as_secs_f64() * 1e6);
        sent = done;
    }
    latencies
}

/// Reads one response with a known body.
fn read_hello(stream: &mut TcpStream, arm: &str) {
    let mut buffer = [0; 1024];
    let mut filled = 0;
    while !buffer[..filled].ends_with(b"\r\n\r\nhello") {
        let read = stream.read(&mut buffer[filled..]).unwrap();
        let text = String::from_utf8_lossy(&buffer[..filled + read]);
        assert!(
            read > 0 && (filled + read < 12 || text.starts_with("HTTP/1.1 200")),
            "{arm}: {text}"
        );
        filled += read;
    }
}

fn print(arms: &[Arm], slices: Vec<Vec<Slice>>) {
    let bare: Vec<f64> = slices[0].iter().map(|slice| slice.per_second).collect();
    let ratios: Vec<Vec<f64>> = slices
        .iter()
        .map(|slices| {
            slices
                .iter()
                .zip(&bare)
                .map(|(slice, bare)| slice.per_second / bare)
                .collect()
        })
        .collect();
    let noise = spread(&ratios[1]);
    println!("| | requests/s | ratio | 10 % … 90 % of the slices | p50, µs | p99, µs | |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    for ((arm, slices), ratios) in arms.iter().zip(slices).zip(&ratios) {
        let per_second = median(slices.iter().map(|slice| slice.per_second).collect());
        let ratio = median(ratios.clone());
        let latencies: Vec<f64> = slices
            .into_iter()
            .flat_map(|slice| slice.latencies)
            .collect();
        let (p50, p99) = (quantile(latencies.clone(), 0.5), quantile(latencies, 0.99));
        let (low, high) = (quantile(ratios.clone(), 0.1), quantile(ratios.clone(), 0.9));
        let verdict = if (1.0 - ratio).abs() <= noise {
            "not resolved"
        } else {
            ""
        };
        let name = arm.name;
        println!(
            "| {name} | {per_second:.0} | {ratio:.3} | {low:.3} … {high:.3} | {p50:.0} \
             | {p99:.0} | {verdict} |"
        );
    }
    println!(
        "\nThe two arms without a layer differ by up to {:.1} % (middle half of the slices).",
        100.0 * noise
    );
}

/// How far from 1 the middle half of the ratios reaches.
fn spread(ratios: &[f64]) -> f64 {
    let off = |share| (1.0 - quantile(ratios.to_vec(), share)).abs();
    off(0.25).max(off(0.75))
}

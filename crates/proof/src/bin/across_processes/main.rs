//! A revocation reaches the other processes: three nodes over one PostgreSQL, each with a cache
//! whose entries never expire, so that only the database's feed can end an answer.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin across_processes [-- --quick]
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that prints figures, and ends at the first surprise"
)]

mod listener_loss;
mod node;
#[path = "../../../../sqlx/tests/it/support/pg.rs"]
mod pg;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use http::StatusCode;
use tower_api_key::{
    credential::{Kind, TokenFormat},
    store::{Directory, ManageStore, Owner, Record},
};
use tower_api_key_proof::rig::{Caller, Node, Options, Protocol, Report, millis, quantile};
use tower_api_key_sqlx::PostgresStore;

const NODES: usize = 3;
const ORG: &str = "org_test";

/// After this time a key that is still accepted is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::from_args();
    if let (Some(url), Some(schema)) = (options.value("--node"), options.value("--schema")) {
        node::serve(url, schema).await;
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new("across_processes");
    let Some(cluster) = pg::Cluster::start() else {
        return report.exit_code();
    };
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization(ORG, None).await.unwrap();
    let url = cluster.url();
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Node::start(&["--node", &url, "--schema", &schema]).await);
    }
    measure(&mut report, &store, &mut nodes, options.count(1_000, 50)).await;
    let scene = listener_loss::Scene {
        cluster,
        schema,
        store,
        nodes,
    };
    scene.run(&mut report, options.count(1_000, 100)).await;
    report.exit_code()
}

/// A key and its token.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) token: String,
}

pub(crate) async fn mint(store: &PostgresStore) -> Key {
    let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
    let record = Record::org_key(&minted.id, minted.digest, ORG);
    store.insert(record).await.unwrap();
    Key {
        id: minted.id.as_str().to_owned(),
        token: minted.secret.expose_secret().to_owned(),
    }
}

pub(crate) fn owner() -> Owner {
    Owner::of(Kind::OrgKey, ORG)
}

pub(crate) fn caller(node: &Node) -> Caller {
    Caller::new(node.address(), Protocol::Http1)
}

pub(crate) async fn status(caller: &Caller, token: &str) -> StatusCode {
    caller.get(token, "").await.expect("an answer").status
}

/// Repeats a request until the node answers it from its cache. The event that the key was created
/// may arrive after the first request, and ends the cached answer.
pub(crate) async fn warm(node: &mut Node, caller: &Caller, key: &Key) {
    loop {
        assert_eq!(
            status(caller, &key.token).await,
            StatusCode::OK,
            "a good key"
        );
        if node.tell(&format!("look {}", key.id)).await == "cached" {
            return;
        }
    }
}

/// Revokes keys on each node in turn, and measures when every other node refuses them.
async fn measure(report: &mut Report, store: &PostgresStore, nodes: &mut [Node], count: usize) {
    let callers: Vec<_> = nodes.iter().map(caller).collect();
    let mut times = Vec::new();
    for round in 0..count {
        let key = mint(store).await;
        for (node, caller) in nodes.iter_mut().zip(&callers) {
            warm(node, caller, &key).await;
        }
        let by = round % nodes.len();
        nodes[by].tell(&format!("revoke {}", key.id)).await;
        let revoked = Instant::now();
        let own = status(&callers[by], &key.token).await;
        assert_eq!(own, StatusCode::UNAUTHORIZED, "the node that revoked it");
        let others = callers.iter().enumerate().filter(|(at, _)| *at != by);
        let watches: Vec<_> = others
            .map(|(_, caller)| {
                tokio::spawn(refused_after(caller.clone(), key.token.clone(), revoked))
            })
            .collect();
        for watch in watches {
            times.push(watch.await.unwrap());
        }
        if quantile(&times, 1.0) >= PATIENCE {
            break;
        }
    }
    let name = format!("{count} revocations, {NODES} processes, infinite time to live");
    let (p99, max) = (quantile(&times, 0.99), quantile(&times, 1.0));
    report.note(&format!("{name}: p50"), millis(quantile(&times, 0.5)));
    let held = p99 <= Duration::from_millis(250);
    report.row(&format!("{name}: p99"), millis(p99), "≤ 250 ms", held);
    let held = max <= Duration::from_secs(1);
    report.row(&format!("{name}: max"), millis(max), "≤ 1 s", held);
}

/// Repeats a request until the key is refused, and returns when the refusal arrived; or gives up.
async fn refused_after(caller: Caller, token: String, revoked: Instant) -> Duration {
    loop {
        match status(&caller, &token).await {
            StatusCode::OK if revoked.elapsed() < PATIENCE => {}
            StatusCode::OK | StatusCode::UNAUTHORIZED => return revoked.elapsed(),
            other => panic!("{other}"),
        }
    }
}

//! Requests that cost a server more than they cost their sender.

use std::{sync::Arc, time::Duration};

use tower_api_key::{
    AuthLayer, LastUse,
    credential::{Kind, TokenFormat},
    secret::Digest,
    store::Cached,
};

use crate::support::{
    KEY, ask, bearer,
    clocks::ManualMonotonicClock,
    key, memory,
    remote_store::{Behaviour, RemoteStore},
};

/// kubernetes#83259: about 500 distinct tokens kept the authenticator's lookups so busy that no
/// caller got through. Here a limit on lookups of unknown ids can be set, and callers with a good
/// key, which is cached, do not wait behind them.
#[tokio::test]
async fn kubernetes_83259_distinct_tokens_starve_everyone() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let cache = Cached::new(Arc::clone(&store))
        .with_monotonic_clock(ManualMonotonicClock::default())
        .with_miss_rate_limit(100);
    let auth = AuthLayer::new(Arc::new(cache));
    assert_eq!(ask(&auth, bearer(KEY)).await.status, 200);
    let before = store.calls();
    for number in 0..500 {
        let answer = ask(&auth, bearer(key(&format!("flood{number}")))).await;
        assert!([401, 503].contains(&answer.status), "{}", answer.status);
        let good = ask(&auth, bearer(KEY)).await;
        assert_eq!(good.status, 200, "after {number} distinct tokens");
    }
    let calls = store.calls() - before;
    assert!(calls <= 100, "{calls} lookups with a limit of 100 a second");
}

/// Slow password hashes let a client choose how much a server computes. Here a digest is one
/// SHA-256 of a token whose length is limited, and what is too long is refused before it is hashed
/// or looked up.
#[tokio::test]
async fn slow_hashes_let_a_client_choose_the_work() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let auth = AuthLayer::new(Arc::clone(&store));
    let minted = TokenFormat::default().mint(Kind::OrgKey).unwrap();
    assert!(
        minted.secret.expose_secret().len() <= 55,
        "one block of SHA-256"
    );
    let expected = Digest::of(minted.secret.expose_secret().as_bytes());
    assert_eq!(minted.digest.to_bytes(), expected.to_bytes());
    for length in [513, 4 << 10, 64 << 10] {
        let long = format!("ak_testkey.{}", "x".repeat(length - "ak_testkey.".len()));
        let answer = ask(&auth, bearer(long)).await;
        assert_eq!(answer.cause(), "token_too_long", "{length}");
    }
    assert_eq!(store.calls(), 0);
}

/// sanctum#207 and gitea#39174: every request wrote its last use, and the writes queued behind one
/// another. Here verification writes nothing: uses are collected in memory, once per credential.
#[tokio::test]
async fn sanctum_207_gitea_39174_every_request_writes_its_last_use() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let uses = LastUse::new();
    let auth = AuthLayer::new(Arc::clone(&store)).with_last_use(uses.clone());
    for _ in 0..1000 {
        assert_eq!(ask(&auth, bearer(KEY)).await.status, 200);
    }
    assert_eq!(store.calls(), 1000, "one lookup each, and nothing else");
    assert_eq!(uses.unwritten().len(), 1, "one use to write");
    assert_eq!(ask(&auth, bearer(key("unknown"))).await.status, 401);
    assert_eq!(uses.unwritten().len(), 1, "refused requests use nothing");
}

/// A deadline bounds a request whose store hangs, so that those that wait do not pile up.
#[tokio::test(start_paused = true)]
async fn kubernetes_83259_a_hanging_lookup_ends_at_its_deadline() {
    let store = RemoteStore::new(memory(), Behaviour::Hangs);
    let auth = AuthLayer::new(store).with_deadline(Duration::from_millis(100));
    let answer = ask(&auth, bearer(KEY)).await;
    assert_eq!((answer.status, answer.cause()), (503, "store_timed_out"));
}

//! No public future is forgotten: those of `api/tower-api-key.txt` are all dropped somewhere here.

use crate::support::{public_futures::public_futures, world::CALLS};

const API: &str = include_str!("../../../api/tower-api-key.txt");

/// The types that implement the traits of stores, and the traits themselves.
const STORES: [&str; 8] = [
    "Arc",
    "Cached",
    "MemoryStore",
    "StaticStore", // answers every lookup from memory
    "StoreReader", // passes every call on to its store
    "CredentialStore",
    "Directory",
    "ManageStore",
];

/// Futures with a test of their own, and those that wait for nothing.
const OTHERS: [&str; 19] = [
    "Manager::run_usage_recorder",
    "Manager::run_expiry_watch",
    "Manager::run_retention",
    "LastUse::run",
    "LastUse::flush", // marks what its closure has written
    "Cached::follow",
    "Feed::next", // of a service; those of the companion crate are dropped in its own tests
    "ResponseFuture",
    "PublicFuture",
    "EveryRouteDecidesFuture",
    "EitherAuthFuture", // polls one of two futures, and holds nothing else
    "Principal::from_request_parts", // reads the extensions of the request
    "axum::whoami",     // answers from the principal
    "Contract::run",    // for tests of stores
    "Contract::run_managed",
    "Contract::run_reading",
    "Contract::run_claim",
    "Contract::run_tree",
    "RouteProbe::describe", // for tests of services
];

#[test]
fn every_public_future_is_dropped_by_a_test() {
    let found = public_futures(API);
    assert!(found.len() > 60, "{found:?}");
    let tested = |name: &str| {
        let (class, method) = name.split_once("::").unwrap_or((name, ""));
        let of_trait = |call: &&str| {
            let (of, called) = call.split_once("::").unwrap();
            STORES.contains(&of) && called == method
        };
        CALLS.contains(&name)
            || OTHERS.contains(&name)
            || (STORES.contains(&class) && CALLS.iter().any(of_trait))
    };
    let forgotten: Vec<_> = found.iter().filter(|name| !tested(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    let named = |name: &&str| !found.contains(*name);
    let gone: Vec<_> = OTHERS
        .iter()
        .chain(&CALLS)
        .filter(|name| named(name))
        .collect();
    assert!(gone.is_empty(), "not in the API: {gone:?}");
}

//! Errors that became an accept, and outages that became a denial.

use std::sync::Arc;

use tower_api_key::{
    AuthLayer, CredentialStore, RequireScopesLayer,
    store::{Cached, MemoryStore},
};

use crate::support::{
    KEY, ORG, TOKEN, ask, bearer, bearer_in, memory,
    remote_store::{Behaviour, RemoteStore},
    request,
};

const FAULTS: [Behaviour; 3] = [Behaviour::Fails, Behaviour::Hangs, Behaviour::Panics];

fn failing(behaviour: Behaviour) -> [(&'static str, Arc<dyn CredentialStore>); 2] {
    let store = || RemoteStore::new(memory(), behaviour);
    [
        ("alone", store()),
        ("cached", Arc::new(Cached::new(store()))),
    ]
}

/// Bambuddy GHSA-6mf4-q26m-47pv: when the setting that enables authentication could not be read,
/// it counted as switched off. Here there is no such setting, and what cannot be read is a 503.
#[tokio::test(start_paused = true)]
async fn bambuddy_ghsa_6mf4_q26m_47pv_an_error_switches_authentication_off() {
    for behaviour in FAULTS {
        for (name, store) in failing(behaviour) {
            for auth in [
                AuthLayer::new(store.clone()),
                AuthLayer::new(store.clone()).optional(),
            ] {
                for request in [bearer(KEY), bearer_in(TOKEN, ORG)] {
                    let answer = ask(&auth, request).await;
                    assert_eq!(answer.status, 503, "{behaviour:?}, {name}");
                    assert!(answer.reached.is_none(), "{behaviour:?}, {name}");
                }
            }
            let answer = ask(&AuthLayer::new(store), request()).await;
            assert_eq!(answer.cause(), "no_credential", "{behaviour:?}, {name}");
        }
    }
    let empty = AuthLayer::new(MemoryStore::new());
    assert_eq!(
        ask(&empty, bearer(KEY)).await.status,
        401,
        "a store without credentials"
    );
    assert_eq!(ask(&empty, request()).await.status, 401);
}

/// Envoy CVE-2023-27488: with `failure_mode_allow`, a request that the authorization service could
/// not read was allowed. Here bytes that are not UTF-8 are a refusal like any other.
#[tokio::test]
async fn envoy_cve_2023_27488_what_cannot_be_read_is_allowed() {
    let store = memory();
    for auth in [
        AuthLayer::new(store.clone()),
        AuthLayer::new(store).optional(),
    ] {
        for value in [
            &b"Bearer ak_testkey.test-secret\xff"[..],
            b"Bearer \xc3\x28",
            b"\xff\xfe",
            b"Bearer",
            b"",
        ] {
            let answer = ask(&auth, crate::support::authorization(value)).await;
            assert_eq!(answer.status, 401, "{value:?}");
        }
        let named = crate::support::with(bearer(TOKEN), "x-anyreach-org", b"org_test\xff");
        let answer = ask(&auth, named).await;
        assert_eq!(answer.cause(), "malformed_organization");
    }
}

/// A scope that cannot be checked is not granted: a requirement without a layer around it is a 500.
#[tokio::test]
async fn envoy_cve_2023_27488_a_requirement_without_its_layer_is_closed() {
    let requirement = RequireScopesLayer::any(["agents:read"]).unwrap();
    let answer = ask(&requirement, bearer(KEY)).await;
    assert_eq!((answer.status, answer.cause()), (500, "no_auth_layer"));
}

/// loco#1349: when the connection pool ran dry, good tokens were answered 401, and clients logged
/// themselves out. Here that is a 503 with `Retry-After`, and no later request is affected.
#[tokio::test]
async fn loco_1349_an_exhausted_pool_logs_clients_out() {
    let store = RemoteStore::new(memory(), Behaviour::Fails);
    let cache = Cached::new(Arc::clone(&store));
    let plain = AuthLayer::new(Arc::clone(&store));
    let cached = AuthLayer::new(Arc::new(cache));
    for auth in [
        ask(&plain, bearer(KEY)).await,
        ask(&cached, bearer(KEY)).await,
    ] {
        assert_eq!(
            (auth.status, auth.header("retry-after").is_some()),
            (503, true)
        );
        assert_eq!(
            auth.header("www-authenticate"),
            None,
            "no reason to log in again"
        );
    }
    store.set_behaviour(Behaviour::Answers);
    assert_eq!(ask(&plain, bearer(KEY)).await.status, 200);
}

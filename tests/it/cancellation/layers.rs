//! Requests through every layer, in front of a service that one request at a time may use.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use http::{Request, Response};
use tokio::task::yield_now;
use tower::{Layer, Service, ServiceExt as _, limit::ConcurrencyLimit, service_fn};
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, PublicLayer, RequireDescendantLayer,
    RequireOrganizationLayer, RequireScopesLayer,
    store::{Cached, Directory},
};

use super::STEPS;
use crate::support::{
    KEY, ORG, TOKEN, bearer, bearer_in, key, memory, now, request,
    yielding_store::{YieldingStore, cancelled_after},
};

/// The requests that have reached the service, and those that it has answered.
#[derive(Clone, Default)]
struct Counts {
    reached: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

/// A service that waits twice for each answer, and answers one request at a time.
fn inner(
    counts: &Counts,
) -> impl Service<Request<String>, Response = Response<String>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let counts = counts.clone();
    let answer = move |_: Request<String>| {
        let counts = counts.clone();
        async move {
            counts.reached.fetch_add(1, SeqCst);
            yield_now().await;
            counts.answered.fetch_add(1, SeqCst);
            yield_now().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    };
    ConcurrencyLimit::new(service_fn(answer), 1)
}

/// Drops a request after each number of polls, and sends another after it, which gets the status
/// and reaches the service as often as expected.
async fn check<L>(
    name: &str,
    layer: impl Fn() -> L,
    send: impl Fn() -> Request<String>,
    (status, called): (u16, usize),
) where
    L: Layer<tower::util::BoxCloneService<Request<String>, Response<String>, Infallible>>,
    L::Service: Service<Request<String>, Response = Response<String>, Error = Infallible> + Clone,
{
    for polls in 0..=STEPS {
        let counts = Counts::default();
        let service = tower::util::BoxCloneService::new(inner(&counts));
        let service = layer().layer(service);
        let done = cancelled_after(polls, service.clone().oneshot(send())).await;
        let reached = counts.reached.load(SeqCst);
        let place = format!("{name}, dropped after {polls} polls");
        assert!(reached <= 1, "{place}: called twice");
        let next = cancelled_after(STEPS, service.oneshot(send())).await;
        let next = next.unwrap_or_else(|| panic!("{place}: something is held"));
        assert_eq!(next.unwrap().status(), status, "{place}");
        let again = counts.reached.load(SeqCst) - reached;
        assert_eq!(again, called, "{place}");
        if let Some(done) = done {
            assert_eq!(done.unwrap().status(), status, "{place}");
            println!("{name}: {polls} points to drop it at");
            return;
        }
    }
    panic!("{name} waits for more than it should");
}

#[tokio::test]
async fn a_dropped_request_holds_nothing_of_the_service() {
    let store = || YieldingStore::new(memory());
    let (ok, bad) = (|| bearer(KEY), || bearer(key("unknown")));
    let token = || bearer_in(TOKEN, ORG);
    let auth = || AuthLayer::new(store());
    check("accepted key", auth, ok, (200, 1)).await;
    check("accepted token", auth, token, (200, 1)).await;
    check("refused key", auth, bad, (401, 0)).await;
    let cached = || AuthLayer::new(Cached::new(store()));
    check("cached key", cached, ok, (200, 1)).await;
    check("cached refusal", cached, bad, (401, 0)).await;
    check(
        "optional",
        || AuthLayer::new(store()).optional(),
        ok,
        (200, 1),
    )
    .await;
    check("without a credential", auth, request, (401, 0)).await;
    check("public", PublicLayer::new, request, (200, 1)).await;
}

#[tokio::test]
async fn a_dropped_request_holds_nothing_behind_every_layer() {
    let tree = YieldingStore::new(memory());
    now(tree.memory.create_organization("org_below", Some(ORG))).unwrap();
    let layers = |target: &'static str| {
        let below = RequireDescendantLayer::new(tree.clone(), move |_| Some(target.into()));
        let below = below.with_scopes(["agents:read"]).unwrap();
        (
            EveryRouteDecidesLayer::new(),
            AuthLayer::new(YieldingStore::new(memory())),
            RequireOrganizationLayer::new(),
            RequireScopesLayer::any(["agents:read"]).unwrap(),
            below,
        )
    };
    let send = || bearer(KEY);
    check("every layer", || layers("org_below"), send, (200, 1)).await;
    check("own organization", || layers(ORG), send, (200, 1)).await;
    check("not below", || layers("org_other"), send, (403, 0)).await;
    let open = || (EveryRouteDecidesLayer::new(), PublicLayer::new());
    check("open route", open, request, (200, 1)).await;
    check(
        "no decision",
        EveryRouteDecidesLayer::new,
        request,
        (500, 1),
    )
    .await;
}

//! Which handlers run while routes are probed, and what the description says where one did.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use http::Method;
use tower::{Layer as _, Service, util::BoxCloneSyncService};
use tower_api_key::{
    EveryRouteDecidesLayer, Principal, PublicLayer, RequireDescendantLayer,
    testing::{
        self,
        routes::{Route, RouteProbe},
    },
};

use super::{Handlers, auth, describe, lines, scopes};
use crate::support::{ORG, key_record, memory};

/// Chooses one of two services, which it clones both.
#[derive(Clone)]
struct ByMethod<G, P>(G, P);

impl<G, P> Service<Request> for ByMethod<G, P>
where
    G: Service<Request, Response = Response, Error = Infallible>,
    P: Service<Request, Response = Response, Error = Infallible, Future = G::Future>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = G::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match *request.method() {
            Method::GET => self.0.call(request),
            _ => self.1.call(request),
        }
    }
}

/// That another layer is further in decides only how far a probe goes, not what is described.
#[tokio::test]
async fn a_requirement_of_another_method_is_not_attributed() {
    let handlers = Handlers::default();
    let h = handlers.handler();
    let answers = tower::service_fn(move |_: Request| {
        let body = h();
        async move { Ok::<_, Infallible>(Response::new(Body::from(body.await))) }
    });
    let scoped = BoxCloneSyncService::new(scopes(&["a"]).layer(answers.clone()));
    let choice = ByMethod(scoped, BoxCloneSyncService::new(answers));
    let routes = || RouteProbe::new(auth().layer(choice.clone()), Body::empty);
    let found = routes().with_routes([("GET", "/a")]).describe().await;
    let wanted = [
        "* /* required (answered)",
        "GET /* required \"a\"",
        "* /a required (answered)",
        "GET /a required \"a\"",
    ];
    assert_eq!(lines(&found), wanted);
    let answered: Vec<_> = found.iter().map(Route::is_answered).collect();
    assert_eq!(answered, [true, false, true, false]);
    let found = routes().with_routes([("POST", "/a")]).describe().await;
    assert_eq!(
        lines(&found)[2..],
        ["GET /a required \"a\"", "POST /a required (answered)"]
    );
    assert!(handlers.runs() > 0, "as the documentation says");
}

#[tokio::test]
async fn no_principal_comes_with_a_probe() {
    let forged = testing::principal(key_record("forged", ORG));
    let handlers = Handlers::default();
    let counted = handlers.handler();
    let takes_caller = move |_: Option<Principal>| counted();
    let app = Router::new()
        .route("/a", get(takes_caller))
        .layer(scopes(&["a"]).observed())
        .layer(auth())
        .layer(axum::Extension(forged));
    let probe = RouteProbe::new(app, Body::empty).with_routes([("GET", "/a")]);
    probe.through().describe().await;
    assert_eq!(handlers.runs(), 0);
}

/// What a service does in `call` itself happens for a probe, too.
#[tokio::test]
async fn a_plain_service_behind_a_public_layer_is_called_and_not_polled() {
    let calls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&calls);
    let service = PublicLayer::new().layer(tower::service_fn(move |_: Request| {
        counted[0].fetch_add(1, Ordering::Relaxed);
        let counted = Arc::clone(&counted);
        async move {
            counted[1].fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    }));
    let probe = RouteProbe::new(service, Body::empty).with_routes([("GET", "/")]);
    probe.describe().await.assert_decided();
    let [called, polled] = &*calls;
    assert!(called.load(Ordering::Relaxed) > 0);
    assert_eq!(polled.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn no_handler_of_an_undecided_route_runs_under_the_outermost_layer() {
    let handlers = Handlers::default();
    let open = Router::new()
        .route("/a", get(handlers.handler()).post(handlers.handler()))
        .fallback(handlers.handler());
    let found = describe(open.clone(), &[("GET", "/a")]).await;
    assert_eq!(lines(&found), ["* /* undecided", "GET /a undecided"]);
    let before = handlers.runs();
    assert!(before > 0, "as the documentation says");
    let app = open.layer(EveryRouteDecidesLayer::new());
    let found = describe(app, &[("GET", "/a")]).await;
    assert_eq!(lines(&found), ["* /* undecided", "GET /a undecided"]);
    assert_eq!(handlers.runs(), before);
}

/// Such a service is taken for a layer further in, so the probe goes on to the handler.
#[tokio::test]
async fn a_handler_that_holds_a_service_of_the_crate_is_marked() {
    let handlers = Handlers::default();
    let (h, held) = (handlers.handler(), auth().layer(Router::<()>::new()));
    let handler = move || {
        let _held = &held;
        h()
    };
    let app = Router::new()
        .route("/holds", get(handler))
        .route("/plain", get(handlers.handler()))
        .layer(auth());
    let found = describe(app.clone(), &[("GET", "/plain")]).await;
    assert_eq!(lines(&found), ["* /* required", "GET /plain required"]);
    assert_eq!(handlers.runs(), 0);
    let found = describe(app, &[("GET", "/holds")]).await;
    let wanted = [
        "* /* required",
        "* /holds required",
        "GET /holds required (answered)",
    ];
    assert_eq!(lines(&found), wanted);
    assert!(handlers.runs() > 0, "as the documentation says");
}

/// Requirements behind a middleware that answers by itself are not seen.
#[tokio::test]
async fn a_middleware_that_answers_before_the_innermost_layer_is_marked() {
    let handlers = Handlers::default();
    let app = || Router::new().route("/a", get(handlers.handler()).layer(scopes(&["a"])));
    let at_once = from_fn(async |_: Request, _: Next| "no");
    let later = from_fn(async |_: Request, _: Next| {
        tokio::task::yield_now().await;
        "no"
    });
    for app in [app().layer(at_once), app().layer(later)] {
        let found = lines(&describe(app.layer(auth()), &[("GET", "/a")]).await);
        assert_eq!(found[found.len() - 1], "GET /a required (answered)");
    }
    assert_eq!(handlers.runs(), 0);
}

/// A probe is an extension of the request. Behind a middleware that drops it, layers treat the
/// probe as a request without a credential.
#[tokio::test]
async fn a_middleware_that_drops_the_probe_is_found() {
    let handlers = Handlers::default();
    let forwards = from_fn(async |request: Request, next: Next| {
        let (parts, body) = request.into_parts();
        let mut new = Request::new(body);
        (*new.uri_mut(), *new.method_mut()) = (parts.uri, parts.method);
        next.run(new).await
    });
    let inner = Router::new()
        .route("/a", get(handlers.handler()).layer(scopes(&["a"])))
        .layer(forwards.clone());
    let found = lines(&describe(inner.clone().layer(auth()), &[("GET", "/a")]).await);
    assert_eq!(found[found.len() - 1], "GET /a required (answered)");

    let app = inner.layer(auth()).layer(forwards);
    let routes = describe(app, &[("GET", "/a")]).await;
    assert_eq!(lines(&routes), ["* /* undecided", "GET /a undecided"]);
    let message = *catch_unwind(AssertUnwindSafe(|| routes.assert_decided()))
        .unwrap_err()
        .downcast::<String>()
        .unwrap();
    assert!(message.contains("No probe reached a layer"), "{message}");
    assert_eq!(handlers.runs(), 0);
}

#[tokio::test]
async fn a_panic_hides_no_route() {
    let app = Router::new()
        .route("/a", get(async || -> () { panic!("of a handler") }))
        .route("/b", get(async || ""));
    let found = describe(app, &[("GET", "/a"), ("GET", "/b")]).await;
    let wanted = ["* /* undecided", "GET /a undecided", "GET /b undecided"];
    assert_eq!(lines(&found), wanted);
}

#[tokio::test]
async fn an_observed_requirement_is_described_as_such_and_its_closure_does_not_run() {
    let handlers = Handlers::default();
    let below = RequireDescendantLayer::new(memory(), |_: &http::request::Parts| {
        panic!("the closure of a requirement ran")
    });
    let open = Router::new()
        .route("/open", get(handlers.handler()))
        .layer(scopes(&["a"]).observed());
    let app = Router::new()
        .route("/below", get(handlers.handler()))
        .layer(below.observed())
        .layer(axum::Extension(testing::principal(key_record(
            "forged", ORG,
        ))))
        .layer(auth())
        .merge(open);
    let routes = describe(app, &[("GET", "/below"), ("GET", "/open")]).await;
    let found = lines(&routes);
    let below = "GET /below required observed(descendant(\"child_organizations:manage\"))";
    assert!(found.iter().any(|line| line == below), "{found:#?}");
    let open = "GET /open undecided observed(\"a\")";
    assert!(found.iter().any(|line| line == open), "{found:#?}");
    assert!(
        !routes
            .iter()
            .any(|route| route.path() == "/open" && route.is_decided())
    );
    assert_eq!(handlers.runs(), 0);
}

#[tokio::test]
#[should_panic(expected = "the service is not ready for a probe of")]
async fn a_service_that_is_not_ready_is_reported() {
    #[derive(Clone)]
    struct Broken;
    impl Service<Request> for Broken {
        type Response = Response;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response, &'static str>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("closed"))
        }
        fn call(&mut self, _: Request) -> Self::Future {
            std::future::ready(Err("closed"))
        }
    }
    let probe = RouteProbe::new(auth().layer(Broken), Body::empty);
    let _ = probe.with_routes([("GET", "/a")]).describe().await;
}

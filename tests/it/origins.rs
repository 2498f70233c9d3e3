//! Public routes for the pages of listed origins: what the layer and the check in a handler let
//! through, how they refuse, and the layers around them.

use crate::support;

#[cfg(feature = "axum")]
mod widgets;

use std::{convert::Infallible, future::ready};

use http::{Method, Request, Response};
use support::{Answer, Inner, KEY, ask, bearer, grpc_call, memory, request, with};
use tower::{Layer, Service, ServiceBuilder, layer::layer_fn, limit::ConcurrencyLimit};
use tower_api_key::{
    AuthLayer, Messages, PublicLayer, Reason, Rejection,
    origins::{AllowedOrigins, AllowedOriginsLayer, OriginCheck},
    rejection::{ProblemResponder, Responder},
    store::MemoryStore,
};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_test::mock::{self, Mock, Spawn};

const LISTED: &str = "https://a.example";
const UNLISTED: &str = "https://b.example";

fn sites() -> AllowedOrigins {
    AllowedOrigins::new(["A.example", "http://localhost:3000"]).unwrap()
}

fn layer() -> AllowedOriginsLayer {
    AllowedOriginsLayer::new(sites())
}

fn from(origin: &str) -> Request<String> {
    with(request(), "origin", origin)
}

#[tokio::test]
async fn a_request_passes_if_its_origin_is_listed() {
    let list = sites();
    let lenient = list.clone().with_missing_origin_allowed();
    let any = AllowedOrigins::any();
    let twice = with(from(LISTED), "origin", LISTED);
    for (name, list, request, cause) in [
        ("listed", &list, from(LISTED), "accepted"),
        (
            "another listed",
            &list,
            from("http://localhost:3000"),
            "accepted",
        ),
        ("unlisted", &list, from(UNLISTED), "origin_not_listed"),
        (
            "another scheme",
            &list,
            from("http://a.example"),
            "origin_not_listed",
        ),
        (
            "a subdomain",
            &list,
            from("https://www.a.example"),
            "origin_not_listed",
        ),
        (
            "a port",
            &list,
            from("https://a.example:8443"),
            "origin_not_listed",
        ),
        (
            "another port",
            &list,
            from("http://localhost:3001"),
            "origin_not_listed",
        ),
        ("null", &list, from("null"), "null_origin"),
        ("twice", &list, twice.clone(), "several_origins"),
        ("none", &list, request(), "no_origin"),
        ("none, allowed", &lenient, request(), "accepted"),
        ("listed, none allowed", &lenient, from(LISTED), "accepted"),
        (
            "unlisted, none allowed",
            &lenient,
            from(UNLISTED),
            "origin_not_listed",
        ),
        ("null, none allowed", &lenient, from("null"), "null_origin"),
        (
            "twice, none allowed",
            &lenient,
            twice.clone(),
            "several_origins",
        ),
        ("unlisted, any", &any, from(UNLISTED), "accepted"),
        ("null, any", &any, from("null"), "accepted"),
        ("none, any", &any, request(), "accepted"),
        ("twice, any", &any, twice, "accepted"),
    ] {
        let by_check = OriginCheck::new().check::<String>(list, request.headers());
        let answer = ask(&AllowedOriginsLayer::new(list.clone()), request).await;
        assert_eq!(answer.cause(), cause, "{name}");
        assert_eq!(answer.reached.is_some(), cause == "accepted", "{name}");
        assert_eq!(by_check.is_ok(), cause == "accepted", "{name}");
    }
}

#[tokio::test]
async fn a_refusal_has_the_form_of_the_others() {
    let answer = ask(&layer(), from(UNLISTED)).await;
    assert_eq!(
        (answer.status, answer.reason()),
        (403, Some(Reason::OriginDenied))
    );
    assert_eq!(answer.body, r#"{"detail":"Origin is not allowed"}"#);
    let headers = [
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut sent = answer.headers.clone();
    sent.sort();
    assert_eq!(sent, headers);
    for request in [
        from("null"),
        request(),
        with(from(LISTED), "origin", LISTED),
    ] {
        assert_eq!(ask(&layer(), request).await.wire(), answer.wire());
    }
}

/// Refuses in the form of `auth`, by the layer and by the check, and compares what a client sees.
async fn assert_both_answer<R: Responder<String>>(auth: AuthLayer<MemoryStore, R>, body: &str) {
    let by_layer = layer().with_responses_of(&auth);
    let by_layer = ask(&by_layer, from(UNLISTED)).await;
    let check = OriginCheck::new().with_responses_of(&auth);
    let by_check = check.check(&sites(), from(UNLISTED).headers()).unwrap_err();
    let handler = tower::service_fn(move |_: Request<String>| ready(Ok(by_check.clone())));
    let by_check = ask(&layer_fn(move |_: Inner| handler.clone()), request()).await;
    assert_eq!(by_layer.body, body);
    assert_eq!(by_layer.wire(), by_check.wire());
    assert_eq!(
        (by_layer.cause(), by_check.cause()),
        ("origin_not_listed", "origin_not_listed")
    );
}

#[tokio::test]
async fn the_layer_and_the_check_refuse_alike() {
    let mut messages = Messages::default();
    messages.origin_denied = "not there".into();
    let auth = AuthLayer::new(memory()).with_messages(messages);
    assert_both_answer(
        AuthLayer::new(memory()),
        r#"{"detail":"Origin is not allowed"}"#,
    )
    .await;
    assert_both_answer(auth.clone(), r#"{"detail":"not there"}"#).await;
    assert_both_answer(
        auth.clone().with_body_key("error"),
        r#"{"error":"not there"}"#,
    )
    .await;
    let problem = concat!(
        r#"{"code":"origin_denied","detail":"not there","status":403,"#,
        r#""title":"Forbidden","type":"about:blank"}"#
    );
    assert_both_answer(
        auth.clone().with_responder(ProblemResponder::new()),
        problem,
    )
    .await;
    let code = |rejection: &Rejection| Response::new(rejection.reason().code().to_owned());
    assert_both_answer(auth.with_responder(code), "origin_denied").await;
}

#[tokio::test]
async fn credentials_are_not_looked_at() {
    let unlisted = ask(&layer(), from(UNLISTED)).await;
    for token in [KEY, "ak_testkey.test-wrong", "x"] {
        let refused = ask(&layer(), with(bearer(token), "origin", UNLISTED)).await;
        assert_eq!(refused.wire(), unlisted.wire());
        assert_eq!(refused.rejection.unwrap().credential_id(), None);
        let passed = ask(&layer(), with(bearer(token), "origin", LISTED)).await;
        assert!(passed.principal().is_none());
        let headers = passed.reached.unwrap().headers;
        assert_eq!(headers["authorization"], format!("Bearer {token}"));
    }
}

#[tokio::test]
async fn a_response_varies_by_origin_unless_every_origin_gets_it() {
    let vary = |answer: Answer| answer.header("vary").map(str::to_owned);
    assert_eq!(
        vary(ask(&layer(), from(LISTED)).await).as_deref(),
        Some("origin")
    );
    assert_eq!(vary(ask(&layer(), from(UNLISTED)).await), None);
    let any = AllowedOriginsLayer::new(AllowedOrigins::any());
    assert_eq!(vary(ask(&any, from(LISTED)).await), None);
}

#[tokio::test]
async fn a_grpc_call_is_refused_in_its_own_form_if_the_service_speaks_grpc() {
    let call = || grpc_call(from(UNLISTED), "application/grpc-web");
    for layer in [
        layer().with_grpc(),
        layer().with_responses_of(&AuthLayer::new(memory()).with_grpc()),
    ] {
        let answer = ask(&layer, call()).await;
        let status = answer.header("grpc-status");
        assert_eq!((answer.status, status), (200, Some("7")));
        assert_eq!(answer.header("grpc-message"), Some("Origin is not allowed"));
    }
    assert_eq!(ask(&layer(), call()).await.status, 403);
}

/// The order of the guide: public, CORS, origins.
fn with_cors()
-> impl Layer<Inner, Service: Service<Request<String>, Response = Response<String>, Error = Infallible>>
{
    let listed = sites();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            listed.allows(origin)
        }))
        .allow_methods([Method::POST]);
    ServiceBuilder::new()
        .layer(PublicLayer::new())
        .layer(cors)
        .layer(layer())
}

#[tokio::test]
async fn the_same_list_serves_cors() {
    for (origin, status, allowed) in [
        (LISTED, 200, Some(LISTED)),
        (UNLISTED, 403, None),
        ("null", 403, None),
    ] {
        let mut preflight = with(from(origin), "access-control-request-method", "POST");
        *preflight.method_mut() = Method::OPTIONS;
        let answer = ask(&with_cors(), preflight).await;
        let name = "access-control-allow-origin";
        assert_eq!(
            (answer.status, answer.header(name)),
            (200, allowed),
            "{origin}"
        );
        assert!(
            answer.reached.is_none(),
            "the preflight of {origin} is answered by CORS"
        );
        let answer = ask(&with_cors(), from(origin)).await;
        assert_eq!(
            (answer.status, answer.header(name)),
            (status, allowed),
            "{origin}"
        );
    }
}

#[tokio::test]
async fn a_preflight_without_a_cors_layer_is_a_request_like_any_other() {
    for (origin, status) in [(LISTED, 200), (UNLISTED, 403)] {
        let mut preflight = with(from(origin), "access-control-request-method", "POST");
        *preflight.method_mut() = Method::OPTIONS;
        assert_eq!(ask(&layer(), preflight).await.status, status, "{origin}");
    }
}

type Limited = ConcurrencyLimit<Mock<Request<String>, Response<String>>>;
type Checked = <AllowedOriginsLayer as Layer<Limited>>::Service;
type Handle = mock::Handle<Request<String>, Response<String>>;

/// Two clones of a service behind the layer, of which one at a time can be ready.
fn two_for_one() -> ([Spawn<Checked>; 2], Handle) {
    let (mock, handle) = mock::pair();
    let service = layer().layer(ConcurrencyLimit::new(mock, 1));
    ([Spawn::new(service.clone()), Spawn::new(service)], handle)
}

#[tokio::test]
async fn a_refusal_releases_readiness() {
    let ([mut one, mut other], mut inner) = two_for_one();
    assert!(one.poll_ready().is_ready() && other.poll_ready().is_pending());
    let refused = one.call(from(UNLISTED));
    assert!(other.is_woken() && other.poll_ready().is_ready());
    assert_eq!(refused.await.unwrap().status(), 403);
    assert!(inner.poll_request().is_pending());
}

#[tokio::test]
async fn a_listed_request_uses_the_polled_readiness() {
    let ([mut one, mut other], mut inner) = two_for_one();
    assert!(one.poll_ready().is_ready());
    let _passed = one.call(from(LISTED));
    assert!(other.poll_ready().is_pending());
    assert!(inner.poll_request().is_ready());
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn a_refusal_is_one_event_without_the_origin() {
    use support::logs;
    use tower_api_key::observe::TARGET;

    let wanted = serde_json::json!({
        "message": "request refused", "outcome": "origin_denied", "cause": "origin_not_listed",
    });
    logs::start();
    ask(&layer(), from(UNLISTED)).await;
    let event = logs::only_event(TARGET);
    assert_eq!(
        (&event["level"], &event["fields"]),
        (&"INFO".into(), &wanted)
    );
    let _ = OriginCheck::new().check::<String>(&sites(), from(UNLISTED).headers());
    assert_eq!(logs::only_event(TARGET)["fields"], wanted);
    ask(&layer(), from(LISTED)).await;
    assert!(logs::events(TARGET).is_empty());
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn a_refusal_is_counted_by_its_cause() {
    let recorder = support::recorder::TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    for origin in [UNLISTED, UNLISTED, "null"] {
        ask(&layer(), from(origin)).await;
    }
    let count = |cause| recorder.of(&format!("refused_total{{kind=none,cause={cause}}}"));
    assert_eq!(
        [count("origin_not_listed"), count("null_origin")],
        [2.0, 1.0]
    );
}

#[cfg(feature = "tonic")]
#[test]
fn a_service_of_tonic_keeps_its_name() {
    fn name_of<S: tonic::server::NamedService>(_: &S) -> &'static str {
        S::NAME
    }
    let (_reporter, health) = tonic_health::server::health_reporter();
    let name = name_of(&health);
    assert_eq!(name_of(&layer().layer(health)), name);
}

#[test]
fn what_is_displayed_for_debugging_is_the_list() {
    let text = format!("{:?} {:?}", layer(), layer().layer(()));
    assert_eq!(text.matches(LISTED).count(), 2, "{text}");
    assert_eq!(format!("{:?}", OriginCheck::new().clone()), "OriginCheck");
}

//! A credential that is not one of ours goes to another authenticator; one of ours, good or bad,
//! never does.

use crate::support;

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{
    HeaderValue, Method, Request, Response,
    header::{AUTHORIZATION, VARY},
};
use proptest::prelude::*;
use support::{
    KEY, ORG, TOKEN, ask, authorization, bearer, bearer_in, key, memory, now, poll_once,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt as _, layer::util::Identity,
    limit::ConcurrencyLimitLayer, util::BoxCloneSyncService,
};
use tower_api_key::{
    AuthLayer, EitherAuthLayer, EveryRouteDecidesLayer, Principal, RequireOrganizationLayer,
    RequireScopesLayer, credential::TokenFormat, rejection::JsonResponder, store::MemoryStore,
};

/// What the other authenticator adds.
#[derive(Clone, Debug, PartialEq)]
struct Caller(&'static str);

const GOOD: &str = "eyJ0ZXN0.test.good";

/// An authenticator that accepts [`GOOD`], and records every value that it was asked about.
#[derive(Clone, Default)]
struct Other {
    asked: Arc<Mutex<Vec<HeaderValue>>>,
}

impl Other {
    fn take(&self) -> Vec<HeaderValue> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl<Inner> Layer<Inner> for Other {
    type Service = OtherService<Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        OtherService {
            inner,
            other: self.clone(),
        }
    }
}

#[derive(Clone)]
struct OtherService<Inner> {
    inner: Inner,
    other: Other,
}

impl<Inner> Service<Request<String>> for OtherService<Inner>
where
    Inner: Service<Request<String>, Response = Response<String>, Error = Infallible>,
    Inner::Future: Send + 'static,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<String>) -> Self::Future {
        let value = request.headers()[AUTHORIZATION].clone();
        let accepted = value == format!("Bearer {GOOD}");
        self.other.asked.lock().unwrap().push(value);
        if accepted {
            request.extensions_mut().insert(Caller("good"));
            return Box::pin(self.inner.call(request));
        }
        let mut refused = Response::new("other refused".to_owned());
        *refused.status_mut() = http::StatusCode::UNAUTHORIZED;
        Box::pin(ready(Ok(refused)))
    }
}

type Answered = Result<Response<String>, Infallible>;

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

fn either(other: &Other) -> EitherAuthLayer<MemoryStore, JsonResponder, Caller, Other> {
    auth().with_other_authenticator(other.clone())
}

#[tokio::test]
async fn other_credentials_go_to_the_other_authenticator() {
    let other = Other::default();
    for (name, value, status) in [
        ("a JWT", format!("Bearer {GOOD}"), 200),
        ("a bad JWT", "Bearer eyJ0ZXN0.test.bad".to_owned(), 401),
        ("Basic", "Basic dGVzdDp0ZXN0".to_owned(), 401),
        (
            "Digest",
            r#"Digest username="a", nonce="b""#.to_owned(),
            401,
        ),
        ("a scheme alone", "Negotiate".to_owned(), 401),
        (
            "a prefix in the middle",
            "Bearer x-ak_id.secret".to_owned(),
            401,
        ),
        (
            "another case",
            format!("Bearer {}", KEY.to_uppercase()),
            401,
        ),
    ] {
        let answer = ask(&either(&other), authorization(&value)).await;
        assert_eq!(answer.status, status, "{name}");
        assert!(answer.rejection.is_none(), "{name}");
        let asked = other.take();
        assert_eq!(asked, [&*value], "{name}");
        assert!(asked[0].is_sensitive(), "{name}");
        if let Some(reached) = answer.reached {
            assert_eq!(reached.extensions.get(), Some(&Caller("good")));
            assert!(reached.extensions.get::<Principal>().is_none());
        }
    }
}

#[tokio::test]
async fn our_own_credentials_and_their_absence_are_answered_as_without_it() {
    let other = Other::default();
    let twice = |second: &str| with(bearer(GOOD), "authorization", second);
    let cases = [
        ("none", request()),
        ("a good key", bearer(KEY)),
        ("a good token", bearer_in(TOKEN, ORG)),
        ("no organization", bearer(TOKEN)),
        ("expired", bearer(key("expired"))),
        ("deleted", bearer(key("deleted"))),
        ("unknown", bearer(key("unknown"))),
        ("wrong", bearer("ak_testkey.test-wrong")),
        ("malformed", bearer("pat_")),
        ("with junk", bearer(format!("{KEY} {GOOD}"))),
        ("behind another", bearer(format!("{GOOD}, Bearer {KEY}"))),
        ("quoted", bearer(format!("\"{KEY}\""))),
        ("no scheme", authorization(KEY)),
        ("another scheme", authorization(format!("Token {KEY}"))),
        ("glued", authorization(format!("Bearer{KEY}"))),
        ("escaped", authorization(format!("Bearer%20{KEY}"))),
        (
            "escaped quotes",
            authorization(format!("Bearer %22{KEY}%22")),
        ),
        ("a parameter", authorization(format!("Token token={KEY}"))),
        ("a tab", authorization(format!("Bearer\t{GOOD}"))),
        ("empty", authorization("")),
        ("blank", authorization("  ")),
        ("Bearer alone", authorization("Bearer ")),
        ("two", twice(&format!("Bearer {KEY}"))),
        ("two of the other's", twice(&format!("Bearer {GOOD}"))),
    ];
    for (name, request) in cases {
        let (alone, beside) = (
            ask(&auth(), request.clone()).await,
            ask(&either(&other), request).await,
        );
        assert_eq!(alone.wire(), beside.wire(), "{name}");
        assert_eq!(alone.cause(), beside.cause(), "{name}");
        assert_eq!(other.take(), [""; 0], "{name}");
    }
}

/// Values of a header from parts that matter, and from any bytes that a header can carry.
fn values() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&str] = &[
        "Bearer",
        "bearer",
        "Basic",
        " ",
        "  ",
        "\t",
        ",",
        "\"",
        "=",
        "ak_",
        "pat_",
        "AK_",
        KEY,
        TOKEN,
        GOOD,
        "ak_expired.test-secret",
        "testkey.test-secret",
        "x",
        "",
    ];
    let part = prop_oneof![
        4 => proptest::sample::select(PARTS).prop_map(|part| part.as_bytes().to_vec()),
        1 => proptest::collection::vec(0x20..=0xff_u8, 0..8),
    ];
    let any = proptest::collection::vec(part, 0..7).prop_map(|parts| parts.concat());
    any.prop_map(|value| value.into_iter().filter(|byte| *byte != 0x7f).collect())
}

/// Whether a value is a bearer credential with one of the prefixes, written independently.
fn is_ours(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let Some((scheme, token)) = text.split_once(' ') else {
        return false;
    };
    let token = token.trim_start_matches(' ');
    scheme.eq_ignore_ascii_case("bearer") && (token.starts_with("ak_") || token.starts_with("pat_"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_value_is_answered_as_without_the_other_authenticator_or_is_not_ours(value in values()) {
        let other = Other::default();
        let request = || with(authorization(&value), "x-anyreach-org", ORG);
        let alone = now(ask(&auth(), request()));
        let beside = now(ask(&either(&other), request()));
        if other.take().is_empty() {
            prop_assert_eq!(alone.wire(), beside.wire());
            prop_assert_eq!(alone.cause(), beside.cause());
            prop_assert_eq!(alone.reached.is_some(), beside.reached.is_some());
        } else {
            prop_assert!(!is_ours(&value));
            prop_assert!(["other_scheme", "unknown_prefix"].contains(&alone.cause()), "{}", alone.cause());
            prop_assert!(beside.principal().is_none());
        }
    }
}

#[tokio::test]
async fn an_authenticator_that_adds_no_caller_opens_nothing() {
    let open = auth().with_other_authenticator::<Caller, _>(Identity::new());
    let answer = ask(&open, bearer(GOOD)).await;
    assert_eq!((answer.status, answer.cause()), (500, "no_other_caller"));
    assert!(answer.reached.is_none());
    assert_eq!(ask(&open, bearer(KEY)).await.status, 200);
}

#[tokio::test]
async fn identities_from_further_out_do_not_count() {
    let accepted = ask(&auth(), bearer(KEY)).await.reached.unwrap();
    let forged = || {
        let mut request = bearer(GOOD);
        request.extensions_mut().extend(accepted.extensions.clone());
        request.extensions_mut().insert(Caller("forged"));
        request
    };
    let open = auth().with_other_authenticator::<Caller, _>(Identity::new());
    assert_eq!(ask(&open, forged()).await.cause(), "no_other_caller");
    let reached = ask(&either(&Other::default()), forged())
        .await
        .reached
        .unwrap();
    assert_eq!(reached.extensions.get(), Some(&Caller("good")));
    assert!(reached.extensions.get::<Principal>().is_none());
    for ours in [bearer(KEY), request()] {
        let mut forged = ours;
        forged.extensions_mut().insert(Caller("forged"));
        let optional = auth().optional();
        let either = optional.with_other_authenticator::<Caller, _>(Identity::new());
        let reached = ask(&either, forged).await.reached.unwrap();
        assert_eq!(reached.extensions.get::<Caller>(), None);
    }
}

#[tokio::test]
async fn a_requirement_refuses_the_others_callers() {
    let other = Other::default();
    let scopes = RequireScopesLayer::any(["agents:read"]).unwrap();
    let scopes = ServiceBuilder::new().layer(either(&other)).layer(scopes);
    let organization = RequireOrganizationLayer::new();
    let organization = ServiceBuilder::new()
        .layer(either(&other))
        .layer(organization);
    for answer in [
        ask(&scopes, bearer(GOOD)).await,
        ask(&organization, bearer(GOOD)).await,
    ] {
        assert_eq!((answer.status, answer.cause()), (401, "other_caller"));
        assert_eq!(answer.body, r#"{"detail":"Missing Bearer token"}"#);
    }
    assert_eq!(ask(&scopes, bearer(KEY)).await.status, 200);
}

#[tokio::test]
async fn both_authenticators_decide_a_route() {
    let other = Other::default();
    let layers = ServiceBuilder::new()
        .layer(EveryRouteDecidesLayer::new())
        .layer(either(&other));
    for (request, status) in [
        (bearer(KEY), 200),
        (bearer(GOOD), 200),
        (bearer("eyJ0ZXN0.test.bad"), 401),
        (request(), 401),
    ] {
        assert_eq!(ask(&layers, request).await.status, status);
    }
}

#[tokio::test]
async fn an_optional_layer_passes_only_requests_without_a_credential() {
    let other = Other::default();
    let optional = auth()
        .optional()
        .with_other_authenticator::<Caller, _>(other.clone());
    let anonymous = ask(&optional, request()).await;
    assert_eq!(anonymous.status, 200);
    assert_eq!(other.take(), [""; 0]);
    assert_eq!(
        ask(&optional, bearer("eyJ0ZXN0.test.bad")).await.status,
        401
    );
    let accepted = ask(&optional, bearer(GOOD)).await;
    assert_eq!(
        accepted.header(VARY.as_str()),
        anonymous.header(VARY.as_str())
    );
    assert!(accepted.header(VARY.as_str()).is_some());
}

#[tokio::test]
async fn an_answered_preflight_is_not_the_others() {
    let other = Other::default();
    let layer = auth()
        .with_preflight_pass()
        .with_other_authenticator::<Caller, _>(other.clone());
    let preflight = with(bearer(GOOD), "origin", "https://app.test");
    let mut preflight = with(preflight, "access-control-request-method", "GET");
    *preflight.method_mut() = Method::OPTIONS;
    let answer = ask(&layer, preflight).await;
    assert_eq!((answer.status, &*answer.body), (200, ""));
    assert!(answer.reached.is_none());
    assert_eq!(other.take(), [""; 0]);
}

#[tokio::test]
async fn a_second_layer_with_other_prefixes_can_be_the_other() {
    let format = TokenFormat::default().with_prefixes("old_key_", "old_pat_");
    let old = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers))
        .with_token_format(format.unwrap());
    let both = auth().with_other_authenticator::<Principal, _>(old);
    assert_eq!(ask(&both, bearer(KEY)).await.status, 200);
    let old = ask(&both, bearer("old_key_testkey.test-secret")).await;
    assert_eq!(old.cause(), "wrong_secret", "the old store was asked");
    assert_eq!(ask(&both, bearer("x")).await.cause(), "unknown_prefix");
}

#[tokio::test]
async fn the_two_do_not_wait_for_each_others_permit() {
    let limited = ConcurrencyLimitLayer::new(1).layer(support::Inner::default());
    let mut service = either(&Other::default()).layer(BoxCloneSyncService::new(limited));
    for value in [GOOD, KEY, "eyJ0ZXN0.test.bad", GOOD, KEY] {
        let mut ready = std::pin::pin!(service.ready());
        let Poll::Ready(Ok(ready)) = poll_once(ready.as_mut()) else {
            panic!("a permit was kept before {value}");
        };
        let answer = std::pin::pin!(ready.call(bearer(value)));
        assert!(poll_once(answer).is_ready(), "{value}");
    }
}

#[cfg(all(feature = "axum", feature = "testing"))]
#[tokio::test]
async fn the_lock_file_shows_that_a_route_takes_other_credentials() {
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use tower_api_key::testing::routes::{Mode, RouteProbe};

    let pass = from_fn(async |request, next: axum::middleware::Next| next.run(request).await);
    let layer = auth().with_other_authenticator::<Caller, _>(pass);
    let app = Router::new().route("/a", get(|| async {})).layer(layer);
    let probe = RouteProbe::new(app, Body::empty);
    let routes = probe.with_routes([("GET", "/a")]).describe().await;
    let route = routes.iter().find(|route| route.path() == "/a").unwrap();
    assert_eq!(route.modes(), [Mode::Either, Mode::Required]);
    assert!(route.to_string().contains("either > required"), "{route}");
}

#[test]
fn debug_shows_both_authenticators() {
    let inner = tower::service_fn(async |_: Request<String>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let layer = auth().with_other_authenticator::<Caller, _>(Identity::new());
    let shown = format!("{layer:?}");
    assert!(
        shown.starts_with("EitherAuthLayer { auth: AuthLayer {"),
        "{shown}"
    );
    assert!(shown.ends_with("other: Identity, .. }"), "{shown}");
    let shown = format!("{:?}", layer.layer(inner));
    assert!(
        shown.starts_with("EitherAuth { ours: AuthService {"),
        "{shown}"
    );
    assert!(shown.contains("other: CallerRequired {"), "{shown}");
}

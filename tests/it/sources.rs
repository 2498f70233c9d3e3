//! Further sources of a credential: a header of its own, and HTTP Basic. They are read only where
//! they are set, and a request has exactly one credential from all of them.

use crate::support;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll},
};

use base64ct::{Base64, Encoding};
use http::{
    HeaderMap, HeaderName, Request, Response,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use proptest::prelude::*;
use support::{
    Answer, KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, ask, authorization, bearer, bearer_in,
    grpc_call, key, memory, now,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::{Layer, Service, ServiceBuilder, layer::util::Identity};
use tower_api_key::{
    AuthLayer, ConfigError, CredentialSource, EveryRouteDecidesLayer, Principal, PublicLayer,
    store::MemoryStore,
};

const HEADER: &str = "x-api-key";

fn header() -> CredentialSource {
    CredentialSource::header(HeaderName::from_static(HEADER))
}

fn plain() -> AuthLayer<MemoryStore> {
    AuthLayer::new(memory())
}

/// A layer that reads the header, a second one and the user name of HTTP Basic.
fn auth() -> AuthLayer<MemoryStore> {
    let second = CredentialSource::header(HeaderName::from_static("api-key"));
    let auth = plain().with_source(header()).unwrap();
    let auth = auth.with_source(second).unwrap();
    auth.with_source(CredentialSource::basic_username())
        .unwrap()
}

fn in_header(token: impl AsRef<[u8]>) -> Request<String> {
    with(request(), HEADER, token)
}

fn basic(credentials: impl AsRef<[u8]>) -> String {
    format!("Basic {}", Base64::encode_string(credentials.as_ref()))
}

fn id(answer: &Answer) -> Option<&str> {
    answer.principal().map(Principal::credential_id)
}

#[tokio::test]
async fn a_credential_is_read_from_each_source() {
    let in_org = |request| with(request, ORG_HEADER, ORG);
    let sent = [
        ("Bearer", bearer(KEY), "testkey"),
        ("header", in_header(KEY), "testkey"),
        ("second", with(request(), "api-key", KEY), "testkey"),
        ("Basic", authorization(basic(format!("{KEY}:"))), "testkey"),
        (
            "a password",
            authorization(basic(format!("{KEY}:x"))),
            "testkey",
        ),
        ("a token", in_org(in_header(TOKEN)), "token"),
        (
            "a token",
            in_org(authorization(basic(format!("{TOKEN}:")))),
            "token",
        ),
    ];
    let waiting = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers));
    let waiting = waiting.with_source(header()).unwrap();
    let waiting = waiting.with_source(CredentialSource::basic_username());
    let waiting = waiting.unwrap();
    for (name, request, wanted) in sent {
        assert_eq!(
            id(&ask(&auth(), request.clone()).await),
            Some(wanted),
            "{name}"
        );
        if name != "second" {
            assert_eq!(id(&ask(&waiting, request).await), Some(wanted), "{name}");
        }
    }
    let password = plain().with_source(CredentialSource::basic_password());
    let password = password.unwrap();
    for (credentials, cause) in [
        (format!("x:{KEY}"), "accepted"),
        (format!(":{KEY}"), "accepted"),
        (format!("{KEY}:{KEY}"), "several_credentials"),
        (format!("{KEY}:"), "empty_bearer"),
        (format!("{KEY}:x"), "unknown_prefix"),
    ] {
        let answer = ask(&password, authorization(basic(&credentials))).await;
        assert_eq!(answer.cause(), cause, "{credentials}");
    }
}

#[tokio::test]
async fn a_layer_reads_only_its_own_sources() {
    let by_basic = authorization(basic(format!("{KEY}:")));
    for (name, auth, request, cause) in [
        ("default", plain(), in_header(KEY), "no_credential"),
        ("default", plain(), by_basic.clone(), "other_scheme"),
        (
            "header",
            plain().with_source(header()).unwrap(),
            by_basic,
            "other_scheme",
        ),
        (
            "other header",
            auth(),
            with(request(), "x-api-token", KEY),
            "no_credential",
        ),
        (
            "proxy",
            auth(),
            with(request(), "proxy-authorization", KEY),
            "no_credential",
        ),
        (
            "cookie",
            auth(),
            with(request(), "cookie", format!("x-api-key={KEY}")),
            "no_credential",
        ),
    ] {
        assert_eq!(ask(&auth, request).await.cause(), cause, "{name}");
    }
    let ignored = ask(&plain(), with(bearer(KEY), HEADER, "x")).await;
    let reached = ignored.reached.expect("the default ignores the header");
    assert!(!reached.headers[HEADER].is_sensitive());
}

#[tokio::test]
async fn a_bad_credential_is_refused_alike_in_every_source() {
    for token in [
        KEY.to_owned(),
        "x".to_owned(),
        "ak_x".to_owned(),
        "ak_testkey.test-wrong".to_owned(),
        format!("pat_{}", "A".repeat(509)),
        key("unknown"),
        key("deleted"),
        key("expired"),
        key("orphan"),
        format!("{KEY},{KEY}"),
        format!("{KEY} "),
        format!("Bearer {KEY}"),
    ] {
        let by_bearer = ask(&auth(), bearer(&token)).await;
        for request in [
            in_header(&token),
            authorization(basic(format!("{token}:x"))),
        ] {
            let answer = ask(&auth(), request).await;
            assert_eq!(answer.wire(), by_bearer.wire(), "{token}");
            assert_eq!(answer.cause(), by_bearer.cause(), "{token}");
        }
    }
}

#[tokio::test]
async fn two_credentials_are_refused_wherever_they_are() {
    let twice =
        |name: &str, first: &str, second: &str| with(with(request(), name, first), name, second);
    let by_bearer = ask(&auth(), twice("authorization", "Bearer x", "Bearer x")).await;
    for (name, request) in [
        ("the header twice", twice(HEADER, KEY, KEY)),
        ("the second empty", twice(HEADER, KEY, "")),
        ("two headers", with(in_header(KEY), "api-key", KEY)),
        ("Bearer and header", with(bearer(KEY), HEADER, KEY)),
        ("an empty header", with(bearer(KEY), HEADER, "")),
        (
            "another scheme",
            with(authorization("Digest x"), HEADER, KEY),
        ),
        (
            "Basic and header",
            with(authorization(basic(format!("{KEY}:"))), HEADER, KEY),
        ),
        (
            "both halves of Basic",
            authorization(basic(format!("{KEY}:{KEY}"))),
        ),
        (
            "Basic and Bearer",
            twice("authorization", &basic(format!("{KEY}:")), "Bearer x"),
        ),
    ] {
        let answer = ask(&auth(), request.clone()).await;
        assert_eq!(answer.cause(), "several_credentials", "{name}");
        assert_eq!(answer.wire(), by_bearer.wire(), "{name}");
        let optional = ask(&auth().optional(), request).await;
        assert_eq!(optional.cause(), "several_credentials", "{name}");
    }
}

#[tokio::test]
async fn an_optional_route_is_anonymous_only_without_any_source() {
    let optional = auth().optional();
    for (name, request, cause) in [
        ("empty header", in_header(""), "empty_bearer"),
        ("blank header", in_header("  "), "empty_bearer"),
        ("empty Basic", authorization(basic(":x")), "empty_bearer"),
        ("Basic alone", authorization("Basic"), "empty_bearer"),
        ("not Base64", authorization("Basic x"), "malformed_token"),
        ("no colon", authorization(basic(KEY)), "malformed_token"),
        (
            "too long",
            authorization(basic([b'x'; 800])),
            "token_too_long",
        ),
        ("another prefix", in_header("x"), "unknown_prefix"),
        ("a deleted key", in_header(key("deleted")), "deleted"),
    ] {
        let answer = ask(&optional, request).await;
        assert_eq!((answer.status, answer.cause()), (401, cause), "{name}");
    }
    let vary = "Authorization, X-Api-Key, Api-Key, X-Anyreach-Org";
    for request in [request(), in_header(KEY), in_header("x")] {
        let answer = ask(&optional, request).await;
        assert_eq!(answer.header("vary"), Some(vary));
    }
    let anonymous = ask(&optional, request()).await;
    assert_eq!((anonymous.status, id(&anonymous)), (200, None));
    let plain = ask(&plain().optional(), in_header(KEY)).await;
    assert_eq!(plain.header("vary"), Some("Authorization, X-Anyreach-Org"));
    assert_eq!((plain.status, id(&plain)), (200, None));
}

/// Returns the headers of an accepted request as the inner service received them.
async fn reached<L>(layer: &L, request: Request<String>) -> HeaderMap
where
    L: Layer<support::Inner>,
    L::Service: Service<Request<String>, Response = Response<String>, Error = Infallible>,
{
    ask(layer, request).await.reached.unwrap().headers
}

#[tokio::test]
async fn the_inner_service_receives_every_source_marked_sensitive_or_not_at_all() {
    let by_basic = || authorization(basic(format!("{KEY}:")));
    let waiting = RemoteStore::new(memory(), Behaviour::Answers);
    let waiting = AuthLayer::new(waiting).with_source(header()).unwrap();
    let headers = reached(&waiting, in_header(KEY)).await;
    assert!(headers[HEADER].is_sensitive());
    let headers = reached(&auth(), in_header(KEY)).await;
    assert!(headers[HEADER].is_sensitive());
    assert_eq!(headers[HEADER], KEY, "unchanged");
    assert!(reached(&auth(), by_basic()).await[AUTHORIZATION].is_sensitive());

    let proxy = auth().with_authorization_removed();
    for request in [bearer(KEY), in_header(KEY), by_basic()] {
        let headers = reached(&proxy, with(request, "x-other", "kept")).await;
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-other"]);
    }

    let both = || with(bearer(KEY), HEADER, KEY);
    let public = PublicLayer::new().with_sources_of(&auth());
    let headers = reached(&public, both()).await;
    assert!(headers.values().all(|value| value.is_sensitive()));
    let headers = reached(&public.with_authorization_removed(), both()).await;
    assert!(headers.is_empty());
    let layers = ServiceBuilder::new()
        .layer(EveryRouteDecidesLayer::new().with_responses_of(&auth()))
        .layer(PublicLayer::new());
    let headers = reached(&layers, both()).await;
    assert!(headers.values().all(|value| value.is_sensitive()));
}

#[tokio::test]
async fn sources_count_for_tokens_of_persons_browsers_and_grpc_alike() {
    let in_org = |organization| with(in_header(TOKEN), ORG_HEADER, organization);
    assert_eq!(
        ask(&auth(), in_header(TOKEN)).await.cause(),
        "no_organization"
    );
    assert_eq!(ask(&auth(), in_org("org_x")).await.cause(), "not_a_member");
    assert_eq!(ask(&auth(), in_org(OTHER_ORG)).await.status, 200);
    let of_a_person = auth().user_scoped();
    assert_eq!(
        id(&ask(&of_a_person, in_header(TOKEN)).await),
        Some("token")
    );
    let refused = ask(&of_a_person, in_header(KEY)).await;
    assert_eq!(refused.cause(), "key_on_user_route");

    let reports = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&reports);
    let guarded = auth().with_browser_guard(move |exposed| {
        reported.lock().unwrap().push(exposed.credential_id);
    });
    let from_page = with(in_header(KEY), "origin", "https://page.test");
    assert_eq!(ask(&guarded, from_page).await.cause(), "sent_by_browser");
    assert_eq!(*reports.lock().unwrap(), ["testkey"]);

    let grpc = auth().with_grpc();
    let call = |request| grpc_call(request, "application/grpc");
    assert_eq!(ask(&grpc, call(in_header(KEY))).await.status, 200);
    let refused = ask(&grpc, call(in_header(key("deleted")))).await;
    assert_eq!(refused.header("grpc-status"), Some("16"));
    let challenge = ask(&auth(), request()).await;
    assert_eq!(
        challenge.header("www-authenticate"),
        Some(r#"Bearer realm="api""#)
    );
}

#[test]
fn a_header_that_means_something_else_is_no_source() {
    let with = |name| plain().with_source(CredentialSource::header(name)).err();
    let organization = HeaderName::from_static(ORG_HEADER);
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, organization] {
        let refused = ConfigError::InvalidSource(name.as_str().into());
        assert_eq!(with(name), Some(refused));
    }
    let again = auth().with_source(header()).err();
    assert_eq!(again, Some(ConfigError::DuplicateSource(HEADER.into())));
    let again = auth().with_source(CredentialSource::basic_password()).err();
    assert_eq!(again, Some(ConfigError::DuplicateSource("Basic".into())));
}

#[tokio::test]
async fn the_organization_header_is_no_source_any_more() {
    let auth = auth().with_organization_header(HeaderName::from_static(HEADER));
    assert_eq!(ask(&auth, in_header(KEY)).await.cause(), "no_credential");
    let named = ask(&auth, with(bearer(TOKEN), HEADER, ORG)).await;
    assert_eq!(id(&named), Some("token"));
    let other = HeaderName::from_static("x-other-key");
    let auth = auth
        .with_source(CredentialSource::header(other.clone()))
        .unwrap();
    let auth = auth.with_organization_header(HeaderName::from_static(ORG_HEADER));
    let in_other = with(request(), other.as_str(), KEY);
    assert_eq!(id(&ask(&auth, in_other).await), Some("testkey"));
}

/// What the other authenticator adds.
#[derive(Clone, Debug, PartialEq)]
struct Caller;

/// An authenticator that accepts everything, and counts.
#[derive(Clone, Default)]
struct Other(Arc<Mutex<Vec<HeaderMap>>>);

impl<Inner> Layer<Inner> for Other {
    type Service = OtherService;

    fn layer(&self, _: Inner) -> OtherService {
        OtherService(self.clone())
    }
}

#[derive(Clone)]
struct OtherService(Other);

impl Service<Request<String>> for OtherService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.0.0.lock().unwrap().push(request.headers().clone());
        ready(Ok(Response::new("other".to_owned())))
    }
}

#[tokio::test]
async fn only_a_foreign_credential_from_one_source_goes_to_the_other_authenticator() {
    let other = Other::default();
    let either = auth().with_other_authenticator::<Caller, _>(other.clone());
    let jwt = "eyJ0ZXN0.test.good";
    for (name, request) in [
        ("header", in_header(jwt)),
        ("Bearer", bearer(jwt)),
        ("a scheme", authorization("Digest x")),
        ("Basic", authorization(basic("alice:test"))),
    ] {
        assert_eq!(ask(&either, request).await.body, "other", "{name}");
        let asked = other.0.lock().unwrap().pop().expect(name);
        assert!(asked.values().all(|value| value.is_sensitive()), "{name}");
    }
    for (name, request) in [
        ("nothing", request()),
        ("ours", in_header(key("deleted"))),
        ("quoted", in_header(format!("\"{KEY}\""))),
        ("with a scheme", in_header(format!("Bearer {KEY}"))),
        ("empty", in_header("")),
        ("Bearer and header", with(bearer(jwt), HEADER, jwt)),
        ("twice", with(in_header(jwt), HEADER, jwt)),
        (
            "a user name of ours",
            authorization(basic(format!("{KEY}x:"))),
        ),
        (
            "a password of ours",
            authorization(basic(format!("alice:{KEY}"))),
        ),
        ("no user name", authorization(basic(":test"))),
        ("no colon", authorization(basic("test"))),
        ("not Base64", authorization("Basic dGVzdDo")),
        ("too long", authorization(basic([b'x'; 800]))),
    ] {
        let alone = ask(&auth(), request.clone()).await;
        let beside = ask(&either, request).await;
        assert_eq!(alone.wire(), beside.wire(), "{name}");
        assert_eq!(alone.cause(), beside.cause(), "{name}");
        assert!(other.0.lock().unwrap().is_empty(), "{name}");
    }
    let open = auth().with_other_authenticator::<Caller, _>(Identity::new());
    assert_eq!(ask(&open, in_header(jwt)).await.cause(), "no_other_caller");
}

/// Headers that have a credential, or nearly.
fn sent() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec!["authorization", HEADER, "api-key", "x-api-token"]);
    let token = prop::sample::select(vec![KEY, TOKEN, "ak_testkey.test-wrong", "x", ""]);
    let form = 0..7_u8;
    let field = (name, token, form).prop_map(|(name, token, form)| {
        let value = match form {
            0 | 1 => token.to_owned(),
            2 => format!("Bearer {token}"),
            3 => basic(format!("{token}:")),
            4 => basic(format!("{token}:{token}")),
            5 => basic(format!(":{token}")),
            _ => format!("{token} "),
        };
        (name, value)
    });
    prop::collection::vec(field, 0..4)
}

/// The values of the headers that a layer reads.
fn read<'s>(sent: &'s [(&'static str, String)], further: bool) -> Vec<(&'static str, &'s str)> {
    let is_read = |name| name == "authorization" || further && name != "x-api-token";
    let fields = sent.iter().map(|(name, value)| (*name, &**value));
    fields.filter(|(name, _)| is_read(*name)).collect()
}

/// The credential of a request, written independently.
fn rule(sent: &[(&'static str, String)], further: bool) -> Option<&'static str> {
    let [(name, value)] = read(sent, further)[..] else {
        return None;
    };
    let forms = |token: &str| match name {
        "authorization" if further => vec![format!("Bearer {token}"), basic(format!("{token}:"))],
        "authorization" => vec![format!("Bearer {token}")],
        _ => vec![token.to_owned()],
    };
    let known = [(KEY, "testkey"), (TOKEN, "token")];
    let is_sent = |token| forms(token).iter().any(|form| form == value);
    known
        .iter()
        .find_map(|(token, id)| is_sent(token).then_some(*id))
}

static PLAIN: LazyLock<AuthLayer<MemoryStore>> = LazyLock::new(plain);
static FURTHER: LazyLock<AuthLayer<MemoryStore>> = LazyLock::new(auth);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn further_sources_accept_nothing_with_two_credentials(sent in sent()) {
        let fill = |request, (name, value): &(&str, String)| with(request, name, value);
        let request = || {
            let request = sent.iter().fold(request(), fill);
            with(request, ORG_HEADER, ORG)
        };
        let (plain, further) = (now(ask(&*PLAIN, request())), now(ask(&*FURTHER, request())));
        prop_assert_eq!(id(&plain), rule(&sent, false));
        prop_assert_eq!(id(&further), rule(&sent, true));
        if id(&plain).is_some() && id(&further).is_none() {
            prop_assert_eq!(further.cause(), "several_credentials");
        }
        let either = FURTHER.clone().with_other_authenticator::<Caller, _>(Other::default());
        let answer = now(ask(&either, request()));
        if answer.body == "other" {
            let [(name, value)] = read(&sent, true)[..] else {
                panic!("{sent:?}");
            };
            let credentials = value.strip_prefix("Basic ");
            let credentials = credentials.filter(|_| name == "authorization");
            let decoded = credentials.map(Base64::decode_vec);
            let decoded = decoded.map(|text| String::from_utf8(text.unwrap()).unwrap());
            let text = decoded.as_deref().unwrap_or(value);
            prop_assert!(!text.contains("ak_") && !text.contains("pat_"));
        } else {
            prop_assert_eq!(answer.cause(), further.cause());
        }
    }
}

#[test]
fn further_headers_may_be_repeated_if_they_are_no_sources() {
    let request = with(with(in_header(KEY), "accept", "a"), "accept", "b");
    assert_eq!(now(ask(&auth(), request)).status, 200);
    assert_eq!(now(ask(&auth(), bearer_in(TOKEN, ORG))).status, 200);
}

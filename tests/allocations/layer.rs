//! Allocations of the layer: an accepted request allocates exactly what inserting a value into its
//! extensions needs; a request refused without a lookup allocates nothing before the response.
//!
//! `allocation-counter` provides the counting allocator, which counts per thread.

use crate::now::now;
use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};
use tower_api_key::{
    AuthLayer, Principal, Rejection, RequireScopesLayer,
    credential::TokenFormat,
    secret::Digest,
    store::{Directory, ManageStore, MemoryStore, Record},
};

use allocation_counter::{AllocationInfo, measure};
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service, service_fn};

const KEY: &str = "ak_test0000001.testsecret-testsecret-testsecret-test-se";
const TOKEN: &str = "pat_testtoken-testtoken-testtoken-testtoken-testtoken-t";

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    now(store.create_organization("org_test", None)).unwrap();
    now(store.create_user("user_test")).unwrap();
    now(store.set_member("user_test", "org_test", "viewer")).unwrap();
    let key = Record::org_key("test0000001", Digest::of(KEY.as_bytes()), "org_test");
    now(store.insert(key.with_role("viewer", store.catalogue()).unwrap())).unwrap();
    now(store.insert(Record::personal_token(
        "test_token",
        Digest::of(TOKEN.as_bytes()),
        "user_test",
    )))
    .unwrap();
    store
}

/// Returns the request, so that dropping it is not counted where creating it was not.
fn echo(request: Request<String>) -> Ready<Result<Response<String>, Infallible>> {
    let (parts, body) = request.into_parts();
    let mut response = Response::new(body);
    *response.headers_mut() = parts.headers;
    *response.extensions_mut() = parts.extensions;
    ready(Ok(response))
}

/// Calls once and counts; the setup of the first call in a process or thread happens before.
fn counted<S>(
    service: &mut S,
    request: &Request<String>,
    warm: bool,
) -> (AllocationInfo, Response<String>)
where
    S: Service<Request<String>, Response = Response<String>>,
{
    let once = |service: &mut S, mut request: Request<String>| {
        if warm {
            request.extensions_mut().insert(Word([0; WORDS]));
            request.extensions_mut().clear(); // keeps the map
        }
        let mut response = None;
        let counts = measure(|| response = Some(call(service, request)));
        (counts, response.unwrap())
    };
    once(service, request.clone());
    once(service, request.clone())
}

fn call<S: Service<Request<String>, Response = Response<String>>>(
    service: &mut S,
    request: Request<String>,
) -> Response<String> {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    match pin!(service.call(request)).poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        _ => panic!("a memory store answers at the first poll"),
    }
}

fn request(lines: &[(&'static str, &str)]) -> Request<String> {
    let mut request = Request::new(String::new());
    for (name, value) in lines {
        request
            .headers_mut()
            .append(*name, HeaderValue::from_str(value).unwrap());
    }
    request
}

const WORDS: usize = size_of::<Principal>() / size_of::<usize>();

/// As large as a [`Principal`].
#[derive(Clone)]
struct Word(#[expect(dead_code, reason = "only its size matters")] [usize; WORDS]);

/// The reference: what `http::Extensions` itself allocates to insert a value of a principal's size.
fn insert(warm: bool) -> AllocationInfo {
    let mut extensions = http::Extensions::new();
    if warm {
        extensions.insert(Word([0; WORDS]));
        extensions.clear();
    }
    measure(|| assert!(extensions.insert(Word([0; WORDS])).is_none()))
}

#[test]
fn the_allocator_counts() {
    assert_eq!(
        measure(|| drop(std::hint::black_box(Box::new(1)))).count_total,
        1
    );
    assert!(insert(false).count_total > insert(true).count_total);
    assert!(insert(true).count_total > 0);
}

#[test]
fn an_accepted_request_allocates_only_for_its_extensions() {
    let auth = AuthLayer::new(store());
    let reads = RequireScopesLayer::any(["agents:manage", "agents:read"])
        .unwrap()
        .with_responses_of(&auth);
    let key = ("authorization", format!("Bearer {KEY}"));
    let token = ("authorization", format!("Bearer {TOKEN}"));
    let organization = ("x-anyreach-org", "org_test".to_owned());
    let cases = [
        ("key", vec![&key]),
        ("key and its organization", vec![&key, &organization]),
        ("token and organization", vec![&token, &organization]),
    ];
    for (name, lines) in cases {
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let request = request(&lines);
        for warm in [false, true] {
            let (counts, response) = counted(&mut auth.layer(service_fn(echo)), &request, warm);
            assert!(
                response.extensions().get::<Principal>().is_some(),
                "{name}: {response:?}"
            );
            assert_eq!(counts, insert(warm), "{name}, warm: {warm}");
            let (counts, response) = counted(
                &mut auth.layer(reads.layer(service_fn(echo))),
                &request,
                warm,
            );
            assert!(response.status().is_success(), "{name}: {response:?}");
            assert_eq!(
                counts,
                insert(warm),
                "{name}, scopes required, warm: {warm}"
            );
        }
    }
}

#[test]
fn a_request_refused_without_a_lookup_allocates_nothing_before_the_response() {
    let good = format!("Bearer {KEY}");
    let over_long = format!("Bearer ak_test.{}", "x".repeat(65_000));
    let many: Vec<_> = std::iter::repeat_n(("authorization", good.as_str()), 100).collect();
    let cases: [(&str, &[(&'static str, &str)]); 11] = [
        ("no_credential", &[]),
        ("other_scheme", &[("authorization", "Basic dGVzdDp0ZXN0")]),
        ("empty_bearer", &[("authorization", "Bearer   ")]),
        (
            "several_credentials",
            &[("authorization", &good), ("authorization", &good)],
        ),
        ("several_credentials", &many),
        (
            "unknown_prefix",
            &[("authorization", "Bearer sk_testsecret")],
        ),
        (
            "malformed_token",
            &[("authorization", "Bearer ak_testsecret")],
        ),
        (
            "malformed_token",
            &[("authorization", "Bearer pat_test%secret")],
        ),
        (
            "malformed_token",
            &[("authorization", &format!("{good}, {good}"))],
        ),
        ("token_too_long", &[("authorization", &over_long)]),
        ("wrong_checksum", &[("authorization", &good)]),
    ];
    for (code, lines) in cases {
        let format = match code {
            "wrong_checksum" => TokenFormat::default().with_required_checksum(),
            _ => TokenFormat::default(),
        };
        let layer = AuthLayer::new(store()).with_token_format(format);
        assert_eq!(counted_until_responder(layer, &request(lines)), (code, 0));
    }
}

#[test]
fn the_text_with_custom_prefixes_is_built_once() {
    let format = TokenFormat::default().with_prefixes("sk_", "pt_").unwrap();
    let layer = AuthLayer::new(store()).with_token_format(format);
    let request = request(&[("authorization", "Bearer ak_testsecret")]);
    assert_eq!(
        counted_until_responder(layer, &request),
        ("unknown_prefix", 0)
    );
}

#[test]
fn an_invalid_credential_allocates_nothing_before_the_response() {
    for (code, token) in [
        (
            "unknown_credential",
            KEY.replace("test0000001", "nobody00001"),
        ),
        ("unknown_credential", TOKEN.replace("test", "tset")),
        ("wrong_secret", KEY.replace("secret", "secreT")),
    ] {
        let line = format!("Bearer {token}");
        let request = request(&[("authorization", &line), ("x-anyreach-org", "org_test")]);
        assert_eq!(
            counted_until_responder(AuthLayer::new(store()), &request),
            (code, 0)
        );
    }
}

/// Returns the code of the cause, and the number of allocations before the responder was called.
///
/// The responder unwinds out of the call, so that nothing after its entry is counted except the box
/// of the panic, which is measured in the same way and subtracted.
fn counted_until_responder(
    layer: AuthLayer<MemoryStore>,
    request: &Request<String>,
) -> (&'static str, u64) {
    let responder = |rejection: &Rejection| -> Response<String> { leave(rejection.cause().code()) };
    let mut service = layer.with_responder(responder).layer(service_fn(echo));
    let mut until_unwound = || {
        let request = request.clone();
        counted_until_unwound(|| drop(call(&mut service, request)))
    };
    until_unwound(); // the setup of a thread's first call is not counted
    let (code, counted) = until_unwound();
    let (_, own) = counted_until_unwound(|| leave("nothing else"));
    (code, counted - own)
}

fn counted_until_unwound(unwinds: impl FnOnce()) -> (&'static str, u64) {
    let mut unwound = None;
    let counts = measure(|| unwound = catch_unwind(AssertUnwindSafe(unwinds)).err());
    let code = unwound
        .expect("the responder was called")
        .downcast::<&'static str>()
        .expect("its code");
    (*code, counts.count_total)
}

fn leave(code: &'static str) -> ! {
    resume_unwind(Box::new(code))
}

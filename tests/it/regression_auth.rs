//! Fixed bugs of the layers, each with a test.

use crate::support;
use tower_api_key::{
    AuthLayer, CredentialStore, Principal, PublicLayer, Reason, Rejection, RequireDescendantLayer,
    RequireScopesLayer,
    id::OrgId,
    scope::ScopeSet,
    store::{Lookup, ManageStore, Peek, Record, StoreError},
};

use std::{convert::Infallible, sync::Arc};

use http::{HeaderMap, Method, Request, Response, Version, header::AUTHORIZATION};
use support::{
    KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, USER, ask, authorization, bearer, bearer_in, key,
    memory, pat, pat_record,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

const GRPC_TYPES: [&str; 9] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;charset=utf-8",
    "APPLICATION/GRPC",
    "application/grpc+json; x=y",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "post",
    "PROPFIND",
];

const VERSIONS: [Version; 4] = [
    Version::HTTP_10,
    Version::HTTP_11,
    Version::HTTP_2,
    Version::HTTP_3,
];

/// Every combination of method, version and gRPC content-type, alone or with a second content-type.
fn calls(of: impl Fn() -> Request<String>) -> impl Iterator<Item = (String, Request<String>)> {
    let second: [&[&str]; 3] = [&[], &["application/json"], &["application/grpc"]];
    let all = METHODS
        .iter()
        .flat_map(move |method| VERSIONS.map(|version| (*method, version)));
    let all = all.flat_map(|(method, version)| GRPC_TYPES.map(|kind| (method, version, kind)));
    all.flat_map(move |(method, version, kind)| {
        second.map(|second| {
            let mut request = with(of(), "content-type", kind);
            for other in second {
                request = with(request, "content-type", other);
            }
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            *request.version_mut() = version;
            (
                format!("{method} {version:?} {kind} second {second:?}"),
                request,
            )
        })
    })
}

#[tokio::test]
async fn a_request_cannot_get_a_grpc_refusal_from_a_service_without_grpc() {
    let at_once = AuthLayer::new(memory());
    let waiting = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers));
    let down = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Fails));
    let scopes = RequireScopesLayer::any(["unheld:scope"]).unwrap();
    let requirement = ServiceBuilder::new().layer(at_once.clone()).layer(scopes);
    let descendant =
        RequireDescendantLayer::new(RemoteStore::new(memory(), Behaviour::Answers), |_| {
            Some(OrgId::from("org_x"))
        });
    let descendant = ServiceBuilder::new()
        .layer(at_once.clone())
        .layer(descendant);
    for (name, call) in calls(request) {
        assert_eq!(ask(&at_once, call).await.status, 401, "{name}");
    }
    for (name, call) in calls(|| bearer("ak_testkey.test-wrong")) {
        assert_eq!(ask(&waiting, call).await.status, 401, "{name}");
    }
    for (name, call) in calls(|| bearer(KEY)) {
        assert_eq!(ask(&down, call.clone()).await.status, 503, "{name}");
        assert_eq!(ask(&requirement, call.clone()).await.status, 403, "{name}");
        assert_eq!(ask(&descendant, call).await.status, 403, "{name}");
    }
}

#[tokio::test]
async fn a_grpc_service_uses_grpc_refusals_only_for_grpc_calls() {
    let auth = AuthLayer::new(memory()).with_grpc();
    let waiting = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers)).with_grpc();
    for (name, call) in calls(|| bearer("ak_testkey.test-wrong")) {
        let kinds: Vec<_> = call.headers().get_all("content-type").iter().collect();
        let web = kinds[0].to_str().unwrap().contains("web");
        let is_call = call.method() == Method::POST
            && kinds.len() == 1
            && (web || call.version() == Version::HTTP_2);
        let status = if is_call { 200 } else { 401 };
        assert_eq!(ask(&auth, call.clone()).await.status, status, "{name}");
        assert_eq!(ask(&waiting, call).await.status, status, "{name}");
    }
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn tonic_bodies_enable_grpc_refusals_and_axum_bodies_do_not() {
    use tower_api_key::rejection::RefusalBody;
    async fn status<B: RefusalBody + Send + 'static>() -> u16 {
        let inner =
            service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(B::empty())));
        let service = ServiceBuilder::new()
            .layer(AuthLayer::new(memory()))
            .service(inner);
        service
            .oneshot(support::grpc_call(request(), "application/grpc"))
            .await
            .unwrap()
            .status()
            .as_u16()
    }
    assert_eq!(status::<tonic::body::Body>().await, 200);
    assert_eq!(
        status::<tonic::service::interceptor::ResponseBody<tonic::body::Body>>().await,
        200
    );
    assert_eq!(status::<String>().await, 401);
    #[cfg(feature = "axum")]
    assert_eq!(status::<axum::body::Body>().await, 401);
}

fn all_sensitive(headers: &HeaderMap) -> bool {
    headers
        .get_all(AUTHORIZATION)
        .iter()
        .all(http::HeaderValue::is_sensitive)
}

#[tokio::test]
async fn every_ignored_credential_is_marked_sensitive() {
    let several = || {
        let request = with(
            with(bearer(KEY), "x-other", "a"),
            "authorization",
            "Basic dGVzdDp0ZXN0",
        );
        with(with(request, "x-other", "b"), "authorization", "")
    };
    for (count, request) in [(1, bearer(KEY)), (3, several()), (0, request())] {
        let reached = ask(&PublicLayer::new(), request).await.reached.unwrap();
        assert_eq!(reached.headers.get_all(AUTHORIZATION).iter().count(), count);
        assert!(all_sensitive(&reached.headers), "{count}");
        let other = reached.headers.get_all("x-other");
        assert!(
            !other.iter().any(http::HeaderValue::is_sensitive),
            "{count}: nothing else is sensitive"
        );
    }
}

/// A store that answers every lookup with the same record.
#[derive(Debug)]
struct FixedRecord(Record);

#[tower_api_key::async_trait]
impl CredentialStore for FixedRecord {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        Peek::Found(Arc::new(self.0.clone()))
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(Some(Arc::new(self.0.clone())))
    }
}

#[tokio::test]
async fn a_record_with_organization_rights_is_an_outage_on_a_user_scoped_route() {
    let scopes: ScopeSet = ["agents:manage"].into_iter().collect();
    let catalogue = tower_api_key::scope::Catalogue::anyreach();
    for (name, record, cause) in [
        ("as expected", pat_record("token", USER), "accepted"),
        (
            "scopes",
            pat_record("token", USER).with_scopes(scopes.clone()),
            "store_mismatched",
        ),
        (
            "a role",
            pat_record("token", USER)
                .with_role("viewer", &catalogue)
                .unwrap(),
            "store_mismatched",
        ),
        (
            "an organization",
            pat_record("token", USER).in_organization(ORG),
            "store_mismatched",
        ),
    ] {
        let auth = AuthLayer::new(FixedRecord(record)).user_scoped();
        let answer = ask(&auth, bearer(pat("token"))).await;
        assert_eq!(
            (answer.cause(), answer.principal().is_some()),
            (cause, cause == "accepted"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn no_responder_makes_a_refusal_cacheable() {
    let cacheable = |_: &Rejection| {
        let response = Response::builder()
            .header("cache-control", "public, max-age=3600")
            .header("cache-control", "s-maxage=9")
            .header("cdn-cache-control", "max-age=60")
            .header("cloudflare-cdn-cache-control", "max-age=60")
            .header("surrogate-control", "max-age=60")
            .header("expires", "Thu, 01 Jan 2099 00:00:00 GMT");
        response.body(String::new()).unwrap()
    };
    let down =
        AuthLayer::new(RemoteStore::new(memory(), Behaviour::Fails)).with_responder(cacheable);
    let up = AuthLayer::new(memory()).with_responder(cacheable);
    for answer in [
        ask(&up, request()).await,
        ask(&up, bearer_in(KEY, OTHER_ORG)).await,
        ask(&down, bearer(KEY)).await,
    ] {
        let controls = answer
            .headers
            .iter()
            .filter(|(name, _)| name.ends_with("control"));
        let controls: Vec<_> = controls.map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            controls,
            [("cache-control", "no-store")],
            "{}",
            answer.status
        );
    }
}

fn preflight(request: Request<String>) -> Request<String> {
    let mut request = with(
        with(request, "origin", "https://a.test"),
        "access-control-request-method",
        "GET",
    );
    *request.method_mut() = Method::OPTIONS;
    request
}

#[tokio::test]
async fn an_answered_preflight_reaches_no_handler_and_grants_nothing() {
    let store = RemoteStore::new(memory(), Behaviour::Fails);
    let auth = AuthLayer::new(Arc::clone(&store)).with_preflight_pass();
    for layer in [auth.clone(), auth.clone().optional(), auth.user_scoped()] {
        for request in [
            request(),
            bearer(KEY),
            with(bearer(KEY), "authorization", "x"),
        ] {
            let answer = ask(&layer, preflight(request)).await;
            assert_eq!(
                (answer.status, &*answer.body, answer.reached.is_none()),
                (200, "", true)
            );
            let granted = answer
                .headers
                .iter()
                .find(|(name, _)| name.starts_with("access-control"));
            assert_eq!(granted, None);
        }
    }
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn the_credential_can_be_hidden_from_the_inner_service() {
    let local = AuthLayer::new(memory()).with_authorization_removed();
    let remote =
        AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers)).with_authorization_removed();
    let accepted = [
        ("at once", ask(&local, bearer(KEY)).await),
        ("after a wait", ask(&remote, bearer(KEY)).await),
        ("a token", ask(&local, bearer_in(TOKEN, ORG)).await),
    ];
    for (name, answer) in accepted {
        assert!(
            answer.principal().map(Principal::credential_id).is_some(),
            "{name}"
        );
        let reached = answer.reached.unwrap();
        assert!(!reached.headers.contains_key(AUTHORIZATION), "{name}");
        assert_eq!(reached.headers.contains_key(ORG_HEADER), name == "a token");
    }
    let several = || with(authorization("Basic x"), "authorization", "y");
    let public = ask(&PublicLayer::new().with_authorization_removed(), several()).await;
    assert!(!public.reached.unwrap().headers.contains_key(AUTHORIZATION));
    let kept = ask(&PublicLayer::new(), several()).await;
    assert_eq!(
        kept.reached
            .unwrap()
            .headers
            .get_all(AUTHORIZATION)
            .iter()
            .count(),
        2
    );
    assert_eq!(
        ask(&local, several()).await.reason(),
        Some(Reason::InvalidToken),
        "the check happens first"
    );
}

#[tokio::test]
async fn responses_of_optional_routes_vary_on_their_inputs() {
    let vary = |answer: &support::Answer| {
        let values = answer.headers.iter().filter(|(name, _)| name == "vary");
        values.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    for auth in [
        AuthLayer::new(Arc::new(memory()) as Arc<dyn CredentialStore>),
        AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers) as _),
    ] {
        let optional = auth.clone().optional();
        for request in [
            request(),
            bearer(KEY),
            bearer_in(TOKEN, ORG),
            bearer("x"),
            bearer(key("unknown")),
        ] {
            let answer = ask(&optional, request.clone()).await;
            assert_eq!(
                vary(&answer),
                ["Authorization, X-Anyreach-Org"],
                "{}",
                answer.status
            );
            assert!(vary(&ask(&auth, request).await).is_empty());
        }
        let other = optional.with_organization_header("x-tenant".parse().unwrap());
        assert_eq!(
            vary(&ask(&other, request()).await),
            ["Authorization, X-Tenant"]
        );
    }
    let own = service_fn(async |_: Request<String>| {
        Ok::<_, Infallible>(
            Response::builder()
                .header("vary", "accept-encoding")
                .body(String::new())
                .unwrap(),
        )
    });
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(memory()).optional())
        .service(own);
    let response = service.oneshot(request()).await.unwrap();
    let values: Vec<_> = response.headers().get_all("vary").iter().collect();
    assert_eq!(
        values,
        ["accept-encoding", "Authorization, X-Anyreach-Org"],
        "the inner service's value is kept"
    );
}

#[tokio::test]
async fn reading_sensitive_conversations_implies_reading_conversations() {
    let store = memory();
    let scopes = store.catalogue().expand(["conversations:read_sensitive"]);
    store
        .insert(support::key_record("analyst", ORG).with_scopes(scopes))
        .await
        .unwrap();
    let requirement = RequireScopesLayer::any(["conversations:read"]).unwrap();
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(store))
        .layer(requirement);
    assert_eq!(
        ask(&stack, bearer(key("analyst"))).await.cause(),
        "accepted"
    );
}

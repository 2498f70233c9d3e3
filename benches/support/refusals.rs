//! SingleRecordStore request for every way to be refused, with the layers that refuse it.

use http::{HeaderName, Request, Response, header};
use tower_api_key::{
    AuthLayer, PublicLayer, Rejection, RequireDescendantLayer, RequireScopesLayer,
    credential::TokenFormat,
    id::OrgId,
    store::{CredentialStore, MemoryStore},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    fixtures::{
        Body, FailingStore, ORGANIZATION, ORGANIZATION_HEADER as ORG, key, key_with_secret,
        request, store, token,
    },
    service::{Echo, call},
};

/// A service behind its layers.
pub(crate) type BoxedService = Box<dyn FnMut(Request<Body>) -> Response<Body>>;

/// A request that is refused. Some need [`with_timer`](super::service::with_timer) around their
/// call.
pub(crate) struct Refusal {
    /// The code of the cause.
    pub(crate) code: &'static str,
    pub(crate) request: Request<Body>,
    pub(crate) service: BoxedService,
}

impl Refusal {
    fn new(code: &'static str, mut service: BoxedService, headers: &[(HeaderName, &str)]) -> Self {
        let request = request(headers);
        let response = service(request.clone());
        let cause = response
            .extensions()
            .get::<Rejection>()
            .map(|rejection| rejection.cause().code());
        assert_eq!(
            cause,
            Some(code),
            "the bench must measure the cause it names"
        );
        Self {
            code,
            request,
            service,
        }
    }
}

/// Boxes a service that answers at the first poll.
pub(crate) fn boxed(
    mut service: impl Service<Request<Body>, Response = Response<Body>> + 'static,
) -> BoxedService {
    Box::new(move |request| call(&mut service, request))
}

fn auth() -> AuthLayer<MemoryStore> {
    AuthLayer::new(store())
}

fn behind<S: CredentialStore>(layer: AuthLayer<S>) -> BoxedService {
    boxed(layer.layer(Echo))
}

fn documented() -> BoxedService {
    behind(auth())
}

/// All refusals, in the order of the checks.
pub(crate) fn all() -> Vec<Refusal> {
    let mut all = before_the_store();
    all.extend(by_the_record());
    all.extend(by_the_organization());
    all.extend(by_the_route());
    all
}

/// Refused without a lookup.
pub(crate) fn before_the_store() -> Vec<Refusal> {
    let auth = header::AUTHORIZATION;
    let good = format!("Bearer {}", key("live"));
    let new = Refusal::new;
    let over_long = format!("Bearer ak_test.{}", "x".repeat(506));
    let checked =
        AuthLayer::new(store()).with_token_format(TokenFormat::default().with_required_checksum());
    vec![
        new("no_credential", documented(), &[]),
        new(
            "other_scheme",
            documented(),
            &[(auth.clone(), "Basic dGVzdDp0ZXN0")],
        ),
        new("empty_bearer", documented(), &[(auth.clone(), "Bearer ")]),
        new(
            "several_credentials",
            documented(),
            &[(auth.clone(), &good), (auth.clone(), &good)],
        ),
        new(
            "unknown_prefix",
            documented(),
            &[(auth.clone(), "Bearer sk_test_secretsecretsecretsecret")],
        ),
        new(
            "malformed_token",
            documented(),
            &[(auth.clone(), &good.replace('.', "-"))],
        ),
        new(
            "token_too_long",
            documented(),
            &[(auth.clone(), &over_long)],
        ),
        new("wrong_checksum", behind(checked), &[(auth, &good)]),
    ]
}

/// Refused after the lookup, because the credential is invalid.
pub(crate) fn by_the_record() -> Vec<Refusal> {
    let with =
        |code, token: String| Refusal::new(code, documented(), &[bearer(&token).as_header()]);
    vec![
        with("unknown_credential", key("nobody")),
        with(
            "wrong_secret",
            key_with_secret("live", &format!("{:y<40}", "testsecret")),
        ),
        with("deleted", key("deleted")),
        with("disabled", key("disabled")),
        with("expired", key("expired")),
        Refusal::new(
            "owner_gone",
            documented(),
            &[bearer(&token("ownergone")).as_header(), (ORG, ORGANIZATION)],
        ),
        with("organization_gone", key("orggone")),
    ]
}

fn by_the_organization() -> Vec<Refusal> {
    let (key, token) = (bearer(&key("live")), bearer(&token("live")));
    let new = Refusal::new;
    vec![
        new("no_organization", documented(), &[token.as_header()]),
        new(
            "several_organizations",
            documented(),
            &[token.as_header(), (ORG, ORGANIZATION), (ORG, ORGANIZATION)],
        ),
        new(
            "malformed_organization",
            documented(),
            &[token.as_header(), (ORG, "org test")],
        ),
        new(
            "not_a_member",
            documented(),
            &[token.as_header(), (ORG, "org_elsewhere")],
        ),
        new(
            "other_organization",
            documented(),
            &[key.as_header(), (ORG, "org_elsewhere")],
        ),
        new(
            "key_on_user_route",
            behind(auth().user_scoped()),
            &[key.as_header()],
        ),
    ]
}

fn by_the_route() -> Vec<Refusal> {
    let (live, admin) = (bearer(&key("live")), bearer(&key("admin")));
    let new = Refusal::new;
    let manage = || RequireScopesLayer::any(["agents:manage", "members:manage"]).unwrap();
    let below = RequireDescendantLayer::new(store(), |_: &http::request::Parts| {
        Some(OrgId::from("org_elsewhere"))
    });
    let guarded = behind(auth().with_browser_guard(drop));
    vec![
        new(
            "no_accepted_scope",
            boxed(auth().layer(manage().layer(Echo))),
            &[live.as_header()],
        ),
        new(
            "not_a_descendant",
            boxed(auth().layer(below.layer(Echo))),
            &[admin.as_header()],
        ),
        new(
            "sent_by_browser",
            guarded,
            &[
                live.as_header(),
                (header::ORIGIN, "https://browser.example"),
            ],
        ),
        new(
            "anonymous",
            boxed(PublicLayer::new().layer(manage().layer(Echo))),
            &[],
        ),
        new(
            "store_unavailable",
            behind(AuthLayer::new(FailingStore)),
            &[live.as_header()],
        ),
        new("no_auth_layer", boxed(manage().layer(Echo)), &[]),
    ]
}

struct Bearer(String);

fn bearer(token: &str) -> Bearer {
    Bearer(format!("Bearer {token}"))
}

impl Bearer {
    fn as_header(&self) -> (HeaderName, &str) {
        (header::AUTHORIZATION, &self.0)
    }
}

//! Who am I: what an accepted caller learns about itself, over axum.

use axum::{
    Router,
    body::{Body, to_bytes},
    routing::get,
};
use http::{Request, Response};
use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_api_key::{
    AuthLayer, CallerInfo, PublicLayer,
    clock::UnixMillis,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{Conditions, ManageStore, MemoryStore, Network, Record, Restrictions},
    testing,
};

use crate::support::{
    DELETED_ORG, KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, USER, key, key_record, memory, now, pat,
    pat_record, under,
};

fn app() -> Router {
    Router::new().route("/whoami", get(tower_api_key::axum::whoami))
}

async fn ask(app: Router, headers: &[(&str, &str)]) -> Response<Body> {
    let request = headers
        .iter()
        .fold(Request::get("/whoami"), |request, (name, value)| {
            request.header(*name, *value)
        });
    let request = request.body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap()
}

async fn json_of(response: Response<Body>) -> Value {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Asks with a token, in an organization if one is named.
async fn whoami(auth: &AuthLayer<MemoryStore>, token: &str, organization: Option<&str>) -> Value {
    let bearer = format!("Bearer {token}");
    let organization = organization.map(|organization| (ORG_HEADER, organization));
    let headers: Vec<_> = [("authorization", &*bearer)]
        .into_iter()
        .chain(organization)
        .collect();
    let response = ask(app().layer(auth.clone()), &headers).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    json_of(response).await
}

fn scopes_of(role: &str) -> Vec<String> {
    let catalogue = Catalogue::anyreach();
    let scopes = catalogue.scopes_of(role).unwrap();
    scopes.iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_kind_of_caller_sees_what_it_is_taken_for() {
    let store = memory();
    let end = UnixMillis(4_102_444_800_000);
    let explicit = ScopeSet::from_iter(["agents:read", "agents:manage"]);
    now(store.insert(
        key_record("explicit", ORG)
            .with_scopes(explicit)
            .expiring_at(end),
    ))
    .unwrap();
    let only = Restrictions::default()
        .with_scopes(ScopeSet::from_iter(["agents:read", "billing:manage"]))
        .with_organizations([OTHER_ORG, ORG]);
    now(store.insert(pat_record("both", USER).restricted_to(only))).unwrap();
    let auth = AuthLayer::new(store);
    let cases = [
        (
            whoami(&auth, KEY, None).await,
            json!({
                "kind": "organization_api_key", "credential_id": "testkey", "organization": ORG,
                "user": null, "role": "admin", "scopes": scopes_of("admin"), "expires_at": null,
                "restrictions": null, "conditions": null,
            }),
        ),
        (
            whoami(&auth, &key("explicit"), None).await,
            json!({
                "kind": "organization_api_key", "credential_id": "explicit", "organization": ORG,
                "user": null, "role": null, "scopes": ["agents:manage", "agents:read"],
                "expires_at": end.0, "restrictions": null, "conditions": null,
            }),
        ),
        (
            whoami(&auth, TOKEN, Some(OTHER_ORG)).await,
            json!({
                "kind": "personal_access_token", "credential_id": "token",
                "organization": OTHER_ORG, "user": USER, "role": "viewer",
                "scopes": scopes_of("viewer"), "expires_at": null, "restrictions": null, "conditions": null,
            }),
        ),
        (
            whoami(&auth, &pat("both"), Some(OTHER_ORG)).await,
            json!({
                "kind": "personal_access_token", "credential_id": "both",
                "organization": OTHER_ORG, "user": USER, "role": null,
                "scopes": ["agents:read"], "expires_at": null,
                "restrictions": {
                    "scopes": ["agents:read", "billing:manage"],
                    "organizations": [OTHER_ORG, ORG],
                }, "conditions": null,
            }),
        ),
        (
            whoami(&auth.clone().user_scoped(), &pat("elsewhere"), None).await,
            json!({
                "kind": "personal_access_token", "credential_id": "elsewhere",
                "organization": null, "user": USER, "role": null, "scopes": [],
                "expires_at": null,
                "restrictions": { "scopes": null, "organizations": [OTHER_ORG] }, "conditions": null,
            }),
        ),
    ];
    for (seen, expected) in cases {
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn there_is_no_answer_without_a_caller() {
    let auth = AuthLayer::new(memory());
    let (good, bad) = (format!("Bearer {KEY}"), "Bearer ak_testkey.wrong");
    for (name, app, authorization, status) in [
        ("required", app().layer(auth.clone()), None, 401),
        ("required, bad", app().layer(auth.clone()), Some(bad), 401),
        ("optional", app().layer(auth.clone().optional()), None, 401),
        (
            "optional, bad",
            app().layer(auth.clone().optional()),
            Some(bad),
            401,
        ),
        (
            "optional, good",
            app().layer(auth.optional()),
            Some(&*good),
            200,
        ),
        ("public", app().layer(PublicLayer::new()), Some(&*good), 401),
        ("no layer", app(), Some(&*good), 500),
    ] {
        let headers: Vec<_> = authorization
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        let response = ask(app, &headers).await;
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{name}");
    }
}

/// Refusals are uniform: the endpoint does not tell more.
#[tokio::test]
async fn a_refused_caller_learns_nothing() {
    let auth = AuthLayer::new(memory());
    let mut answers = Vec::new();
    for id in ["unknown", "expired", "disabled", "deleted"] {
        let bearer = format!("Bearer {}", key(id));
        let response = ask(app().layer(auth.clone()), &[("authorization", &bearer)]).await;
        assert_eq!(response.status(), 401, "{id}");
        answers.push(json_of(response).await);
    }
    answers.dedup();
    assert_eq!(answers, [json!({ "detail": "Invalid or expired token" })]);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*bearer), (ORG_HEADER, DELETED_ORG)];
    assert_eq!(ask(app().layer(auth), &headers).await.status(), 403);
}

fn record() -> impl Strategy<Value = Record> {
    let names = || proptest::collection::vec("[!-~]{1,6}", 0..3);
    let texts = (".{1,8}", ".{1,8}", option::of(".{1,8}"));
    let grant = (option::of(select(&["admin", "viewer"][..])), names());
    let only = (option::of(names()), option::of(names()));
    let networks = proptest::collection::vec(select(&["10.0.0.0/8", "::1"][..]), 0..3);
    let places = (option::of(networks), option::of(".{1,8}"));
    (
        texts,
        any::<bool>(),
        grant,
        any::<Option<i64>>(),
        only,
        places,
    )
        .prop_map(
            |(texts, is_key, grant, end, only, (networks, environment))| {
                let mut conditions = Conditions::default();
                if let Some(networks) = networks {
                    let networks = networks.iter().map(|network| network.parse().unwrap());
                    conditions = conditions.with_networks(networks);
                }
                if let Some(environment) = environment {
                    conditions = conditions.with_environment(environment);
                }
                let (id, owner, organization) = texts;
                let digest = Digest::of(b"unused");
                let record = match (is_key, organization) {
                    (true, _) => Record::org_key(id, digest, owner),
                    (false, Some(there)) => {
                        Record::personal_token(id, digest, owner).in_organization(there)
                    }
                    (false, None) => Record::personal_token(id, digest, owner),
                };
                let record = match grant {
                    (Some(role), _) => record.with_role(role, &Catalogue::anyreach()).unwrap(),
                    (None, scopes) => record.with_scopes(scopes.into_iter().collect()),
                };
                let mut restrictions = Restrictions::default();
                if let Some(scopes) = only.0 {
                    restrictions = restrictions.with_scopes(scopes.into_iter().collect());
                }
                if let Some(organizations) = only.1 {
                    restrictions = restrictions.with_organizations(organizations);
                }
                record
                    .restricted_to(restrictions)
                    .with_attributes(under(conditions))
                    .expiring_at(end.map(UnixMillis))
            },
        )
}

proptest! {
    #[test]
    fn the_json_text_is_what_serde_writes(record in record()) {
        let info = CallerInfo::of(&testing::principal(record));
        let by_serde = serde_json::to_string(&info).unwrap();
        prop_assert_eq!(info.to_json(), by_serde);
    }

    #[test]
    fn what_a_caller_learns_is_what_its_handler_sees(record in record()) {
        let caller = testing::principal(record);
        let info = CallerInfo::of(&caller);
        let seen: Value = serde_json::from_str(&info.to_json()).unwrap();
        prop_assert_eq!(&seen["credential_id"], caller.credential_id());
        prop_assert_eq!(&seen["organization"], &json!(caller.organization()));
        prop_assert_eq!(&seen["user"], &json!(caller.user()));
        prop_assert_eq!(&seen["role"], &json!(caller.role()));
        prop_assert_eq!(&seen["scopes"], &json!(caller.scopes().iter().collect::<Vec<_>>()));
        prop_assert_eq!(&seen["expires_at"], &json!(caller.expires_at().map(|end| end.0)));
        prop_assert_eq!(seen["restrictions"].is_null(), caller.restrictions().is_none());
        let conditions = caller.attributes().map(|attributes| attributes.conditions.clone());
        prop_assert_eq!(seen["conditions"].is_null(), conditions.is_none());
        let conditions = conditions.unwrap_or_default();
        let texts = |all: &[Network]| Vec::from_iter(all.iter().map(Network::to_string));
        let networks = conditions.networks().map(texts);
        prop_assert_eq!(&seen["conditions"]["networks"], &json!(networks));
        prop_assert_eq!(&seen["conditions"]["environment"], &json!(conditions.environment()));
        let digest = Digest::of(b"unused").to_hex();
        let shown = format!("{info:?}{seen}");
        prop_assert!(!shown.contains(&digest));
    }
}

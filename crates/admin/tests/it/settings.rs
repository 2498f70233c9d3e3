//! The settings of the endpoints.

use axum::Router;
use serde_json::json;
use tower_api_key::{
    AuthLayer,
    credential::{Kind, TokenFormat},
    manage::{Manager, NewKey},
    store::{Directory, ManageStore, MemoryStore},
};
use tower_api_key_admin::{Admin, InvalidPath};

use crate::{
    errors::CALLS,
    support::{Held, KEYS, NOT_ALLOWED, UNKNOWN, World, org, request, send},
};

#[tokio::test]
async fn paths_prefixes_scopes_and_the_origin_are_settings() {
    let store = MemoryStore::new();
    store.create_organization("org_1", None).await.unwrap();
    let format = TokenFormat::default().with_prefixes("sk_", "pt_").unwrap();
    let manager = Manager::new(store.clone())
        .with_token_format(format.clone())
        .with_management_scopes(["agents:manage"])
        .unwrap();
    let new = NewKey::named("a").with_scopes(["agents:manage"]);
    let key = Held::of(manager.issue_key(&org("org_1"), new).await.unwrap());
    let owner = org("org_1");
    let admin = Admin::new(manager.clone())
        .with_path(Kind::OrgKey, "/v1/service-keys")
        .unwrap()
        .with_origin(|request| {
            let id = request.headers.get("x-request-id")?;
            Some(id.to_str().ok()?.to_owned())
        });
    let auth = AuthLayer::new(store).with_token_format(format);
    let app = Router::new().nest("/api", admin.organization_routes().layer(auth));
    let path = "/api/v1/service-keys";
    let mut issue = request("POST", path, &key.secret, r#"{"name": "ci"}"#);
    issue
        .headers_mut()
        .insert("x-request-id", "r-1".parse().unwrap());
    let answer = send(&app, issue).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let shown = answer.json();
    let id = shown["id"].as_str().unwrap();
    assert_eq!(answer.headers["location"], format!("service-keys/{id}"));
    assert_eq!(shown["key_id"], json!(format!("sk_{id}")));
    let answer = send(
        &app,
        request("GET", &format!("{path}/events"), &key.secret, ""),
    )
    .await;
    assert_eq!(answer.json()["items"][0]["origin"], "r-1");
    let body = json!({ "pat_key": key.secret }).to_string();
    let mut revoke = request("POST", &format!("{path}/revoke"), &key.secret, &body);
    revoke
        .headers_mut()
        .insert("x-request-id", "r-2".parse().unwrap());
    assert_eq!(send(&app, revoke).await.status, 204);
    let events = manager.events(&owner, Kind::OrgKey, None, 1);
    assert_eq!(events.await.unwrap()[0].origin.as_deref(), Some("r-2"));
    assert!(
        admin
            .organization_openapi()
            .paths
            .paths
            .contains_key("/v1/service-keys/{id}")
    );
}

#[test]
fn a_path_that_is_not_one_is_refused() {
    let admin = Admin::new(Manager::new(MemoryStore::new()));
    let refused: InvalidPath = admin.with_path(Kind::OrgKey, "/{id}").unwrap_err();
    let text = "invalid path \"/{id}\": use segments of letters, digits and `-._~`, each after a `/`, the \
         first not `members`";
    assert_eq!(refused.to_string(), text);
}

over_each_store! {
    callers_with_a_reading_scope_read_and_change_nothing
}

async fn callers_with_a_reading_scope_read_and_change_nothing<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let admin = Admin::new(world.manager.clone())
        .with_read_scopes(["organizations:manage", "members:read"])
        .unwrap();
    let auth = AuthLayer::new(world.manager.store().clone()).with_clock(world.clock.clone());
    let app = Router::new().nest("/admin", admin.organization_routes().layer(auth.clone()));
    let strict = admin.with_event_scopes(["organizations:manage"]).unwrap();
    let strict = Router::new().nest("/admin", strict.organization_routes().layer(auth));
    let none = NewKey::named("none").with_scopes(["agents:read"]);
    let none = Held::of(world.manager.issue_key(&org("org_1"), none).await.unwrap());
    let rows = world.rows().await;
    for (method, path, body) in CALLS {
        let path = format!("{KEYS}{}", path.replace("{id}", &world.other.id));
        let own = path.replace(&world.other.id, &world.admin.id);
        let viewer = &world.viewer.secret;
        let answer = send(&app, request(method, &own, viewer, body)).await;
        let wanted = if method == "GET" { 200 } else { 403 };
        assert_eq!(answer.status, wanted, "{method} {own}");
        let answer = send(&app, request(method, &own, &none.secret, body)).await;
        assert_eq!(answer.seen(), (403, NOT_ALLOWED), "{method} {own}");
        let apart = send(&strict, request(method, &own, viewer, body)).await;
        let wanted = if own.ends_with("/events") {
            403
        } else {
            wanted
        };
        assert_eq!(apart.status, wanted, "{method} {own}");
        if path != own && method == "GET" {
            let answer = send(&app, request(method, &path, viewer, body)).await;
            assert_eq!(answer.seen(), (404, UNKNOWN), "{method} {path}");
        }
    }
    assert_eq!(world.rows().await, rows);
}

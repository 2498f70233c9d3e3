//! A store that fails.

use axum::Router;
use tower_api_key::{
    AuthLayer,
    manage::{Manager, NewKey},
    scope::Catalogue,
    store::{Cached, Directory},
};
use tower_api_key_admin::{Admin, refusal};
use tower_api_key_sqlx::SqliteStore;

use crate::{
    errors::CALLS,
    support::{Held, KEYS, org, request, send},
};

#[tokio::test]
async fn a_store_that_fails_is_a_503_in_the_form_of_errors() {
    let sqlite = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
    let store = Cached::new(sqlite.clone());
    store.create_organization("org_1", None).await.unwrap();
    let manager = Manager::new(store.clone());
    let new = NewKey::named("admin").with_role("admin");
    let key = Held::of(manager.issue_key(&org("org_1"), new).await.unwrap());
    let admin = Admin::new(manager);
    let auth = AuthLayer::new(store).with_responder(refusal);
    let app = Router::new().nest("/admin", admin.organization_routes().layer(auth));
    // From here on the cache knows the key, so that the requests reach the endpoints.
    let me = request("GET", "/admin/members/me", &key.secret, "");
    assert_eq!(send(&app, me).await.status, 200);
    sqlite.close().await;
    let body = format!(r#"{{"pat_key": "{}"}}"#, key.secret);
    let revoke = ("POST", "/revoke", &*body);
    for (method, path, body) in CALLS.into_iter().chain([revoke]) {
        let path = format!("{KEYS}{}", path.replace("{id}", "a"));
        let answer = send(&app, request(method, &path, &key.secret, body)).await;
        let (status, code) = answer.code();
        assert_eq!(
            (status, &*code),
            (503, "store_unavailable"),
            "{method} {path}"
        );
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(
            !answer.text.contains("sqlx") && !answer.text.contains("pool"),
            "{answer:?}"
        );
    }
}

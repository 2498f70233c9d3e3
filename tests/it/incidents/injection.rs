//! Statements built from what a client sent.

use tower_api_key::{
    AuthLayer,
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{Directory as _, Owner},
};
use tower_api_key_sqlx::SqliteStore;

use crate::support::{ORG, ask, bearer, bearer_in};

/// LiteLLM CVE-2026-42208: the bearer value was put into the statement that looked it up, before
/// anything was verified. Here the parts of a token are bound as values, after they were parsed.
#[tokio::test]
async fn litellm_cve_2026_42208_a_statement_in_the_bearer_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    let store = SqliteStore::open(&file, Catalogue::anyreach())
        .await
        .unwrap();
    store.create_organization(ORG, None).await.unwrap();
    store.create_user("user_test").await.unwrap();
    let manager = Manager::new(store.clone());
    let operator = Actor::operator("test", Owner::Organization(ORG.into()));
    let issued = manager
        .issue_key(&operator, NewKey::named("victim"))
        .await
        .unwrap();
    let id = issued.info().id.as_str().to_owned();
    let secret = issued.into_secret().unwrap();
    let auth = AuthLayer::new(store);
    for statement in [
        "' OR '1'='1",
        "x' OR 1=1 --",
        "x'; DELETE FROM credentials; --",
        "x' UNION SELECT * FROM credentials --",
        "\" OR \"\"=\"",
        "x')) OR ((1=1",
        "%",
        "_______",
        "x\\' OR 1=1 --",
    ] {
        for request in [
            bearer(statement),
            bearer(format!("ak_{statement}.{statement}")),
            bearer(format!("ak_{id}{statement}.x")),
            bearer(format!("ak_{id}.{statement}")),
            bearer_in(format!("pat_{statement}"), statement),
            bearer_in("pat_test-unknown", statement),
        ] {
            let answer = ask(&auth, request).await;
            assert_eq!(answer.status, 401, "{statement}: {}", answer.cause());
        }
    }
    let answer = ask(&auth, bearer(secret.expose_secret())).await;
    assert_eq!(answer.status, 200, "nothing was deleted");
}

//! The platform as processes: what a newcomer does with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails at the first surprise"
)]

use http::{Method, StatusCode};
use tower_api_key::{
    credential::Kind,
    manage::{Actor, Manager},
    scope::Catalogue,
    store::{Filter, Owner},
};
use tower_api_key_sqlx::SqliteStore;

#[path = "../../../../crates/admin/tests/it/pages/document.rs"]
#[allow(dead_code, unreachable_pub, reason = "made for other tests")]
mod document;
#[cfg(unix)]
#[path = "../../../../crates/sqlx/tests/it/support/pg.rs"]
#[allow(unreachable_pub, reason = "made for other tests")]
mod pg;

mod browser;
mod lines;
mod node;

use browser::{Browser, call};
use node::Node;

/// The key is made on the page, and deleted there.
#[tokio::test]
async fn a_key_from_the_page_opens_the_api_until_it_is_deleted() {
    let (_folder, node) = Node::on_a_new_file();
    let mut browser = Browser::of(&node);
    let seen = browser.get("/api-keys").await;
    assert_eq!(seen.location(), "/sign-in?return_to=%2Fapi-keys");
    let seen = browser.sign_in("admin", "wrong").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(seen.text.contains("Wrong name or password"));
    assert_eq!(browser.get("/api-keys").await.status, StatusCode::SEE_OTHER);
    let seen = browser.sign_in("admin", &node.password).await;
    assert_eq!(seen.location(), "/api-keys");

    let form = browser.form("/api-keys/new", "/api-keys").await;
    let seen = browser.submit(&form.set("name", "ci")).await;
    assert_eq!(seen.status, StatusCode::CREATED, "{}", seen.text);
    let secret = seen.document().text_of("secret");
    let agents = async || call(&node, "/agents", &secret).await;
    assert_eq!(agents().await, StatusCode::OK);

    let (id, _) = secret.strip_prefix("ak_").unwrap().split_once('.').unwrap();
    let path = format!("/api-keys/{id}/delete");
    let form = browser.form(&path, &path).await;
    assert_eq!(agents().await, StatusCode::OK);
    assert!(
        browser
            .submit(&form)
            .await
            .location()
            .starts_with("/api-keys")
    );
    assert_eq!(agents().await, StatusCode::UNAUTHORIZED);

    let seen = browser.send(Method::POST, "/sign-out", "").await;
    assert_eq!(seen.location(), "/sign-in");
    assert_eq!(browser.get("/api-keys").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_viewer_sees_keys_and_makes_tokens_of_their_own() {
    let (_folder, node) = Node::on_a_new_file();
    let mut viewer = Browser::of(&node);
    viewer.sign_in("viewer", &node.password).await;
    let list = viewer.get("/api-keys").await;
    assert!(list.text.contains("first key") && list.text.contains("Demo organization"));
    assert!(!list.text.contains("/api-keys/new"));
    assert_eq!(
        viewer.get("/api-keys/new").await.status,
        StatusCode::FORBIDDEN
    );
    let form = viewer.form("/account/tokens/new", "/account/tokens").await;
    let seen = viewer.submit(&form.set("name", "laptop")).await;
    let secret = seen.document().text_of("secret");
    assert_eq!(call(&node, "/me", &secret).await, StatusCode::OK);

    let chosen = "organization=org_second";
    let seen = viewer.send(Method::POST, "/organization", chosen).await;
    assert_eq!(seen.location(), "/api-keys");
    // It does not write to the session, which may have been ended meanwhile.
    assert!(!seen.headers.contains_key("set-cookie"));
    let list = viewer.get("/api-keys").await;
    assert!(!list.text.contains("first key"), "{}", list.text);
}

#[tokio::test]
async fn a_sign_in_leads_to_paths_of_this_site_alone() {
    let (_folder, node) = Node::on_a_new_file();
    for (return_to, location) in [
        ("/account/tokens?q=a", "/account/tokens?q=a"),
        ("//other.example", "/api-keys"),
        ("/\\other.example", "/api-keys"),
        ("/\t/other.example", "/api-keys"),
        ("https://other.example", "/api-keys"),
        ("", "/api-keys"),
    ] {
        let mut browser = Browser::of(&node);
        let seen = browser.sign_in_to("admin", &node.password, return_to);
        assert_eq!(seen.await.location(), location, "{return_to:?}");
    }
    let mut browser = Browser::of(&node).on_another_site();
    let seen = browser.sign_in("admin", &node.password).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_printed_lines_get_the_printed_status() {
    let (_folder, node) = Node::on_a_new_file();
    let lines = lines::of(&node.printed);
    assert_eq!(lines.len(), 16);
    for line in lines {
        let seen = line.send().await;
        assert_eq!(seen.status, line.status, "{}: {}", line.comment, seen.text);
    }
    let mut browser = Browser::of(&node);
    for path in &node.urls {
        let seen = browser.get(path).await;
        let is_there = matches!(seen.status.as_u16(), 200 | 303);
        assert!(is_there, "{path}: {}", seen.status);
        assert!(seen.headers.contains_key("content-security-policy") || seen.status == 303);
    }
    assert_eq!(node.urls, ["/api-keys", "/account/tokens", "/docs/"]);
    let document = browser.get("/openapi.json").await;
    let document: serde_json::Value = serde_json::from_str(&document.text).unwrap();
    let security = &document["paths"]["/agents"]["get"]["security"];
    let scopes = serde_json::json!([
        { "tower-api-key": ["agents:manage"] },
        { "tower-api-key": ["agents:read"] },
    ]);
    assert_eq!(security, &scopes);
    assert!(document["paths"]["/admin/organization-pats/{id}"].is_object());
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_it_and_writes_the_last_uses() {
    let (folder, node) = Node::on_a_new_file();
    let key = node.key.clone().unwrap();
    assert_eq!(call(&node, "/agents", &key).await, StatusCode::OK);
    assert!(node.interrupt().success());

    let file = folder.path().join("keys.db");
    let store = SqliteStore::open(&file, Catalogue::anyreach()).await;
    let manager = Manager::new(store.unwrap());
    let actor = Actor::operator("test", Owner::Organization("org_demo".into()));
    let all = Filter::default();
    let page = manager.list(&actor, Kind::OrgKey, &all, None, 10).await;
    let [first] = &page.unwrap().items[..] else {
        panic!("one key")
    };
    assert!(first.last_used_at.is_some());

    let node = Node::start(&["127.0.0.1:0", file.to_str().unwrap()]);
    assert!(node.printed.contains("credentials from an earlier start"));
    assert_eq!(call(&node, "/agents", &key).await, StatusCode::OK);
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_deleted_on_one_node_is_refused_on_the_other() {
    let Some(cluster) = pg::shared() else { return };
    let url = cluster.url();
    let arguments = ["127.0.0.1:0", "--postgres", &url];
    let (first, second) = (Node::start(&arguments), Node::start(&arguments));
    assert_eq!(second.key, None);
    let mut browser = Browser::of(&first);
    browser.sign_in("admin", &first.password).await;
    let form = browser.form("/api-keys/new", "/api-keys").await;
    let seen = browser.submit(&form.set("name", "ci")).await;
    let secret = seen.document().text_of("secret");
    for node in [&first, &second] {
        assert_eq!(call(node, "/agents", &secret).await, StatusCode::OK);
    }
    let (id, _) = secret.strip_prefix("ak_").unwrap().split_once('.').unwrap();
    let path = format!("/api-keys/{id}/delete");
    let form = browser.form(&path, &path).await;
    assert_eq!(browser.submit(&form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        call(&first, "/agents", &secret).await,
        StatusCode::UNAUTHORIZED
    );
    let refused = async {
        while call(&second, "/agents", &secret).await != StatusCode::UNAUTHORIZED {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(60); // for a busy machine; it takes milliseconds
    tokio::time::timeout(bound, refused).await.unwrap();
    assert!(first.interrupt().success() && second.interrupt().success());
}

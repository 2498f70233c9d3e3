//! Changes of keys.

use serde_json::json;
use tower_api_key::store::{Directory, ManageStore};

use crate::support::{Held, KEYS, START, UNKNOWN, World};

over_each_store! {
    an_edit_changes_what_it_names_and_nothing_else
    null_removes_what_can_be_absent
    a_disabled_key_is_refused_until_it_is_enabled
    a_rotation_shows_the_successor_with_its_secret
    a_deleted_key_is_gone_and_deleting_it_again_succeeds
    a_key_is_revoked_by_its_secret
}

async fn an_edit_changes_what_it_names_and_nothing_else<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "ci", "description": "d", "metadata": {"a": "1"},
                   "allowed_networks": ["192.0.2.0/24"], "environment": "live"}"#;
    let key = world.issue(body).await;
    let path = format!("{KEYS}/{}", key.id);
    let mut wanted = world.send("GET", &path, &world.admin, "").await.json();
    for (name, value) in [
        ("name", json!("cd")),
        ("description", json!("e")),
        ("metadata", json!({ "b": "2" })),
        ("metadata", json!({})),
        ("allowed_networks", json!(["192.0.2.7/32"])),
        ("environment", json!("test")),
    ] {
        let body = json!({ name: value }).to_string();
        let answer = world.send("PATCH", &path, &world.admin, &body).await;
        wanted[name] = value;
        assert_eq!((answer.status, &answer.json()), (200, &wanted), "{name}");
    }
    let answer = world.send("PATCH", &path, &world.admin, "{}").await;
    assert_eq!((answer.status, &answer.json()), (200, &wanted));
    let answer = world.send("GET", &path, &world.admin, "").await;
    assert_eq!(answer.json(), wanted);
}

async fn null_removes_what_can_be_absent<S: ManageStore + Directory + Clone>(world: World<S>) {
    let body = r#"{"name": "ci", "description": "d", "metadata": {"a": "1"},
                   "allowed_networks": ["192.0.2.0/24"], "environment": "live"}"#;
    let key = world.issue(body).await;
    let path = format!("{KEYS}/{}", key.id);
    for name in ["description", "allowed_networks", "environment"] {
        let body = json!({ name: null }).to_string();
        let answer = world.send("PATCH", &path, &world.admin, &body).await;
        assert_eq!(
            (answer.status, &answer.json()[name]),
            (200, &json!(null)),
            "{name}"
        );
    }
    let rows = world.rows().await;
    for name in ["name", "metadata"] {
        let body = json!({ name: null }).to_string();
        let answer = world.send("PATCH", &path, &world.admin, &body).await;
        assert_eq!(answer.code(), (422, "invalid_body".into()), "{name}");
    }
    assert_eq!(world.rows().await, rows);
}

async fn a_disabled_key_is_refused_until_it_is_enabled<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let key = world.issue(r#"{"name": "ci"}"#).await;
    for (verb, status) in [
        ("disable", "disabled"),
        ("disable", "disabled"),
        ("enable", "active"),
        ("enable", "active"),
    ] {
        let path = format!("{KEYS}/{}/{verb}", key.id);
        let answer = world.send("POST", &path, &world.admin, "").await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (200, &json!(status))
        );
        assert_eq!(world.is_accepted(&key).await, status == "active");
    }
}

async fn a_rotation_shows_the_successor_with_its_secret<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let key = world
        .issue(r#"{"name": "ci", "expires_at": 1767225600000}"#)
        .await;
    let path = format!("{KEYS}/{}/rotate", key.id);
    let rows = world.rows().await;
    let no_overlap = r#"{"detail":"the body is not as expected: missing field `overlap_seconds` at line 1 column 2","code":"invalid_body"}"#;
    let answer = world.send("POST", &path, &world.admin, "{}").await;
    assert_eq!(answer.seen(), (422, no_overlap));
    let long = r#"{"overlap_seconds": 604801}"#;
    let answer = world.send("POST", &path, &world.admin, long).await;
    assert_eq!(answer.code(), (422, "overlap_too_long".into()));
    let huge = format!(r#"{{"overlap_seconds": {}}}"#, u64::MAX);
    let answer = world.send("POST", &path, &world.admin, &huge).await;
    assert_eq!(answer.code(), (422, "overlap_too_long".into()));
    assert_eq!(world.rows().await, rows);

    let body = r#"{"overlap_seconds": 60}"#;
    let answer = world.repeatable(&path, &world.admin, "r1", body).await;
    let successor = answer.json();
    assert_eq!(answer.status, 201);
    assert_eq!(successor["rotated_from"], json!(key.id));
    assert_eq!(successor["expires_at"], 1_767_225_600_000_i64);
    let new = Held {
        id: successor["id"].as_str().unwrap().to_owned(),
        secret: successor["pat_key"].as_str().unwrap().to_owned(),
    };
    assert_eq!(answer.headers["location"], format!("../{}", new.id));
    assert!(world.is_accepted(&key).await && world.is_accepted(&new).await);
    let again = world.repeatable(&path, &world.admin, "r1", body).await;
    assert_eq!(
        (again.status, &again.json()["pat_key"]),
        (200, &json!(null))
    );
    assert_eq!(again.json()["id"], json!(new.id));
    let answer = world.send("POST", &path, &world.admin, body).await;
    assert_eq!(answer.code(), (409, "already_rotated".into()));
    let old = world
        .send("GET", &format!("{KEYS}/{}", key.id), &world.admin, "")
        .await
        .json();
    assert_eq!(
        (&old["rotated_to"], &old["rotated_at"]),
        (&json!(new.id), &json!(START))
    );
    world.clock.advance_millis(60_000);
    assert!(!world.is_accepted(&key).await && world.is_accepted(&new).await);

    let path = format!("{KEYS}/{}/rotate", new.id);
    let never = r#"{"overlap_seconds": 0, "expires_at": null}"#;
    let answer = world.send("POST", &path, &world.admin, never).await;
    assert_eq!(
        (answer.status, &answer.json()["expires_at"]),
        (201, &json!(null))
    );
    assert!(!world.is_accepted(&new).await);
}

async fn a_deleted_key_is_gone_and_deleting_it_again_succeeds<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let key = world.issue(r#"{"name": "ci"}"#).await;
    let path = format!("{KEYS}/{}", key.id);
    for _ in 0..2 {
        let answer = world.send("DELETE", &path, &world.admin, "").await;
        assert_eq!(answer.seen(), (204, ""));
        assert!(!world.is_accepted(&key).await);
    }
    let shown = world.send("GET", &path, &world.admin, "").await.json();
    assert_eq!(shown["status"], "deleted");
    let rows = world.rows().await;
    let deleted = r#"{"detail":"the credential is deleted","code":"deleted"}"#;
    for (method, suffix, body) in [
        ("PATCH", "", r#"{"name": "a"}"#),
        ("PATCH", "", r#"{"environment": "a"}"#),
        ("POST", "/enable", ""),
        ("POST", "/disable", ""),
        ("POST", "/rotate", r#"{"overlap_seconds": 0}"#),
    ] {
        let answer = world
            .send(method, &format!("{path}{suffix}"), &world.admin, body)
            .await;
        assert_eq!(answer.seen(), (409, deleted), "{method} {suffix}");
    }
    assert_eq!(world.rows().await, rows);
}

async fn a_key_is_revoked_by_its_secret<S: ManageStore + Directory + Clone>(world: World<S>) {
    let key = world.issue(r#"{"name": "ci"}"#).await;
    let path = format!("{KEYS}/revoke");
    let body = json!({ "pat_key": key.secret }).to_string();
    let rows = world.rows().await;
    let mut wrong = key.secret.clone();
    wrong.pop();
    for secret in ["", "ak_", &wrong, &key.id, &"a".repeat(10_000)] {
        let body = json!({ "pat_key": secret }).to_string();
        let answer = world.send("POST", &path, &world.admin, &body).await;
        assert_eq!(answer.seen(), (404, UNKNOWN), "{secret}");
    }
    let text = r#"{"detail":"use an object with one member, `pat_key`, which is a string","code":"invalid_body"}"#;
    for body in [
        json!(key.secret),
        json!([key.secret]),
        json!({ "pat_key": [key.secret] }),
        json!({ "key": key.secret }),
        json!({ &key.secret: "" }),
    ] {
        let answer = world
            .send("POST", &path, &world.admin, &body.to_string())
            .await;
        assert_eq!(answer.seen(), (422, text), "{body}");
    }
    assert!(world.is_accepted(&key).await);
    assert_eq!(world.rows().await, rows);
    for _ in 0..2 {
        // A viewer may: whoever presents a secret is its bearer.
        let answer = world.send("POST", &path, &world.viewer, &body).await;
        assert_eq!(answer.seen(), (204, ""));
        assert!(!world.is_accepted(&key).await);
    }
}

//! Issuing keys.

use serde_json::json;
use tower_api_key::{
    manage::NewKey,
    store::{Attributes, Conditions, Directory, ManageStore},
};

use crate::support::{Held, KEYS, START, World, org};

over_each_store! {
    a_new_key_is_shown_with_its_secret_once
    every_member_of_the_body_is_kept
    without_rights_in_the_body_a_key_gets_its_creators
    conditions_of_the_creator_hold_for_its_keys
    a_repeated_request_returns_the_key_without_its_secret
    concurrent_repetitions_issue_one_key
    a_key_cannot_issue_more_than_it_holds
    values_that_break_a_rule_are_named
}

async fn a_new_key_is_shown_with_its_secret_once<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "ci", "expires_at": 1767225600000}"#;
    let answer = world.send("POST", KEYS, &world.admin, body).await;
    let shown = answer.json();
    let (id, secret) = (
        shown["id"].as_str().unwrap(),
        shown["pat_key"].as_str().unwrap(),
    );
    assert!(secret.starts_with(&format!("ak_{id}.")));
    assert_eq!(
        answer.headers["location"],
        format!("organization-pats/{id}")
    );
    let mut credential = json!({
        "id": id,
        "key_id": format!("ak_{id}"),
        "name": "ci",
        "status": "active",
        "role": "admin",
        "scopes": null,
        "description": null,
        "metadata": {},
        "allowed_networks": null,
        "environment": null,
        "created_by": { "kind": "org_key", "id": world.admin.id, "user": null },
        "created_at": START,
        "expires_at": 1_767_225_600_000_i64,
        "first_used_at": null,
        "last_used_at": null,
        "last_address": null,
        "last_user_agent": null,
        "rotated_from": null,
        "rotated_to": null,
        "rotated_at": null,
        "deleted_at": null,
        "damaged": false,
    });
    let read = world
        .send("GET", &format!("{KEYS}/{id}"), &world.admin, "")
        .await;
    assert_eq!((read.status, read.json()), (200, credential.clone()));
    credential["pat_key"] = json!(secret);
    assert_eq!((answer.status, &shown), (201, &credential));

    let key = Held {
        id: id.to_owned(),
        secret: secret.to_owned(),
    };
    assert!(world.is_accepted(&key).await);
    let (_, hidden) = secret.split_once('.').unwrap();
    for path in ["", "/events", &format!("/{id}")] {
        let answer = world
            .send("GET", &format!("{KEYS}{path}"), &world.admin, "")
            .await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            !answer.text.contains(hidden) && !answer.text.contains("pat_key"),
            "{path}"
        );
    }
}

async fn every_member_of_the_body_is_kept<S: ManageStore + Directory + Clone>(world: World<S>) {
    let members = json!({
        "name": "ci",
        "expires_at": null,
        "description": "two\nlines",
        "metadata": { "team": "red", "stage": "" },
        "scopes": ["agents:read", "members:read"],
        "allowed_networks": ["192.0.2.0/24", "2001:db8::1"],
        "environment": "live",
    });
    let answer = world
        .send("POST", KEYS, &world.admin, &members.to_string())
        .await;
    let shown = answer.json();
    assert_eq!(answer.status, 201);
    for (name, value) in members.as_object().unwrap() {
        let wanted = match name.as_str() {
            "allowed_networks" => &json!(["192.0.2.0/24", "2001:db8::1/128"]),
            _ => value,
        };
        assert_eq!(&shown[name], wanted, "{name}");
    }
    assert_eq!(shown["role"], json!(null));
    let role = r#"{"name": "ci", "role": "viewer"}"#;
    let shown = world.send("POST", KEYS, &world.admin, role).await.json();
    assert_eq!(
        (&shown["role"], &shown["scopes"]),
        (&json!("viewer"), &json!(null))
    );
}

async fn without_rights_in_the_body_a_key_gets_its_creators<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let scopes = ["agents:read", "organizations:manage"];
    let new = NewKey::named("some").with_scopes(scopes);
    let creator = Held::of(world.manager.issue_key(&org("org_1"), new).await.unwrap());
    let shown = world
        .send("POST", KEYS, &creator, r#"{"name": "ci"}"#)
        .await
        .json();
    assert_eq!(
        (&shown["role"], &shown["scopes"]),
        (&json!(null), &json!(scopes))
    );
    let none = r#"{"name": "ci", "scopes": []}"#;
    let shown = world.send("POST", KEYS, &creator, none).await.json();
    assert_eq!(
        (&shown["role"], &shown["scopes"]),
        (&json!(null), &json!([]))
    );
}

async fn conditions_of_the_creator_hold_for_its_keys<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    // The layer of this test has no environment, so the key is accepted nowhere: the manager is
    // asked for what the endpoint would have been.
    let conditions = Conditions::default().with_environment("live");
    let new = NewKey::named("live")
        .with_role("admin")
        .with_attributes(Attributes::default().with_conditions(conditions));
    let creator = Held::of(world.manager.issue_key(&org("org_1"), new).await.unwrap());
    let store = world.manager.store().clone();
    let auth = tower_api_key::AuthLayer::new(store)
        .with_clock(world.clock.clone())
        .with_environment("live")
        .unwrap();
    let admin = tower_api_key_admin::Admin::new(world.manager.clone());
    let app = axum::Router::new().nest("/admin", admin.organization_routes().layer(auth));
    for (environment, status) in [("null", 201), (r#""live""#, 201), (r#""test""#, 403)] {
        let body = format!(r#"{{"name": "ci", "environment": {environment}}}"#);
        let request = crate::support::request("POST", KEYS, &creator.secret, &body);
        let answer = crate::support::send(&app, request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        match status {
            201 => assert_eq!(answer.json()["environment"], "live"),
            _ => assert_eq!(answer.code().1, "conditions_beyond_creator"),
        }
    }
}

async fn a_repeated_request_returns_the_key_without_its_secret<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "ci"}"#;
    let first = world.repeatable(KEYS, &world.admin, "k1", body).await;
    let again = world.repeatable(KEYS, &world.admin, "k1", body).await;
    assert_eq!((first.status, again.status), (201, 200));
    let mut wanted = first.json();
    wanted["pat_key"] = json!(null);
    assert_eq!(again.json(), wanted);
    let rows = world.rows().await;
    let conflict = world
        .repeatable(KEYS, &world.admin, "k1", r#"{"name": "cd"}"#)
        .await;
    let text = r#"{"detail":"the idempotency key was used for another request","code":"idempotency_conflict"}"#;
    assert_eq!(conflict.seen(), (409, text));
    for key in ["", "a b", &"k".repeat(256), "\u{e9}"] {
        let answer = world.repeatable(KEYS, &world.admin, key, body).await;
        assert_eq!(
            answer.code(),
            (422, "invalid_idempotency_key".into()),
            "{key:?}"
        );
    }
    let mut twice = crate::support::request("POST", KEYS, &world.admin.secret, body);
    for key in ["k1", "k2"] {
        let key = key.parse().unwrap();
        twice.headers_mut().append("idempotency-key", key);
    }
    let answer = world.send_request(twice).await;
    assert_eq!(answer.code(), (422, "invalid_idempotency_key".into()));
    assert_eq!(world.rows().await, rows);
    let other = world.repeatable(KEYS, &world.other, "k1", body).await;
    assert_eq!(
        other.status, 201,
        "another organization has keys of its own"
    );
    let id = wanted["id"].as_str().unwrap();
    world
        .send("DELETE", &format!("{KEYS}/{id}"), &world.admin, "")
        .await;
    let ended = world.repeatable(KEYS, &world.admin, "k1", body).await;
    assert_eq!(ended.code(), (409, "issued_inactive".into()));
}

async fn concurrent_repetitions_issue_one_key<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "ci"}"#;
    let issue = || world.repeatable(KEYS, &world.admin, "k1", body);
    let (a, b, c) = tokio::join!(issue(), issue(), issue());
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 201]);
    assert!(a.json()["id"] == b.json()["id"] && b.json()["id"] == c.json()["id"]);
}

async fn a_key_cannot_issue_more_than_it_holds<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let new = NewKey::named("some").with_scopes(["agents:read", "organizations:manage"]);
    let new = new.expiring_at(tower_api_key::clock::UnixMillis(START + 1_000));
    let creator = Held::of(world.manager.issue_key(&org("org_1"), new).await.unwrap());
    let rows = world.rows().await;
    for (members, code) in [
        (r#""role": "admin""#, "scope_not_held"),
        (r#""role": "viewer""#, "scope_not_held"),
        (
            r#""scopes": ["agents:read", "agents:manage"]"#,
            "scope_not_held",
        ),
    ] {
        let end = START + 1_000;
        let body = format!(r#"{{"name": "more", "expires_at": {end}, {members}}}"#);
        let answer = world.send("POST", KEYS, &creator, &body).await;
        assert_eq!(answer.code(), (403, code.into()), "{members}");
    }
    for end in ["null", "1700000001001"] {
        let body = format!(r#"{{"name": "more", "expires_at": {end}}}"#);
        let answer = world.send("POST", KEYS, &creator, &body).await;
        assert_eq!(
            answer.code(),
            (403, "expiry_beyond_creator".into()),
            "{end}"
        );
    }
    // Nor by rotating or enabling another one, which grants its rights again.
    for (verb, body) in [("rotate", r#"{"overlap_seconds": 0}"#), ("enable", "")] {
        let path = format!("{KEYS}/{}/{verb}", world.admin.id);
        let answer = world.send("POST", &path, &creator, body).await;
        assert_eq!(answer.code(), (403, "scope_not_held".into()), "{verb}");
    }
    let path = format!("{KEYS}/{}/rotate", creator.id);
    let never = r#"{"overlap_seconds": 0, "expires_at": null}"#;
    let answer = world.send("POST", &path, &creator, never).await;
    assert_eq!(answer.code(), (403, "expiry_beyond_creator".into()));
    assert_eq!(world.rows().await, rows);
}

async fn values_that_break_a_rule_are_named<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let rows = world.rows().await;
    let long = "a".repeat(501);
    for (members, code) in [
        (r#""name": """#, "invalid_name"),
        (r#""name": "a\u202eb""#, "invalid_name"),
        (r#""name": "a", "expires_at": 1"#, "expiry_in_past"),
        (
            r#""name": "a", "expires_at": 1767225600000000"#,
            "expiry_too_far",
        ),
        (r#""name": "a", "role": "nobody""#, "unknown_role"),
        (r#""name": "a", "scopes": ["no:such"]"#, "unknown_scope"),
        (
            r#""name": "a", "role": "viewer", "scopes": []"#,
            "invalid_body",
        ),
        (
            r#""name": "a", "allowed_networks": ["10.0.0.1/8"]"#,
            "invalid_attributes",
        ),
        (r#""name": "a", "environment": "a b""#, "invalid_attributes"),
        (
            r#""name": "a", "metadata": {"a b": ""}"#,
            "invalid_attributes",
        ),
        (
            r#""name": "a", "metadata": {"a": "1", "a": "2"}"#,
            "invalid_attributes",
        ),
        (
            &format!(r#""name": "a", "description": "{long}""#),
            "invalid_attributes",
        ),
    ] {
        let answer = world
            .send("POST", KEYS, &world.admin, &format!("{{{members}}}"))
            .await;
        assert_eq!(answer.code(), (422, code.into()), "{members}");
    }
    assert_eq!(world.rows().await, rows);
}

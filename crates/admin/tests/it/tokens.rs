//! Personal tokens.

use serde_json::json;
use tower_api_key::store::{Directory, ManageStore};

use crate::support::{Held, START, TOKENS, World};

over_each_store! {
    a_user_manages_their_own_tokens
    a_restricted_token_issues_tokens_that_are_restricted_as_much
    a_restricted_token_without_a_management_scope_manages_none
    a_repeated_request_for_a_token_returns_it_without_its_secret
}

fn held(json: &serde_json::Value) -> Held {
    Held {
        id: json["id"].as_str().unwrap().to_owned(),
        secret: json["pat_key"].as_str().unwrap().to_owned(),
    }
}

async fn a_user_manages_their_own_tokens<S: ManageStore + Directory + Clone>(world: World<S>) {
    let body = r#"{"name": "laptop", "scopes": ["agents:read"], "organizations": ["org_1"]}"#;
    let answer = world.send("POST", TOKENS, &world.alice, body).await;
    let mut shown = answer.json();
    let token = held(&shown);
    assert!(token.secret.starts_with("pat_") && !token.secret.contains(&token.id));
    let wanted = json!({
        "id": token.id,
        "key_id": token.id,
        "name": "laptop",
        "status": "active",
        "scopes": ["agents:read"],
        "organizations": ["org_1"],
        "description": null,
        "metadata": {},
        "allowed_networks": null,
        "environment": null,
        "created_by": { "kind": "pat", "id": world.alice.id, "user": "alice" },
        "created_at": START,
        "expires_at": null,
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
    shown.as_object_mut().unwrap().remove("pat_key");
    assert_eq!((answer.status, shown), (201, wanted.clone()));
    let path = format!("{TOKENS}/{}", token.id);
    let read = world.send("GET", &path, &world.alice, "").await;
    assert_eq!((read.status, read.json()), (200, wanted));

    let renamed = world
        .send("PATCH", &path, &world.alice, r#"{"name": "pc"}"#)
        .await;
    assert_eq!(
        (renamed.status, &renamed.json()["name"]),
        (200, &json!("pc"))
    );
    for (verb, status) in [("disable", "disabled"), ("enable", "active")] {
        let answer = world
            .send("POST", &format!("{path}/{verb}"), &world.alice, "")
            .await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (200, &json!(status))
        );
    }
    let body = r#"{"overlap_seconds": 60}"#;
    let rotated = world
        .send("POST", &format!("{path}/rotate"), &world.alice, body)
        .await;
    let successor = held(&rotated.json());
    assert_eq!(
        (rotated.status, &rotated.json()["rotated_from"]),
        (201, &json!(token.id))
    );
    assert_eq!(rotated.json()["organizations"], json!(["org_1"]));
    let body = json!({ "pat_key": successor.secret }).to_string();
    let answer = world
        .send("POST", &format!("{TOKENS}/revoke"), &world.alice, &body)
        .await;
    assert_eq!(answer.seen(), (204, ""));
    let answer = world.send("DELETE", &path, &world.alice, "").await;
    assert_eq!(answer.seen(), (204, ""));
    let page = world.send("GET", TOKENS, &world.alice, "").await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let role = r#"{"name": "a", "role": "admin"}"#;
    let answer = world.send("POST", TOKENS, &world.alice, role).await;
    assert_eq!(answer.code(), (422, "invalid_body".into()));
}

async fn a_restricted_token_issues_tokens_that_are_restricted_as_much<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "some", "scopes": ["agents:read", "organizations:manage"],
                   "organizations": ["org_1"]}"#;
    let some = held(&world.send("POST", TOKENS, &world.alice, body).await.json());
    let same = world
        .send("POST", TOKENS, &some, r#"{"name": "same"}"#)
        .await;
    let shown = same.json();
    assert_eq!(same.status, 201);
    assert_eq!(
        shown["scopes"],
        json!(["agents:read", "organizations:manage"])
    );
    assert_eq!(shown["organizations"], json!(["org_1"]));
    let rows = world.rows().await;
    for (members, code) in [
        (r#""scopes": ["agents:manage"]"#, "scope_not_held"),
        (
            r#""organizations": ["org_2"]"#,
            "restrictions_beyond_creator",
        ),
        (
            r#""organizations": ["org_1", "org_2"]"#,
            "restrictions_beyond_creator",
        ),
    ] {
        let body = format!(r#"{{"name": "more", {members}}}"#);
        let answer = world.send("POST", TOKENS, &some, &body).await;
        assert_eq!(answer.code(), (403, code.into()), "{members}");
    }
    for (verb, body) in [("enable", ""), ("rotate", r#"{"overlap_seconds": 0}"#)] {
        let path = format!("{TOKENS}/{}/{verb}", world.alice.id);
        let answer = world.send("POST", &path, &some, body).await;
        assert_eq!(
            answer.code(),
            (403, "restrictions_beyond_creator".into()),
            "{verb}"
        );
    }
    assert_eq!(world.rows().await, rows);
}

async fn a_restricted_token_without_a_management_scope_manages_none<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "some", "scopes": ["agents:read"]}"#;
    let some = held(&world.send("POST", TOKENS, &world.alice, body).await.json());
    let rows = world.rows().await;
    for (method, below, body) in crate::errors::CALLS {
        let path = format!("{TOKENS}{}", below.replace("{id}", &world.alice.id));
        let answer = world.send(method, &path, &some, body).await;
        assert_eq!(
            answer.seen(),
            (403, crate::support::NOT_ALLOWED),
            "{method} {path}"
        );
    }
    assert_eq!(world.rows().await, rows);
}

async fn a_repeated_request_for_a_token_returns_it_without_its_secret<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "laptop"}"#;
    let first = world.repeatable(TOKENS, &world.alice, "k1", body).await;
    let again = world.repeatable(TOKENS, &world.alice, "k1", body).await;
    let mut wanted = first.json();
    wanted["pat_key"] = json!(null);
    assert_eq!(
        (first.status, again.status, again.json()),
        (201, 200, wanted)
    );
}

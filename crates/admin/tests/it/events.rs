//! The audit trail.

use serde_json::{Value, json};
use tower_api_key::store::{Directory, ManageStore};

use crate::support::{KEYS, START, World};

over_each_store! {
    each_change_is_an_event_that_names_its_actor
    events_are_paged_by_their_numbers
}

async fn each_change_is_an_event_that_names_its_actor<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let body = r#"{"name": "ci", "description": "d", "scopes": []}"#;
    let key = world.issue(body).await;
    let path = format!("{KEYS}/{}", key.id);
    let requests = [
        ("PATCH", "", r#"{"metadata": {"a": "1"}}"#),
        ("POST", "/disable", ""),
        ("POST", "/enable", ""),
        ("POST", "/rotate", r#"{"overlap_seconds": 60}"#),
        ("DELETE", "", ""),
    ];
    for (method, below, body) in requests {
        let answer = world
            .send(method, &format!("{path}{below}"), &world.admin, body)
            .await;
        assert!(answer.status < 300, "{answer:?}");
    }
    let page = world
        .send("GET", &format!("{KEYS}/events"), &world.admin, "")
        .await
        .json();
    let events = page["items"].as_array().unwrap();
    let own = events
        .iter()
        .filter(|event| event["credential_id"] == json!(key.id));
    let own = own.collect::<Vec<_>>();
    let actions = own.iter().map(|event| event["action"].as_str().unwrap());
    let wanted = [
        "deleted", "rotated", "enabled", "disabled", "edited", "issued",
    ];
    assert_eq!(actions.collect::<Vec<_>>(), wanted);
    let by = json!({ "kind": "org_key", "id": world.admin.id, "user": null });
    assert!(own.iter().all(|event| event["by"] == by), "{own:?}");
    let issued = json!({
        "number": own[5]["number"],
        "at": START,
        "action": "issued",
        "credential_id": key.id,
        "key_id": format!("ak_{}", key.id),
        "related": null,
        "by": by,
        "origin": null,
        "expires_at": null,
        "description": "d",
        "metadata": {},
        "allowed_networks": null,
        "environment": null,
    });
    assert_eq!(own[5], &issued);
    let body = json!({ "pat_key": world.viewer.secret }).to_string();
    world
        .send("POST", &format!("{KEYS}/revoke"), &world.admin, &body)
        .await;
    let page = world
        .send("GET", &format!("{KEYS}/events?limit=1"), &world.admin, "")
        .await
        .json();
    let newest = &page["items"][0];
    assert_eq!(
        (&newest["action"], &newest["credential_id"]),
        (&json!("revoked"), &json!(world.viewer.id))
    );
    assert_eq!(
        newest["by"],
        json!({ "kind": "bearer", "id": null, "user": null })
    );
}

async fn events_are_paged_by_their_numbers<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    for name in ["a", "b", "c"] {
        world.issue(&json!({ "name": name }).to_string()).await;
    }
    let path = format!("{KEYS}/events");
    let all = world.send("GET", &path, &world.admin, "").await.json();
    assert_eq!(
        (all["items"].as_array().unwrap().len(), &all["next"]),
        (5, &json!(null))
    );
    let (mut paged, mut query) = (Vec::<Value>::new(), "limit=2".to_owned());
    loop {
        let page = world
            .send("GET", &format!("{path}?{query}"), &world.admin, "")
            .await
            .json();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_i64() {
            Some(next) => query = format!("limit=2&before={next}"),
            None => break,
        }
    }
    assert_eq!(json!(paged), all["items"]);
}

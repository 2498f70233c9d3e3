//! Who the caller is.

use serde_json::json;
use tower_api_key::store::{Directory, ManageStore};

use crate::support::{World, request};

over_each_store! {
    callers_read_who_they_are_and_which_scopes_they_hold
}

async fn callers_read_who_they_are_and_which_scopes_they_hold<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let viewer = world
        .send("GET", "/admin/members/me", &world.viewer, "")
        .await;
    let shown = viewer.json();
    assert_eq!(
        (viewer.status, &shown["kind"]),
        (200, &json!("organization_api_key"))
    );
    assert_eq!(shown["credential_id"], json!(world.viewer.id));
    assert_eq!(
        (&shown["organization"], &shown["role"]),
        (&json!("org_1"), &json!("viewer"))
    );
    assert_eq!(viewer.headers["content-type"], "application/json");
    let scopes = world
        .send("GET", "/admin/members/me/scopes", &world.viewer, "")
        .await;
    assert_eq!((scopes.status, &scopes.json()), (200, &shown["scopes"]));
    assert!(
        scopes
            .json()
            .as_array()
            .unwrap()
            .contains(&json!("agents:read"))
    );

    let mut alice = request("GET", "/admin/members/me", &world.alice.secret, "");
    let organization = "org_1".parse().unwrap();
    alice.headers_mut().insert("x-anyreach-org", organization);
    let shown = world.send_request(alice).await.json();
    assert_eq!(
        (&shown["user"], &shown["role"]),
        (&json!("alice"), &json!("admin"))
    );
}

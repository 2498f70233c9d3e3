//! The OpenAPI documents.

use std::collections::BTreeSet;

use axum::Router;
use serde_json::{Value, to_value};
use tower_api_key::{manage::Manager, store::MemoryStore};
use tower_api_key_admin::Admin;

use crate::support::{KEYS, TOKENS, World, request, send};

fn documents() -> [(Value, Router); 2] {
    let admin = Admin::new(Manager::new(MemoryStore::new()));
    [
        (
            to_value(admin.organization_openapi()).unwrap(),
            admin.organization_routes(),
        ),
        (
            to_value(admin.personal_openapi()).unwrap(),
            admin.personal_routes(),
        ),
    ]
}

/// Collects the targets of all references.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_has_its_schema_and_every_schema_is_referenced() {
    for (document, _) in documents() {
        assert_eq!(document["openapi"], "3.1.0");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let names = schemas
            .keys()
            .map(|name| format!("#/components/schemas/{name}"));
        assert_eq!(found, names.collect());
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_and_the_envelope_of_errors() {
    let mut ids = BTreeSet::new();
    for (document, _) in documents() {
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id), "{method} {path}");
                assert_eq!(
                    operation["security"],
                    serde_json::json!([{ "tower-api-key": [] }])
                );
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let schema = &answer["content"]["application/json"]["schema"]["$ref"];
                    let is_error = schema == "#/components/schemas/CredentialError";
                    assert_eq!(is_error, status.starts_with(['4', '5']));
                }
            }
        }
    }
    assert_eq!(ids.len(), 22);
}

/// Without a layer, a route that exists answers 500, whatever the request is.
#[tokio::test]
async fn the_documents_have_the_routes_of_the_routers_and_no_others() {
    const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];
    for (document, router) in documents() {
        for (path, item) in document["paths"].as_object().unwrap() {
            let uri = path.replace("{id}", "a");
            for method in METHODS {
                let sent = request(&method.to_uppercase(), &uri, "", "");
                let answer = send(&router, sent).await;
                let wanted = if item.get(method).is_some() { 500 } else { 405 };
                assert_eq!(answer.status, wanted, "{method} {path}");
            }
        }
    }
}

/// Returns the members of a schema, with those of the schemas that it is composed of.
fn members(document: &Value, name: &str) -> BTreeSet<String> {
    fn collect(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(target) = schema["$ref"].as_str() {
            let schema = document.pointer(target.strip_prefix('#').unwrap()).unwrap();
            collect(document, schema, found);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            collect(document, part, found);
        }
        if let Some(properties) = schema["properties"].as_object() {
            found.extend(properties.keys().cloned());
        }
    }
    let mut found = BTreeSet::new();
    let schema = &document["components"]["schemas"][name];
    collect(document, schema, &mut found);
    found
}

#[tokio::test]
async fn the_schemas_have_the_members_of_the_answers() {
    let world = World::new(MemoryStore::new()).await;
    let [(keys, _), (tokens, _)] = documents();
    let of = |answer: &Value| -> BTreeSet<String> {
        answer.as_object().unwrap().keys().cloned().collect()
    };
    let body = r#"{"name": "a"}"#;
    let key = world.send("POST", KEYS, &world.admin, body).await.json();
    let token = world.send("POST", TOKENS, &world.alice, body).await.json();
    let wanted = of(&key)
        .union(&of(&token))
        .cloned()
        .collect::<BTreeSet<_>>();
    for document in [&keys, &tokens] {
        assert_eq!(members(document, "IssuedCredential"), wanted);
    }
    for (path, page, item) in [
        ("", "CredentialPage", "Credential"),
        ("/events", "CredentialEventPage", "CredentialEvent"),
    ] {
        let answer = world
            .send("GET", &format!("{KEYS}{path}"), &world.admin, "")
            .await
            .json();
        assert_eq!(members(&keys, page), of(&answer));
        let mut shown = of(&answer["items"][0]);
        if item == "Credential" {
            shown.insert("organizations".into()); // of tokens
        }
        assert_eq!(members(&keys, item), shown);
    }
    let caller = world.send("GET", "/admin/members/me", &world.admin, "");
    assert_eq!(members(&keys, "CredentialCaller"), of(&caller.await.json()));
    // What is always there is required, also where it may be null.
    let required = &keys["components"]["schemas"]["CredentialPage"]["required"];
    assert_eq!(required, &serde_json::json!(["items", "next"]));
    let error = world.send("GET", "/admin/x", &world.admin, "").await.json();
    assert_eq!(members(&keys, "CredentialError"), of(&error));
}

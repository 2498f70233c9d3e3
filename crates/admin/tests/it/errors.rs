//! Requests that no endpoint understands, and callers who may not manage.

use axum::{
    Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
};
use serde_json::json;
use tower_api_key::{
    AuthLayer,
    store::{Directory, ManageStore, MemoryStore},
};
use tower_api_key_admin::Admin;

use crate::support::{KEYS, NOT_ALLOWED, TOKENS, World, request, send};

over_each_store! {
    a_viewer_may_not_manage_keys
    a_request_without_a_good_credential_is_refused_by_the_layer
    what_may_be_a_secret_is_not_repeated
}

/// Every endpoint of keys: method, path below the list, body.
pub(crate) const CALLS: [(&str, &str, &str); 11] = [
    ("POST", "", r#"{"name": "a"}"#),
    ("GET", "", ""),
    ("GET", "/events", ""),
    ("GET", "/{id}", ""),
    ("PATCH", "/{id}", r#"{"name": "a"}"#),
    ("PATCH", "/{id}", r#"{"environment": "a"}"#),
    ("DELETE", "/{id}", ""),
    ("POST", "/{id}/disable", ""),
    ("POST", "/{id}/enable", ""),
    ("POST", "/{id}/rotate", r#"{"overlap_seconds": 0}"#),
    (
        "POST",
        "/{id}/rotate",
        r#"{"overlap_seconds": 60, "expires_at": null}"#,
    ),
];

async fn a_viewer_may_not_manage_keys<S: ManageStore + Directory + Clone>(world: World<S>) {
    let rows = world.rows().await;
    for (method, path, body) in CALLS {
        let path = format!("{KEYS}{}", path.replace("{id}", &world.admin.id));
        let answer = world.send(method, &path, &world.viewer, body).await;
        assert_eq!(answer.seen(), (403, NOT_ALLOWED), "{method} {path}");
    }
    assert_eq!(world.rows().await, rows);
}

async fn a_request_without_a_good_credential_is_refused_by_the_layer<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let rows = world.rows().await;
    let no_organization =
        r#"{"detail":"Token is missing organization claim.","code":"missing_organization"}"#;
    let invalid = r#"{"detail":"Invalid or expired token","code":"invalid_token"}"#;
    let denied = r#"{"detail":"Token does not grant access to this organization","code":"organization_denied"}"#;
    let mut wrong = world.admin.secret.clone();
    let last = if wrong.pop() == Some('A') { 'B' } else { 'A' };
    wrong.push(last);
    for (method, path, body) in CALLS {
        let below = path.replace("{id}", &world.admin.id);
        let path = format!("{KEYS}{below}");
        let answer = world.send(method, &path, &world.alice, body).await;
        assert_eq!(answer.seen(), (401, no_organization), "{method} {path}");
        let answer = world
            .send_request(request(method, &path, &wrong, body))
            .await;
        assert_eq!(answer.seen(), (401, invalid), "{method} {path}");
        let mut none = request(method, &path, "", body);
        none.headers_mut().remove("authorization");
        let answer = world.send_request(none).await;
        assert_eq!(
            answer.code(),
            (401, "missing_credential".into()),
            "{method} {path}"
        );
        assert!(answer.headers.contains_key("www-authenticate"));
        // A key has no tokens of its own.
        let answer = world
            .send(method, &format!("{TOKENS}{below}"), &world.admin, body)
            .await;
        assert_eq!(answer.seen(), (403, denied), "{method} {path}");
    }
    assert_eq!(world.rows().await, rows);
}

async fn world() -> World<MemoryStore> {
    World::new(MemoryStore::new()).await
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_400() {
    let world = world().await;
    let rows = world.rows().await;
    for body in [
        " ",
        "{",
        "name=ci",
        r#"{"name": "ci",}"#,
        r#"{"name": "ci"} {}"#,
        r#"{name: "ci"}"#,
        r#"{"name": "\ud800"}"#,
        &format!(r#"{{"name": {}"#, "[".repeat(1_000)),
    ] {
        let answer = world.send("POST", KEYS, &world.admin, body).await;
        let status = if body.contains("[[") { 422 } else { 400 };
        assert_eq!(answer.status, status, "{body} {answer:?}");
    }
    let exact = world.send("POST", KEYS, &world.admin, "{").await;
    let text = r#"{"detail":"the body is not JSON: EOF while parsing an object at line 1 column 1","code":"invalid_json"}"#;
    assert_eq!(exact.seen(), (400, text));
    let mut bytes = request("POST", KEYS, &world.admin.secret, "x");
    *bytes.body_mut() = Body::from(b"{\"name\": \"\xff\"}".to_vec());
    assert_eq!(
        world.send_request(bytes).await.code(),
        (400, "invalid_json".into())
    );
    assert_eq!(world.rows().await, rows);
}

#[tokio::test]
async fn a_body_with_other_members_or_types_is_a_422_that_names_them() {
    let world = world().await;
    let rows = world.rows().await;
    for (body, named) in [
        ("null", "invalid type: null, expected an object"),
        ("1", "invalid type: integer `1`, expected an object"),
        (
            r#"["ci", null]"#,
            "invalid type: sequence, expected an object",
        ),
        ("{}", "missing field `name`"),
        (
            r#"{"name": 1}"#,
            "name: invalid type: integer `1`, expected a string",
        ),
        (
            r#"{"name": null}"#,
            "name: invalid type: null, expected a string",
        ),
        (r#"{"name": "a", "name": "b"}"#, "duplicate field `name`"),
        (
            r#"{"name": "a", "expires_at": "1"}"#,
            "expires_at: invalid type: string",
        ),
        (
            r#"{"name": "a", "expires_at": 1.5}"#,
            "expires_at: invalid type: floating point `1.5`",
        ),
        (
            r#"{"name": "a", "expires_at": 1e30}"#,
            "expires_at: invalid type: floating point",
        ),
        (
            r#"{"name": "a", "expires_at": 9223372036854775808}"#,
            "expires_at: invalid value",
        ),
        (
            r#"{"name": "a", "expiresAt": 1}"#,
            "unknown field `expiresAt`",
        ),
        (
            r#"{"name": "a", "organizations": []}"#,
            "unknown field `organizations`",
        ),
        (
            r#"{"name": "a", "metadata": []}"#,
            "expected an object of strings",
        ),
        (
            r#"{"name": "a", "metadata": {"k": 1}}"#,
            "invalid type: integer `1`, expected a string",
        ),
        (
            r#"{"name": "a", "scopes": "agents:read"}"#,
            "scopes: invalid type: string",
        ),
        (
            r#"{"name": "a", "scopes": [null]}"#,
            "scopes[0]: invalid type: null",
        ),
    ] {
        let answer = world.send("POST", KEYS, &world.admin, body).await;
        assert_eq!(answer.code(), (422, "invalid_body".into()), "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let path = format!("{KEYS}/{}", world.admin.id);
    for (method, path, body, named) in [
        (
            "PATCH",
            path.clone(),
            r#"{"role": "admin"}"#,
            "unknown field `role`",
        ),
        (
            "PATCH",
            path.clone(),
            r#"{"name": "a", "name": "a"}"#,
            "duplicate field `name`",
        ),
        (
            "POST",
            format!("{path}/rotate"),
            "[0]",
            "expected an object",
        ),
        (
            "POST",
            format!("{path}/rotate"),
            r#"{"overlap_seconds": -1}"#,
            "overlap_seconds",
        ),
        (
            "POST",
            format!("{path}/rotate"),
            r#"{"overlap_seconds": 0, "a": 1}"#,
            "`a`",
        ),
    ] {
        let answer = world.send(method, &path, &world.admin, body).await;
        assert_eq!(answer.code(), (422, "invalid_body".into()), "{body}");
        assert!(answer.text.contains(named), "{body}: {answer:?}");
    }
    let long = format!(r#"{{"{}": 1}}"#, "a".repeat(60_000));
    let answer = world.send("POST", KEYS, &world.admin, &long).await;
    assert!(
        answer.status == 422 && answer.text.len() < 1_000,
        "{answer:?}"
    );
    assert_eq!(world.rows().await, rows);
}

#[tokio::test]
async fn a_body_has_at_most_64_kib() {
    let world = world().await;
    let rows = world.rows().await;
    let padded = |length: usize| {
        let body = r#"{"name": "ci"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let answer = world
        .send("POST", KEYS, &world.admin, &padded(64 * 1024 + 1))
        .await;
    let text = r#"{"detail":"the body has more than 64 KiB","code":"body_too_large"}"#;
    assert_eq!(answer.seen(), (413, text));
    assert_eq!(world.rows().await, rows);
    let answer = world
        .send("POST", KEYS, &world.admin, &padded(64 * 1024))
        .await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_body_without_the_content_type_of_json_is_a_415() {
    let world = world().await;
    let rows = world.rows().await;
    let text =
        r#"{"detail":"use the content type `application/json`","code":"unsupported_media_type"}"#;
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "json",
    ] {
        let mut other = request("POST", KEYS, &world.admin.secret, r#"{"name": "ci"}"#);
        other.headers_mut().remove(CONTENT_TYPE);
        if !content_type.is_empty() {
            let value = content_type.parse().unwrap();
            other.headers_mut().insert(CONTENT_TYPE, value);
        }
        let answer = world.send_request(other).await;
        assert_eq!(answer.seen(), (415, text), "{content_type:?}");
    }
    assert_eq!(world.rows().await, rows);
    let mut utf_8 = request("POST", KEYS, &world.admin.secret, r#"{"name": "ci"}"#);
    let value = "application/json; charset=utf-8".parse().unwrap();
    utf_8.headers_mut().insert(CONTENT_TYPE, value);
    assert_eq!(world.send_request(utf_8).await.status, 201);
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_form_of_errors() {
    let world = world().await;
    let rows = world.rows().await;
    let not_found = r#"{"detail":"Not Found","code":"not_found"}"#;
    for path in [
        "/admin",
        "/admin/x",
        "/admin/organization-pats/",
        "/admin/organization-pats/a/b",
        "/admin/organization-pats/a/rotate/",
        "/admin/personal-tokens",
        "/admin/members",
        "/admin/Organization-Pats",
    ] {
        for method in ["GET", "POST", "PURGE"] {
            let answer = world.send(method, path, &world.admin, "").await;
            assert_eq!(answer.seen(), (404, not_found), "{method} {path}");
        }
    }
    let answer = world
        .send("GET", "/account/organization-pats", &world.alice, "")
        .await;
    assert_eq!(answer.seen(), (404, not_found));
    let not_allowed = r#"{"detail":"Method Not Allowed","code":"method_not_allowed"}"#;
    for (path, allow) in [
        (KEYS.to_owned(), "GET,HEAD,POST"),
        (format!("{KEYS}/a"), "GET,HEAD,PATCH,DELETE"),
        (format!("{KEYS}/a/rotate"), "POST"),
        (format!("{KEYS}/events"), "GET,HEAD"),
        ("/admin/members/me".to_owned(), "GET,HEAD"),
    ] {
        for method in ["PUT", "OPTIONS", "PURGE"] {
            let answer = world.send(method, &path, &world.admin, "").await;
            assert_eq!(answer.seen(), (405, not_allowed), "{method} {path}");
            assert_eq!(answer.headers["allow"], allow, "{path}");
        }
    }
    let answer = world
        .send("GET", &format!("{KEYS}/%ff"), &world.admin, "")
        .await;
    assert_eq!(answer.code(), (400, "invalid_path".into()));
    let head = world.send("HEAD", KEYS, &world.admin, "").await;
    assert_eq!(head.seen(), (200, ""));
    assert_eq!(world.rows().await, rows);
}

#[tokio::test]
async fn without_a_layer_every_route_is_a_500_and_behind_an_optional_one_a_401() {
    let world = world().await;
    let admin = Admin::new(world.manager.clone());
    let bare = Router::new().nest("/admin", admin.organization_routes());
    let auth = AuthLayer::new(world.manager.store().clone()).optional();
    let optional = bare.clone().layer(auth);
    let paths = CALLS.map(|(method, path, body)| (method, format!("{KEYS}{path}"), body));
    let members = ["", "/scopes"].map(|path| ("GET", format!("/admin/members/me{path}"), ""));
    for (method, path, body) in paths.into_iter().chain(members) {
        let path = path.replace("{id}", &world.admin.id);
        let answer = send(&bare, request(method, &path, &world.admin.secret, body)).await;
        assert_eq!(
            answer.code(),
            (500, "misconfigured".into()),
            "{method} {path}"
        );
        let anonymous = Request::builder().method(method).uri(&path);
        let anonymous = anonymous.body(Body::from(body)).unwrap();
        let answer = send(&optional, anonymous).await;
        assert_eq!(
            answer.code(),
            (401, "missing_credential".into()),
            "{method} {path}"
        );
        assert!(
            answer.headers.contains_key("www-authenticate"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_layers_default_form_has_no_code() {
    let world = world().await;
    let auth = AuthLayer::new(world.manager.store().clone());
    let admin = Admin::new(world.manager.clone());
    let app = Router::new().nest("/admin", admin.organization_routes().layer(auth));
    let answer = send(&app, request("GET", KEYS, "ak_a.b", "")).await;
    assert_eq!(
        answer.json(),
        json!({ "detail": "Invalid or expired token" })
    );
}

async fn what_may_be_a_secret_is_not_repeated<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let (id, secret) = (&world.admin.id, &world.viewer.secret);
    let (_, hidden) = secret.split_once('.').unwrap();
    let rotate = format!("/{id}/rotate");
    let many = "r".repeat(60_000);
    for (method, below, body) in [
        ("POST", "", format!("{secret:?}")),
        ("POST", "", format!(r#"{{"name": "a", "{secret}": 1}}"#)),
        (
            "POST",
            "",
            format!(r#"{{"name": "a", "expires_at": "{secret}"}}"#),
        ),
        (
            "POST",
            "",
            format!(r#"{{"name": "a", "scopes": ["{secret}"]}}"#),
        ),
        (
            "POST",
            "",
            format!(r#"{{"name": "a", "role": "{secret}"}}"#),
        ),
        (
            "POST",
            "",
            format!(r#"{{"name": "a", "allowed_networks": ["{secret}"]}}"#),
        ),
        (
            "POST",
            "",
            format!(r#"{{"name": "a", "allowed_networks": ["{many}"]}}"#),
        ),
        (
            "POST",
            "",
            format!(r#"{{"name": "a", "environment": "{many}"}}"#),
        ),
        (
            "POST",
            &rotate,
            format!(r#"{{"overlap_seconds": "{secret}"}}"#),
        ),
        ("GET", &format!("?{secret}=1"), String::new()),
        ("GET", &format!("?state={secret}"), String::new()),
        ("GET", &format!("?limit={secret}"), String::new()),
    ] {
        let path = format!("{KEYS}{below}");
        let answer = world.send(method, &path, &world.admin, &body).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        let text = &answer.text;
        assert!(!text.contains(hidden) && text.len() < 600, "{path}: {text}");
    }
}

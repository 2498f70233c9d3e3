//! The lines of a lock file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::{
    Router,
    body::Body,
    routing::{any, get, post},
};
use tower_api_key::{RequireOrganizationLayer, testing::routes::RouteProbe};

use super::{auth, describe, lines, scopes};

/// A scope may have any name without spaces, quotes and backslashes.
#[tokio::test]
async fn a_scope_does_not_read_like_another_requirement() {
    let names = [
        "organization",
        "&",
        "|",
        "observed(a)",
        "(answered)",
        "public",
    ];
    let mut app = Router::new().route(
        "/real",
        any(async || "").layer(RequireOrganizationLayer::new()),
    );
    for (number, name) in names.iter().enumerate() {
        let handler = any(async || "").layer(scopes(&[name]));
        app = app.route(&format!("/{number}"), handler);
    }
    let probe = RouteProbe::new(app.layer(auth()), Body::empty).with_router_paths();
    let wanted = [
        "* /* required",
        "* /0 required \"organization\"",
        "* /1 required \"&\"",
        "* /2 required \"|\"",
        "* /3 required \"observed(a)\"",
        "* /4 required \"(answered)\"",
        "* /5 required \"public\"",
        "* /real required organization",
    ];
    assert_eq!(lines(&probe.describe().await), wanted);
}

/// What a test of a service reads from a description.
#[tokio::test]
async fn a_route_tells_its_method_and_its_requirements() {
    let observed = scopes(&["agents:write"]).observed();
    let seen = Router::new().route("/agents", post(async || "").layer(observed));
    let app = seen.route("/plain", post(async || "")).layer(auth());
    let routes = describe(app, &[("POST", "/agents"), ("POST", "/plain")]).await;
    let of = |path: &str| {
        let mut routes = routes.iter().filter(|route| route.method() == "POST");
        routes.find(|route| route.path() == path).unwrap()
    };
    let [requirement] = of("/agents").requirements() else {
        panic!("{routes}")
    };
    let scopes: Vec<_> = requirement.scopes().collect();
    let told = (requirement.kind(), &scopes[..], requirement.is_observed());
    assert_eq!(told, ("scopes", &["agents:write"][..], true));
    assert_eq!(of("/plain").requirements(), []);
}

#[tokio::test]
async fn another_lock_file_is_a_panic_that_shows_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.lock");
    std::fs::write(&path, "GET    /gone\n").unwrap();
    let app = Router::new()
        .route("/agents", get(async || ""))
        .layer(auth());
    let routes = describe(app, &[("GET", "/agents")]).await;
    let failed = catch_unwind(AssertUnwindSafe(|| routes.assert_matches(&path)));
    let message = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("\n-GET    /gone\n"), "{message}");
    assert!(message.contains("\n+GET    /agents"), "{message}");
    let unreadable = catch_unwind(AssertUnwindSafe(|| routes.assert_matches(folder.path())));
    let message = *unreadable.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("cannot read "), "{message}");
}

//! Where a service puts the routers.

use axum::{Router, routing::get};
use tower_api_key::{
    AuthLayer,
    store::{Directory, ManageStore},
};
use tower_api_key_admin::{Admin, refusal};

use crate::{
    errors::CALLS,
    support::{World, request, send},
};

over_each_store! {
    each_route_answers_below_any_prefix
}

const UNKNOWN_PATH: &str = r#"{"detail":"Not Found","code":"not_found"}"#;

async fn each_route_answers_below_any_prefix<S: ManageStore + Directory + Clone>(world: World<S>) {
    let routes = || {
        let auth = AuthLayer::new(world.manager.store().clone())
            .with_clock(world.clock.clone())
            .with_responder(refusal);
        let routes: Router = Admin::new(world.manager.clone()).organization_routes();
        routes.layer(auth)
    };
    let apps = [
        ("", routes()),
        ("/v1", Router::new().nest("/v1", routes())),
        (
            "/a/b",
            Router::new().nest("/a", Router::new().nest("/b", routes())),
        ),
        (
            "/orgs/org_1/x",
            Router::new().nest("/orgs/{org}/x", routes()),
        ),
        ("/orgs/org_1", Router::new().nest("/orgs/{id}", routes())),
        ("/v2", Router::new().nest("/{version}", routes())),
        ("/v3", Router::new().nest_service("/{version}", routes())),
        (
            "/v4",
            Router::new().nest("/v4", routes().route("/reports", get(async || "own"))),
        ),
    ];
    let paths = CALLS.map(|(method, below, _)| (method, format!("/organization-pats{below}")));
    for (prefix, app) in apps {
        let seen = async |method: &str, path: &str, token: &str| {
            let path = format!("{prefix}{path}");
            let body = if method == "POST" { "{}" } else { "" };
            let answer = send(&app, request(method, &path, token, body)).await;
            assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
            (answer.status, answer.text)
        };
        for (method, path) in &paths {
            let path = path.replace("{id}", &world.other.id);
            let (status, text) = seen(method, &path, &world.admin.secret).await;
            assert_ne!((status, &*text), (404, UNKNOWN_PATH), "{prefix} {path}");
            assert!(status < 500, "{prefix} {path}: {text}");
        }
        let own = format!("/organization-pats/{}", world.admin.id);
        assert_eq!(
            seen("GET", &own, &world.admin.secret).await.0,
            200,
            "{prefix}"
        );
        for path in ["/nope", "/organization-pats/a/b/c", "/members"] {
            let unknown = (404, UNKNOWN_PATH.to_owned());
            assert_eq!(
                seen("GET", path, &world.admin.secret).await,
                unknown,
                "{prefix}"
            );
            let anonymous = send(&app, request("GET", &format!("{prefix}{path}"), "", "")).await;
            assert_eq!(anonymous.status, 401, "{prefix}{path}");
        }
    }
}

//! The example of the guide works, in the very code that the guide shows, and other layers of this
//! crate see the layer in a router.

#[path = "../../../src/guide/widgets/app.rs"]
#[allow(unreachable_pub, reason = "as the guide shows it")]
mod app;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response},
    routing::get,
};
use tower::ServiceExt as _;
use tower_api_key::{EveryRouteDecidesLayer, PublicLayer, origins::AllowedOrigins};

use super::{LISTED, UNLISTED, layer};

fn app() -> Router {
    let sites = |entries: &[&str]| AllowedOrigins::new(entries).unwrap();
    let widgets = [
        ("one", sites(&[LISTED, "www.a.example"])),
        ("other", sites(&["b.example"])),
        ("any", sites(&[])),
    ];
    let widgets: HashMap<_, _> = widgets.map(|(id, sites)| (id.to_owned(), sites)).into();
    app::app(Arc::new(widgets)).layer(EveryRouteDecidesLayer::new())
}

async fn send(app: Router, method: Method, path: &str, origin: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(&method).uri(path);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    if method == Method::OPTIONS {
        request = request.header("access-control-request-method", "POST");
    }
    let request = request.body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn each_widget_has_a_list_of_its_own() {
    for (widget, origin, status) in [
        ("one", Some(LISTED), 202),
        ("one", Some("https://www.a.example"), 202),
        ("one", Some(UNLISTED), 403),
        ("one", None, 403),
        ("other", Some(LISTED), 403),
        ("other", Some(UNLISTED), 202),
        ("any", Some(UNLISTED), 202),
        ("any", None, 202),
        ("unknown", Some(LISTED), 404),
    ] {
        let path = format!("/widgets/{widget}/messages");
        let response = send(app(), Method::POST, &path, origin).await;
        assert_eq!(response.status(), status, "{widget} from {origin:?}");
        // Any page may read the answer, and learns from a refusal only that it is one.
        let readable = response.headers().get("access-control-allow-origin");
        let readable = readable.map(|value| value.to_str().unwrap());
        assert_eq!(readable, origin, "{widget} from {origin:?}");
        let preflight = send(app(), Method::OPTIONS, &path, origin).await;
        assert_eq!(preflight.status(), 200, "{widget} from {origin:?}");
    }
}

#[tokio::test]
async fn a_frame_states_on_which_pages_it_may_be_shown() {
    for (widget, policy) in [
        (
            "one",
            "frame-ancestors https://a.example https://www.a.example",
        ),
        ("any", "frame-ancestors *"),
    ] {
        let response = send(app(), Method::GET, &format!("/embed/{widget}"), None).await;
        let sent = &response.headers()["content-security-policy"];
        assert_eq!(
            (response.status().as_u16(), sent.as_bytes()),
            (200, policy.as_bytes())
        );
    }
}

#[tokio::test]
async fn a_list_of_origins_does_not_decide_a_route() {
    let origins = || {
        Router::new()
            .route("/", get(async || "reached"))
            .layer(layer())
    };
    for (app, statuses) in [
        (origins(), [500, 500]),
        (origins().layer(PublicLayer::new()), [200, 403]),
    ] {
        let app = app.layer(EveryRouteDecidesLayer::new());
        for (origin, status) in [LISTED, UNLISTED].into_iter().zip(statuses) {
            let response = send(app.clone(), Method::GET, "/", Some(origin)).await;
            assert_eq!(response.status(), status, "{origin}");
        }
    }
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn the_description_of_a_route_shows_that_origins_are_listed() {
    use tower_api_key::{origins::AllowedOriginsLayer, testing::routes::RouteProbe};

    let public = |path, layer: AllowedOriginsLayer| {
        let route = Router::new().route(
            path,
            get(async || -> &'static str { panic!("a handler ran") }),
        );
        route.layer(layer).layer(PublicLayer::new())
    };
    let any = AllowedOriginsLayer::new(AllowedOrigins::any());
    let app = public("/listed", layer()).merge(public("/any", any));
    let routes = RouteProbe::new(app, Body::empty)
        .with_routes([("GET", "/any"), ("GET", "/listed")])
        .describe()
        .await;
    routes.assert_decided();
    for (path, kinds) in [("/any", &[][..]), ("/listed", &["origin"][..])] {
        let route = routes.iter().find(|route| route.path() == path).unwrap();
        let found: Vec<_> = route.requirements().iter().map(|it| it.kind()).collect();
        assert_eq!(found, kinds, "{route}");
        assert!(!route.is_answered(), "{route}");
    }
}

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_SECURITY_POLICY, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use tower_api_key::{
    PublicLayer,
    origins::{AllowedOrigins, OriginCheck},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The sites of each widget, by its id: in a service, a table of your database.
type Sites = Arc<HashMap<String, AllowedOrigins>>;

#[derive(Clone)]
struct Widgets {
    sites: Sites,
    origins: OriginCheck,
}

/// What a script on a customer's page calls.
async fn message(
    State(widgets): State<Widgets>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Response> {
    let Some(sites) = widgets.sites.get(&id) else {
        return Ok(StatusCode::NOT_FOUND);
    };
    widgets.origins.check(sites, &headers)?;
    Ok(StatusCode::ACCEPTED)
}

/// A page that a customer's page shows in a frame.
async fn frame(State(widgets): State<Widgets>, Path(id): Path<String>) -> Response {
    let Some(sites) = widgets.sites.get(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let policy = format!("frame-ancestors {sites}");
    ([(CONTENT_SECURITY_POLICY, policy)], Html("hello")).into_response()
}

pub fn app(sites: Sites) -> Router {
    let origins = OriginCheck::new(); // `.with_responses_of(&auth)` for refusals as on other routes
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods([Method::POST])
        .allow_headers([CONTENT_TYPE]);
    let api = Router::new()
        .route("/widgets/{id}/messages", post(message))
        .layer(cors);
    let frames = Router::new().route("/embed/{id}", get(frame));
    api.merge(frames)
        .with_state(Widgets { sites, origins })
        .layer(PublicLayer::new())
}

//! What programs call with a key or a token: the API itself, and the endpoints that manage
//! credentials.

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tower_api_key::{
    AuthLayer, ConfigError, Principal, Rejection, RequireScopesLayer, axum::whoami,
    scope::AcceptedScopes, store::ManageStore,
};
use tower_api_key_admin::Admin;

/// The layer, with the refusals of the management endpoints for all routes.
pub(super) type Auth<S> = AuthLayer<S, Responder>;

/// Makes the response of a refusal.
pub(super) type Responder = fn(&Rejection) -> Response;

/// Which scopes open `GET /agents`.
pub(super) fn reads_agents() -> Result<AcceptedScopes, ConfigError> {
    AcceptedScopes::any(["agents:read", "agents:manage"])
}

/// Which scope opens `POST /agents`.
pub(super) fn manages_agents() -> Result<AcceptedScopes, ConfigError> {
    AcceptedScopes::any(["agents:manage"])
}

/// Returns what is done for an organization: with one of its keys, or with the token of a member
/// and the organization header.
pub(super) fn organization_routes<S: ManageStore + Clone>(
    auth: &Auth<S>,
    admin: &Admin<S>,
) -> Result<Router, ConfigError> {
    let reads = RequireScopesLayer::new(reads_agents()?).with_responses_of(auth);
    let manages = RequireScopesLayer::new(manages_agents()?).with_responses_of(auth);
    // A layer on a method router covers only the methods that are already there, so each method
    // has its own.
    let agents = get(list_agents)
        .layer(reads)
        .merge(post(create_agent).layer(manages));
    // The fallback is behind the layer, too: without a credential, no one learns which paths exist.
    let routes = Router::new()
        .route("/agents", agents)
        .route("/whoami", get(whoami))
        .nest("/admin", admin.organization_routes()) // the manager decides who may manage keys
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed);
    Ok(routes.layer(auth.clone()))
}

/// Returns what is done for a person, in no organization: with one of their tokens.
pub(super) fn personal_routes<S: ManageStore + Clone>(auth: &Auth<S>, admin: &Admin<S>) -> Router {
    Router::new()
        .route("/me", get(whoami))
        .nest("/account", admin.personal_routes())
        .method_not_allowed_fallback(not_allowed)
        .layer(auth.clone().user_scoped())
}

/// An error of the example itself, in the same form as the crate's: `{"detail": "<text>"}`.
pub(super) struct Fault(pub(super) StatusCode, pub(super) &'static str);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "detail": self.1 }))).into_response()
    }
}

pub(super) async fn not_found() -> Fault {
    Fault(StatusCode::NOT_FOUND, "Not Found")
}

pub(super) async fn not_allowed() -> Fault {
    Fault(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

async fn list_agents(caller: Principal) -> Json<Value> {
    Json(json!({ "organization": caller.organization(), "agents": ["ada", "grace"] }))
}

async fn create_agent(caller: Principal) -> Json<Value> {
    Json(json!({ "organization": caller.organization(), "created_by": caller.credential_id() }))
}

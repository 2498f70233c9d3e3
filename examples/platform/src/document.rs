//! The OpenAPI document of the API, and a page to read it and to try it.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
};
use tower_api_key::{scope::AcceptedScopes, utoipa::security_requirements};
use tower_api_key_admin::Admin;
use utoipa::openapi::{
    HttpMethod, Info, OpenApi, Paths, PathsBuilder, Required, ResponseBuilder,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    security::SecurityRequirement,
};
use utoipa_swagger_ui::SwaggerUi;

use super::{api, public};

/// The security scheme of the document of the management endpoints.
const SCHEME: &str = "tower-api-key";

/// Swagger UI sets styles on elements, and has its icons in the style sheet.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Returns the page at `/docs/`, and the document at `/openapi.json`.
pub(super) fn routes<S>(admin: &Admin<S>) -> super::Result<Router> {
    let document = document(admin)?;
    let page = SwaggerUi::new("/docs").url("/openapi.json", document);
    Ok(Router::from(page).layer(map_response(secure)))
}

async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static(POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Returns the document of the whole API.
fn document<S>(admin: &Admin<S>) -> super::Result<OpenApi> {
    let info = Info::new("Example platform", env!("CARGO_PKG_VERSION"));
    Ok(OpenApi::new(info, paths()?)
        .nest("/admin", admin.organization_openapi())
        .nest("/account", admin.personal_openapi()))
}

/// Who may call an operation.
enum Callers {
    Anybody,
    /// With any credential.
    Known,
    With(AcceptedScopes),
}

fn paths() -> super::Result<Paths> {
    use HttpMethod::{Get, Post};
    let reads = Callers::With(api::reads_agents()?);
    let manages = Callers::With(api::manages_agents()?);
    let (anybody, known) = (Callers::Anybody, Callers::Known);
    let mut paths = PathsBuilder::new().build();
    for (method, path, summary, status, callers) in [
        (Get, "/agents", "Lists the agents", "200", &reads),
        (Post, "/agents", "Creates an agent", "200", &manages),
        (Get, "/whoami", "Says who the caller is", "200", &known),
        (Get, "/me", "Says whose token it is", "200", &known),
        (Get, "/status", "Says that it runs", "200", &anybody),
        (Get, public::WIDGET, "Shows a widget", "200", &anybody),
        (Post, public::WORKFLOW, "Starts a workflow", "202", &anybody),
    ] {
        let operation = operation(path, summary, status, callers);
        paths.add_path_operation(path, vec![method], operation.build());
    }
    Ok(paths)
}

fn operation(path: &str, summary: &str, status: &str, callers: &Callers) -> OperationBuilder {
    let response = |text: &str| ResponseBuilder::new().description(text).build();
    let mut operation = OperationBuilder::new()
        .summary(Some(summary))
        .response(status, response("Done."));
    let parameters = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        let builder = ParameterBuilder::new().name(name).required(Required::True);
        Some(builder.parameter_in(ParameterIn::Path).build())
    });
    for parameter in parameters {
        operation = operation.parameter(parameter);
    }
    if matches!(path, "/agents" | "/whoami") {
        let header = ParameterBuilder::new().name("X-Anyreach-Org");
        let header = header.description(Some("The organization, for a personal token."));
        operation = operation.parameter(header.parameter_in(ParameterIn::Header).build());
    }
    match callers {
        Callers::Anybody => operation,
        Callers::Known => operation
            .security(SecurityRequirement::new(SCHEME, [""; 0]))
            .response("401", response("No valid credential.")),
        Callers::With(accepted) => operation
            .securities(Some(security_requirements(SCHEME, accepted)))
            .response("401", response("No valid credential."))
            .response("403", response("None of the scopes.")),
    }
}

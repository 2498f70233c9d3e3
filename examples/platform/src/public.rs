//! What anybody may call: browsers that show a widget, and webhooks. Here the organization comes
//! from the resource, and a credential is not looked at.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State, rejection::PathRejection},
    http::{
        HeaderMap, StatusCode,
        header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN, VARY},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tower_api_key::origins::{AllowedOrigins, InvalidOrigin, OriginCheck};

use super::api::{Auth, Fault, Responder, not_allowed};

pub(super) const WIDGET: &str = "/core/public/web-widgets/{id}";
pub(super) const WORKFLOW: &str = "/workflow/public/workflows/{workflow_id}/{version}/execute";

/// A widget that sites of its organization show.
struct Widget {
    id: &'static str,
    organization: &'static str,
    greeting: &'static str,
    /// The sites that may show it, as their owners have typed them; none: every site.
    allowed_domains: &'static [&'static str],
}

static WIDGETS: [Widget; 2] = [
    Widget {
        id: "widget_demo",
        organization: "org_demo",
        greeting: "How can we help?",
        allowed_domains: &["shop.example", "http://localhost:8080"],
    },
    Widget {
        id: "widget_open",
        organization: "org_second",
        greeting: "Hello",
        allowed_domains: &[],
    },
];

/// The id, version and organization of each workflow that is public.
const WORKFLOWS: [(&str, &str, &str); 1] = [("workflow_demo", "1", "org_demo")];

/// The widgets with the lists of their sites, and how a refusal is answered.
struct Widgets {
    all: Vec<(&'static Widget, AllowedOrigins)>,
    check: OriginCheck<Responder>,
}

impl Widgets {
    fn new<S>(auth: &Auth<S>) -> Result<Self, InvalidOrigin> {
        let with_sites = |widget: &'static Widget| {
            // A program that is no browser may name any origin, or none.
            let sites = AllowedOrigins::new(widget.allowed_domains)?;
            Ok((widget, sites.with_missing_origin_allowed()))
        };
        Ok(Self {
            all: WIDGETS.iter().map(with_sites).collect::<Result<_, _>>()?,
            check: OriginCheck::new().with_responses_of(auth),
        })
    }
}

/// Returns the public routes, which refuse another site as `auth` refuses a caller.
pub(super) fn routes<S>(auth: &Auth<S>) -> Result<Router, InvalidOrigin> {
    Ok(Router::new()
        .route("/status", get(status))
        .route(WIDGET, get(widget))
        .route(WORKFLOW, post(execute))
        .method_not_allowed_fallback(not_allowed)
        .with_state(Arc::new(Widgets::new(auth)?)))
}

async fn status() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Shows a widget to a browser on one of its sites. This keeps other sites from using the widget,
/// and no secret.
async fn widget(
    State(widgets): State<Arc<Widgets>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let found = id.ok().and_then(|Path(id)| {
        let mut all = widgets.all.iter();
        all.find(|(widget, _)| widget.id == id)
    });
    let Some((widget, sites)) = found else {
        return Err(Fault(StatusCode::NOT_FOUND, "Not Found").into_response());
    };
    widgets.check.check(sites, &headers)?;
    let mut response =
        Json(json!({ "organization": widget.organization, "greeting": widget.greeting }))
            .into_response();
    response.headers_mut().insert(VARY, ORIGIN.into());
    if let Some(origin) = headers.get(ORIGIN) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    Ok(response)
}

/// Starts a workflow. A real one would check a signature of the webhook, or limit the calls.
async fn execute(
    named: Result<Path<(String, String)>, PathRejection>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let known = named.ok().and_then(|Path((id, version))| {
        let mut workflows = WORKFLOWS.iter();
        workflows.find(|one| (one.0, one.1) == (&*id, &*version))
    });
    let (id, version, organization) = known.ok_or(Fault(StatusCode::NOT_FOUND, "Not Found"))?;
    let body = json!({ "workflow": id, "version": version, "organization": organization });
    Ok((StatusCode::ACCEPTED, Json(body)))
}

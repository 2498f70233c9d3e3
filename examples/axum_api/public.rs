//! What anybody may call: browsers that show a widget, and webhooks. Here the organization comes
//! from the resource, and a credential is not looked at.

use axum::{
    Json, Router,
    extract::{Path, rejection::PathRejection},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN, VARY},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::api::{Fault, not_allowed};

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

const WIDGETS: [Widget; 2] = [
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

pub(super) fn routes() -> Router {
    Router::new()
        .route("/status", get(status))
        .route(WIDGET, get(widget))
        .route(WORKFLOW, post(execute))
        .method_not_allowed_fallback(not_allowed)
}

async fn status() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Shows a widget to a browser on one of its sites. Whoever is no browser may name any origin, so
/// this keeps other sites from using the widget, and no secret.
async fn widget(
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let widget = id
        .ok()
        .and_then(|Path(id)| WIDGETS.iter().find(|one| one.id == id));
    let widget = widget.ok_or(Fault(StatusCode::NOT_FOUND, "Not Found"))?;
    let mut response =
        Json(json!({ "organization": widget.organization, "greeting": widget.greeting }))
            .into_response();
    response.headers_mut().insert(VARY, ORIGIN.into());
    if let Some(origin) = headers.get(ORIGIN) {
        let text = origin.to_str().unwrap_or_default();
        if !may_show(text, widget.allowed_domains) {
            return Err(Fault(StatusCode::FORBIDDEN, "Origin not allowed"));
        }
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

/// Returns whether a page of `origin` may show what is limited to `domains`.
fn may_show(origin: &str, domains: &[&str]) -> bool {
    let origin = normalized(origin);
    domains.is_empty() || origin.is_some() && domains.iter().any(|one| normalized(one) == origin)
}

/// Returns scheme, host and port of a site; `https` if it names no scheme. `None` for anything that
/// is not an origin.
fn normalized(site: &str) -> Option<(String, String, u16)> {
    let site = match site.contains("://") {
        true => site.to_owned(),
        false => format!("https://{site}"),
    };
    let uri: Uri = site.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let is_origin = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let has_user = authority.as_str().contains('@');
    (is_origin && !has_user).then(|| {
        let host = authority.host().to_ascii_lowercase();
        (
            scheme.to_owned(),
            host,
            authority.port_u16().unwrap_or(port),
        )
    })
}

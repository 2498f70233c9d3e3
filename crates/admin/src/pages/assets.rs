//! The style sheet and the script, under names that change with their content.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use tower_api_key::secret::Digest;

const STYLE: &str = include_str!("assets/pages.css");
const SCRIPT: &str = include_str!("assets/pages.js");

/// The names of both files.
#[derive(Clone, Debug)]
pub(super) struct Assets {
    pub(super) style: String,
    pub(super) script: String,
}

impl Assets {
    pub(super) fn new() -> Self {
        Self {
            style: name(STYLE, "css"),
            script: name(SCRIPT, "js"),
        }
    }

    /// Returns the routes of both files, below the path of the list.
    pub(super) fn routes<S: Clone + Send + Sync + 'static>(&self, path: &str) -> Router<S> {
        let css = "text/css; charset=utf-8";
        let js = "text/javascript; charset=utf-8";
        Router::new()
            .route(
                &format!("{path}/{}", self.style),
                get(async move || file(STYLE, css)),
            )
            .route(
                &format!("{path}/{}", self.script),
                get(async move || file(SCRIPT, js)),
            )
    }
}

/// Returns a name that another content would not have.
fn name(content: &str, extension: &str) -> String {
    let digest = Digest::of(content.as_bytes()).to_hex();
    let short: String = digest.chars().take(16).collect();
    format!("pages-{short}.{extension}")
}

/// Answers with a file that caches may keep: another content has another name.
fn file(content: &'static str, content_type: &'static str) -> Response {
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    let content_type = HeaderValue::from_static(content_type);
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, forever)];
    (headers, content).into_response()
}

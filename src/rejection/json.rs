//! `{"detail": "<text>"}`, the documented form, or the same under another key.

use std::borrow::Cow;

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use super::{Rejection, Responder, respond::RefusalBody};

/// Answers `{"<key>": "<text>"}` as `application/json`. The default key is `detail` (api-reference/errors); the MCP edge
/// uses `error`.
#[derive(Clone, Debug)]
pub struct JsonResponder {
    key: Cow<'static, str>,
}

impl JsonResponder {
    /// Answers under another key.
    pub fn with_key(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into() }
    }
}

impl Default for JsonResponder {
    fn default() -> Self {
        Self::with_key("detail")
    }
}

impl<B: RefusalBody> Responder<B> for JsonResponder {
    fn respond(&self, rejection: &Rejection) -> Response<B> {
        let body = serde_json::json!({ &*self.key: rejection.detail() });
        json_response(rejection, "application/json", &body)
    }
}

pub(super) fn json_response<B: RefusalBody>(
    rejection: &Rejection,
    content_type: &'static str,
    body: &serde_json::Value,
) -> Response<B> {
    let mut response = Response::new(B::from_text(body.to_string()));
    *response.status_mut() = rejection.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

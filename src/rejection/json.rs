//! The default responder: `{"detail": "<text>"}`, the documented form, or the same under another
//! key.

use std::borrow::Cow;

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use super::{Rejection, Responder, respond::RefusalBody};
use crate::anyreach;

/// Answers refusals with `{"<key>": "<text>"}` as `application/json`. The default key is `detail`
/// (api-reference/errors); the MCP edge uses `error`.
#[derive(Clone, Debug)]
pub struct JsonResponder {
    /// `{"<key>":`, with the key escaped.
    opening: String,
}

impl JsonResponder {
    /// Creates a responder that uses another key.
    pub fn with_key(key: impl Into<Cow<'static, str>>) -> Self {
        Self {
            opening: format!("{{{}:", serde_json::Value::from(key.into())),
        }
    }
}

impl Default for JsonResponder {
    fn default() -> Self {
        Self::with_key(anyreach::BODY_KEY)
    }
}

impl<B: RefusalBody> Responder<B> for JsonResponder {
    fn respond(&self, rejection: &Rejection) -> Response<B> {
        // Only the text is serialized by serde: a client that floods a service with junk causes
        // many refusals.
        let detail = serde_json::to_string(rejection.detail()).unwrap_or_default();
        let mut body = String::with_capacity(self.opening.len() + detail.len() + 1);
        body.push_str(&self.opening);
        body.push_str(&detail);
        body.push('}');
        json_response(rejection, "application/json", body)
    }
}

pub(super) fn json_response<B: RefusalBody>(
    rejection: &Rejection,
    content_type: &'static str,
    body: String,
) -> Response<B> {
    let mut response = Response::new(B::from_text(body));
    *response.status_mut() = rejection.status();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

//! The responder for problem details (RFC 9457).

use http::Response;

use super::{Rejection, Responder, json::json_response, respond::RefusalBody};

/// Answers refusals with a problem document, `application/problem+json` (RFC 9457, section 3).
///
/// `type` is `about:blank`, so `title` is the status phrase (section 4.2.1). `code` is an extension
/// member with [`Reason::code`](super::Reason::code).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ProblemResponder;

impl ProblemResponder {
    /// Creates the responder.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<B: RefusalBody> Responder<B> for ProblemResponder {
    fn respond(&self, rejection: &Rejection) -> Response<B> {
        let status = rejection.status();
        let body = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": rejection.detail(),
            "code": rejection.reason().code(),
        });
        json_response(rejection, "application/problem+json", body.to_string())
    }
}

//! The responder for problem details (RFC 9457).

use http::Response;

use super::{
    RefusalBody, Rejection, Responder,
    json::{json_response, push_string},
};

/// Answers refusals with a problem document, `application/problem+json` (RFC 9457, section 3).
///
/// `type` is `about:blank`, so `title` is the status phrase (section 4.2.1). `code` is an extension
/// member with [`Reason::code`](super::Reason::code).
///
/// Use it if the rest of your API answers errors in this form:
///
/// ```
/// use tower_api_key::{AuthLayer, rejection::ProblemResponder, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new()).with_responder(ProblemResponder::new());
/// // {"code":"invalid_token","detail":"Invalid or expired token","status":401,
/// //  "title":"Unauthorized","type":"about:blank"}
/// ```
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
        json_response(rejection, "application/problem+json", document(rejection))
    }

    fn empty_body(&self) -> B {
        B::empty()
    }

    fn speaks_grpc(&self) -> bool {
        B::SPEAKS_GRPC
    }
}

/// Writes the problem document.
fn document(rejection: &Rejection) -> String {
    let (code, status) = (rejection.reason().code(), rejection.status());
    let mut json = format!(r#"{{"code":"{code}","detail":"#);
    push_string(&mut json, rejection.detail());
    let title = status.canonical_reason().unwrap_or_default();
    let status = status.as_u16();
    json + &format!(r#","status":{status},"title":"{title}","type":"about:blank"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct GrpcBody;

    impl RefusalBody for GrpcBody {
        const SPEAKS_GRPC: bool = true;

        fn from_text(_: String) -> Self {
            Self
        }
    }

    #[test]
    fn a_service_speaks_grpc_if_its_body_does() {
        let problems = ProblemResponder::new();
        assert!(Responder::<GrpcBody>::speaks_grpc(&problems));
        assert!(!Responder::<String>::speaks_grpc(&problems));
    }
}

//! Errors of the endpoints: `{"detail": "<text>", "code": "<code>"}`.

use std::borrow::Cow;

use axum::{
    Json,
    body::Body,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use tower_api_key::{
    Rejection,
    manage::ManageError,
    store::{InvalidMetadata, InvalidNetwork},
};
use utoipa::ToSchema;

/// Why a request failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Envelope<'a> {
    /// The reason, for people.
    detail: &'a str,
    /// The reason, for programs.
    code: &'a str,
}

/// Why a request is answered with an error.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The layers let it pass without a caller.
    Refused(Rejection),
    /// The manager refused it.
    Manage(ManageError),
    /// It is not a request that these endpoints understand.
    Request {
        status: StatusCode,
        code: &'static str,
        detail: Cow<'static, str>,
    },
}

impl Fault {
    /// No endpoint has the path.
    pub(crate) const NOT_FOUND: Self = Self::fixed(StatusCode::NOT_FOUND, "not_found", "Not Found");

    /// The endpoint has other methods.
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::fixed(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Method Not Allowed",
    );

    const fn fixed(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        let detail = Cow::Borrowed(detail);
        Self::Request {
            status,
            code,
            detail,
        }
    }

    /// A body that is JSON, but not what the endpoint takes.
    pub(crate) const fn invalid_body(detail: &'static str) -> Self {
        Self::fixed(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail)
    }

    /// A query that the endpoint does not take.
    pub(crate) fn invalid_query(detail: String) -> Self {
        Self::request(StatusCode::BAD_REQUEST, "invalid_query", &detail)
    }

    fn request(status: StatusCode, code: &'static str, detail: &str) -> Self {
        let detail = Cow::Owned(excerpt(detail));
        Self::Request {
            status,
            code,
            detail,
        }
    }
}

/// Maximum length of a text that repeats what the client sent, in characters.
const MAX_DETAIL: usize = 400;

fn excerpt(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect()
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(rejection) => {
                let (code, detail) = (rejection.reason().code(), rejection.detail().to_owned());
                with_envelope(rejection.into_response(), code, &detail)
            }
            Self::Manage(error) => {
                let (code, detail) = (error.code(), error.to_string());
                // The response of the core reports a failure of the store.
                with_envelope(error.into_response(), code, &detail)
            }
            Self::Request {
                status,
                code,
                detail,
            } => with_envelope(status.into_response(), code, &detail),
        }
    }
}

/// Replaces the body of a response; its status and its headers stay.
pub(crate) fn with_envelope(mut response: Response, code: &str, detail: &str) -> Response {
    *response.body_mut() = envelope(code, detail);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Returns the body of an error.
pub(crate) fn envelope(code: &str, detail: &str) -> Body {
    Json(Envelope { detail, code }).into_response().into_body()
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl From<ManageError> for Fault {
    fn from(error: ManageError) -> Self {
        Self::Manage(error)
    }
}

impl From<InvalidMetadata> for Fault {
    fn from(invalid: InvalidMetadata) -> Self {
        Self::Manage(invalid.into())
    }
}

impl From<InvalidNetwork> for Fault {
    fn from(invalid: InvalidNetwork) -> Self {
        Self::Manage(invalid.into())
    }
}

impl From<JsonRejection> for Fault {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
            StatusCode::UNPROCESSABLE_ENTITY => "invalid_body",
            _ => "invalid_json",
        };
        Self::request(rejection.status(), code, &rejection.body_text())
    }
}

impl From<PathRejection> for Fault {
    fn from(rejection: PathRejection) -> Self {
        Self::request(rejection.status(), "invalid_path", &rejection.body_text())
    }
}

impl From<QueryRejection> for Fault {
    fn from(rejection: QueryRejection) -> Self {
        Self::request(rejection.status(), "invalid_query", &rejection.body_text())
    }
}

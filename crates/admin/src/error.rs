//! Errors of the endpoints: `{"detail": "<text>", "code": "<code>"}`.

use std::{borrow::Cow, error::Error};

use axum::{
    Json,
    body::Body,
    extract::rejection::{JsonRejection, QueryRejection},
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
#[schema(as = CredentialError)]
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

    /// The path has percent-encoded bytes that are not UTF-8.
    pub(crate) const INVALID_PATH: Self = Self::fixed(
        StatusCode::BAD_REQUEST,
        "invalid_path",
        "the path is not UTF-8",
    );

    /// The header `Idempotency-Key` is there more than once.
    pub(crate) const REPEATED_KEY: Self = Self::fixed(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_idempotency_key",
        "use one idempotency key",
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
        let detail = Cow::Owned(detail.to_owned());
        Self::Request {
            status,
            code,
            detail,
        }
    }
}

/// Maximum length of a text, which may repeat what the client sent, in characters.
const MAX_DETAIL: usize = 400;

/// Characters in a row that may be a secret which was sent in the wrong place. Scopes, roles and
/// addresses have fewer.
const SECRET: usize = 32;

/// Returns what an answer shows of a text: its beginning, with `…` in place of what may be a secret.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(MAX_DETAIL).collect();
    let is_separator = |c: char| !(c.is_ascii_alphanumeric() || "._~+/=-".contains(c));
    text.split_inclusive(is_separator)
        .map(|part| match part.trim_end_matches(is_separator) {
            run if run.len() < SECRET => part.into(),
            run => Cow::Owned(part.replace(run, "\u{2026}")),
        })
        .collect::<Vec<Cow<'_, str>>>()
        .concat()
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
    let detail = &shown(detail);
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
        let status = rejection.status();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::fixed(status, "body_too_large", "the body has more than 64 KiB")
            }
            _ if matches!(rejection, JsonRejection::BytesRejection(_)) => {
                let detail = "the body ended early, or could not be read";
                Self::fixed(status, "unreadable_body", detail)
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let detail = "use the content type `application/json`";
                Self::fixed(status, "unsupported_media_type", detail)
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                let detail = format!("the body is not as expected: {}", cause(&rejection));
                Self::request(status, "invalid_body", &detail)
            }
            _ => {
                let detail = format!("the body is not JSON: {}", cause(&rejection));
                Self::request(status, "invalid_json", &detail)
            }
        }
    }
}

/// Returns what the parser says of a body, without the names of Rust's types.
fn cause(rejection: &JsonRejection) -> String {
    let mut cause: &dyn Error = rejection;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
        .to_string()
        .replace("expected i64", "expected an integer")
        .replace("expected u64", "expected an integer, at least 0")
}

impl From<QueryRejection> for Fault {
    fn from(rejection: QueryRejection) -> Self {
        Self::request(rejection.status(), "invalid_query", &rejection.body_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_no_secret_and_has_an_end() {
        let secret = "ak_4bG7mJ0vQzR.0123456789abcdefghijABCDEFGHIJ0123456789";
        for (text, wanted) in [
            ("unknown scope \"agents:write\"".to_owned(), None),
            (
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128".to_owned(),
                None,
            ),
            (
                format!("expected {secret:?} here"),
                Some("expected \"\u{2026}\" here"),
            ),
            (secret.to_owned(), Some("\u{2026}")),
            (format!("{}{secret}", "x ".repeat(180)), None),
        ] {
            let shown = shown(&text);
            assert!(!shown.contains("0123456789abcdef"), "{shown}");
            assert!(shown.chars().count() <= MAX_DETAIL, "{shown}");
            if let Some(wanted) = wanted {
                assert_eq!(shown, wanted);
            } else if !text.contains(secret) {
                assert_eq!(shown, text);
            }
        }
    }
}

//! What a refusal must look like, from the tables of the README and of the protocol.

use http::{HeaderMap, Method, Response, Version, request::Parts};

use crate::oracle::{Mode, SCOPE};

/// A row of the README's table.
struct Row {
    status: u16,
    grpc: &'static str,
    text: &'static str,
    challenge: Option<&'static str>,
}

fn row(reason: &str) -> Row {
    let invalid = r#"Bearer realm="api", error="invalid_token""#;
    let bare = r#"Bearer realm="api""#;
    let scope = r#"Bearer realm="api", error="insufficient_scope""#;
    let (status, text, challenge) = match reason {
        "missing_credential" => (401, "Missing Bearer token", Some(bare)),
        "unrecognized_token" => (
            401,
            "Unrecognized token format. Expected a personal access token (pat_...) or \
             organization API key (ak_...).",
            Some(invalid),
        ),
        "invalid_token" => (401, "Invalid or expired token", Some(invalid)),
        "missing_organization" => (401, "Token is missing organization claim.", Some(bare)),
        "organization_denied" => (
            403,
            "Token does not grant access to this organization",
            Some(scope),
        ),
        "insufficient_scope" => (
            403,
            "Token does not grant access to this action",
            Some(r#"Bearer realm="api", error="insufficient_scope", scope="agents:manage""#),
        ),
        "exposed_credential" => (403, "Tokens must not be sent from a browser", None),
        "unavailable" => (503, "Authentication is temporarily unavailable", None),
        other => panic!("the documentation has no refusal {other:?}"),
    };
    let grpc = match status {
        401 => "16",
        403 => "7",
        _ => "14",
    };
    Row {
        status,
        grpc,
        text,
        challenge,
    }
}

/// Asserts that `response` is the refusal of `request` for `reason`, to the last header and byte.
///
/// # Panics
/// If it is not.
pub fn assert_refusal(response: &Response<String>, request: &Parts, mode: &Mode, reason: &str) {
    let row = row(reason);
    let mut wanted = vec![("cache-control".to_owned(), "no-store".to_owned())];
    let mut add = |name: &str, value: &str| wanted.push((name.to_owned(), value.to_owned()));
    let (status, body) = match call(request).filter(|_| mode.grpc) {
        Some(content_type) => {
            let sent = single(response.headers(), "content-type");
            content_type.assert_answer(sent.unwrap_or_default());
            add("content-type", sent.unwrap_or_default());
            add("grpc-status", row.grpc);
            add("grpc-message", row.text); // no text has a character to be encoded
            (200, String::new())
        }
        None => {
            add("content-type", "application/json");
            if let Some(challenge) = row.challenge {
                add("www-authenticate", challenge);
            }
            if row.status == 503 {
                add("retry-after", "1");
            }
            (row.status, format!(r#"{{"detail":"{}"}}"#, row.text))
        }
    };
    if mode.optional {
        add("vary", "Authorization, X-Anyreach-Org");
    }
    assert_eq!(response.status(), status, "{reason}");
    assert_eq!(response.body(), &body, "{reason}");
    wanted.sort();
    assert_eq!(all(response.headers()), wanted, "{reason}");
    assert!(SCOPE.starts_with("agents"));
}

/// Returns every header, sorted.
fn all(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let each = headers.iter();
    let mut all: Vec<_> = each
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect();
    all.sort();
    all
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).into_iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    value.to_str().ok()
}

/// The content-type of a call in one of the forms of gRPC.
struct Call {
    web: bool,
    /// Without parameters, as sent.
    essence: String,
}

/// Returns whether a request is a call in one of the forms of gRPC.
fn call(request: &Parts) -> Option<Call> {
    let mut values = request.headers.get_all("content-type").into_iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    if request.method != Method::POST {
        return None;
    }
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let essence = value.split(';').next().unwrap_or_default();
    let essence = essence.trim_matches([' ', '\t']).to_owned();
    let lower = essence.to_ascii_lowercase();
    let flavour = lower.split('+').next().unwrap_or_default();
    match flavour {
        "application/grpc" if request.version == Version::HTTP_2 => Some(Call {
            web: false,
            essence,
        }),
        "application/grpc-web" | "application/grpc-web-text" => Some(Call { web: true, essence }),
        _ => None,
    }
}

impl Call {
    /// Asserts that the answer has the content-type of the call, and none of the caller's making.
    fn assert_answer(&self, sent: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/+-._".contains(c);
        assert!(sent.chars().all(plain), "{sent:?}");
        let base = self.essence.split('+').next().unwrap_or_default();
        let wanted = match self.web {
            false => sent == "application/grpc",
            true => sent == self.essence || sent == base.to_ascii_lowercase(),
        };
        assert!(wanted, "{sent:?} answers {:?}", self.essence);
    }
}

//! The default responder: `{"detail": "<text>"}`, the documented form, or the same under another
//! key.

use std::fmt::Write as _;

use http::{HeaderValue, Response, header::CONTENT_TYPE};

use super::{RefusalBody, Rejection, Responder};
use crate::anyreach;

/// Answers refusals with `{"<key>": "<text>"}` as `application/json`. The default key is `detail`
/// (api-reference/errors); the MCP edge uses `error`.
///
/// It is the default of every layer; [`AuthLayer::with_body_key`](crate::AuthLayer::with_body_key)
/// changes the key. Use the type itself to write the same JSON from a closure, into a body that
/// this crate does not know:
///
/// ```
/// use http::Response;
/// use tower_api_key::{
///     AuthLayer, Rejection,
///     rejection::{JsonResponder, Responder},
///     store::MemoryStore,
/// };
///
/// let json = JsonResponder::default().with_key("error");
/// let auth = AuthLayer::new(MemoryStore::new()).with_responder(move |rejection: &Rejection| {
///     let response: Response<String> = json.respond(rejection);
///     response.map(String::into_bytes)
/// });
/// ```
#[derive(Clone, Debug)]
pub struct JsonResponder {
    /// `{"<key>":`, with the key escaped.
    opening: String,
}

impl JsonResponder {
    /// Sets the key of the text; `detail` by default.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        let mut opening = String::from("{");
        push_string(&mut opening, key);
        opening.push(':');
        Self { opening }
    }

    /// Returns the JSON text for `detail`.
    pub(crate) fn body(&self, detail: &str) -> String {
        let mut body = String::with_capacity(self.opening.len() + detail.len() + 3);
        body.push_str(&self.opening);
        push_string(&mut body, detail);
        body.push('}');
        body
    }
}

impl Default for JsonResponder {
    fn default() -> Self {
        let opening = String::new();
        Self { opening }.with_key(anyreach::BODY_KEY)
    }
}

impl<B: RefusalBody> Responder<B> for JsonResponder {
    fn respond(&self, rejection: &Rejection) -> Response<B> {
        json_response(rejection, "application/json", self.body(rejection.detail()))
    }

    fn empty_body(&self) -> B {
        B::empty()
    }

    fn speaks_grpc(&self) -> bool {
        B::SPEAKS_GRPC
    }
}

/// Builds a response with the rejection's status and a JSON body.
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

/// Appends `text` as a JSON string (RFC 8259, section 7).
pub(crate) fn push_string(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    while let Some((plain, special, after)) = split_at_special(rest) {
        json.push_str(plain);
        push_escaped(json, special);
        rest = after;
    }
    json.push_str(rest);
    json.push('"');
}

/// Splits `text` around the first character that a JSON string must escape.
fn split_at_special(text: &str) -> Option<(&str, char, &str)> {
    let at = text
        .bytes()
        .position(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))?;
    let (plain, rest) = text.split_at_checked(at)?;
    let mut rest = rest.chars();
    Some((plain, rest.next()?, rest.as_str()))
}

/// Appends a character in its escaped form, the short one where there is one.
#[cold]
fn push_escaped(json: &mut String, special: char) {
    let escaped = match special {
        '"' => "\\\"",
        '\\' => r"\\",
        '\u{8}' => r"\b",
        '\t' => r"\t",
        '\n' => r"\n",
        '\u{c}' => r"\f",
        '\r' => r"\r",
        control => {
            let _ = write!(json, r"\u{:04x}", u32::from(control)); // a String takes everything
            return;
        }
    };
    json.push_str(escaped);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str) -> String {
        let mut json = String::new();
        push_string(&mut json, text);
        json
    }

    #[test]
    fn every_ascii_character_is_escaped_as_serde_does() {
        for byte in 0..=0x7f_u8 {
            let text = format!("a{}b", char::from(byte));
            assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
        }
    }

    proptest! {
        #[test]
        fn strings_are_escaped_as_serde_does(text in "[\\x00-\\x7f]*|.*") {
            prop_assert_eq!(string(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn a_body_is_read_as_the_key_and_the_text(key in ".*", text in ".*") {
            let body = JsonResponder::default().with_key(&key).body(&text);
            let read: serde_json::Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(read, serde_json::json!({ key: text }));
        }
    }
}

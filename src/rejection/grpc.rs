//! Builds refusals in the forms of gRPC and gRPC-Web.
//!
//! gRPC: HTTP 200 with the status in the only header block, which is how a server ends a call
//! before any message ("Trailers-Only", gRPC over HTTP/2). gRPC-Web: the same with the client's own
//! content-type and an empty body (PROTOCOL-WEB: a response without a message may carry its status
//! in the headers).

use http::{HeaderName, HeaderValue, Method, Request, Response, Version, header::CONTENT_TYPE};

use super::Rejection;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Returns the content-type of a gRPC refusal to this request, or `None` when the request is not a
/// gRPC call.
///
/// A call is a `POST` with one content-type: over HTTP/2 for gRPC (gRPC over HTTP/2, "Requests"),
/// over any version for gRPC-Web.
pub(super) fn content_type<B>(request: &Request<B>) -> Option<HeaderValue> {
    if request.method() != Method::POST {
        return None;
    }
    let mut asked = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(asked), None) = (asked.next(), asked.next()) else {
        return None;
    };
    let essence = essence(asked.as_bytes());
    let (flavour, codec) = match essence.iter().position(|byte| *byte == b'+') {
        Some(plus) => essence.split_at_checked(plus)?,
        None => (essence, &[][..]),
    };
    let named = |name: &str| flavour.eq_ignore_ascii_case(name.as_bytes());
    if named("application/grpc") {
        return (request.version() == Version::HTTP_2)
            .then(|| HeaderValue::from_static("application/grpc"));
    }
    let web = ["application/grpc-web", "application/grpc-web-text"]
        .into_iter()
        .find(|name| named(name))?;
    let plain = codec
        .iter()
        .skip(1)
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let echoed = HeaderValue::from_bytes(essence).ok().filter(|_| plain);
    Some(echoed.unwrap_or_else(|| HeaderValue::from_static(web)))
}

/// Returns the media type without its parameters (RFC 9110, section 8.3.1).
fn essence(content_type: &[u8]) -> &[u8] {
    content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

/// Builds the refusal around an empty body.
pub(super) fn respond<B>(
    rejection: &Rejection,
    content_type: HeaderValue,
    empty: B,
) -> Response<B> {
    let mut response = Response::new(empty);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(
        GRPC_STATUS,
        HeaderValue::from(u16::from(rejection.reason().grpc_code())),
    );
    if let Ok(message) = HeaderValue::try_from(percent_encoded(rejection.detail())) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

/// Returns `text` as `grpc-message` carries it: every byte but space and `%x21-24 / %x26-7E` is
/// percent-encoded (gRPC over HTTP/2, "Responses").
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'$' | b'&'..=b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn answered(
        method: Method,
        version: Version,
        content_types: &[&'static str],
    ) -> Option<String> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.version_mut() = version;
        for content_type in content_types {
            request
                .headers_mut()
                .append(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        content_type(&request).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_content_type_of_a_call_decides_the_form() {
        for (asked, wanted) in [
            ("", None),
            ("application/json", None),
            ("application/grpcx", None),
            ("text/application/grpc", None),
            ("application/grpc", Some("application/grpc")),
            ("Application/gRPC", Some("application/grpc")),
            ("application/grpc+proto", Some("application/grpc")),
            ("application/grpc;charset=utf-8", Some("application/grpc")),
            ("application/grpc ; x", Some("application/grpc")),
            ("application/grpc-web", Some("application/grpc-web")),
            (
                "application/grpc-web+proto",
                Some("application/grpc-web+proto"),
            ),
            (
                "application/grpc-web-text+proto; x=<img>",
                Some("application/grpc-web-text+proto"),
            ),
            ("application/grpc-web+<img>", Some("application/grpc-web")),
            ("application/grpc-web-other", None),
        ] {
            assert_eq!(
                answered(Method::POST, Version::HTTP_2, &[asked]).as_deref(),
                wanted,
                "{asked:?}"
            );
        }
        assert_eq!(answered(Method::POST, Version::HTTP_2, &[]), None);
    }

    #[test]
    fn what_is_no_call_is_not_answered_as_one() {
        let methods = [
            "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "post", "PROPFIND",
        ];
        let versions = [
            Version::HTTP_09,
            Version::HTTP_10,
            Version::HTTP_11,
            Version::HTTP_2,
            Version::HTTP_3,
        ];
        for version in versions {
            for method in methods {
                for asked in [
                    "application/grpc",
                    "application/grpc-web",
                    "application/grpc-web-text+proto",
                ] {
                    let method = Method::from_bytes(method.as_bytes()).unwrap();
                    assert_eq!(
                        answered(method.clone(), version, &[asked]),
                        None,
                        "{method} {version:?} {asked}"
                    );
                }
            }
            let grpc = answered(Method::POST, version, &["application/grpc"]);
            assert_eq!(grpc.is_some(), version == Version::HTTP_2, "{version:?}");
            assert!(
                answered(Method::POST, version, &["application/grpc-web"]).is_some(),
                "{version:?}"
            );
        }
        for several in [
            ["application/grpc", "application/json"],
            ["application/json", "application/grpc"],
        ] {
            assert_eq!(
                answered(Method::POST, Version::HTTP_2, &several),
                None,
                "{several:?}"
            );
        }
    }

    #[test]
    fn a_message_is_percent_encoded_where_the_protocol_says_so() {
        assert_eq!(
            percent_encoded("50 % of é, ~\x7f\r\n"),
            "50 %25 of %C3%A9, ~%7F%0D%0A"
        );
    }

    proptest! {
        #[test]
        fn a_message_is_what_the_crate_percent_encoding_makes(text in "[\\x00-\\x7f]*|.*") {
            const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
            let wanted = utf8_percent_encode(&text, ESCAPED).to_string();
            prop_assert_eq!(percent_encoded(&text), wanted);
        }
    }
}

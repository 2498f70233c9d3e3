//! Refusals in the forms of gRPC and gRPC-Web.
//!
//! gRPC: HTTP 200 with the status in the only header block, which is how a server ends a call before any message
//! ("Trailers-Only", gRPC over HTTP/2). gRPC-Web: the same under the caller's own content-type, an empty body behind it
//! (PROTOCOL-WEB: a response without a message may carry its status in the headers).

use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Rejection;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What `grpc-message` has to escape: everything but space and `%x21-24 / %x26-7E` (gRPC over HTTP/2, "Responses").
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Returns the content-type that a gRPC refusal to this request has, or `None` when the request is not gRPC.
pub(super) fn content_type(request: &HeaderMap) -> Option<HeaderValue> {
    let asked = request.get(CONTENT_TYPE)?;
    let essence = essence(asked.as_bytes());
    let (flavour, codec) = match essence.iter().position(|byte| *byte == b'+') {
        Some(plus) => essence.split_at_checked(plus)?,
        None => (essence, &[][..]),
    };
    let named = |name: &str| flavour.eq_ignore_ascii_case(name.as_bytes());
    if named("application/grpc") {
        return Some(HeaderValue::from_static("application/grpc"));
    }
    let web = ["application/grpc-web", "application/grpc-web-text"].into_iter().find(|name| named(name))?;
    let plain = codec.iter().skip(1).all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let echoed = HeaderValue::from_bytes(essence).ok().filter(|_| plain);
    Some(echoed.unwrap_or_else(|| HeaderValue::from_static(web)))
}

/// The media type without its parameters (RFC 9110, section 8.3.1).
fn essence(content_type: &[u8]) -> &[u8] {
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

pub(super) fn respond<B: Default>(rejection: &Rejection, content_type: HeaderValue) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(rejection.reason().grpc_code())));
    let message = utf8_percent_encode(rejection.detail(), ESCAPED).to_string();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_decides_the_form() {
        let cases = [
            (None, None),
            (Some(""), None),
            (Some("application/json"), None),
            (Some("application/grpcx"), None),
            (Some("text/application/grpc"), None),
            (Some("application/grpc"), Some("application/grpc")),
            (Some("Application/gRPC"), Some("application/grpc")),
            (Some("application/grpc+proto"), Some("application/grpc")),
            (Some("application/grpc;charset=utf-8"), Some("application/grpc")),
            (Some("application/grpc ; x"), Some("application/grpc")),
            (Some("application/grpc-web"), Some("application/grpc-web")),
            (Some("application/grpc-web+proto"), Some("application/grpc-web+proto")),
            (Some("application/grpc-web-text+proto; x=<img>"), Some("application/grpc-web-text+proto")),
            (Some("application/grpc-web+<img>"), Some("application/grpc-web")),
            (Some("application/grpc-web-other"), None),
        ];
        for (asked, answered) in cases {
            let mut headers = HeaderMap::new();
            if let Some(asked) = asked {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(asked));
            }
            let got = content_type(&headers);
            assert_eq!(got.as_ref().map(|value| value.to_str().unwrap()), answered, "{asked:?}");
        }
    }
}

//! Which URLs may be in public metadata.

use http::{Uri, uri::Authority};

use crate::error::ConfigError;

/// Checks that `text` is an absolute https URL without user information and fragment, whose path
/// can be a route, and returns its parts.
///
/// The metadata and the resource that it describes are https URLs (RFC 9728, sections 1.2 and 3).
/// The characters are those of RFC 3986, so `text` needs no escapes in a quoted-string.
pub(super) fn check(text: &str) -> Result<Uri, ConfigError> {
    let parsed = text.parse::<Uri>().ok();
    parsed
        .filter(|url| url.scheme_str() == Some("https") && text.bytes().all(is_url_byte))
        .filter(|url| {
            let is_host_and_port = |it: &Authority| {
                let has_user = it.as_str().contains('@');
                !it.host().is_empty()
                    && !has_user
                    && (it.as_str() == it.host() || it.port_u16().is_some())
            };
            url.authority().is_some_and(is_host_and_port)
        })
        .filter(|url| !url.path().split('/').any(is_parameter))
        .ok_or_else(|| ConfigError::InvalidUrl(text.into()))
}

/// Returns whether routers take a segment of a path for a parameter, or refuse it.
fn is_parameter(segment: &str) -> bool {
    segment.starts_with([':', '*'])
}

/// Returns whether a URL without fragment may contain a byte (RFC 3986, appendix A).
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_https_urls_are_accepted() {
        for url in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com:8443/a/b?c=d",
            "https://[::1]/a",
        ] {
            assert!(check(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "/a",
            "api.example.com",
            "//api.example.com",
            "https:",
            "https://",
            "https:///a",
            "https://:443/a",
            "http://api.example.com",
            "ftp://api.example.com",
            "https://user:test@api.example.com",
            "https://api.example.com/#a",
            "https://api.example.com#a",
            "https://api.example.com/a b",
            "https://api.example.com/\"",
            "https://api.example.com/\\",
            "https://api.example.com/\r\nx: y",
            "https://api.example.com/\u{7f}",
            "https://api.example.com/é",
            "https://api.example.com/{id}",
            "https://api.example.com/:id",
            "https://api.example.com/a/*rest",
            "https://api.example.com:x",
            "https://api.example.com:",
            "https://api.example.com:65536/",
            "https://[::1]x/",
            "https://test@api.example.com:443/",
            " https://api.example.com",
        ] {
            assert_eq!(check(url), Err(ConfigError::InvalidUrl(url.into())));
        }
    }
}

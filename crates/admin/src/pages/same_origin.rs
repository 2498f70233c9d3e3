//! Refuses requests that another site has made a browser send.
//!
//! Beside the token in each form, which another site cannot read. A browser of today says where a
//! request comes from in `Sec-Fetch-Site` (Fetch Metadata), and every browser names the origin of a
//! form in `Origin` (RFC 6454, section 7). A client that sends neither is no browser; it still
//! needs the token.

use http::{HeaderMap, HeaderName, Uri, header};

use super::fault::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request that changes something. `allowed` are origins under which browsers know the
/// site, besides the host that the request names.
pub(super) fn check_same_origin(
    headers: &HeaderMap,
    uri: &Uri,
    allowed: &[Box<str>],
) -> Result<(), Problem> {
    let from_here = |site: &[u8]| matches!(site, b"same-origin" | b"none");
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let fetched_here = sites.all(|site| from_here(site.as_bytes()));
    let host = host(headers, uri);
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let sent_here = origins.all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        allowed.iter().any(|one| one.eq_ignore_ascii_case(origin))
            || host.is_some_and(|host| names(origin, host))
    });
    match fetched_here && sent_here {
        true => Ok(()),
        false => Err(Problem::CrossSite),
    }
}

/// Returns the host and port that the request names.
fn host<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<&'r str> {
    let named = || headers.get(header::HOST)?.to_str().ok();
    uri.authority()
        .map(|authority| authority.as_str())
        .or_else(named)
}

/// Returns whether an origin has this host and port. A proxy may have ended TLS, so its scheme is
/// not compared.
fn names(origin: &str, host: &str) -> bool {
    let rest = origin.split_once("://").map(|(_, rest)| rest);
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(headers: &[(&'static str, &'static str)], uri: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        let allowed = ["https://console.example".into()];
        check_same_origin(&all, &uri.parse().unwrap(), &allowed).is_ok()
    }

    #[test]
    fn a_request_is_of_this_site_if_everything_says_so() {
        for (headers, allowed) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "Same-Origin")], false),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            (vec![("origin", "https://app.example:8443")], true),
            (vec![("origin", "http://APP.example:8443")], true),
            (vec![("origin", "https://console.example")], true),
            (vec![("origin", "https://app.example")], false),
            (vec![("origin", "https://other.example")], false),
            (
                vec![("origin", "https://app.example:8443.other.example")],
                false,
            ),
            (vec![("origin", "null")], false),
            (vec![("origin", "")], false),
            (vec![("origin", "app.example:8443")], false),
            (
                vec![
                    ("origin", "https://app.example:8443"),
                    ("origin", "https://other.example"),
                ],
                false,
            ),
            (
                vec![
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://other.example"),
                ],
                false,
            ),
        ] {
            let mut with_host = headers.clone();
            with_host.push(("host", "app.example:8443"));
            assert_eq!(is_allowed(&with_host, "/keys"), allowed, "{headers:?}");
            let in_uri = "https://app.example:8443/keys";
            assert_eq!(is_allowed(&headers, in_uri), allowed, "{headers:?}");
        }
        assert!(!is_allowed(
            &[("origin", "https://app.example:8443")],
            "/keys"
        ));
    }
}

//! Reads the organization header of a request.

use http::{HeaderMap, HeaderName};

use crate::id::is_visible_id;

/// The content of the organization header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrgHeader<'h> {
    /// The header is absent or has no value.
    Nothing,
    /// One value that can be an id.
    One(&'h str),
    /// One value that cannot be an id: not visible ASCII, or too long.
    Malformed,
    /// More than one field, even if equal.
    Repeated,
}

impl<'h> OrgHeader<'h> {
    /// Returns the organization for the store's lookup.
    pub(crate) fn value(self) -> Option<&'h str> {
        match self {
            Self::One(organization) => Some(organization),
            Self::Nothing | Self::Malformed | Self::Repeated => None,
        }
    }
}

/// Reads the header. Whitespace around a value is not part of it (RFC 9110, section 5.5).
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &HeaderName) -> OrgHeader<'h> {
    let Some(value) = headers.get(name) else {
        return OrgHeader::Nothing;
    };
    if headers.len() != headers.keys_len() && headers.get_all(name).iter().nth(1).is_some() {
        return OrgHeader::Repeated;
    }
    match value.as_bytes().trim_ascii() {
        [] => OrgHeader::Nothing,
        id if is_visible_id(id) => {
            std::str::from_utf8(id).map_or(OrgHeader::Malformed, OrgHeader::One)
        }
        _ => OrgHeader::Malformed,
    }
}

/// Returns whether every value of the header is empty or exactly `organization`. A key carries its
/// organization, so no other value may accompany it.
#[inline]
pub(crate) fn permits(headers: &HeaderMap, name: &HeaderName, organization: &str) -> bool {
    let same = |value: &[u8]| value.is_empty() || value == organization.as_bytes();
    // The values are read only if the header is present, which it need not be.
    headers.get(name).is_none()
        || headers
            .get_all(name)
            .iter()
            .all(|value| same(value.as_bytes().trim_ascii()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::anyreach::ORGANIZATION_HEADER as NAME;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values
            .iter()
            .map(|value| (NAME, HeaderValue::from_bytes(value).unwrap()))
            .fold(HeaderMap::new(), |mut map, (k, v)| {
                map.append(k, v);
                map
            })
    }

    #[test]
    fn table() {
        let long = [b'o'; 257];
        let cases: [(&[&[u8]], OrgHeader<'_>); 11] = [
            (&[], OrgHeader::Nothing),
            (&[b""], OrgHeader::Nothing),
            (&[b"   "], OrgHeader::Nothing),
            (&[b"org_a"], OrgHeader::One("org_a")),
            (&[b"  org_a\t"], OrgHeader::One("org_a")),
            (
                &[&long[1..]],
                OrgHeader::One(std::str::from_utf8(&long[1..]).unwrap()),
            ),
            (&[&long], OrgHeader::Malformed),
            (&[b"org a"], OrgHeader::Malformed),
            (&["org_\u{430}".as_bytes()], OrgHeader::Malformed),
            (&[b"org_a", b"org_a"], OrgHeader::Repeated),
            (&[b"", b""], OrgHeader::Repeated),
        ];
        for (values, wanted) in cases {
            assert_eq!(read(&headers(values), &NAME), wanted, "{values:?}");
        }
    }

    #[test]
    fn another_header_may_be_repeated() {
        let mut headers = headers(&[b"org_a"]);
        for cookie in ["a=1", "b=2"] {
            headers.append("cookie", HeaderValue::from_static(cookie));
        }
        assert_eq!(read(&headers, &NAME), OrgHeader::One("org_a"));
    }

    #[test]
    fn a_key_permits_only_its_own_organization() {
        for (values, wanted) in [
            (&[][..], true),
            (&[&b""[..]][..], true),
            (&[&b" org_a "[..]], true),
            (&[&b"org_a"[..], b"org_a"], true),
            (&[&b"org_a"[..], b"org_b"], false),
            (&[&b"org_b"[..]], false),
            (&[&b"ORG_A"[..]], false),
            (&[&b"org_"[..]], false),
            (&[&b"org_a\xff"[..]], false),
        ] {
            assert_eq!(
                permits(&headers(values), &NAME, "org_a"),
                wanted,
                "{values:?}"
            );
        }
    }
}

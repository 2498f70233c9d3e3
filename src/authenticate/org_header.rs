//! Reads the organization header of a request.

use http::{HeaderMap, HeaderName};

use crate::id::is_visible_id;

/// The content of the organization header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'h> {
    /// The header is absent or has no value.
    Nothing,
    /// One value that can be an id.
    One(&'h str),
    /// One value that cannot be an id: not visible ASCII, or too long.
    Malformed,
    /// More than one field, even if equal.
    Repeated,
}

impl<'h> Named<'h> {
    /// Returns the organization for the store's lookup.
    pub(crate) fn asked(self) -> Option<&'h str> {
        match self {
            Self::One(organization) => Some(organization),
            Self::Nothing | Self::Malformed | Self::Repeated => None,
        }
    }
}

/// Reads the header. Whitespace around a value is not part of it (RFC 9110, section 5.5).
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Named<'h> {
    let Some(value) = headers.get(name) else {
        return Named::Nothing;
    };
    if headers.len() != headers.keys_len() && headers.get_all(name).iter().nth(1).is_some() {
        return Named::Repeated;
    }
    match value.as_bytes().trim_ascii() {
        [] => Named::Nothing,
        id if is_visible_id(id) => std::str::from_utf8(id).map_or(Named::Malformed, Named::One),
        _ => Named::Malformed,
    }
}

/// Returns whether every value of the header is empty or exactly `organization`. A key carries its
/// organization, so no other value may accompany it.
#[inline]
pub(crate) fn agrees(headers: &HeaderMap, name: &HeaderName, organization: &str) -> bool {
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
        let cases: [(&[&[u8]], Named<'_>); 11] = [
            (&[], Named::Nothing),
            (&[b""], Named::Nothing),
            (&[b"   "], Named::Nothing),
            (&[b"org_a"], Named::One("org_a")),
            (&[b"  org_a\t"], Named::One("org_a")),
            (
                &[&long[1..]],
                Named::One(std::str::from_utf8(&long[1..]).unwrap()),
            ),
            (&[&long], Named::Malformed),
            (&[b"org a"], Named::Malformed),
            (&["org_\u{430}".as_bytes()], Named::Malformed),
            (&[b"org_a", b"org_a"], Named::Repeated),
            (&[b"", b""], Named::Repeated),
        ];
        for (values, wanted) in cases {
            assert_eq!(read(&headers(values), &NAME), wanted, "{values:?}");
        }
    }

    #[test]
    fn a_key_agrees_only_with_its_own_organization() {
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
                agrees(&headers(values), &NAME, "org_a"),
                wanted,
                "{values:?}"
            );
        }
    }
}

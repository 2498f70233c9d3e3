//! Reads the token from exactly one `Authorization` header with the scheme `Bearer`.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::rejection::Cause;

/// The scheme of RFC 6750.
const BEARER: &str = "Bearer";

/// Returns the bytes after `Bearer` and its spaces, as sent.
///
/// Two `Authorization` fields are refused even when they are equal: the field is a singleton (RFC
/// 9110, section 5.3), and joining them or picking one would disagree with the next proxy.
#[inline]
pub(crate) fn token(headers: &HeaderMap) -> Result<&[u8], Cause> {
    token_of(single_value(headers)?)
}

/// Returns the bytes after `Bearer` and its spaces in the value of an `Authorization` field.
#[inline]
pub(super) fn token_of(value: &HeaderValue) -> Result<&[u8], Cause> {
    let value = value.as_bytes();
    if let Some(token @ [first, ..]) = value.strip_prefix(b"Bearer ")
        && *first != b' '
    {
        return Ok(token); // as nearly every client writes it
    }
    after_scheme(value, BEARER)
}

/// Returns what follows a scheme and its spaces.
///
/// The scheme is compared case-insensitively (RFC 9110, section 11.1) and ends at one or more
/// spaces (RFC 6750, section 2.1).
pub(super) fn after_scheme<'h>(value: &'h [u8], wanted: &str) -> Result<&'h [u8], Cause> {
    let (scheme, rest) = value
        .split_at_checked(wanted.len())
        .ok_or(Cause::OtherScheme)?;
    if !scheme.eq_ignore_ascii_case(wanted.as_bytes()) {
        return Err(Cause::OtherScheme);
    }
    match rest {
        [] => Err(Cause::EmptyBearer),
        [b' ', ..] => match without_leading_spaces(rest) {
            [] => Err(Cause::EmptyBearer),
            token => Ok(token),
        },
        // A tab is not the space of the grammar, but the client meant one: a malformed bearer, not
        // another scheme.
        [b'\t', ..] => Err(Cause::MalformedToken),
        _ => Err(Cause::OtherScheme),
    }
}

/// Returns the value of the only `Authorization` field, if it can be a credential of another kind.
pub(crate) fn other_credential(headers: &HeaderMap) -> Option<&[u8]> {
    let value = single_value(headers).ok()?;
    is_credential(value).then_some(value.as_bytes())
}

/// Returns whether a value of an `Authorization` field can be a credential of whatever kind: it has
/// another scheme, or a bearer token of whatever form.
pub(super) fn is_credential(value: &HeaderValue) -> bool {
    matches!(token_of(value), Ok(_) | Err(Cause::OtherScheme)) && !is_blank(value.as_bytes())
}

/// Returns the value of the only `Authorization` field.
#[inline]
fn single_value(headers: &HeaderMap) -> Result<&HeaderValue, Cause> {
    let value = headers.get(AUTHORIZATION).ok_or(Cause::NoCredential)?;
    // Equal counts mean that no field occurs twice; only otherwise look at this field itself.
    let repeated = headers.len() != headers.keys_len()
        && headers.get_all(AUTHORIZATION).iter().nth(1).is_some();
    if repeated {
        Err(Cause::SeveralCredentials)
    } else {
        Ok(value)
    }
}

/// Returns whether a value has nothing but spaces.
pub(super) fn is_blank(value: &[u8]) -> bool {
    without_leading_spaces(value).is_empty()
}

fn without_leading_spaces(value: &[u8]) -> &[u8] {
    let spaces = value.iter().take_while(|byte| **byte == b' ').count();
    value.get(spaces..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> Result<Vec<u8>, Cause> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn table() {
        let accepted: [(&str, &[u8], &[u8]); 5] = [
            ("as documented", b"Bearer abc", b"abc"),
            ("upper case", b"BEARER abc", b"abc"),
            ("mixed case", b"bEaReR abc", b"abc"),
            ("several spaces", b"Bearer    abc", b"abc"),
            (
                "nothing is cut off behind",
                b"Bearer abc def\t",
                b"abc def\t",
            ),
        ];
        for (name, value, token) in accepted {
            assert_eq!(of(&[value]).unwrap(), token, "{name}");
        }
        let refused: [(&str, &[&[u8]], Cause); 14] = [
            ("none", &[], Cause::NoCredential),
            ("empty", &[b""], Cause::OtherScheme),
            ("basic", &[b"Basic YTpi"], Cause::OtherScheme),
            ("no scheme", &[b"ak_id.secret"], Cause::OtherScheme),
            ("glued", &[b"Bearerak_id.secret"], Cause::OtherScheme),
            ("longer scheme", &[b"BearerX abc"], Cause::OtherScheme),
            ("equals sign", &[b"Bearer=abc"], Cause::OtherScheme),
            (
                "non-breaking space",
                &[b"Bearer\xa0abc"],
                Cause::OtherScheme,
            ),
            ("leading space", &[b" Bearer abc"], Cause::OtherScheme),
            (
                "joined, first empty",
                &[b", Bearer abc"],
                Cause::OtherScheme,
            ),
            ("scheme alone", &[b"Bearer"], Cause::EmptyBearer),
            ("scheme and spaces", &[b"Bearer   "], Cause::EmptyBearer),
            ("tab", &[b"Bearer\tabc"], Cause::MalformedToken),
            (
                "twice the same",
                &[b"Bearer abc", b"Bearer abc"],
                Cause::SeveralCredentials,
            ),
        ];
        for (name, values, cause) in refused {
            assert_eq!(of(values).unwrap_err().code(), cause.code(), "{name}");
        }
    }

    #[test]
    fn another_repeated_field_does_no_harm() {
        let mut headers = HeaderMap::new();
        headers.append("accept", HeaderValue::from_static("a"));
        headers.append("accept", HeaderValue::from_static("b"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(token(&headers).unwrap(), b"abc");
    }
}

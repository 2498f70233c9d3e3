//! Reads the token from the credentials of HTTP Basic (RFC 7617).

use http::HeaderValue;

use super::{bearer::after_scheme, source::Half};
use crate::{rejection::Cause, secret::SecretBytes};

/// The bytes that the credentials may have besides the token: the colon, and the other half.
const MAX_BESIDES_TOKEN: usize = 256;

/// The decoded credentials, `user:password`. They are wiped when they are dropped.
#[derive(Debug)]
pub(super) struct BasicCredentials(SecretBytes);

impl BasicCredentials {
    /// Decodes the value of an `Authorization` field; `None` if it has another scheme. Credentials
    /// that cannot have a token of up to `max_len` bytes are refused before they are decoded.
    pub(super) fn of(value: &HeaderValue, max_len: usize) -> Option<Result<Self, Cause>> {
        match after_scheme(value.as_bytes(), "Basic") {
            Err(Cause::OtherScheme) => None,
            Err(cause) => Some(Err(cause)),
            Ok(text) => Some(Self::decode(text, max_len)),
        }
    }

    fn decode(text: &[u8], max_len: usize) -> Result<Self, Cause> {
        let max_bytes = max_len.saturating_add(MAX_BESIDES_TOKEN);
        if text.len() > max_bytes.div_ceil(3).saturating_mul(4) {
            return Err(Cause::TokenTooLong);
        }
        let decoded = SecretBytes::from_base64(text).ok_or(Cause::MalformedToken)?;
        Ok(Self(decoded))
    }

    /// Returns `user:password`.
    pub(super) fn whole(&self) -> &[u8] {
        &self.0
    }

    /// Returns the half with the token. A user name has no colon, so the first one ends it. If the
    /// other half is a token as well, there are two credentials.
    pub(super) fn token(
        &self,
        half: Half,
        is_token: impl Fn(&[u8]) -> bool,
    ) -> Result<&[u8], Cause> {
        let colon = self.0.iter().position(|byte| *byte == b':');
        let (user, rest) = colon
            .and_then(|colon| self.0.split_at_checked(colon))
            .ok_or(Cause::MalformedToken)?;
        let password = rest.get(1..).unwrap_or_default();
        let (token, other) = match half {
            Half::Username => (user, password),
            Half::Password => (password, user),
        };
        if token.is_empty() {
            Err(Cause::EmptyBearer)
        } else if is_token(token) && is_token(other) {
            Err(Cause::SeveralCredentials)
        } else {
            Ok(token)
        }
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::*;

    fn of(value: &str, half: Half) -> Result<String, &'static str> {
        let value = HeaderValue::from_str(value).unwrap();
        let read = BasicCredentials::of(&value, 512).ok_or("none")?;
        let read = read.map_err(|cause| cause.code())?;
        let is_token = |half: &[u8]| half.starts_with(b"ak_");
        let token = read.token(half, is_token).map_err(|cause| cause.code())?;
        Ok(String::from_utf8(token.to_vec()).unwrap())
    }

    fn basic(credentials: impl AsRef<[u8]>) -> String {
        format!("Basic {}", Base64::encode_string(credentials.as_ref()))
    }

    #[test]
    fn table() {
        use Half::{Password, Username};
        let unpadded = basic("test:").replace('=', "");
        let cases = [
            ("user name", basic("test:"), Username, Ok("test")),
            ("password", basic("x:test"), Password, Ok("test")),
            ("no user name", basic(":test"), Password, Ok("test")),
            ("the other half", basic("test:x"), Username, Ok("test")),
            ("a colon", basic("x:te:st"), Password, Ok("te:st")),
            ("not text", basic(b"test:\xff"), Username, Ok("test")),
            ("any case", "bASIC   dGVzdDo=".into(), Username, Ok("test")),
            ("empty", basic(":x"), Username, Err("empty_bearer")),
            ("both empty", basic(":"), Password, Err("empty_bearer")),
            ("alone", "Basic".into(), Username, Err("empty_bearer")),
            ("spaces", "Basic  ".into(), Username, Err("empty_bearer")),
            ("no colon", basic("test"), Username, Err("malformed_token")),
            ("one", basic("ak_1:x"), Username, Ok("ak_1")),
            (
                "two tokens",
                basic("ak_2:ak_1"),
                Username,
                Err("several_credentials"),
            ),
            (
                "two, the password",
                basic("ak_1:ak_2"),
                Password,
                Err("several_credentials"),
            ),
            (
                "the other one",
                basic(":ak_1"),
                Username,
                Err("empty_bearer"),
            ),
            ("unpadded", unpadded, Username, Err("malformed_token")),
            ("tab", "Basic\tx".into(), Username, Err("malformed_token")),
            (
                "two",
                "Basic YQ== YQ==".into(),
                Username,
                Err("malformed_token"),
            ),
            (
                "plain",
                "Basic test:".into(),
                Username,
                Err("malformed_token"),
            ),
            ("other scheme", "Bearer test".into(), Username, Err("none")),
            (
                "longer scheme",
                "Basics dGVzdDo=".into(),
                Username,
                Err("none"),
            ),
        ];
        for (name, value, half, wanted) in cases {
            assert_eq!(of(&value, half), wanted.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_decoded() {
        let long = |length| of(&basic("x".repeat(length)), Half::Username);
        assert_eq!(long(768), Err("malformed_token"), "no colon");
        assert_eq!(long(769), Err("token_too_long"));
    }
}

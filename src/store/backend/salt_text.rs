//! A salt as text: `.<name>.<salt>`, the salt in the URL-safe Base64 without padding (RFC 4648,
//! section 5).
//!
//! It is kept in the column that names the pepper of a digest, and consists of the characters of
//! such a name, at most 64. No pepper's name begins with a dot, so a version that knows no salts
//! takes it for an unknown pepper.

use crate::{
    secret::{InvalidSalt, Salt, SaltedDigests, from_base64url, to_base64url},
    store::StoreError,
};

/// Returns whether the column has a salt, and not the name of a pepper.
pub(super) fn is_salt(column: &str) -> bool {
    column.starts_with('.')
}

/// Writes the column.
pub(super) fn write(salt: &Salt) -> String {
    format!(".{}.{}", salt.name(), to_base64url(salt.bytes()))
}

/// Reads the column, in a store with these salted digests.
pub(super) fn read(column: &str, salted: Option<&SaltedDigests>) -> Result<Salt, StoreError> {
    let damaged = || StoreError::corrupt("the salt is not readable");
    let parts = column.strip_prefix('.').and_then(|it| it.split_once('.'));
    let (name, salt) = parts.ok_or_else(damaged)?;
    let salt = from_base64url(salt).ok_or_else(damaged)?;
    match salted {
        Some(salted) => Ok(salted.salt(name, &salt)?),
        None => Err(InvalidSalt::UnknownDigest(name.into()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SaltedSha256;

    #[test]
    fn the_longest_salt_fits_into_64_characters_and_is_read_back() {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst).unwrap();
        for length in 1..=36 {
            let salt = salted.salt("sha256-prefix", &vec![0xfb; length]).unwrap();
            let text = write(&salt);
            assert!(is_salt(&text) && text.len() <= 63, "{text}"); // a name may be one longer
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert!(text.bytes().all(allowed), "{text}");
            assert_eq!(read(&text, Some(&salted)).unwrap(), salt);
        }
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst).unwrap();
        for (text, code) in [
            (".", "record_corrupt"),
            ("..", "unknown_salted_digest"),
            (".sha256-prefix", "record_corrupt"),
            (".sha256-prefix.", "record_corrupt"),
            (".sha256-prefix.A", "record_corrupt"),
            (".sha256-prefix.AB", "record_corrupt"), // its last digit has bits to spare
            (".sha256-prefix.AA=", "record_corrupt"),
            (".sha256-prefix.A/", "record_corrupt"),
            (".sha256-prefix.AA.AA", "record_corrupt"),
            (".SHA256-prefix.AA", "unknown_salted_digest"),
            (".sha256-suffix.AA", "unknown_salted_digest"),
            ("sha256-prefix.AA", "record_corrupt"),
        ] {
            let refused = read(text, Some(&salted)).unwrap_err();
            assert_eq!(refused.code(), code, "{text}");
        }
        let long = format!(".sha256-prefix.{}", "A".repeat(50));
        let refused = read(&long, Some(&salted)).unwrap_err();
        assert_eq!(refused.code(), "record_corrupt", "37 bytes");
        let refused = read(".sha256-prefix.AA", None).unwrap_err();
        assert_eq!(refused.code(), "unknown_salted_digest", "none");
    }
}

//! Parsing a whole token before its digest is stored, to check that it can be accepted.

use super::{Kind, TokenFormat, format::first_invalid_byte};
use crate::{id::CredentialId, secret::Digest};

/// What a store keeps of a token, parsed from the token itself by [`TokenFormat::parse`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ParsedToken {
    /// The kind of credential.
    pub kind: Kind,
    /// The id of a key: what is between prefix and dot, or for a key
    /// [without an id](super::TokenShape::OrgKeyWithoutId) one that is
    /// [computed](super::key_id_of_digest). `None` for a personal token.
    pub id: Option<CredentialId>,
    /// The digest of the whole token, or of what its [shape](super::TokenShape) says.
    pub digest: Digest,
}

/// Why a token could never be accepted. The error does not contain the token, so it can be logged
/// or written into the report of an import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token begins with neither main prefix, and with none of further ones.
    #[error("the token begins with neither {org_key:?} nor {personal_token:?}")]
    UnknownPrefix {
        /// The prefix of organization keys.
        org_key: Box<str>,
        /// The prefix of personal access tokens.
        personal_token: Box<str>,
    },
    /// The token is longer than the format allows.
    #[error("the token has {length} bytes; the most is {max}")]
    TooLong {
        /// The length in bytes.
        length: usize,
        /// The maximum length.
        max: usize,
    },
    /// Nothing follows the prefix.
    #[error("nothing follows the prefix of the token")]
    Empty,
    /// The token has a character that no bearer token can have (`token68` of RFC 9110, section
    /// 11.2).
    #[error(
        "invalid character at byte {0} of the token: use letters, digits, `-`, `.`, `_`, `~`, `+` \
         and `/`, and `=` at the end only"
    )]
    InvalidCharacter(usize),
    /// The organization key lacks an id, a dot (or its other separator) or a secret.
    #[error(
        "the key has no id and secret with a dot or its separator between them, after its prefix"
    )]
    NoDot,
    /// The format requires a checksum, and the token does not end in one.
    #[error("the token does not end in its checksum")]
    WrongChecksum,
}

impl TokenFormat {
    /// Parses a whole token that is to be stored, and returns what a store keeps of it.
    ///
    /// Use it when you import tokens from another system and have the tokens themselves. A store
    /// receives only an id and a digest, and a digest does not show what it was computed from: a
    /// token outside the format would be stored, and refused with 401 whenever it is used.
    ///
    /// ```
    /// use tower_api_key::{credential::{TokenError, TokenFormat}, store::Record};
    ///
    /// let format = TokenFormat::default().with_prefixes("acme_key_", "acme_user_")?;
    /// let parsed = format.parse("acme_key_billing.not-a-real-secret")?;
    /// let id = parsed.id.ok_or("a personal token")?;
    /// let record = Record::org_key(id, parsed.digest, "org_1");
    /// assert_eq!(record.id(), "billing");
    ///
    /// assert_eq!(format.parse("acme_key_billing").unwrap_err(), TokenError::NoDot);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError`] for a token that a layer with this format would refuse without a lookup.
    pub fn parse(&self, token: &str) -> Result<ParsedToken, TokenError> {
        let read = self.classify(token.as_bytes());
        let Ok(read) = read else {
            return Err(self.explain(token));
        };
        let digest = Digest::of(read.hashed);
        let id = read.lookup_id(&digest);
        let id = String::from_utf8_lossy(&id).into_owned();
        Ok(ParsedToken {
            kind: read.kind,
            id: (read.kind == Kind::OrgKey).then(|| id.into()),
            digest,
        })
    }

    /// Returns the step in which `classify` refused the token.
    fn explain(&self, token: &str) -> TokenError {
        let (org_key, personal_token) = (self.org_key_prefix(), self.personal_token_prefix());
        let Some((shape, body)) = self.split(token.as_bytes()) else {
            return TokenError::UnknownPrefix {
                org_key: org_key.into(),
                personal_token: personal_token.into(),
            };
        };
        let (length, max) = (token.len(), self.max_len());
        if length > max {
            TokenError::TooLong { length, max }
        } else if body.is_empty() {
            TokenError::Empty
        } else if let Some(at) = first_invalid_byte(body) {
            TokenError::InvalidCharacter(length - body.len() + at)
        } else if shape.parts(body).is_none() {
            TokenError::NoDot
        } else {
            TokenError::WrongChecksum
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(token: &str) -> TokenError {
        TokenFormat::default().parse(token).unwrap_err()
    }

    #[test]
    fn what_could_never_be_accepted_is_told_apart() {
        let long = format!("pat_{}", "A".repeat(509));
        let longest = format!("ak_{}", "A".repeat(509));
        for (token, why) in [
            ("ak_", TokenError::Empty),
            ("ak_id", TokenError::NoDot),
            (&longest, TokenError::NoDot),
            ("ak_.secret", TokenError::NoDot),
            ("ak_id.", TokenError::NoDot),
            ("ak_id.secret\u{e9}", TokenError::InvalidCharacter(12)),
            ("ak_i=d.secret", TokenError::InvalidCharacter(4)),
            ("pat_a b", TokenError::InvalidCharacter(5)),
            ("pat_==", TokenError::InvalidCharacter(4)),
            (
                &long,
                TokenError::TooLong {
                    length: 513,
                    max: 512,
                },
            ),
        ] {
            assert_eq!(refused(token), why, "{token}");
        }
        let other = refused("Pat_x").to_string();
        assert_eq!(other, r#"the token begins with neither "ak_" nor "pat_""#);
        let strict = TokenFormat::default().with_required_checksum();
        for (token, why) in [
            ("pat_x", TokenError::WrongChecksum),
            ("ak_id.secret", TokenError::WrongChecksum),
            ("ak_id", TokenError::NoDot),
        ] {
            assert_eq!(strict.parse(token).unwrap_err(), why, "{token}");
        }
    }

    #[test]
    fn a_token_is_read_as_a_request_reads_it() {
        let format = TokenFormat::default();
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            let minted = format.mint(kind).unwrap();
            let parsed = format.parse(minted.secret.expose_secret()).unwrap();
            assert_eq!(parsed.kind, kind);
            assert_eq!(parsed.digest.to_bytes(), minted.digest.to_bytes());
            let id = (kind == Kind::OrgKey).then_some(minted.id);
            assert_eq!(parsed.id, id);
        }
    }

    proptest! {
        /// `explain` ends with the checksum, which must not be reached if none is required.
        #[test]
        fn without_a_checksum_none_is_missed(token in "(ak_|pat_|)[a-z.=~ \u{e9}]{0,6}") {
            if let Err(error) = TokenFormat::default().parse(&token) {
                prop_assert_ne!(error, TokenError::WrongChecksum);
            }
        }
    }
}

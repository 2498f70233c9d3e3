//! Tokens of other systems: further prefixes, keys without an id, and tokens without a prefix.

use super::{Kind, TokenFormat};
use crate::{error::ConfigError, id::CredentialId, secret::Digest};

/// How tokens of another system are built, for
/// [`TokenFormat::with_further_prefix`] and [`TokenFormat::with_unprefixed`].
///
/// The store gets the SHA-256 digest of the whole token, unless the shape says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenShape {
    /// `<prefix><id>.<secret>`: an organization key, found by its id.
    OrgKey,
    /// `<prefix><secret>`: an organization key in one part, found by
    /// [an id that is computed from its digest](key_id_of_digest).
    OrgKeyWithoutId,
    /// `<prefix><id><separator><secret>`: an organization key, found by its id, of which the other
    /// system keeps the SHA-256 digest of the secret alone. The first separator ends the id.
    ///
    /// A digest of the whole token is tied to its id; this one is not: anyone who can write to the
    /// database can copy it to another row. The prefix and the separator are not hashed either: a key
    /// is accepted with each prefix that has this shape, and with the separator of that prefix. A
    /// key that is minted here is also accepted in this shape, with its own id and the whole token
    /// as the secret.
    OrgKeyHashedBySecret {
        /// What is between id and secret: `-`, `.`, `_`, `~`, `+` or `/`.
        separator: char,
    },
    /// `<prefix><secret>`: a personal access token, found by its digest.
    PersonalToken,
}

impl TokenShape {
    /// Returns the kind of credential.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::OrgKey | Self::OrgKeyWithoutId | Self::OrgKeyHashedBySecret { .. } => {
                Kind::OrgKey
            }
            Self::PersonalToken => Kind::PersonalToken,
        }
    }

    /// Returns the id and the secret in what follows the prefix; the id is empty if the shape has
    /// none. `None` if a part is missing.
    #[inline]
    pub(super) fn parts(self, body: &[u8]) -> Option<(&[u8], &[u8])> {
        match self {
            Self::OrgKey => split_at_first(body, b'.'),
            Self::OrgKeyWithoutId | Self::PersonalToken => Some((&[], body)),
            Self::OrgKeyHashedBySecret { separator } => {
                let parts = split_at_first(body, u8::try_from(separator).ok()?);
                parts.filter(|(id, _)| !id.contains(&b'.')) // no id of a store has a dot
            }
        }
    }
}

/// Returns the parts before and after the first separator, if there is something on both sides of
/// it.
#[inline]
fn split_at_first(body: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = body.iter().position(|byte| *byte == separator)?;
    match body.split_at_checked(at)? {
        ([], _) | (_, [] | [_]) => None,
        (id, [_, secret @ ..]) => Some((id, secret)),
    }
}

/// What is accepted besides the two main prefixes; nothing by default.
#[derive(Clone, Debug, Default)]
pub(super) struct FurtherShapes {
    prefixed: Vec<(Box<str>, TokenShape)>,
    /// The shape of tokens with none of the prefixes.
    unprefixed: Option<TokenShape>,
}

impl FurtherShapes {
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixed.iter().map(|(prefix, _)| &**prefix)
    }

    pub(super) fn have_unprefixed(&self) -> bool {
        self.unprefixed.is_some()
    }

    /// Returns the shape of a token without a main prefix, and what follows its prefix.
    #[cold]
    pub(super) fn split<'h>(&self, token: &'h [u8]) -> Option<(TokenShape, &'h [u8])> {
        let body = |prefix: &str| token.strip_prefix(prefix.as_bytes());
        let mut prefixed = self.prefixed.iter();
        prefixed
            .find_map(|(prefix, shape)| Some((*shape, body(prefix)?)))
            .or_else(|| Some((self.unprefixed?, token)))
    }
}

impl TokenFormat {
    /// Accepts tokens of another system, beside those with the main prefixes. What is
    /// [minted](Self::mint) has a main prefix; a [checksum](Self::with_required_checksum) is not
    /// required of the others.
    ///
    /// ```
    /// use tower_api_key::credential::{TokenFormat, TokenShape};
    ///
    /// let format = TokenFormat::default()
    ///     .with_further_prefix("sk_live_", TokenShape::OrgKey)? // sk_live_<id>.<secret>
    ///     .with_further_prefix("ghx_", TokenShape::OrgKeyWithoutId)?;
    /// assert!(format.parse("sk_live_billing.not-a-real-secret").is_ok());
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    ///
    /// For keys of the crate `prefixed-api-key` and its relatives, `mycompany_<short>_<long>`, the
    /// shape is [`OrgKeyHashedBySecret`](TokenShape::OrgKeyHashedBySecret) with the separator `_`.
    ///
    /// # Errors
    /// [`ConfigError::InvalidPrefix`] for a prefix that is empty or has characters other than
    /// letters, digits, `-` and `_`, and where one prefix begins with another;
    /// [`ConfigError::InvalidSeparator`].
    pub fn with_further_prefix(
        mut self,
        prefix: &str,
        shape: TokenShape,
    ) -> Result<Self, ConfigError> {
        if let TokenShape::OrgKeyHashedBySecret { separator } = shape
            && !SEPARATORS.contains(separator)
        {
            return Err(ConfigError::InvalidSeparator(separator));
        }
        self.further.prefixed.push((prefix.into(), shape));
        self.checked()
    }

    /// Accepts tokens with none of the prefixes, all of which have this one shape.
    ///
    /// Use it for tokens of another system that show nothing of their origin. Every bearer token is
    /// then one of this layer's: none is refused for its prefix, and an
    /// [`EitherAuthLayer`](crate::EitherAuthLayer) leaves none to the other authenticator. A token
    /// that begins with a prefix by chance is taken for one with that prefix, and refused;
    /// [`parse`](Self::parse) shows its kind.
    ///
    /// ```
    /// use tower_api_key::credential::{Kind, TokenFormat, TokenShape};
    ///
    /// let format = TokenFormat::default().with_unprefixed(TokenShape::OrgKeyWithoutId);
    /// let parsed = format.parse("0123456789abcdef0123456789abcdef")?;
    /// assert_eq!(parsed.kind, Kind::OrgKey);
    /// # Ok::<(), tower_api_key::credential::TokenError>(())
    /// ```
    #[must_use]
    pub fn with_unprefixed(mut self, shape: TokenShape) -> Self {
        self.further.unprefixed = Some(shape);
        self
    }
}

/// Returns the id by which a store finds an organization key [without an
/// id](TokenShape::OrgKeyWithoutId): 32 hexadecimal digits that are computed from the digest of the
/// whole token.
///
/// Use it to import such keys when you have only their digests; with the keys themselves,
/// [`TokenFormat::parse`] returns the same id.
///
/// Ids are public, so anyone who sees the id can check a guess of the key. The key therefore needs
/// at least 128 random bits; a [pepper](crate::guide::peppers) does not make up for fewer, because
/// the id is computed without it.
///
/// ```
/// use tower_api_key::{credential::key_id_of_digest, manage::Import, secret::Digest};
///
/// # let kept = Digest::of(b"ghx_not-a-real-secret").to_hex();
/// let digest = Digest::from_hex(&kept)?; // as the other system stores it
/// let key = Import::new(key_id_of_digest(&digest), digest, "billing export");
/// # Ok::<(), tower_api_key::secret::ParseDigestError>(())
/// ```
#[must_use]
pub fn key_id_of_digest(digest: &Digest) -> CredentialId {
    let labelled = [ID_LABEL, &digest.to_bytes()].concat();
    let mut id = Digest::of(&labelled).to_hex();
    id.truncate(ID_DIGITS);
    id.into()
}

/// The characters of a token that are neither letters nor digits (`token68`, RFC 9110, section
/// 11.2).
const SEPARATORS: &str = "-._~+/";

/// Keeps ids apart from digests of tokens: it has characters that no token has.
const ID_LABEL: &[u8] = b"tower-api-key, id: ";

/// 128 bits.
const ID_DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{FormatError, TokenError, check_credential_id};

    fn format() -> TokenFormat {
        let format = TokenFormat::default();
        let format = format.with_further_prefix("sk_live_", TokenShape::OrgKey);
        let format = format.unwrap();
        let format = format.with_further_prefix("ghx_", TokenShape::OrgKeyWithoutId);
        let format = format.unwrap();
        let hashed_by_secret = TokenShape::OrgKeyHashedBySecret { separator: '_' };
        let format = format.with_further_prefix("mine_", hashed_by_secret);
        let format = format.unwrap();
        let format = format.with_further_prefix("user-", TokenShape::PersonalToken);
        format.unwrap()
    }

    type Read = Result<(Kind, Option<String>), TokenError>;

    fn parsed(format: &TokenFormat, token: &str) -> Read {
        let parsed = format.parse(token)?;
        let hashed = token.strip_prefix("mine_");
        let secret = hashed.and_then(|body| body.split_once('_'));
        let hashed = secret.map_or(token, |(_, secret)| secret);
        let digest = Digest::of(hashed.as_bytes());
        assert_eq!(parsed.digest.to_bytes(), digest.to_bytes(), "{token}");
        Ok((parsed.kind, parsed.id.map(|id| id.as_str().to_owned())))
    }

    fn derived(token: &str) -> Option<String> {
        let id = key_id_of_digest(&Digest::of(token.as_bytes()));
        Some(id.as_str().to_owned())
    }

    #[test]
    fn a_separator_is_a_character_of_tokens_and_no_letter() {
        let with = |separator| {
            let shape = TokenShape::OrgKeyHashedBySecret { separator };
            TokenFormat::default().with_further_prefix("x_", shape)
        };
        for separator in SEPARATORS.chars() {
            let format = with(separator).unwrap();
            let parsed = format.parse(&format!("x_id{separator}secret")).unwrap();
            assert_eq!(parsed.id, Some("id".into()), "{separator:?}");
        }
        for separator in [':', '=', '|', ' ', 'a', '0', '\u{e9}', '\u{1f511}'] {
            let refused = with(separator).unwrap_err();
            assert_eq!(refused, ConfigError::InvalidSeparator(separator));
        }
    }

    #[test]
    fn each_prefix_has_its_shape() {
        use Kind::{OrgKey, PersonalToken};
        let id = |id: &str| Some(id.to_owned());
        for (token, wanted) in [
            ("ak_id.secret", Ok((OrgKey, id("id")))),
            ("pat_x", Ok((PersonalToken, None))),
            ("sk_live_id.secret", Ok((OrgKey, id("id")))),
            ("sk_live_id", Err(TokenError::NoDot)),
            ("ghx_x", Ok((OrgKey, derived("ghx_x")))),
            ("ghx_a.b", Ok((OrgKey, derived("ghx_a.b")))),
            ("ghx_", Err(TokenError::Empty)),
            ("ghx_a b", Err(TokenError::InvalidCharacter(5))),
            ("user-x", Ok((PersonalToken, None))),
            ("mine_id_secret", Ok((OrgKey, id("id")))),
            ("mine_id_se_cr.et=", Ok((OrgKey, id("id")))),
            ("mine_id.secret", Err(TokenError::NoDot)),
            ("mine_i.d_secret", Err(TokenError::NoDot)),
            ("mine__secret", Err(TokenError::NoDot)),
            ("mine_id_", Err(TokenError::NoDot)),
        ] {
            assert_eq!(parsed(&format(), token), wanted, "{token}");
        }
        for token in [
            "",
            "sk_test_id.secret",
            "GHX_x",
            "user_x",
            "0123456789abcdef",
        ] {
            let refused = format().classify(token.as_bytes()).err();
            assert_eq!(refused, Some(FormatError::UnknownPrefix), "{token}");
        }
    }

    #[test]
    fn a_token_without_a_prefix_has_the_shape_of_them_all() {
        for (shape, token, wanted) in [
            (
                TokenShape::OrgKey,
                "id.secret",
                Ok((Kind::OrgKey, Some("id".to_owned()))),
            ),
            (TokenShape::OrgKey, "secret", Err(TokenError::NoDot)),
            (
                TokenShape::OrgKeyWithoutId,
                "secret",
                Ok((Kind::OrgKey, derived("secret"))),
            ),
            (
                TokenShape::PersonalToken,
                "secret",
                Ok((Kind::PersonalToken, None)),
            ),
            (
                TokenShape::PersonalToken,
                "ak_secret",
                Err(TokenError::NoDot),
            ),
            (
                TokenShape::OrgKeyWithoutId,
                "user-x",
                Ok((Kind::PersonalToken, None)),
            ),
            (TokenShape::OrgKeyWithoutId, "", Err(TokenError::Empty)),
            (
                TokenShape::OrgKeyWithoutId,
                "$TOKEN",
                Err(TokenError::InvalidCharacter(0)),
            ),
        ] {
            let format = format().with_unprefixed(shape);
            assert_eq!(parsed(&format, token), wanted, "{shape:?} {token}");
        }
    }

    #[test]
    fn prefixes_that_cannot_be_told_apart_are_refused_in_any_order() {
        for prefix in [
            "", "ak_", "ak_live_", "a", "ghx_", "ghx_x", "gh", "a.b", "user-",
        ] {
            for shape in [TokenShape::OrgKey, TokenShape::OrgKeyWithoutId] {
                assert!(
                    format().with_further_prefix(prefix, shape).is_err(),
                    "{prefix:?}"
                );
            }
        }
        assert!(format().with_prefixes("ghx_key_", "pat_").is_err());
        assert!(format().with_prefixes("key_", "user").is_err());
        assert!(format().with_prefixes("sk_test_", "pt_").is_ok());
    }

    #[test]
    fn a_checksum_is_required_only_of_what_is_minted_here() {
        let strict = format().with_required_checksum();
        for (token, wanted) in [
            ("ak_id.secret", Some(FormatError::WrongChecksum)),
            ("pat_x", Some(FormatError::WrongChecksum)),
            ("sk_live_id.secret", None),
            ("ghx_x", None),
        ] {
            assert_eq!(strict.classify(token.as_bytes()).err(), wanted, "{token}");
        }
    }

    #[test]
    fn every_prefix_of_this_format_is_found_in_a_value() {
        for (value, found) in [
            ("Bearer ghx_x", true),
            ("\"sk_live_x", true),
            ("Beareruser-x", true),
            ("Bearer sk_test_x", false),
            ("Bearer x-ghx_x", false),
        ] {
            assert_eq!(format().occurs_in(value.as_bytes()), found, "{value}");
            let unprefixed = format().with_unprefixed(TokenShape::PersonalToken);
            assert!(unprefixed.occurs_in(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_is_minted_has_a_main_prefix() {
        let format = format().with_unprefixed(TokenShape::OrgKeyWithoutId);
        let minted = format.mint(Kind::OrgKey).unwrap();
        let token = minted.secret.expose_secret();
        assert!(token.starts_with("ak_"));
        assert_eq!(format.parse(token).unwrap().id, Some(minted.id));
    }

    #[test]
    fn the_id_of_a_digest_is_fixed() {
        // printf 'tower-api-key, id: ' >x; printf ghx_test | openssl sha256 -binary >>x; sha256sum x
        let id = key_id_of_digest(&Digest::of(b"ghx_test"));
        assert_eq!(id.as_str(), "cdeee8b7fd159fc827d86e8e4a4cfa58");
        assert!(check_credential_id(Kind::OrgKey, id.as_str()).is_ok());
    }
}

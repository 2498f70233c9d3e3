//! The grammar of tokens: prefix, length, alphabet, parts. Parsing needs no lookup and no
//! allocation.

use std::borrow::Cow;

use super::{
    Kind, key_id_of_digest,
    shape::{FurtherShapes, TokenShape},
};
use crate::{anyreach, error::ConfigError, secret::Digest};

/// The format of tokens: what is minted, and what is refused before any lookup.
///
/// The default is the documented form: `ak_<id>.<secret>` and `pat_…`, at most 512 bytes, checksum
/// not required. Tokens of other systems can be accepted beside them
/// ([`with_further_prefix`](Self::with_further_prefix),
/// [`with_unprefixed`](Self::with_unprefixed)). Give the layers and the
/// [`Manager`](crate::manage::Manager) the same format.
///
/// ```
/// use tower_api_key::credential::{Kind, TokenFormat};
///
/// let format = TokenFormat::default()
///     .with_prefixes("acme_key_", "acme_user_")?
///     .with_required_checksum(); // every token of Acme's is minted here
/// let key = format.mint(Kind::OrgKey)?;
/// assert!(format.parse(key.secret.expose_secret()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenFormat {
    /// The prefix of organization keys.
    org_key: Box<str>,
    /// The prefix of personal tokens.
    personal_token: Box<str>,
    /// Tokens of other systems.
    pub(super) further: FurtherShapes,
    max_len: usize,
    /// Whether a token with a main prefix must end in its checksum.
    checksum: bool,
}

/// A well-formed token, borrowed from the request.
#[derive(Clone, Copy)]
pub(crate) struct Token<'h> {
    pub(crate) kind: Kind,
    /// The id of a key; empty for a personal token, and for a key without an id.
    pub(crate) id: &'h [u8],
    /// What the digest is computed of: the whole token, unless its shape says otherwise.
    pub(crate) hashed: &'h [u8],
}

impl<'h> Token<'h> {
    /// Returns the id by which a store finds a key, given the token's digest; empty for a personal
    /// token.
    #[inline]
    pub(crate) fn lookup_id(&self, digest: &Digest) -> Cow<'h, [u8]> {
        match (self.kind, self.id) {
            (Kind::OrgKey, []) => id_of_digest(digest),
            _ => Cow::Borrowed(self.id),
        }
    }
}

#[cold]
fn id_of_digest(digest: &Digest) -> Cow<'static, [u8]> {
    let id = key_id_of_digest(digest);
    Cow::Owned(id.as_str().as_bytes().to_vec())
}

/// Why a text is not a token of this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    #[error("the token has an unknown prefix")]
    UnknownPrefix,
    #[error("the token is too long")]
    TooLong,
    /// The prefix is known, but the body is not token68 or lacks a part.
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's checksum does not hold")]
    WrongChecksum,
}

/// The length of a minted token with the default prefixes.
const MINTED_LEN: usize = 55;

/// The scheme of tokens, which some clients write without the space behind it.
const SCHEME: &[u8] = b"bearer";

impl Default for TokenFormat {
    fn default() -> Self {
        Self {
            org_key: anyreach::ORG_KEY_PREFIX.into(),
            personal_token: anyreach::PERSONAL_TOKEN_PREFIX.into(),
            further: FurtherShapes::default(),
            max_len: 512,
            checksum: false,
        }
    }
}

impl TokenFormat {
    /// Replaces the default prefixes `ak_` and `pat_`. Both are matched exactly, including case.
    ///
    /// # Errors
    /// [`ConfigError::InvalidPrefix`] for a prefix that is empty or has characters other than
    /// letters, digits, `-` and `_`, and where one prefix begins with another.
    pub fn with_prefixes(
        mut self,
        org_key: &str,
        personal_token: &str,
    ) -> Result<Self, ConfigError> {
        (self.org_key, self.personal_token) = (org_key.into(), personal_token.into());
        self.checked()
    }

    /// Checks that all prefixes are valid, and that they can be told apart.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        for (at, prefix) in self.prefixes().enumerate() {
            let mut others = self
                .prefixes()
                .enumerate()
                .filter(|(other, _)| *other != at);
            let is_ambiguous = others.any(|(_, other)| other.starts_with(prefix));
            if prefix.is_empty() || !prefix.bytes().all(allowed) || is_ambiguous {
                return Err(ConfigError::InvalidPrefix(prefix.into()));
            }
        }
        Ok(self)
    }

    /// Returns the main prefixes and all further ones.
    fn prefixes(&self) -> impl Iterator<Item = &str> {
        let main = [&*self.org_key, &*self.personal_token];
        main.into_iter().chain(self.further.prefixes())
    }

    /// Refuses tokens longer than `bytes` (default 512) before they are hashed.
    ///
    /// # Errors
    /// [`ConfigError::LengthCapTooSmall`] below 55 bytes, the length of a minted token with the
    /// default prefixes. With longer ones, minted tokens are longer by as much.
    pub fn with_max_len(mut self, bytes: usize) -> Result<Self, ConfigError> {
        if bytes < MINTED_LEN {
            return Err(ConfigError::LengthCapTooSmall(bytes));
        }
        self.max_len = bytes;
        Ok(self)
    }

    /// Refuses tokens whose last six characters are not the checksum of the rest, without a lookup.
    ///
    /// Off by default, so that tokens issued elsewhere work. Turn it on if every token was minted
    /// by [`mint`](Self::mint): junk without a valid checksum then costs no lookup. Tokens with a
    /// [further prefix](Self::with_further_prefix), or without one, need no checksum.
    #[must_use]
    pub fn with_required_checksum(mut self) -> Self {
        self.checksum = true;
        self
    }

    /// Returns the prefix of organization keys.
    #[must_use]
    pub fn org_key_prefix(&self) -> &str {
        &self.org_key
    }

    /// Returns the prefix of personal access tokens.
    #[must_use]
    pub fn personal_token_prefix(&self) -> &str {
        &self.personal_token
    }

    /// Returns the maximum length of a token, in bytes.
    pub(crate) fn max_len(&self) -> usize {
        self.max_len
    }

    /// Returns whether `value` begins with one of the prefixes.
    pub(crate) fn begins(&self, value: &[u8]) -> bool {
        let mut prefixes = self.prefixes();
        prefixes.any(|prefix| value.starts_with(prefix.as_bytes()))
    }

    /// Returns whether a part of `value` begins with one of the prefixes, whatever the scheme and
    /// the characters around it. A part ends at each byte that no token has, and begins anew after
    /// an escape such as `%20` and after the scheme. So a token that was sent without its scheme,
    /// glued to it, in quotes, escaped or beside another one is still recognized. With tokens that
    /// have no prefix, every value may contain one.
    pub(crate) fn occurs_in(&self, value: &[u8]) -> bool {
        if self.further.have_unprefixed() {
            return true;
        }
        let begins = |part: &[u8]| self.begins(part);
        let mut escaped = false;
        let mut parts = value.split_inclusive(|byte| !is_token68_byte(*byte));
        parts.any(|part| {
            let after = |length| part.get(length..).unwrap_or_default();
            let scheme = part.get(..SCHEME.len()).unwrap_or_default();
            let glued = scheme.eq_ignore_ascii_case(SCHEME) && begins(after(SCHEME.len()));
            let found = begins(part) || glued || escaped && begins(after(2));
            escaped = part.ends_with(b"%");
            found
        })
    }

    /// Classifies `token`. The prefix is checked first, so a value of neither kind is unrecognized,
    /// whatever else is wrong with it.
    #[inline]
    pub(crate) fn classify<'h>(&self, token: &'h [u8]) -> Result<Token<'h>, FormatError> {
        let Some((shape, body)) = self.split_main(token) else {
            return self.classify_further(token);
        };
        let read = self.read(token, shape, body)?;
        if self.checksum && !Self::checksum_holds(token) {
            return Err(FormatError::WrongChecksum);
        }
        Ok(read)
    }

    /// Classifies a token without a main prefix.
    #[cold]
    fn classify_further<'h>(&self, token: &'h [u8]) -> Result<Token<'h>, FormatError> {
        let split = self.further.split(token);
        let (shape, body) = split.ok_or(FormatError::UnknownPrefix)?;
        self.read(token, shape, body)
    }

    /// Returns the shape of a token with any of the prefixes, and what follows the prefix.
    pub(super) fn split<'h>(&self, token: &'h [u8]) -> Option<(TokenShape, &'h [u8])> {
        self.split_main(token).or_else(|| self.further.split(token))
    }

    #[inline]
    fn split_main<'h>(&self, token: &'h [u8]) -> Option<(TokenShape, &'h [u8])> {
        if let Some(body) = token.strip_prefix(self.org_key.as_bytes()) {
            return Some((TokenShape::OrgKey, body));
        }
        let body = token.strip_prefix(self.personal_token.as_bytes())?;
        Some((TokenShape::PersonalToken, body))
    }

    /// Reads a token whose shape is known.
    #[inline]
    fn read<'h>(
        &self,
        token: &'h [u8],
        shape: TokenShape,
        body: &'h [u8],
    ) -> Result<Token<'h>, FormatError> {
        if token.len() > self.max_len {
            return Err(FormatError::TooLong);
        }
        if !is_token68(body) {
            return Err(FormatError::Malformed);
        }
        let (id, secret) = shape.parts(body).ok_or(FormatError::Malformed)?;
        let hashed = match shape {
            TokenShape::OrgKeyHashedBySecret { .. } => secret,
            _ => token,
        };
        Ok(Token {
            kind: shape.kind(),
            id,
            hashed,
        })
    }
}

/// Returns whether a text is `token68` of RFC 9110, section 11.2: one or more of `ALPHA DIGIT - . _
/// ~ + /`, then any number of `=`.
#[inline]
fn is_token68(body: &[u8]) -> bool {
    let text = match body {
        [.., b'='] => without_padding(body), // hardly ever
        text => text,
    };
    // Sixteen at a time, the last sixteen perhaps twice: the compiler turns this into vector
    // instructions.
    match text.last_chunk::<16>() {
        Some(last) => {
            let (chunks, _) = text.as_chunks::<16>();
            chunks.iter().fold(are_token68_bytes(last), |valid, chunk| {
                valid & are_token68_bytes(chunk)
            })
        }
        None => !text.is_empty() && are_token68_bytes(text),
    }
}

/// Returns a token's body without the `=` at its end.
fn without_padding(body: &[u8]) -> &[u8] {
    let padding = body.iter().rev().take_while(|byte| **byte == b'=').count();
    body.split_at(body.len() - padding).0
}

#[inline]
fn are_token68_bytes(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |valid, byte| valid & is_token68_byte(*byte))
}

/// Returns whether a token may contain a byte, without branches. `-`, `.`, `/` and the digits are
/// adjacent in ASCII.
#[inline]
fn is_token68_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit_or_neighbour = byte.wrapping_sub(b'-') < 13;
    letter | digit_or_neighbour | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

/// Returns where a token's body stops being token68, for the error of `parse`.
pub(super) fn first_invalid_byte(body: &[u8]) -> Option<usize> {
    let text = without_padding(body);
    let invalid = text.iter().position(|byte| !is_token68_byte(*byte));
    invalid.or_else(|| text.is_empty().then_some(0))
}

/// Returns whether `id` can be between a key's prefix and its dot.
pub(crate) fn is_key_id(id: &str) -> bool {
    !id.contains(['.', '=']) && is_token68(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn classify(token: &[u8]) -> Result<(Kind, String), FormatError> {
        let format = TokenFormat::default();
        format
            .classify(token)
            .map(|t| (t.kind, String::from_utf8(t.id.to_vec()).unwrap()))
    }

    #[test]
    fn table() {
        let key = |id: &str| Ok((Kind::OrgKey, id.to_owned()));
        let pat = Ok((Kind::PersonalToken, String::new()));
        let unrecognized = Err(FormatError::UnknownPrefix);
        let malformed = Err(FormatError::Malformed);
        let cases: [(&[u8], _); 28] = [
            (b"ak_id.secret", key("id")),
            (b"ak_id.se.cret", key("id")),
            (b"ak_a.b==", key("a")),
            (b"ak_-_~+/.x", key("-_~+/")),
            (b"pat_x", pat.clone()),
            (b"pat_x==", pat.clone()),
            (b"pat_pat_.", pat),
            (b"", unrecognized.clone()),
            (b"ak", unrecognized.clone()),
            (b"pat", unrecognized.clone()),
            (b"AK_id.secret", unrecognized.clone()),
            (b"Pat_x", unrecognized.clone()),
            (b" ak_id.secret", unrecognized.clone()),
            (b"_ak_id.secret", unrecognized.clone()),
            (b"$TOKEN", unrecognized),
            (b"ak_", malformed.clone()),
            (b"ak_.", malformed.clone()),
            (b"ak_id", malformed.clone()),
            (b"ak_id.", malformed.clone()),
            (b"ak_.secret", malformed.clone()),
            (b"ak_i=d.secret", malformed.clone()),
            (b"ak_id.secret extra", malformed.clone()),
            (b"ak_id.secret,", malformed.clone()),
            (b"ak_id.secret\t", malformed.clone()),
            (b"ak_id.secret\xc2\xa0", malformed.clone()),
            (b"pat_", malformed.clone()),
            (b"pat_==", malformed.clone()),
            (b"pat_\"x", malformed),
        ];
        for (token, wanted) in cases {
            assert_eq!(
                classify(token),
                wanted,
                "{:?}",
                String::from_utf8_lossy(token)
            );
        }
    }

    #[test]
    fn the_cap_counts_the_whole_token() {
        let cap =
            |len: usize| classify(format!("pat_{}", "A".repeat(len - 4)).as_bytes()).map(|_| ());
        assert_eq!(cap(512), Ok(()));
        assert_eq!(cap(513), Err(FormatError::TooLong));
        assert!(TokenFormat::default().with_max_len(54).is_err());
    }

    #[test]
    fn a_required_checksum_lets_only_minted_tokens_through() {
        let format = TokenFormat::default().with_required_checksum();
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            let minted = format.mint(kind).unwrap();
            assert_eq!(
                format
                    .classify(minted.secret.expose_secret().as_bytes())
                    .map(|t| t.kind)
                    .ok(),
                Some(kind)
            );
        }
        for junk in ["ak_id.secret", "pat_0000000000000"] {
            assert_eq!(
                format.classify(junk.as_bytes()).err(),
                Some(FormatError::WrongChecksum)
            );
        }
    }

    #[test]
    fn prefixes_that_cannot_be_told_apart_are_refused() {
        let with = |a: &'static str, b: &'static str| TokenFormat::default().with_prefixes(a, b);
        assert!(with("sk_live_", "pt-").is_ok());
        for (a, b) in [
            ("", "pat_"),
            ("ak_", ""),
            ("k", "key_"),
            ("same_", "same_"),
            ("a.b", "pat_"),
            ("a b", "pat_"),
            ("é_", "pat_"),
        ] {
            assert!(with(a, b).is_err(), "{a:?} {b:?}");
        }
        let format = with("sk_live_", "pt-").unwrap();
        assert_eq!(
            format.classify(b"sk_live_a.b").map(|t| t.id).ok(),
            Some(&b"a"[..])
        );
        assert!(matches!(
            format.classify(b"ak_a.b"),
            Err(FormatError::UnknownPrefix)
        ));
    }

    #[test]
    fn every_byte_is_judged_by_the_grammar_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let legal = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            for (len, at) in [
                (1, 0),
                (15, 3),
                (16, 15),
                (17, 0),
                (17, 16),
                (40, 20),
                (51, 33),
                (51, 50),
            ] {
                let mut text = vec![b'a'; len];
                text[at] = byte;
                let padding = byte == b'=' && at == len - 1 && len > 1;
                assert_eq!(
                    is_token68(&text),
                    legal || padding,
                    "{byte:#x} at {at} of {len}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(token: Vec<u8>) {
            let _ = classify(&token);
        }

        #[test]
        fn what_passes_is_token68_and_keeps_every_byte(tail in proptest::collection::vec(any::<u8>(), 0..600), pat: bool) {
            let token = [if pat { &b"pat_"[..] } else { b"ak_" }, &tail].concat();
            if let Ok(parsed) = TokenFormat::default().classify(&token) {
                prop_assert_eq!(parsed.hashed, &token[..]);
                let foreign = token.iter().find(|b| !b.is_ascii_graphic() || b",;\"\\()<>@[]{}?:".contains(b));
                prop_assert_eq!(foreign, None);
                prop_assert!(token.len() <= 512);
            }
        }

        #[test]
        fn every_well_formed_key_is_taken_apart_at_its_first_dot(id in "[0-9A-Za-z_~+/-]{1,40}", secret in "[0-9A-Za-z._~+/-]{1,80}={0,2}") {
            let token = format!("ak_{id}.{secret}");
            prop_assert_eq!(classify(token.as_bytes()), Ok((Kind::OrgKey, id)));
        }
    }
}

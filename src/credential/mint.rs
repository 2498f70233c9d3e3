//! Minting tokens, and the checksum that distinguishes a minted token from junk without a lookup.
//!
//! A minted token is 55 bytes, the most that fit into one SHA-256 block with its padding: `ak_` +
//! 11 + `.` + 34 + 6 and `pat_` + 45 + 6 characters of base62, the last six of them a CRC-32 of
//! everything before.

use super::{Kind, TokenFormat, crc::crc32};
use crate::{
    id::CredentialId,
    secret::{Digest, Secret},
};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const ID_CHARS: usize = 11; // 65 bits
const KEY_SECRET_CHARS: usize = 34; // 202 bits
const TOKEN_SECRET_CHARS: usize = 45; // 267 bits
const CHECKSUM_CHARS: usize = 6; // 62^6 > 2^32

/// A newly minted credential. Show [`secret`](Self::secret) to its owner once; store
/// [`id`](Self::id) and [`digest`](Self::digest).
///
/// A [`Manager`](crate::manage::Manager) does this for you, and checks who may. Mint by yourself
/// for tests, for the first key of a system, and with stores that only answer:
///
/// ```
/// use tower_api_key::{credential::*, store::Record};
///
/// let minted = TokenFormat::default().mint(Kind::OrgKey)?;
/// let record = Record::org_key(&minted.id, minted.digest, "org_1"); // store this
/// println!("{}", minted.secret.expose_secret()); // and show this, once
/// # Ok::<(), MintError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Minted {
    /// The public id: for a key the part between prefix and dot, for a personal token a random name
    /// that is not part of the token.
    pub id: CredentialId,
    /// The whole token.
    pub secret: Secret,
    /// The digest, for the store.
    pub digest: Digest,
}

/// The operating system provided no randomness, which hardly ever happens after boot.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct MintError(#[source] getrandom::Error);

impl TokenFormat {
    /// Mints a credential of `kind` with the operating system's random generator.
    ///
    /// # Errors
    /// [`MintError`] if that generator fails.
    pub fn mint(&self, kind: Kind) -> Result<Minted, MintError> {
        let id = base62(ID_CHARS)?;
        let mut token = match kind {
            Kind::OrgKey => format!(
                "{}{id}.{}",
                self.org_key_prefix(),
                base62(KEY_SECRET_CHARS)?
            ),
            Kind::PersonalToken => format!(
                "{}{}",
                self.personal_token_prefix(),
                base62(TOKEN_SECRET_CHARS)?
            ),
        };
        token.extend(checksum(token.as_bytes()).map(char::from));
        Ok(Minted {
            id: id.into(),
            digest: Digest::of(token.as_bytes()),
            secret: Secret::new(token),
        })
    }

    /// Returns a regular expression that finds minted tokens, for secret scanners (RE2 and PCRE
    /// syntax).
    ///
    /// Confirm a match with [`checksum_holds`](Self::checksum_holds).
    ///
    /// ```
    /// use tower_api_key::credential::TokenFormat;
    ///
    /// let format = TokenFormat::default().with_prefixes("acme_k_", "acme_t_")?;
    /// let expected = r"\b(?:acme_k_[0-9A-Za-z]{11}\.[0-9A-Za-z]{40}|acme_t_[0-9A-Za-z]{51})\b";
    /// assert_eq!(format.scanner_regex(), expected);
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    #[must_use]
    pub fn scanner_regex(&self) -> String {
        let (key, token) = (self.org_key_prefix(), self.personal_token_prefix());
        // A prefix consists of letters, digits, `-` and `_`, none of which is special outside
        // brackets.
        format!(
            r"\b(?:{key}[0-9A-Za-z]{{{ID_CHARS}}}\.[0-9A-Za-z]{{{KEY}}}|{token}[0-9A-Za-z]{{{TOKEN}}})\b",
            KEY = KEY_SECRET_CHARS + CHECKSUM_CHARS,
            TOKEN = TOKEN_SECRET_CHARS + CHECKSUM_CHARS,
        )
    }

    /// Returns whether the last six bytes of `token` are the checksum of the bytes before them.
    ///
    /// True for every minted token; true by chance for one in 2³² others. It does not mean that the
    /// token is valid.
    #[must_use]
    pub fn checksum_holds(token: &[u8]) -> bool {
        token
            .split_last_chunk::<CHECKSUM_CHARS>()
            .is_some_and(|(body, last)| checksum(body) == *last)
    }
}

/// Returns the CRC-32 (ISO-HDLC) in base62, most significant digit first. Stays on the stack,
/// because it runs for every request where checksums are required.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut rest = crc32(body);
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = base62_digit(rest % 62);
        rest /= 62;
    }
    digits
}

/// Returns the digit for a value below 62.
fn base62_digit(value: u32) -> u8 {
    BASE62.get(value as usize).copied().unwrap_or(b'0')
}

/// Returns `length` characters, each of the 62 equally likely: random bytes from 4 × 62 on are
/// rejected.
fn base62(length: usize) -> Result<String, MintError> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(MintError)?;
        let digits = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .map(|byte| base62_digit(u32::from(*byte) % 62));
        text.extend(digits.take(length - text.len()).map(char::from));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::credential::Kind::{OrgKey, PersonalToken};

    fn minted(kind: Kind) -> String {
        TokenFormat::default()
            .mint(kind)
            .unwrap()
            .secret
            .expose_secret()
            .to_owned()
    }

    #[test]
    fn minted_tokens_fill_one_block_and_no_more() {
        assert_eq!(minted(OrgKey).len(), 55);
        assert_eq!(minted(PersonalToken).len(), 55);
    }

    #[test]
    fn a_secret_has_at_least_200_random_bits() {
        let key = minted(OrgKey);
        let (_, secret) = key.split_once('.').unwrap();
        let token = minted(PersonalToken);
        let body = token
            .strip_prefix(TokenFormat::default().personal_token_prefix())
            .unwrap();
        for random in [secret, body].map(|text| text.len() - CHECKSUM_CHARS) {
            assert!(
                random as f64 * 62_f64.log2() >= 200.0,
                "{random} characters"
            );
        }
    }

    #[test]
    fn the_id_of_a_key_stands_in_its_token() {
        let minted = TokenFormat::default().mint(OrgKey).unwrap();
        let token = minted.secret.expose_secret();
        assert_eq!(
            token
                .strip_prefix(TokenFormat::default().org_key_prefix())
                .and_then(|t| t.split_once('.'))
                .unwrap()
                .0,
            minted.id.as_str()
        );
    }

    #[test]
    fn the_id_of_a_personal_token_tells_nothing_of_it() {
        let minted = TokenFormat::default().mint(PersonalToken).unwrap();
        assert!(!minted.secret.expose_secret().contains(minted.id.as_str()));
    }

    #[test]
    fn a_checksum_notices_any_single_changed_byte() {
        for kind in [OrgKey, PersonalToken] {
            let token = minted(kind).into_bytes();
            assert!(TokenFormat::checksum_holds(&token));
            for at in 0..token.len() {
                let mut other = token.clone();
                other[at] = if other[at] == b'x' { b'y' } else { b'x' };
                assert!(!TokenFormat::checksum_holds(&other), "byte {at}");
            }
        }
        assert!(!TokenFormat::checksum_holds(b"ak_"));
        assert!(!TokenFormat::checksum_holds(b""));
    }

    #[test]
    fn checksum_is_crc_32_in_base62() {
        // CRC-32/ISO-HDLC check value of "123456789" is 0xCBF43926 = 3421780262.
        assert_eq!(String::from_iter(checksum(b"123456789").map(char::from)), {
            let mut rest = 3_421_780_262_u64;
            let mut text = Vec::new();
            for _ in 0..6 {
                text.insert(0, char::from(BASE62[(rest % 62) as usize]));
                rest /= 62;
            }
            text.into_iter().collect::<String>()
        });
    }

    #[test]
    fn no_two_minted_tokens_are_alike() {
        let tokens: HashSet<_> = (0..2000)
            .flat_map(|_| [minted(OrgKey), minted(PersonalToken)])
            .collect();
        assert_eq!(tokens.len(), 4000);
    }

    #[test]
    fn random_text_has_the_length_that_was_asked_for() {
        // One call of the generator yields at most 64 characters.
        for length in [
            0,
            1,
            ID_CHARS,
            KEY_SECRET_CHARS,
            TOKEN_SECRET_CHARS,
            65,
            310,
        ] {
            assert_eq!(base62(length).unwrap().len(), length);
        }
    }

    #[test]
    fn every_character_of_the_alphabet_is_used_about_equally() {
        let text: String = (0..200).map(|_| base62(310).unwrap()).collect();
        for digit in BASE62 {
            let count = text.bytes().filter(|b| b == digit).count();
            assert!(
                (800..1200).contains(&count),
                "{} occurs {count} times of 62000, 1000 expected",
                char::from(*digit)
            );
        }
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let minted = TokenFormat::default().mint(OrgKey).unwrap();
        let secret = minted.secret.expose_secret().split_once('.').unwrap().1;
        let shown = format!("{minted:?}");
        assert!(
            shown.contains(minted.id.as_str()) && !shown.contains(secret),
            "{shown}"
        );
    }
}

//! The grammar of tokens and ids, byte by byte, and the checksum, by long division.

use sha2::{Digest as _, Sha256};

/// What a well-formed token consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'t> {
    /// `<prefix><id>.<secret>`.
    Key {
        /// The part before the first dot.
        id: &'t [u8],
    },
    /// `<prefix><secret>`.
    Personal,
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAToken {
    /// It begins with neither prefix.
    OtherPrefix,
    /// It begins with one, and is otherwise wrong.
    Malformed,
}

/// The format of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Format<'f> {
    /// The prefix of organization keys.
    pub key: &'f str,
    /// The prefix of personal tokens.
    pub personal: &'f str,
    /// The maximum length in bytes.
    pub max_len: usize,
    /// Whether the last six characters must be the checksum of the others.
    pub checksum: bool,
}

impl Default for Format<'_> {
    fn default() -> Self {
        Self {
            key: "ak_",
            personal: "pat_",
            max_len: 512,
            checksum: false,
        }
    }
}

impl Format<'_> {
    /// Reads a token.
    ///
    /// # Errors
    /// [`NotAToken`].
    pub fn read<'t>(&self, token: &'t [u8]) -> Result<Token<'t>, NotAToken> {
        let is_key = token.starts_with(self.key.as_bytes());
        let body = match is_key {
            true => &token[self.key.len()..],
            false if token.starts_with(self.personal.as_bytes()) => &token[self.personal.len()..],
            false => return Err(NotAToken::OtherPrefix),
        };
        let malformed = token.len() > self.max_len
            || !is_token68(body)
            || (self.checksum && !ends_in_checksum(token));
        if malformed {
            return Err(NotAToken::Malformed);
        }
        if !is_key {
            return Ok(Token::Personal);
        }
        let dot = body.iter().position(|byte| *byte == b'.');
        match dot {
            Some(dot) if dot > 0 && dot + 1 < body.len() => Ok(Token::Key { id: &body[..dot] }),
            _ => Err(NotAToken::Malformed),
        }
    }
}

/// `token68` of RFC 9110, section 11.2.
pub fn is_token68(text: &[u8]) -> bool {
    let mut padding = false;
    let mut characters = 0;
    for byte in text {
        match byte {
            b'=' => padding = true,
            _ if padding => return false,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => characters += 1,
            b'-' | b'.' | b'_' | b'~' | b'+' | b'/' => characters += 1,
            _ => return false,
        }
    }
    characters > 0
}

/// Returns whether a text can be an id: 1 to 256 bytes of visible ASCII.
pub fn is_id(text: &[u8]) -> bool {
    (1..=256).contains(&text.len()) && text.iter().all(|byte| (0x21..=0x7e).contains(byte))
}

/// Returns whether a text can be the id of a key: an id that fits between prefix and dot.
pub fn is_key_id(text: &[u8]) -> bool {
    is_id(text) && is_token68(text) && !text.contains(&b'.') && !text.contains(&b'=')
}

/// Returns whether the last six characters are the CRC-32 of the others, in base 62.
pub fn ends_in_checksum(token: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if token.len() < 6 {
        return false;
    }
    let (body, last) = token.split_at(token.len() - 6);
    let value = last.iter().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(value * 62 + digit as u64)
    });
    value == Some(u64::from(crc32fast::hash(body)))
}

/// Appends the six characters of the checksum.
pub fn with_checksum(mut token: Vec<u8>) -> Vec<u8> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let sum = u64::from(crc32fast::hash(&token));
    for power in (0..6).rev() {
        token.push(DIGITS[(sum / 62_u64.pow(power) % 62) as usize]);
    }
    token
}

/// Returns SHA-256, from another place than the code under test would take it.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

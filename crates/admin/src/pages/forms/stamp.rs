//! Stamps: by which a form that is sent twice is known.

use std::fmt::Write as _;

use tower_api_key::clock::UnixMillis;

use super::InputError;
use crate::pages::fields::Fields;

/// The name of the field with the stamp.
pub(in crate::pages) const STAMP: &str = "stamp";

/// When a form was opened, and a number that no other form has. Sent along with it, as its
/// idempotency key: a second request with the same form creates nothing.
///
/// Its moment is the one from which a lifetime such as 30 days counts, so that a repeated request
/// asks for the same expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pages) struct Stamp {
    opened_at: UnixMillis,
    text: String,
}

/// Length of the random part, in bytes.
const RANDOM: usize = 16;

impl Stamp {
    /// Creates the stamp of a form that is opened now; `None` if the operating system has no
    /// randomness.
    pub(in crate::pages) fn new(now: UnixMillis) -> Option<Self> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).ok()?;
        let mut text = format!("{}-", now.0);
        for byte in random {
            write!(text, "{byte:02x}").ok()?;
        }
        let opened_at = now;
        Some(Self { opened_at, text })
    }

    /// Reads the stamp of a form.
    pub(in crate::pages) fn read(fields: &Fields) -> Result<Self, InputError> {
        let stamp = fields.get(STAMP).and_then(Self::parse);
        stamp.ok_or(InputError::Outdated)
    }

    /// Parses what [`as_str`](Self::as_str) returned.
    fn parse(text: &str) -> Option<Self> {
        let (millis, random) = text.split_once('-')?;
        let digits = |text: &str, radix| text.chars().all(|c| c.is_digit(radix));
        let good = digits(millis, 10) && digits(random, 16) && random.len() == 2 * RANDOM;
        let opened_at = millis.parse().ok().filter(|_| good)?;
        Some(Self {
            opened_at: UnixMillis(opened_at),
            text: text.to_owned(),
        })
    }

    /// Returns when the form was opened.
    pub(super) fn opened_at(&self) -> UnixMillis {
        self.opened_at
    }

    /// Returns the text, which is also the idempotency key.
    pub(in crate::pages) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_no_two_are_alike() {
        let [one, other] = [(); 2].map(|()| Stamp::new(UnixMillis(1_700_000_000_000)).unwrap());
        assert_eq!(Stamp::parse(one.as_str()), Some(one.clone()));
        assert_eq!(one.opened_at(), UnixMillis(1_700_000_000_000));
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_no_stamp_is_refused() {
        let random = "0".repeat(32);
        for text in [
            String::new(),
            "5".into(),
            "5-".into(),
            format!("5-{random}0"),
            format!("-{random}"),
            format!("-5-{random}"),
            format!("+5-{random}"),
            format!("5-{}x", &random[1..]),
            format!("99999999999999999999-{random}"),
        ] {
            assert_eq!(Stamp::parse(&text), None, "{text}");
        }
    }
}

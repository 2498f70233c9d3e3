//! Peppers: the keys of digests, from a file or a variable.

use tower_api_key::secret::Peppers;

use super::{SettingsError, read};
use crate::args::Service;

/// The variable with the text of the peppers.
const PEPPERS: &str = "API_KEYS_PEPPERS";

/// Returns the peppers in the file, or in the variable. One of them without a pepper is an error:
/// digests without one would be stored.
pub(crate) fn peppers(service: &Service) -> Result<Option<Peppers>, SettingsError> {
    let text = match (&service.peppers, std::env::var_os(PEPPERS)) {
        (Some(path), _) => Some(read(path)?),
        (None, text) => text.map(|text| text.to_string_lossy().into_owned()),
    };
    let peppers = text.map(|text| parse_peppers(&text)).transpose()?;
    match (peppers, service.no_plain_digests) {
        (None, true) => Err(SettingsError::NoPeppers),
        (peppers, true) => Ok(peppers.map(Peppers::without_plain_digests)),
        (peppers, false) => Ok(peppers),
    }
}

/// Parses a pepper a line, the current one first.
fn parse_peppers(text: &str) -> Result<Peppers, SettingsError> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let mut peppers = None;
    for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
        let (name, secret) = parse_pepper(text).ok_or(SettingsError::Peppers { line })?;
        peppers = Some(match peppers {
            None => Peppers::new(name, &secret)?,
            Some(peppers) => Peppers::with_other(peppers, name, &secret)?,
        });
    }
    peppers.ok_or(SettingsError::Peppers { line: 1 })
}

fn parse_pepper(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, value) = line.split_once('=')?;
    let secret = match value.split_once(':')? {
        ("hex", digits) => from_hex(digits)?,
        ("text", text) => text.as_bytes().to_vec(),
        _ => return None,
    };
    Some((name, secret))
}

/// Parses bytes in hexadecimal.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs
        .iter()
        .map(byte)
        .collect::<Option<_>>()
        .filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pepper_is_the_current_one() {
        let hex = "74".repeat(32);
        let text = format!("\n 2026=hex:{hex}\n2025=text:{}\n", "s=:".repeat(11));
        let peppers = parse_peppers(&text).unwrap();
        assert_eq!(peppers.current().name(), "2026");
        assert_eq!(peppers.all().count(), 2);
    }

    #[test]
    fn a_bad_pepper_is_refused_without_being_shown() {
        for line in [
            "",
            "\n",
            "2026",
            "2026=s3cret",
            "2026=hex:s3cret",
            "2026=text:s3cret",
            "=text:s3cret",
        ] {
            let error = parse_peppers(line).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{line}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_bytes() {
        assert_eq!(from_hex("00fFa1"), Some(vec![0, 255, 161]));
        for text in ["0", "0g", "+f", "é"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}

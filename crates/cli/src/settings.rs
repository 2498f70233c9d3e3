//! The settings that the services over a store have, too: roles, peppers, prefixes.

use std::{collections::BTreeMap, fs, io, path::Path, str::FromStr};

use serde::Deserialize;
use tower_api_key::{
    ConfigError,
    credential::{TokenFormat, TokenShape},
    scope::Catalogue,
    secret::{Peppers, SaltedDigests, SaltedSha256},
};

use crate::args::Service;

/// The variable with the text of the peppers.
const PEPPERS: &str = "API_KEYS_PEPPERS";

/// Why a setting is refused. It contains no pepper.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {path:?}")]
    Unreadable { path: Box<str>, source: io::Error },
    #[error(
        "the roles in {path:?} are not as in \
         {{\"roles\": {{\"editor\": [\"posts:write\"]}}, \
         \"implies\": {{\"posts:write\": [\"posts:read\"]}}}}"
    )]
    Catalogue {
        path: Box<str>,
        source: serde_json::Error,
    },
    #[error("the peppers are not lines as NAME=hex:0123… or NAME=text:…: see line {line}")]
    Peppers { line: usize },
    #[error("--no-plain-digests needs peppers: see --peppers")]
    NoPeppers,
    #[error(
        "use PREFIX=key, PREFIX=key-without-id, PREFIX=key-hashed-by-secret:SEPARATOR or \
         PREFIX=token"
    )]
    FurtherPrefix,
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The file of roles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    roles: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    implies: BTreeMap<String, Vec<String>>,
}

/// Returns the roles in the file, or the default ones.
pub(crate) fn catalogue(service: &Service) -> Result<Catalogue, SettingsError> {
    let Some(path) = &service.catalogue else {
        return Ok(Catalogue::anyreach());
    };
    let text = read(path)?;
    let file: Roles = serde_json::from_str(&text).map_err(|source| SettingsError::Catalogue {
        path: path.to_string_lossy().into(),
        source,
    })?;
    let mut builder = Catalogue::builder();
    for (role, scopes) in file.roles {
        builder = builder.role(&role, scopes);
    }
    for (scope, implied) in &file.implies {
        for implied in implied {
            builder = builder.implies(scope, implied);
        }
    }
    Ok(builder.build()?)
}

/// Returns the peppers in the file, or in the variable.
pub(crate) fn peppers(service: &Service) -> Result<Option<Peppers>, SettingsError> {
    let text = match &service.peppers {
        Some(path) => Some(read(path)?),
        None => std::env::var(PEPPERS).ok(),
    };
    let peppers = text.map(|text| parse_peppers(&text)).transpose()?.flatten();
    match (peppers, service.no_plain_digests) {
        (None, true) => Err(SettingsError::NoPeppers),
        (peppers, true) => Ok(peppers.map(Peppers::without_plain_digests)),
        (peppers, false) => Ok(peppers),
    }
}

/// Parses a pepper a line, the current one first.
fn parse_peppers(text: &str) -> Result<Option<Peppers>, SettingsError> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let mut peppers = None;
    for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
        let (name, secret) = parse_pepper(text).ok_or(SettingsError::Peppers { line })?;
        peppers = Some(match peppers {
            None => Peppers::new(name, &secret)?,
            Some(peppers) => Peppers::with_other(peppers, name, &secret)?,
        });
    }
    Ok(peppers)
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

/// Returns the salted digests that the core has, so that keys with them can be imported and found.
pub(crate) fn salted_digests() -> Result<SaltedDigests, ConfigError> {
    SaltedDigests::new(SaltedSha256::SaltFirst)?.with(SaltedSha256::SaltLast)
}

/// Returns the form of tokens.
pub(crate) fn token_format(service: &Service) -> Result<TokenFormat, ConfigError> {
    let format =
        TokenFormat::default().with_prefixes(&service.key_prefix, &service.token_prefix)?;
    let further = service.further_prefix.iter().cloned();
    further
        .into_iter()
        .try_fold(format, |format, FurtherPrefix { prefix, shape }| {
            format.with_further_prefix(&prefix, shape)
        })
}

/// The prefix of tokens that another system has issued, and their shape.
#[derive(Clone, Debug)]
pub(crate) struct FurtherPrefix {
    prefix: String,
    shape: TokenShape,
}

impl FromStr for FurtherPrefix {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let (prefix, shape) = text.split_once('=').ok_or(SettingsError::FurtherPrefix)?;
        let shape = parse_shape(shape).ok_or(SettingsError::FurtherPrefix)?;
        let prefix = prefix.to_owned();
        Ok(Self { prefix, shape })
    }
}

fn parse_shape(shape: &str) -> Option<TokenShape> {
    match shape {
        "key" => Some(TokenShape::OrgKey),
        "key-without-id" => Some(TokenShape::OrgKeyWithoutId),
        "token" => Some(TokenShape::PersonalToken),
        other => {
            let separator = other.strip_prefix("key-hashed-by-secret:")?;
            let mut chars = separator.chars();
            let separator = chars.next().filter(|_| chars.next().is_none())?;
            Some(TokenShape::OrgKeyHashedBySecret { separator })
        }
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: path.to_string_lossy().into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pepper_is_the_current_one() {
        let hex = "74".repeat(32);
        let text = format!("\n 2026=hex:{hex}\n2025=text:{}\n", "s=:".repeat(11));
        let peppers = parse_peppers(&text).unwrap().unwrap();
        assert_eq!(peppers.current().name(), "2026");
        assert_eq!(peppers.all().count(), 2);
        assert!(parse_peppers("\n").unwrap().is_none());
    }

    #[test]
    fn a_bad_pepper_is_refused_without_being_shown() {
        for line in [
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

    #[test]
    fn a_further_prefix_names_its_shape() {
        for text in [
            "a_=key",
            "a_=key-without-id",
            "a_=token",
            "a_=key-hashed-by-secret:_",
        ] {
            assert!(text.parse::<FurtherPrefix>().is_ok(), "{text}");
        }
        for text in [
            "a_",
            "a_=",
            "a_=keys",
            "a_=key-hashed-by-secret:",
            "a_=key-hashed-by-secret:__",
        ] {
            assert!(text.parse::<FurtherPrefix>().is_err(), "{text}");
        }
    }
}

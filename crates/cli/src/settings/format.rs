//! The form of tokens: their prefixes.

use std::str::FromStr;

use tower_api_key::{
    ConfigError,
    credential::{TokenFormat, TokenShape},
};

use super::SettingsError;
use crate::args::Service;

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

#[cfg(test)]
mod tests {
    use super::*;

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

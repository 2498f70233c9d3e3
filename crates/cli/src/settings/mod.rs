//! The settings that the services over a store have, too: roles, peppers, prefixes.

mod format;
mod peppers;

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::Deserialize;
use tower_api_key::{
    ConfigError,
    scope::Catalogue,
    secret::{SaltedDigests, SaltedSha256},
};

pub(crate) use self::{
    format::{FurtherPrefix, token_format},
    peppers::{from_hex, peppers},
};

use crate::args::Service;

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

/// Returns the salted digests that the core has, so that keys with them can be imported and found.
pub(crate) fn salted_digests() -> Result<SaltedDigests, ConfigError> {
    SaltedDigests::new(SaltedSha256::SaltFirst)?.with(SaltedSha256::SaltLast)
}

fn read(path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: path.to_string_lossy().into(),
        source,
    })
}

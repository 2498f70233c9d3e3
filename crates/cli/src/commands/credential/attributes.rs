//! The arguments for descriptions, metadata and conditions.

use clap::Args;
use tower_api_key::store::{Attributes, Conditions, Metadata, Network};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct AttributeArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A pair of its metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// The networks from which it is accepted, in CIDR notation, separated by commas
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    networks: Option<Vec<String>>,
    /// The environment in which it is accepted
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
}

impl AttributeArgs {
    /// Returns the attributes.
    pub(crate) fn attributes(self) -> Result<Attributes, Failure> {
        let mut conditions = Conditions::default();
        if let Some(named) = &self.networks {
            conditions = conditions.with_networks(networks(named)?);
        }
        if let Some(environment) = self.environment {
            conditions = conditions.with_environment(environment);
        }
        let attributes = Attributes::default()
            .with_metadata(metadata(self.metadata)?)
            .with_conditions(conditions);
        Ok(match self.description {
            Some(description) => attributes.with_description(description),
            None => attributes,
        })
    }
}

/// Parses networks in CIDR notation.
pub(super) fn networks(named: &[String]) -> Result<Vec<Network>, Failure> {
    let networks = named.iter().map(|text| text.parse());
    let invalid = |error| Failure::Argument("--networks", Box::new(error));
    networks.collect::<Result<_, _>>().map_err(invalid)
}

/// Checks pairs of metadata.
pub(super) fn metadata(pairs: Vec<(String, String)>) -> Result<Metadata, Failure> {
    Metadata::new(pairs).map_err(|error| Failure::Argument("--metadata", error.into()))
}

/// Parses a pair of metadata.
pub(super) fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("use KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

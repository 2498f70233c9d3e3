//! Attributes as the model has them, and the reverse.

use std::collections::BTreeSet;

use tower_api_key::{
    manage::Edit as RealEdit,
    store::{Attributes as RealAttributes, Conditions as RealConditions, Metadata, Network},
};

use crate::model::{Attributes, Conditions, Edit};

/// Returns the crate's attributes. Limits are not checked here: the manager has to.
pub(super) fn real_attributes(attributes: &Attributes) -> RealAttributes {
    let real = RealAttributes::default()
        .with_metadata(Metadata::from_stored(attributes.metadata.clone()))
        .with_conditions(real_conditions(&attributes.conditions));
    match &attributes.description {
        Some(text) => real.with_description(text.as_str()),
        None => real,
    }
}

/// Parses networks. Those of histories can be parsed.
fn real_networks(texts: &BTreeSet<String>) -> impl Iterator<Item = Network> {
    texts.iter().filter_map(|text| text.parse().ok())
}

/// Returns the crate's conditions.
fn real_conditions(conditions: &Conditions) -> RealConditions {
    let mut real = RealConditions::default();
    if let Some(networks) = &conditions.networks {
        real = real.with_networks(real_networks(networks));
    }
    match &conditions.environment {
        Some(environment) => real.with_environment(environment.as_str()),
        None => real,
    }
}

/// Returns the crate's edit.
pub(super) fn real_edit(edit: &Edit) -> RealEdit {
    let mut real = RealEdit::default();
    if let Some(name) = &edit.name {
        real = real.with_name(name.as_str());
    }
    if let Some(metadata) = &edit.metadata {
        real = real.with_metadata(Metadata::from_stored(metadata.clone()));
    }
    match &edit.networks {
        Some(Some(networks)) => real = real.with_networks(real_networks(networks)),
        Some(None) => real = real.without_networks(),
        None => {}
    }
    match &edit.environment {
        Some(Some(environment)) => real = real.with_environment(environment.as_str()),
        Some(None) => real = real.without_environment(),
        None => {}
    }
    match &edit.description {
        Some(Some(text)) => real.with_description(text.as_str()),
        Some(None) => real.without_description(),
        None => real,
    }
}

/// Returns attributes as the model has them.
pub(super) fn attributes(real: &RealAttributes) -> Attributes {
    let pairs = real.metadata.iter();
    let networks = real.conditions.networks();
    Attributes {
        description: real.description.as_deref().map(Into::into),
        metadata: pairs
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
        conditions: Conditions {
            networks: networks.map(|networks| networks.iter().map(ToString::to_string).collect()),
            environment: real.conditions.environment().map(Into::into),
        },
    }
}

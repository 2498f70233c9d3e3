//! The columns of attributes, which credentials and audit events have alike.

use super::Columns;
use crate::store::{Attributes, Conditions, Metadata, Network, StoreError, is_environment};

/// Returns the text of the column `allowed_networks`: the networks with a space between them;
/// `None` without such a condition.
///
/// ```
/// use tower_api_key::store::{Conditions, backend::networks_text};
///
/// let networks = ["192.0.2.0/24".parse()?, "2001:db8::/32".parse()?];
/// let office = Conditions::default().with_networks(networks);
/// assert_eq!(networks_text(&office).as_deref(), Some("192.0.2.0/24 2001:db8::/32"));
/// # Ok::<(), tower_api_key::store::InvalidNetwork>(())
/// ```
#[must_use]
pub fn networks_text(conditions: &Conditions) -> Option<String> {
    let networks = conditions.networks()?.iter().map(Network::to_string);
    Some(networks.collect::<Vec<_>>().join(" "))
}

/// Reads the columns `description`, `metadata`, `allowed_networks` and `environment`.
pub(super) fn attributes(row: &impl Columns) -> Result<Attributes, StoreError> {
    Ok(Attributes {
        description: row.text("description")?.map(Into::into),
        metadata: metadata(row)?,
        conditions: conditions(row)?,
    })
}

fn metadata(row: &impl Columns) -> Result<Metadata, StoreError> {
    let pairs = row.pairs("metadata")?;
    Ok(pairs.map(Metadata::from_stored).unwrap_or_default())
}

fn conditions(row: &impl Columns) -> Result<Conditions, StoreError> {
    let mut conditions = Conditions::default();
    if let Some(text) = row.text("allowed_networks")? {
        let networks = text.split(' ').filter(|text| !text.is_empty());
        let networks: Result<Vec<Network>, _> = networks.map(str::parse).collect();
        conditions = conditions.with_networks(networks.map_err(StoreError::corrupt)?);
        // Otherwise a commit would not find the credential as it was read.
        if networks_text(&conditions).as_ref() != Some(&text) {
            return Err(StoreError::corrupt("the networks are in another form"));
        }
    }
    match row.text("environment")? {
        Some(name) if is_environment(&name) => Ok(conditions.with_environment(name)),
        Some(_) => Err(StoreError::corrupt("not the name of an environment")),
        None => Ok(conditions),
    }
}

/// Reads what can be read, for a list; conditions that cannot be read allow nothing. Metadata with
/// a key twice is damaged here, since a commit would not find it as it was read.
pub(super) fn readable_attributes(row: &impl Columns, damaged: &mut bool) -> Attributes {
    let pairs = row.pairs("metadata").unwrap_or_default();
    *damaged |= pairs.is_some_and(|pairs| Metadata::from_stored(pairs.clone()).len() < pairs.len());
    attributes(row).unwrap_or_else(|_| {
        *damaged = true;
        Attributes {
            description: row.text("description").unwrap_or_default().map(Into::into),
            metadata: metadata(row).unwrap_or_default(),
            conditions: conditions(row).unwrap_or_else(|_| Conditions::default().with_networks([])),
        }
    })
}

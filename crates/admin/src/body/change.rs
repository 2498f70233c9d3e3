//! Requests to change a credential.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tower_api_key::{
    clock::UnixMillis,
    manage::{Edit, Rotation},
};
use utoipa::ToSchema;

use super::{issue::parse_networks, pairs::Pairs};
use crate::error::Fault;

/// Changes of a credential. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditCredential)]
pub(crate) struct EditBody {
    /// Its new name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Its new description; `null` removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    description: Option<Option<String>>,
    /// Its new metadata, which replaces the old as a whole.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Pairs, required = false)]
    metadata: Option<Pairs>,
    /// The only networks (CIDR) from which it is accepted; `null`: from all.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_networks: Option<Option<Vec<String>>>,
    /// The only environment in which it is accepted; `null`: in all.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    environment: Option<Option<String>>,
}

/// Reads a member that is there, so that `null` differs from an absent one.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl EditBody {
    pub(crate) fn into_edit(self) -> Result<Edit, Fault> {
        let mut edit = Edit::default();
        if let Some(name) = self.name {
            edit = edit.with_name(name);
        }
        match self.description {
            Some(Some(text)) => edit = edit.with_description(text),
            Some(None) => edit = edit.without_description(),
            None => {}
        }
        if let Some(pairs) = self.metadata {
            edit = edit.with_metadata(pairs.metadata()?);
        }
        match self.allowed_networks {
            Some(Some(texts)) => edit = edit.with_networks(parse_networks(&texts)?),
            Some(None) => edit = edit.without_networks(),
            None => {}
        }
        match self.environment {
            Some(Some(name)) => edit = edit.with_environment(name),
            Some(None) => edit = edit.without_environment(),
            None => {}
        }
        Ok(edit)
    }
}

/// How to rotate a credential.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateCredential)]
pub(crate) struct RotateBody {
    /// How long the old credential stays valid, in seconds; 0 ends it at once.
    overlap_seconds: u64,
    /// When the new credential expires, in milliseconds since 1970-01-01T00:00:00Z; `null`: never;
    /// absent: when the old one would.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Option<i64>>,
}

impl RotateBody {
    pub(crate) fn into_rotation(self, idempotency_key: Option<String>) -> Rotation {
        let mut rotation =
            Rotation::default().with_overlap(Duration::from_secs(self.overlap_seconds));
        if let Some(end) = self.expires_at {
            rotation = rotation.expiring_at(end.map(UnixMillis));
        }
        match idempotency_key {
            Some(key) => rotation.with_idempotency_key(&key),
            None => rotation,
        }
    }
}

/// A credential to revoke, by its secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RevokeCredential)]
pub(crate) struct RevokeBody {
    /// The whole secret.
    #[schema(write_only)]
    pub(crate) pat_key: String,
}

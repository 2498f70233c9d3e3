//! [`RecordReader`]: builds records from rows.

use super::{
    ActorState, Columns, DigestPolicy,
    attribute_columns::attributes,
    read_digest,
    rows::{moment, required, status},
};
use crate::{
    scope::{Catalogue, Tables},
    secret::Digest,
    store::{Record, Restrictions, Status, StoreError, resolve::unknown_role},
};

/// Builds records from rows, with the store's peppers and roles. A store's
/// [`find`](crate::CredentialStore::find) uses it, and so does its check of an actor.
///
/// Each row is read with one version of the catalogue, which may be
/// [replaced](Catalogue::replace) at any time. A role that the catalogue does not have is
/// [`StoreError::Corrupt`], and is [reported](mod@crate::observe).
#[derive(Clone, Copy, Debug)]
pub struct RecordReader<'s> {
    digests: DigestPolicy<'s>,
    catalogue: &'s Catalogue,
}

impl<'s> RecordReader<'s> {
    /// Creates a reader for a store with these digests and roles.
    #[must_use]
    pub fn new(digests: DigestPolicy<'s>, catalogue: &'s Catalogue) -> Self {
        Self { digests, catalogue }
    }

    /// Reads a key: the columns `status`, `digest`, `pepper`, `organization_id`, `expires_at`,
    /// `rotated` (whether it has a successor), `role`, `scopes`, `description`, `metadata`,
    /// `allowed_networks` (as [`networks_text`](super::networks_text) returns it), `environment`,
    /// and `deleted` (of its organization; NULL if there is none).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], and what [`DigestPolicy`] refuses.
    pub fn key(self, row: &impl Columns, id: &str) -> Result<Record, StoreError> {
        let status = match (status(row)?, row.flag("deleted")?) {
            (Status::Active, None | Some(true)) => Status::OrganizationGone,
            (own, _) => own,
        };
        let key = Record::org_key(id, digest(row)?, required(row, "organization_id")?)
            .with_status(status);
        let key = self
            .digests
            .stored_under(key, row.text("pepper")?.as_deref())?
            .expiring_at(moment(row, "expires_at")?)
            .with_rotated(row.flag("rotated")? == Some(true))
            .with_attributes(attributes(row)?);
        let tables = self.catalogue.tables();
        let key = match row.text("role")? {
            Some(role) => with_role(key, &role, &tables)?,
            None => key,
        };
        // Explicit scopes win over those of the role, as they do in a `Record`.
        Ok(match row.list("scopes")? {
            Some(scopes) => key.with_scopes(tables.expand(scopes)),
            None => key,
        })
    }

    /// Reads the token that was found by its digest `presented`: the columns of
    /// [`token_with`](Self::token_with) and `digest`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], also if the row's digest is not that of the presented token; and
    /// what [`DigestPolicy`] refuses.
    pub fn token(
        self,
        row: &impl Columns,
        presented: &Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        let pepper = row.text("pepper")?;
        if !self
            .digests
            .verifies(&digest(row)?, pepper.as_deref(), presented)?
        {
            return Err(StoreError::corrupt(
                "the digest was not made under the pepper that the row names",
            ));
        }
        // The digest it was found by is the plain one, and so is the record's.
        self.token_with(row, presented.clone(), organization)
    }

    /// Reads a token, whatever it was found by: the columns `id`, `user_id`, `status`, `pepper`,
    /// `expires_at`, `rotated`, `own_scopes` and `own_organizations` (the lists that restrict the
    /// token; NULL for none), the attributes as for a [key](Self::key), `enabled` (of its owner;
    /// NULL if there is none), and `role` (of the owner in `organization`; NULL if they are not a
    /// member).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn token_with(
        self,
        row: &impl Columns,
        digest: Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        let status = match (status(row)?, row.flag("enabled")?) {
            (Status::Active, None | Some(false)) => Status::OwnerGone,
            (own, _) => own,
        };
        let (pepper, tables) = (row.text("pepper")?, self.catalogue.tables());
        let token = Record::personal_token(required(row, "id")?, digest, required(row, "user_id")?)
            .with_outdated(self.digests.is_outdated(pepper.as_deref()))
            .with_status(status)
            .expiring_at(moment(row, "expires_at")?)
            .with_rotated(row.flag("rotated")? == Some(true))
            .restricted_to(restrictions(row, &tables)?)
            .with_attributes(attributes(row)?);
        match (organization, row.text("role")?) {
            (Some(organization), Some(role)) => {
                with_role(token.in_organization(organization), &role, &tables)
            }
            _ => Ok(token),
        }
    }

    /// Reads a user: the columns `enabled`, and `role` (in `organization`; NULL if they are not a
    /// member).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn user(
        self,
        row: &impl Columns,
        organization: Option<&str>,
    ) -> Result<ActorState, StoreError> {
        let role = row.text("role")?;
        let scopes = role.and_then(|role| self.catalogue.scopes_of(&role));
        Ok(ActorState::user(
            row.flag("enabled")? == Some(true),
            organization.map(Into::into).zip(scopes),
        ))
    }
}

/// Grants what the row's role may do.
fn with_role(record: Record, role: &str, tables: &Tables) -> Result<Record, StoreError> {
    let known = record.clone().with_role_of(tables, role);
    known.map_err(|error| unknown_role(&record, error, tables))
}

/// Reads what a token may do at most.
fn restrictions(row: &impl Columns, tables: &Tables) -> Result<Restrictions, StoreError> {
    let scopes = row.list("own_scopes")?;
    let scopes = scopes.map(|scopes| tables.expand(scopes));
    let organizations = row.list("own_organizations")?;
    Ok(Restrictions::of_lists(scopes, organizations))
}

/// Reads the column `digest`.
fn digest(row: &impl Columns) -> Result<Digest, StoreError> {
    read_digest(row.bytes("digest")?)
}

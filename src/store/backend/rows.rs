//! Reading rows of a database: every store in a database has the same columns, so rows are
//! converted here, whichever driver returned them.
//!
//! A malformed row is [`StoreError::Corrupt`] for its own credential, and never a guess.

use super::{ActorState, DigestPolicy};
use crate::{
    clock::UnixMillis,
    id::CredentialId,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, Owner, Record, Status, StoreError,
    },
};

/// A row, read by the names of its columns. `None` is NULL; a value that cannot be read is
/// [`StoreError::Corrupt`].
///
/// Implement it for your driver's row to use [`RecordReader`], [`credential_info`] and
/// [`audit_event`]; each lists the columns that it reads. Rename columns of other names in the
/// query (`SELECT org AS organization_id`).
///
/// ```
/// use std::collections::HashMap;
/// use tower_api_key::store::{StoreError, backend::Columns};
///
/// /// A row of text, for the example; a driver's row has typed accessors.
/// struct Row(HashMap<&'static str, String>);
///
/// impl Columns for Row {
///     fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
///         Ok(self.0.get(column).cloned())
///     }
///
///     fn number(&self, column: &str) -> Result<Option<i64>, StoreError> {
///         let number = self.0.get(column).map(|text| text.parse());
///         number.transpose().map_err(StoreError::corrupt)
///     }
///
///     fn flag(&self, column: &str) -> Result<Option<bool>, StoreError> {
///         Ok(self.number(column)?.map(|number| number != 0))
///     }
///
///     fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
///         let text = self.0.get(column).ok_or_else(|| StoreError::corrupt("no bytes"))?;
///         Ok(text.clone().into_bytes())
///     }
///
///     fn scopes(&self) -> Result<Option<Vec<String>>, StoreError> {
///         let text = self.text("scopes")?;
///         Ok(text.map(|text| text.split(' ').map(str::to_owned).collect()))
///     }
/// }
/// ```
pub trait Columns {
    /// Reads text.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is not text.
    fn text(&self, column: &str) -> Result<Option<String>, StoreError>;

    /// Reads an integer.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is not an integer.
    fn number(&self, column: &str) -> Result<Option<i64>, StoreError>;

    /// Reads a flag.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is neither true nor false.
    fn flag(&self, column: &str) -> Result<Option<bool>, StoreError>;

    /// Reads bytes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is missing or is not bytes.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError>;

    /// Reads the column `scopes`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is not a list of scopes.
    fn scopes(&self) -> Result<Option<Vec<String>>, StoreError>;

    /// Reads text, replacing what is not UTF-8. Used where nothing is decided by the content.
    ///
    /// # Errors
    /// The same as [`text`](Self::text).
    fn lossy_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.text(column)
    }
}

/// Reads text that must not be NULL.
fn required(row: &impl Columns, column: &str) -> Result<String, StoreError> {
    present(row.text(column)?, column)
}

/// Reads a time in milliseconds.
fn moment(row: &impl Columns, column: &str) -> Result<Option<UnixMillis>, StoreError> {
    Ok(row.number(column)?.map(UnixMillis))
}

/// Reads the column `status`.
fn status(row: &impl Columns) -> Result<Status, StoreError> {
    Status::parse(&required(row, "status")?).ok_or_else(|| StoreError::corrupt("unknown status"))
}

/// Reads a stored digest.
///
/// # Errors
/// [`StoreError::Corrupt`] unless there are 32 bytes.
pub fn read_digest(bytes: Vec<u8>) -> Result<Digest, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::corrupt("the digest does not have 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// Reads the column `digest`.
fn digest(row: &impl Columns) -> Result<Digest, StoreError> {
    read_digest(row.bytes("digest")?)
}

/// Refuses NULL.
fn present(text: Option<String>, column: &str) -> Result<String, StoreError> {
    text.ok_or_else(|| StoreError::corrupt(format!("`{column}` is missing")))
}

/// Builds records from rows, with the store's peppers and roles. A store's
/// [`find`](crate::CredentialStore::find) uses it, and so does its check of an actor.
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
    /// `rotated` (whether it has a successor), `role`, `scopes`, and `deleted` (of its
    /// organization; NULL if there is none).
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
            .with_rotated(row.flag("rotated")? == Some(true));
        let key = match row.text("role")? {
            Some(role) => key
                .with_role(&role, self.catalogue)
                .map_err(StoreError::corrupt)?,
            None => key,
        };
        // Explicit scopes win over those of the role, as they do in a `Record`.
        Ok(match row.scopes()? {
            Some(scopes) => key.with_scopes(self.catalogue.expand(scopes)),
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
    /// `expires_at`, `rotated`, `enabled` (of its owner; NULL if there is none), and `role` (of the
    /// owner in `organization`; NULL if they are not a member).
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
        let pepper = row.text("pepper")?;
        let token = Record::personal_token(required(row, "id")?, digest, required(row, "user_id")?)
            .with_outdated(self.digests.is_outdated(pepper.as_deref()))
            .with_status(status)
            .expiring_at(moment(row, "expires_at")?)
            .with_rotated(row.flag("rotated")? == Some(true));
        match (organization, row.text("role")?) {
            (Some(organization), Some(role)) => token
                .in_organization(organization)
                .with_role(&role, self.catalogue)
                .map_err(StoreError::corrupt),
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
        let scopes = role.and_then(|role| self.catalogue.scopes_of(&role).cloned());
        Ok(ActorState::user(
            row.flag("enabled")? == Some(true),
            organization.map(Into::into).zip(scopes),
        ))
    }
}

/// Reads a credential of `owner`: the columns `name`, `role`, `status`, `scopes`, `created_at`,
/// `expires_at`, `last_used_at`, `rotated_at`, `rotated_from` and `rotated_to`.
///
/// Parts that cannot be read are left out, and the credential is marked as damaged.
#[must_use]
pub fn credential_info(row: &impl Columns, id: CredentialId, owner: &Owner) -> CredentialInfo {
    let mut damaged = false;
    let name = or_none(row.text("name"), &mut damaged);
    let role = or_none(row.text("role"), &mut damaged);
    let status = or_none(status(row).map(Some), &mut damaged);
    // If they cannot be read, grant none, rather than those of the role.
    let scopes = row.scopes().unwrap_or_else(|_| {
        damaged = true;
        Some(Vec::new())
    });
    let mut moment = |column| or_none(moment(row, column), &mut damaged);
    let (created_at, expires_at) = (moment("created_at"), moment("expires_at"));
    let (last_used_at, rotated_at) = (moment("last_used_at"), moment("rotated_at"));
    let mut other = |column| or_none(row.text(column), &mut damaged).map(Into::into);
    let (rotated_from, rotated_to) = (other("rotated_from"), other("rotated_to"));
    CredentialInfo {
        id,
        owner: owner.clone(),
        name: name.unwrap_or_default().into(),
        role: role.map(Into::into),
        scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
        // Whatever the status is, the credential is not accepted.
        status: status.unwrap_or(Status::Disabled),
        created_at: created_at.unwrap_or(UnixMillis(0)),
        expires_at,
        last_used_at,
        rotated_from,
        rotated_to,
        rotated_at,
        damaged,
    }
}

/// Replaces what cannot be read with nothing, and notes that the row is damaged.
fn or_none<T>(read: Result<Option<T>, StoreError>, damaged: &mut bool) -> Option<T> {
    read.unwrap_or_else(|_| {
        *damaged = true;
        None
    })
}

/// Reads an audit event of a credential of `owner`: the columns `number`, `at`, `action`,
/// `credential_id`, `related_id`, `actor_kind`, `actor_id`, `actor_user_id` and `origin`.
///
/// If its actor or action is unknown, the rest of the event, and of the trail, stays readable.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn audit_event(row: &impl Columns, owner: &Owner) -> Result<AuditEvent, StoreError> {
    let text = |column| row.lossy_text(column);
    let by = AuditActor::from_columns(
        &text("actor_kind")?.unwrap_or_default(),
        text("actor_id")?.as_deref(),
        text("actor_user_id")?.as_deref(),
    );
    let action = text("action")?.and_then(|word| AuditAction::parse(&word));
    Ok(AuditEvent {
        number: row.number("number")?,
        at: moment(row, "at")?.unwrap_or(UnixMillis(0)),
        action: action.unwrap_or(AuditAction::Unknown),
        owner: owner.clone(),
        credential: present(text("credential_id")?, "credential_id")?.into(),
        related: text("related_id")?.map(Into::into),
        by: by.unwrap_or(AuditActor::Unknown),
        origin: text("origin")?.map(Into::into),
    })
}

//! Reading rows of a database: every store in a database has the same columns, so rows are
//! converted here, whichever driver returned them.
//!
//! A malformed row is [`StoreError::Corrupt`] for its own credential, and never a guess.

use std::net::IpAddr;

use super::attribute_columns::readable_attributes;
use crate::{
    clock::UnixMillis,
    id::CredentialId,
    secret::Digest,
    store::{AuditAction, AuditActor, AuditEvent, CredentialInfo, Owner, Status, StoreError},
};

/// A row, read by the names of its columns. `None` is NULL; a value that cannot be read is
/// [`StoreError::Corrupt`].
///
/// Implement it for your driver's row to use [`RecordReader`](super::RecordReader),
/// [`credential_info`] and [`audit_event`]; each lists the columns that it reads. Rename columns of
/// other names in the query (`SELECT org AS organization_id`).
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
///     fn list(&self, column: &str) -> Result<Option<Vec<String>>, StoreError> {
///         let text = self.text(column)?;
///         Ok(text.map(|text| text.split(' ').map(str::to_owned).collect()))
///     }
///
///     fn pairs(&self, column: &str) -> Result<Option<Vec<(String, String)>>, StoreError> {
///         let list = self.list(column)?;
///         let pair = |word: &String| word.split_once('=').map(|(k, v)| (k.into(), v.into()));
///         Ok(list.map(|words| words.iter().filter_map(pair).collect()))
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

    /// Reads a list of texts.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is not a list of texts.
    fn list(&self, column: &str) -> Result<Option<Vec<String>>, StoreError>;

    /// Reads an object whose values are texts, as pairs of a key and a value.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is not such an object.
    fn pairs(&self, column: &str) -> Result<Option<Vec<(String, String)>>, StoreError>;

    /// Reads text, replacing what is not UTF-8. Used where nothing is decided by the content.
    ///
    /// # Errors
    /// The same as [`text`](Self::text).
    fn lossy_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.text(column)
    }
}

/// Reads text that must not be NULL.
pub(super) fn required(row: &impl Columns, column: &str) -> Result<String, StoreError> {
    present(row.text(column)?, column)
}

/// Reads a time in milliseconds.
pub(super) fn moment(row: &impl Columns, column: &str) -> Result<Option<UnixMillis>, StoreError> {
    Ok(row.number(column)?.map(UnixMillis))
}

/// Reads the column `status`.
pub(super) fn status(row: &impl Columns) -> Result<Status, StoreError> {
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

/// Refuses NULL.
fn present(text: Option<String>, column: &str) -> Result<String, StoreError> {
    text.ok_or_else(|| StoreError::corrupt(format!("`{column}` is missing")))
}

/// Reads a credential of `owner`: the columns `name`, `role`, `status`, `scopes` (of a token,
/// `own_scopes`), `own_organizations`, `created_at`, `expires_at`, `first_used_at`, `last_used_at`,
/// `last_address`, `last_user_agent`, `deleted_at`, `rotated_at`, `rotated_from`, `rotated_to`,
/// `description`, `metadata`, `allowed_networks`, `environment`, `created_by_kind`, `created_by_id`
/// and `created_by_user_id`.
///
/// Parts that cannot be read are left out, and the credential is marked as damaged. Only a creator
/// is [`Unknown`](AuditActor::Unknown), without such a mark.
#[must_use]
pub fn credential_info(row: &impl Columns, id: CredentialId, owner: &Owner) -> CredentialInfo {
    let mut damaged = false;
    let name = or_none(row.text("name"), &mut damaged);
    let role = or_none(row.text("role"), &mut damaged);
    let status = or_none(status(row).map(Some), &mut damaged);
    // A list that cannot be read counts as empty, not as absent.
    let mut list = |read: Result<_, StoreError>| {
        read.unwrap_or_else(|_| {
            damaged = true;
            Some(Vec::new())
        })
    };
    let scopes = list(match owner {
        Owner::Organization(_) => row.list("scopes"),
        Owner::User(_) => row.list("own_scopes"),
    });
    let organizations = list(row.list("own_organizations"));
    let attributes = readable_attributes(row, &mut damaged);
    let mut moment = |column| or_none(moment(row, column), &mut damaged);
    let (created_at, expires_at) = (moment("created_at"), moment("expires_at"));
    let (rotated_at, deleted_at) = (moment("rotated_at"), moment("deleted_at"));
    let mut other = |column| or_none(row.text(column), &mut damaged).map(Into::into);
    let (rotated_from, rotated_to) = (other("rotated_from"), other("rotated_to"));
    let created_at = created_at.unwrap_or(UnixMillis(0));
    let info = CredentialInfo {
        name: name.unwrap_or_default().into(),
        role: role.map(Into::into),
        scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
        organizations: organizations.map(|list| list.into_iter().map(Into::into).collect()),
        attributes,
        // Whatever the status is, the credential is not accepted.
        status: status.unwrap_or(Status::Disabled),
        created_by: creator(row),
        expires_at,
        rotated_from,
        rotated_to,
        rotated_at,
        deleted_at,
        damaged,
        ..CredentialInfo::new(id, owner.clone(), created_at)
    };
    with_uses(row, info)
}

/// Reads who created a credential. Nothing is decided by it, so what cannot be read harms nobody.
fn creator(row: &impl Columns) -> Option<AuditActor> {
    let read = || {
        let Some(kind) = row.lossy_text("created_by_kind")? else {
            return Ok(None);
        };
        let id = row.lossy_text("created_by_id")?;
        let user = row.lossy_text("created_by_user_id")?;
        let actor = AuditActor::from_columns(&kind, id.as_deref(), user.as_deref());
        Ok::<_, StoreError>(Some(actor.unwrap_or(AuditActor::Unknown)))
    };
    read().unwrap_or(Some(AuditActor::Unknown))
}

/// Reads the first and the last use.
fn with_uses(row: &impl Columns, info: CredentialInfo) -> CredentialInfo {
    let mut damaged = info.damaged;
    let mut moment = |column| or_none(moment(row, column), &mut damaged);
    let (first_used_at, last_used_at) = (moment("first_used_at"), moment("last_used_at"));
    let last_address = or_none(address(row), &mut damaged);
    let last_user_agent = or_none(row.text("last_user_agent"), &mut damaged).map(Into::into);
    CredentialInfo {
        first_used_at,
        last_used_at,
        last_address,
        last_user_agent,
        damaged,
        ..info
    }
}

/// Reads the address of the last use.
fn address(row: &impl Columns) -> Result<Option<IpAddr>, StoreError> {
    let text = row.text("last_address")?;
    text.map(|text| text.parse().map_err(StoreError::corrupt))
        .transpose()
}

/// Replaces what cannot be read with nothing, and notes that the row is damaged.
fn or_none<T>(read: Result<Option<T>, StoreError>, damaged: &mut bool) -> Option<T> {
    read.unwrap_or_else(|_| {
        *damaged = true;
        None
    })
}

/// Reads an audit event of a credential of `owner`: the columns `number`, `at`, `action`,
/// `credential_id`, `related_id`, `actor_kind`, `actor_id`, `actor_user_id`, `origin`,
/// `expires_at`, `description`, `metadata`, `allowed_networks` and `environment`.
///
/// If its actor, its action or its attributes cannot be read, the rest of the event, and of the
/// trail, stays readable.
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
        expires_at: moment(row, "expires_at")?,
        attributes: readable_attributes(row, &mut false),
    })
}

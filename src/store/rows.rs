//! What the databases store of records and owners, and how their rows are read.
//!
//! Both databases have the same columns, so rows are converted here, whichever driver returned
//! them. A malformed row is [`StoreError::Corrupt`] for its own credential, and never a guess.

use super::{
    ActorState, Authority, Commit, NewCredential, Record, Status, StoreError,
    WriteError::{self, GrantOnToken, UnknownRole},
};
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::{Kind, check_credential_id},
    id::CredentialId,
    scope::Catalogue,
    secret::{Digest, Peppers},
    store::{AuditAction, AuditActor, AuditEvent, CredentialInfo, Owner},
};

/// The columns of a row. `None` is NULL; a value that cannot be read is [`StoreError::Corrupt`].
pub(super) trait Columns {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn number(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn flag(&self, column: &str) -> Result<Option<bool>, StoreError>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError>;
    fn scopes(&self) -> Result<Option<Vec<String>>, StoreError>;

    /// Reads text, replacing what is not UTF-8: nothing is decided by its content.
    fn lossy_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.text(column)
    }

    fn required(&self, column: &str) -> Result<String, StoreError> {
        present(self.text(column)?, column)
    }

    fn moment(&self, column: &str) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.number(column)?.map(UnixMillis))
    }

    fn status(&self) -> Result<Status, StoreError> {
        Status::of_word(&self.required("status")?)
    }

    fn digest(&self) -> Result<Digest, StoreError> {
        digest_of(self.bytes("digest")?)
    }
}

fn present(text: Option<String>, column: &str) -> Result<String, StoreError> {
    text.ok_or_else(|| StoreError::corrupt(format!("`{column}` is missing")))
}

pub(super) fn digest_of(bytes: Vec<u8>) -> Result<Digest, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::corrupt("the digest does not have 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

/// What a store needs to build a record from a row.
#[derive(Clone, Copy)]
pub(super) struct RecordReader<'s> {
    pub(super) peppers: Option<&'s Peppers>,
    pub(super) catalogue: &'s Catalogue,
}

impl RecordReader<'_> {
    /// Reads a key with its organization's state.
    pub(super) fn key(self, row: &impl Columns, id: &str) -> Result<Record, StoreError> {
        let standing = match (row.status()?, row.flag("deleted")?) {
            (Status::Active, None | Some(true)) => Status::OrganizationGone,
            (own, _) => own,
        };
        let key = Record::org_key(id, row.digest()?, row.required("organization_id")?)
            .with_standing(standing)
            .kept_under(self.peppers, row.text("pepper")?.as_deref())?
            .expiring_at(row.moment("expires_at")?)
            .rotated(row.flag("rotated")? == Some(true));
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

    /// Reads the token that was found by its digest `presented`.
    pub(super) fn token(
        self,
        row: &impl Columns,
        presented: &Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        let pepper = row.text("pepper")?;
        Peppers::confirm(self.peppers, &row.digest()?, pepper.as_deref(), presented)?;
        // The digest it was found by is the plain one, and so is the record's.
        self.token_with(row, presented.clone(), organization)
    }

    /// Reads a token with its owner's state and the owner's membership in `organization`, whatever
    /// it was found by.
    pub(super) fn token_with(
        self,
        row: &impl Columns,
        digest: Digest,
        organization: Option<&str>,
    ) -> Result<Record, StoreError> {
        let standing = match (row.status()?, row.flag("enabled")?) {
            (Status::Active, None | Some(false)) => Status::OwnerGone,
            (own, _) => own,
        };
        let pepper = row.text("pepper")?;
        let token = Record::personal_token(row.required("id")?, digest, row.required("user_id")?)
            .outdated(Peppers::is_outdated(self.peppers, pepper.as_deref()))
            .with_standing(standing)
            .expiring_at(row.moment("expires_at")?)
            .rotated(row.flag("rotated")? == Some(true));
        match (organization, row.text("role")?) {
            (Some(organization), Some(role)) => token
                .in_organization(organization)
                .with_role(&role, self.catalogue)
                .map_err(StoreError::corrupt),
            _ => Ok(token),
        }
    }

    /// Reads whether a user is enabled, and their rights in `organization`.
    pub(super) fn user(
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

/// Reads a credential of `owner`. Parts that cannot be read are left out, and the credential is
/// marked as damaged.
pub(super) fn info(row: &impl Columns, id: CredentialId, owner: &Owner) -> CredentialInfo {
    let mut damaged = false;
    let name = or_none(row.text("name"), &mut damaged);
    let role = or_none(row.text("role"), &mut damaged);
    let standing = or_none(row.status().map(Some), &mut damaged);
    // If they cannot be read, grant none, rather than those of the role.
    let scopes = row.scopes().unwrap_or_else(|_| {
        damaged = true;
        Some(Vec::new())
    });
    let mut moment = |column| or_none(row.moment(column), &mut damaged);
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
        standing: standing.unwrap_or(Status::Disabled),
        created_at: created_at.unwrap_or(UnixMillis(0)),
        expires_at,
        last_used_at,
        rotated_from,
        rotated_to,
        rotated_at,
        damaged,
    }
}

fn or_none<T>(read: Result<Option<T>, StoreError>, damaged: &mut bool) -> Option<T> {
    read.unwrap_or_else(|_| {
        *damaged = true;
        None
    })
}

/// Reads an audit event of a credential of `owner`. If its actor or action is unknown, the rest of
/// the event, and of the trail, stays readable.
pub(super) fn event(row: &impl Columns, owner: &Owner) -> Result<AuditEvent, StoreError> {
    let text = |column| row.lossy_text(column);
    let by = AuditActor::from_columns(
        &text("actor_kind")?.unwrap_or_default(),
        text("actor_id")?.as_deref(),
        text("actor_user_id")?.as_deref(),
    );
    let action = text("action")?.and_then(|word| AuditAction::parse(&word));
    Ok(AuditEvent {
        number: row.number("number")?.unwrap_or_default(),
        at: row.moment("at")?.unwrap_or(UnixMillis(0)),
        action: action.unwrap_or(AuditAction::Unknown),
        owner: owner.clone(),
        credential: present(text("credential_id")?, "credential_id")?.into(),
        related: text("related_id")?.map(Into::into),
        by: by.unwrap_or(AuditActor::Unknown),
        origin: text("origin")?.map(Into::into),
    })
}

impl Commit {
    /// Creates the commit of [`StoreAdmin::insert`](super::StoreAdmin::insert): a credential
    /// created now, and nothing else.
    ///
    /// Scopes that equal the role's are left out, so that they follow the catalogue. A record that
    /// was read from a store with peppers is refused: its digest can only be used in that store.
    pub(crate) fn inserting(record: &Record, catalogue: &Catalogue) -> Result<Self, WriteError> {
        if let Some(pepper) = record.pepper() {
            // It would be stored under two peppers, which no token matches.
            return Err(StoreError::UnknownPepper(pepper.name().into()).into());
        }
        check_credential_id(record.kind(), record.id())?;
        let owner = match record.kind() {
            Kind::OrgKey => {
                Owner::Organization(record.organization().map_or_else(|| "".into(), Into::into))
            }
            Kind::PersonalToken if has_grant(record) => return Err(GrantOnToken),
            Kind::PersonalToken => Owner::User(record.user().map_or_else(|| "".into(), Into::into)),
        };
        let of_role = match record.role() {
            Some(role) => Some(
                catalogue
                    .scopes_of(role)
                    .ok_or_else(|| UnknownRole(role.into()))?,
            ),
            None => None,
        };
        let scopes = Some(record.scopes())
            .filter(|scopes| record.kind() == Kind::OrgKey && of_role != Some(*scopes));
        let info = CredentialInfo {
            role: record.role().map(Into::into),
            scopes: scopes.map(|scopes| scopes.iter().map(Into::into).collect()),
            standing: record.standing(),
            created_at: SystemClock.now(),
            expires_at: record.expires_at(),
            ..CredentialInfo::new(record.id(), owner.clone())
        };
        let insert = NewCredential {
            info,
            digest: record.digest().clone(),
            idempotency: None,
        };
        Ok(Self {
            insert: Some(insert),
            ..Self::new(owner, Authority::Unconditional)
        })
    }
}

/// Returns whether a token's record has a grant of its own, which must come from memberships.
fn has_grant(token: &Record) -> bool {
    token.organization().is_some() || token.role().is_some() || !token.scopes().is_empty()
}

impl Status {
    /// Returns the word that is stored. Whether an owner is gone is derived from the owner: a
    /// record that says so by itself is not usable, and must not become so.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Disabled | Self::OwnerGone | Self::OrganizationGone => "disabled",
        }
    }

    pub(super) fn of_word(word: &str) -> Result<Self, StoreError> {
        match word {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            "deleted" => Ok(Self::Deleted),
            _ => Err(StoreError::corrupt("unknown status")),
        }
    }
}

impl Owner {
    /// Returns the columns of an organization and of a user, of which one is set.
    pub(super) fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Organization(id) => (Some(id.as_str()), None),
            Self::User(id) => (None, Some(id.as_str())),
        }
    }
}

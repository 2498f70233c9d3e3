//! What management knows about a credential: never its secret or its digest.

use std::net::IpAddr;

use super::{Attributes, AuditActor, Record, Restrictions, Status};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
    scope::ScopeSet,
};

/// The owner of a credential. Determines the credential's kind.
///
/// ```
/// use tower_api_key::{credential::Kind, store::Owner};
///
/// let owner = Owner::Organization("org_1".into());
/// assert_eq!((owner.kind(), owner.id()), (Kind::OrgKey, "org_1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third owner has to be a compile error in every store"
)]
pub enum Owner {
    /// An organization, whose credentials are organization keys.
    Organization(OrgId),
    /// A user, whose credentials are personal tokens.
    User(UserId),
}

impl Owner {
    /// Returns the kind of this owner's credentials.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Organization(_) => Kind::OrgKey,
            Self::User(_) => Kind::PersonalToken,
        }
    }

    /// Returns the id of the organization or the user.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Organization(id) => id.as_str(),
            Self::User(id) => id.as_str(),
        }
    }

    /// Returns the organization's id, if an organization is the owner.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        match self {
            Self::Organization(id) => Some(id.as_str()),
            Self::User(_) => None,
        }
    }

    /// Returns the user's id, if a user is the owner.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Organization(_) => None,
            Self::User(id) => Some(id.as_str()),
        }
    }

    /// Returns the owner that a record names.
    pub(crate) fn of_record(record: &Record) -> Option<Self> {
        match record.kind() {
            Kind::OrgKey => record.organization().cloned().map(Self::Organization),
            Kind::PersonalToken => record.user().cloned().map(Self::User),
        }
    }

    /// Creates the owner of credentials of `kind` from its id.
    #[must_use]
    pub fn of(kind: Kind, id: &str) -> Self {
        match kind {
            Kind::OrgKey => Self::Organization(id.into()),
            Kind::PersonalToken => Self::User(id.into()),
        }
    }
}

/// A credential as shown in lists.
///
/// A [`Manager`](crate::manage::Manager) returns it. It contains neither the secret nor the digest,
/// so all of it can be shown to the owner.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, store::{CredentialInfo, EffectiveStatus, Owner}};
///
/// let owner = Owner::Organization("org_1".into());
/// let mut key = CredentialInfo::new("sCJDIvkJ2l9dw", owner, UnixMillis(0));
/// key.expires_at = Some(UnixMillis(1_000));
/// assert_eq!(key.key_id("ak_"), "ak_sCJDIvkJ2l9d…"); // for the list
/// assert_eq!(key.effective_status(UnixMillis(1_000)), EffectiveStatus::Expired);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialInfo {
    /// The public id, used to manage it.
    pub id: CredentialId,
    /// The owner.
    pub owner: Owner,
    /// The name that its owner gave it; empty if it was stored without management.
    pub name: Box<str>,
    /// The role of a key.
    pub role: Option<Box<str>>,
    /// The scopes of a key, without what they imply, unless they come from its role. Of a token,
    /// the only scopes that it may have, whatever its owner's role is; `None` if all.
    pub scopes: Option<Box<[Box<str>]>>,
    /// The only organizations in which a token may act; `None` if all of which its owner is a
    /// member.
    pub organizations: Option<Box<[OrgId]>>,
    /// Description, metadata and conditions.
    pub attributes: Attributes,
    /// [`Active`](Status::Active), [`Disabled`](Status::Disabled) or [`Deleted`](Status::Deleted),
    /// regardless of its owner's state.
    pub status: Status,
    /// Who issued it, imported it, or made it by a rotation; `None` if that is not known, as of a
    /// credential that was stored without management.
    pub created_by: Option<AuditActor>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it expires; `None` means never.
    pub expires_at: Option<UnixMillis>,
    /// The first use that was recorded; `None` if there was none, or if uses are not recorded.
    pub first_used_at: Option<UnixMillis>,
    /// When it was last used; `None` if never, or if uses are not recorded. The
    /// [granularity](super::Granularity) is how far it may be behind: by default a minute within
    /// the first hour after the first use, an hour within the first day, and a day after that.
    pub last_used_at: Option<UnixMillis>,
    /// The address from which it was last used, if
    /// [`LastUse`](crate::LastUse::with_client_address) keeps it.
    pub last_address: Option<IpAddr>,
    /// The user agent with which it was last used, if
    /// [`LastUse`](crate::LastUse::with_user_agent) keeps it: any text that the client sent.
    pub last_user_agent: Option<Box<str>>,
    /// The credential this one replaced.
    pub rotated_from: Option<CredentialId>,
    /// The credential that replaced this one.
    pub rotated_to: Option<CredentialId>,
    /// When it was rotated.
    pub rotated_at: Option<UnixMillis>,
    /// When it was deleted; `None` if it was not, or if that is not known.
    pub deleted_at: Option<UnixMillis>,
    /// Whether part of the stored data could not be read. That part is empty here, a moment is 0,
    /// and an unreadable status is [`Disabled`](Status::Disabled). The credential may be refused
    /// with a 503, and it can be ended like any other.
    pub damaged: bool,
}

/// Length of a truncated key id, not counting its prefix.
const SHOWN: usize = 12;

impl CredentialInfo {
    /// Creates the info of an active credential without a name or rights, never used and never
    /// expiring; set the remaining fields as needed.
    #[must_use]
    pub fn new(id: impl Into<CredentialId>, owner: Owner, created_at: UnixMillis) -> Self {
        Self {
            id: id.into(),
            owner,
            name: "".into(),
            role: None,
            scopes: None,
            organizations: None,
            attributes: Attributes::default(),
            status: Status::Active,
            created_by: None,
            created_at,
            expires_at: None,
            first_used_at: None,
            last_used_at: None,
            last_address: None,
            last_user_agent: None,
            rotated_from: None,
            rotated_to: None,
            rotated_at: None,
            deleted_at: None,
            damaged: false,
        }
    }

    /// Creates the info of a credential from its record, and the scopes that it was given one by
    /// one. Those of a role are left out, so that they follow the catalogue.
    pub(crate) fn of_record(
        record: &Record,
        owner: Owner,
        created_at: UnixMillis,
        own: Option<&ScopeSet>,
    ) -> Self {
        let restrictions = record.restrictions();
        let organizations = restrictions.and_then(Restrictions::organizations);
        Self {
            role: record.role().map(Into::into),
            scopes: own.map(|scopes| scopes.iter().map(Into::into).collect()),
            organizations: organizations.map(Into::into),
            attributes: record.attributes().cloned().unwrap_or_default(),
            status: record.status(),
            expires_at: record.expires_at(),
            ..Self::new(record.id(), owner, created_at)
        }
    }

    /// Returns the credential's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.owner.kind()
    }

    /// Returns a truncated id for display. For a key it is the prefix and at most 12 characters
    /// of the id; for a token it is the beginning of its public id, which is not part of the token.
    #[must_use]
    pub fn key_id(&self, prefix: &str) -> String {
        let prefix = match self.kind() {
            Kind::OrgKey => prefix,
            Kind::PersonalToken => "",
        };
        let id = self.id.as_str();
        match id.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{prefix}{}…", id.get(..end).unwrap_or(id)),
            None => format!("{prefix}{id}"),
        }
    }

    /// Returns the effective state at `now`, not considering the owner.
    #[must_use]
    pub fn effective_status(&self, now: UnixMillis) -> EffectiveStatus {
        match self.status {
            Status::Deleted => EffectiveStatus::Deleted,
            Status::Active if self.expires_at.is_some_and(|end| now >= end) => {
                EffectiveStatus::Expired
            }
            Status::Active => EffectiveStatus::Active,
            _ => EffectiveStatus::Disabled,
        }
    }
}

/// The effective state of a credential, used to filter lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fifth has to be a compile error in every store"
)]
pub enum EffectiveStatus {
    /// It is valid.
    Active,
    /// It is disabled, and may also have expired.
    Disabled,
    /// It has expired.
    Expired,
    /// It is deleted.
    Deleted,
}

impl EffectiveStatus {
    /// Returns a fixed word, for queries and clients.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(
        status: Status,
        expires_at: Option<i64>,
        last_used_at: Option<i64>,
    ) -> CredentialInfo {
        CredentialInfo {
            status,
            created_at: UnixMillis(10),
            expires_at: expires_at.map(UnixMillis),
            last_used_at: last_used_at.map(UnixMillis),
            ..CredentialInfo::new("id", Owner::Organization("org_test".into()), UnixMillis(0))
        }
    }

    #[test]
    fn a_state_is_what_ended_the_credential_for_good() {
        use Status::{Active, Deleted, Disabled};
        for (status, expires_at, state) in [
            (Active, None, EffectiveStatus::Active),
            (Active, Some(101), EffectiveStatus::Active),
            (Active, Some(100), EffectiveStatus::Expired),
            (Disabled, None, EffectiveStatus::Disabled),
            (Disabled, Some(100), EffectiveStatus::Disabled),
            (Deleted, None, EffectiveStatus::Deleted),
            (Deleted, Some(100), EffectiveStatus::Deleted),
        ] {
            assert_eq!(
                credential(status, expires_at, None).effective_status(UnixMillis(100)),
                state,
                "{status:?} {expires_at:?}"
            );
        }
    }

    #[test]
    fn a_key_id_is_the_beginning_of_a_key_and_no_part_of_a_token() {
        let mut one = credential(Status::Active, None, None);
        for (id, shown) in [
            ("short", "ak_short"),
            ("123456789012", "ak_123456789012"),
            ("1234567890123", "ak_123456789012…"),
        ] {
            one.id = id.into();
            assert_eq!(one.key_id("ak_"), shown);
        }
        one.owner = Owner::User("alice".into());
        assert_eq!(one.key_id("ak_"), "123456789012…");
    }
}

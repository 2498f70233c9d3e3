//! What management knows about a credential: never its secret or its digest.

use super::{Record, Status};
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
    /// The scopes of a key, without what they imply, unless they come from its role.
    pub scopes: Option<Box<[Box<str>]>>,
    /// [`Active`](Status::Active), [`Disabled`](Status::Disabled) or [`Deleted`](Status::Deleted),
    /// regardless of its owner's state.
    pub status: Status,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it expires; `None` means never.
    pub expires_at: Option<UnixMillis>,
    /// When it was last used, to the minute; `None` if never, or if uses are not recorded.
    pub last_used_at: Option<UnixMillis>,
    /// The credential this one replaced.
    pub rotated_from: Option<CredentialId>,
    /// The credential that replaced this one.
    pub rotated_to: Option<CredentialId>,
    /// When it was rotated.
    pub rotated_at: Option<UnixMillis>,
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
            status: Status::Active,
            created_at,
            expires_at: None,
            last_used_at: None,
            rotated_from: None,
            rotated_to: None,
            rotated_at: None,
            damaged: false,
        }
    }

    /// Creates the info of a credential from what its record says. Scopes that equal those of its
    /// role, `of_role`, are left out, so that they follow the catalogue.
    pub(crate) fn of_record(
        record: &Record,
        owner: Owner,
        created_at: UnixMillis,
        of_role: Option<&ScopeSet>,
    ) -> Self {
        let own = Some(record.scopes())
            .filter(|scopes| record.kind() == Kind::OrgKey && of_role != Some(*scopes));
        Self {
            role: record.role().map(Into::into),
            scopes: own.map(|scopes| scopes.iter().map(Into::into).collect()),
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

/// Which credentials a list returns. The default is all that are not deleted.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, store::Filter};
///
/// // Keys to ask their owners about: not used since the first of January.
/// let mut idle = Filter::default();
/// idle.unused_since = Some(UnixMillis(1_767_225_600_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<EffectiveStatus>,
    /// Only those that expire before this time, including those already expired.
    pub expiring_before: Option<UnixMillis>,
    /// Only those not used since this time and created before it.
    pub unused_since: Option<UnixMillis>,
}

impl Filter {
    /// Limits the list to credentials in this state.
    pub fn with_state(self, state: impl Into<Option<EffectiveStatus>>) -> Self {
        Self {
            state: state.into(),
            ..self
        }
    }

    /// Limits the list to credentials that expire before `moment`.
    pub fn with_expiring_before(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self {
            expiring_before: moment.into(),
            ..self
        }
    }

    /// Limits the list to credentials that were created before `moment` and not used since.
    pub fn with_unused_since(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        Self {
            unused_since: moment.into(),
            ..self
        }
    }

    /// Returns whether `credential` matches at `now`. For stores that do not filter by themselves.
    #[must_use]
    pub fn shows(&self, credential: &CredentialInfo, now: UnixMillis) -> bool {
        let state = credential.effective_status(now);
        let created = credential.created_at;
        let used = credential
            .last_used_at
            .map_or(created, |used| used.max(created));
        self.state
            .map_or(state != EffectiveStatus::Deleted, |wanted| wanted == state)
            && self
                .expiring_before
                .is_none_or(|moment| credential.expires_at.is_some_and(|end| end < moment))
            && self.unused_since.is_none_or(|moment| used < moment)
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
    fn a_filter_by_state_shows_that_state_alone_and_keeps_the_other_conditions() {
        use Status::{Active, Deleted, Disabled};
        let credentials = [
            credential(Active, Some(20), None),
            credential(Disabled, Some(20), None),
            credential(Active, Some(5), None),
            credential(Deleted, Some(20), None),
        ];
        let now = UnixMillis(10);
        let shown = |filter: Filter| credentials.each_ref().map(|one| filter.shows(one, now));
        let any = Filter::default();
        assert_eq!(shown(any), [true, true, true, false]);
        assert_eq!(shown(any.with_state(None)), shown(any));
        for (state, wanted) in [
            (EffectiveStatus::Active, [true, false, false, false]),
            (EffectiveStatus::Disabled, [false, true, false, false]),
            (EffectiveStatus::Expired, [false, false, true, false]),
            (EffectiveStatus::Deleted, [false, false, false, true]),
        ] {
            assert_eq!(shown(any.with_state(state)), wanted, "{state:?}");
            let soon = any.with_expiring_before(UnixMillis(6)).with_state(state);
            let expired = state == EffectiveStatus::Expired;
            assert_eq!(shown(soon), [false, false, expired, false], "{state:?}");
        }
    }

    #[test]
    fn a_filter_is_exact_to_the_millisecond() {
        let shows = |filter: Filter, expires_at, used_at| {
            filter.shows(
                &credential(Status::Active, expires_at, used_at),
                UnixMillis(0),
            )
        };
        let expiring = Filter::default().with_expiring_before(UnixMillis(50));
        for (expires_at, shown) in [(None, false), (Some(49), true), (Some(50), false)] {
            assert_eq!(
                shows(expiring, expires_at, None),
                shown,
                "expires at {expires_at:?}"
            );
        }
        let unused = |since| Filter::default().with_unused_since(UnixMillis(since));
        for (used_at, since, shown) in [
            (None, 10, false),
            (None, 11, true),
            (Some(20), 20, false),
            (Some(20), 21, true),
            (Some(20), 15, false),
        ] {
            assert_eq!(
                shows(unused(since), None, used_at),
                shown,
                "used at {used_at:?}, since {since}"
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

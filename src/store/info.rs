//! What management knows of a credential. Never its secret, never its digest.

use super::{Record, Status};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::{CredentialId, OrgId, UserId},
};

/// Whose a credential is. Decides its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third owner has to be a compile error in every store"
)]
pub enum Owner {
    /// An organization, whose credentials are organization keys.
    Organization(OrgId),
    /// A person, whose credentials are personal tokens.
    User(UserId),
}

impl Owner {
    /// Returns the kind of credential that such an owner has.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Organization(_) => Kind::OrgKey,
            Self::User(_) => Kind::PersonalToken,
        }
    }

    /// Returns the id of the organization or the person.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Organization(id) => id.as_str(),
            Self::User(id) => id.as_str(),
        }
    }

    /// The owner that a record names.
    pub(crate) fn of_record(record: &Record) -> Option<Self> {
        match record.kind() {
            Kind::OrgKey => record.organization().cloned().map(Self::Organization),
            Kind::PersonalToken => record.user().cloned().map(Self::User),
        }
    }

    /// Takes an owner of credentials of `kind` by its id.
    #[must_use]
    pub fn of(kind: Kind, id: &str) -> Self {
        match kind {
            Kind::OrgKey => Self::Organization(id.into()),
            Kind::PersonalToken => Self::User(id.into()),
        }
    }
}

/// A credential as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialInfo {
    /// The public id, by which it is managed.
    pub id: CredentialId,
    /// Whose it is.
    pub owner: Owner,
    /// What its owner calls it; empty for one that was stored without management.
    pub name: Box<str>,
    /// The role of a key.
    pub role: Option<Box<str>>,
    /// The scopes of a key, without what they imply, when they are not those of its role.
    pub scopes: Option<Box<[Box<str>]>>,
    /// [`Active`](Status::Active), [`Disabled`](Status::Disabled) or [`Deleted`](Status::Deleted), whatever its
    /// owner's state is.
    pub standing: Status,
    /// When it was created; 1970 when that is not known.
    pub created_at: UnixMillis,
    /// The moment from which it no longer counts; `None` is never.
    pub expires_at: Option<UnixMillis>,
    /// When it was last used, to a minute; `None` when never, or when nobody records it.
    pub last_used_at: Option<UnixMillis>,
    /// What it was issued in the place of.
    pub rotated_from: Option<CredentialId>,
    /// What was issued in its place.
    pub rotated_to: Option<CredentialId>,
    /// When that was.
    pub rotated_at: Option<UnixMillis>,
    /// Whether a part of what is stored could not be read. Such a part is empty here; the credential may be refused with
    /// an outage, and it can be ended like any other.
    pub damaged: bool,
}

/// How long a truncated key id is, beside its prefix.
const SHOWN: usize = 12;

impl CredentialInfo {
    /// Makes that of an active credential without a name and without rights, created in 1970, never used, and expiring
    /// never: set what is known besides.
    #[must_use]
    pub fn new(id: impl Into<CredentialId>, owner: Owner) -> Self {
        Self {
            id: id.into(),
            owner,
            name: "".into(),
            role: None,
            scopes: None,
            standing: Status::Active,
            created_at: UnixMillis(0),
            expires_at: None,
            last_used_at: None,
            rotated_from: None,
            rotated_to: None,
            rotated_at: None,
            damaged: false,
        }
    }

    /// Returns the kind of credential.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.owner.kind()
    }

    /// Returns the truncated id for people to read: for a key with the prefix `ak_` the beginning of its token as far as
    /// its dot, at most 12 characters of it; for a token the beginning of its public id, which is no part of the token.
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

    /// Returns whether it counts at `now`, as far as that is its own doing, and if not, why.
    #[must_use]
    pub fn state(&self, now: UnixMillis) -> EffectiveStatus {
        match self.standing {
            Status::Deleted => EffectiveStatus::Deleted,
            Status::Active if self.expires_at.is_some_and(|end| now >= end) => {
                EffectiveStatus::Expired
            }
            Status::Active => EffectiveStatus::Active,
            _ => EffectiveStatus::Disabled,
        }
    }
}

/// The state of a credential, as lists are filtered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fifth has to be a compile error in every store"
)]
pub enum EffectiveStatus {
    /// It counts.
    Active,
    /// It was switched off, and may have expired meanwhile.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was deleted.
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

/// Which credentials a list shows. The default is all that are not deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Those in this state.
    pub state: Option<EffectiveStatus>,
    /// Those that expire before this moment, or have expired.
    pub expiring_before: Option<UnixMillis>,
    /// Those that were not used since this moment, and were created before it.
    pub unused_since: Option<UnixMillis>,
}

impl Filter {
    /// Returns whether `credential` is to be shown at `now`. For stores that do not filter by themselves.
    #[must_use]
    pub fn shows(&self, credential: &CredentialInfo, now: UnixMillis) -> bool {
        let state = credential.state(now);
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
        standing: Status,
        expires_at: Option<i64>,
        last_used_at: Option<i64>,
    ) -> CredentialInfo {
        CredentialInfo {
            standing,
            created_at: UnixMillis(10),
            expires_at: expires_at.map(UnixMillis),
            last_used_at: last_used_at.map(UnixMillis),
            ..CredentialInfo::new("id", Owner::Organization("org_test".into()))
        }
    }

    #[test]
    fn a_state_is_what_ended_the_credential_for_good() {
        use Status::{Active, Deleted, Disabled};
        for (standing, expires_at, state) in [
            (Active, None, EffectiveStatus::Active),
            (Active, Some(101), EffectiveStatus::Active),
            (Active, Some(100), EffectiveStatus::Expired),
            (Disabled, None, EffectiveStatus::Disabled),
            (Disabled, Some(100), EffectiveStatus::Disabled),
            (Deleted, None, EffectiveStatus::Deleted),
            (Deleted, Some(100), EffectiveStatus::Deleted),
        ] {
            assert_eq!(
                credential(standing, expires_at, None).state(UnixMillis(100)),
                state,
                "{standing:?} {expires_at:?}"
            );
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
        let expiring = Filter {
            expiring_before: Some(UnixMillis(50)),
            ..Filter::default()
        };
        for (expires_at, shown) in [(None, false), (Some(49), true), (Some(50), false)] {
            assert_eq!(
                shows(expiring, expires_at, None),
                shown,
                "expires at {expires_at:?}"
            );
        }
        let unused = |since| Filter {
            unused_since: Some(UnixMillis(since)),
            ..Filter::default()
        };
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

//! The audit trail: who did what to which credential, when, and from where.

use super::{Attributes, Owner};
use crate::{
    clock::UnixMillis,
    id::{CredentialId, UserId},
};

/// An audit event: something that happened to a credential. Stored in the same transaction as the
/// change.
///
/// Read the trail with [`Manager::events`](crate::manage::Manager::events), or receive each event
/// as it is stored with [`Manager::on_event`](crate::manage::Manager::on_event). The words for
/// [actions](AuditAction::as_str) are fixed, so you can show or export them:
///
/// ```
/// use tower_api_key::store::AuditEvent;
///
/// fn line(event: &AuditEvent) -> String {
///     let (action, credential) = (event.action.as_str(), &event.credential);
///     format!("{} {action} {credential} by {:?}", event.at, event.by)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// Sequence number assigned by the store, increasing per owner; `None` before the event is
    /// stored.
    pub number: Option<i64>,
    /// When it happened.
    pub at: UnixMillis,
    /// What happened.
    pub action: AuditAction,
    /// The credential's owner.
    pub owner: Owner,
    /// The credential.
    pub credential: CredentialId,
    /// For [`Issued`](AuditAction::Issued) and [`SuccessorUsed`](AuditAction::SuccessorUsed) the
    /// credential that this one replaced. For [`Rotated`](AuditAction::Rotated), uses after a
    /// rotation and [`OverlapEnded`](AuditAction::OverlapEnded) the successor.
    pub related: Option<CredentialId>,
    /// Who did it.
    pub by: AuditActor,
    /// Where the actor acted from, as passed by the service, such as the client's address.
    pub origin: Option<Box<str>>,
    /// For [`ExpiresSoon`](AuditAction::ExpiresSoon) when it expires, for
    /// [`ExpiredUnused`](AuditAction::ExpiredUnused) when it expired, for
    /// [`OverlapEnded`](AuditAction::OverlapEnded) when the overlap ended.
    pub expires_at: Option<UnixMillis>,
    /// What the credential's attributes were set to, if the action set them: when it was issued,
    /// imported or edited.
    pub attributes: Attributes,
}

impl AuditEvent {
    /// Creates an event that is not stored yet, about one credential alone; set the remaining
    /// fields as needed.
    #[must_use]
    pub fn new(
        at: UnixMillis,
        action: AuditAction,
        owner: Owner,
        credential: impl Into<CredentialId>,
        by: AuditActor,
    ) -> Self {
        Self {
            number: None,
            at,
            action,
            owner,
            credential: credential.into(),
            related: None,
            by,
            origin: None,
            expires_at: None,
            attributes: Attributes::default(),
        }
    }

    /// Erases a user: replaces their id with the pseudonym, and removes the origin of their actions
    /// and the attributes of their tokens.
    pub(crate) fn erase(&mut self, user: &UserId, pseudonym: &UserId) {
        let owned = matches!(&self.owner, Owner::User(id) if id == user);
        let by = self.by.erase(user, pseudonym);
        if owned {
            self.owner = Owner::User(pseudonym.clone());
        }
        if owned || by {
            self.origin = None;
        }
        if owned {
            self.attributes = Attributes::default();
        }
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// What happened to a credential.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum AuditAction {
            $($(#[doc = $doc])+ $name,)+
        }

        impl AuditAction {
            /// Every action, in the order of this page.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the fixed word that a store keeps.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// Parses what [`as_str`](Self::as_str) returned.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

actions! {
    /// The credential was issued.
    Issued = "issued";
    /// It was imported from another system.
    Imported = "imported";
    /// It was renamed.
    Renamed = "renamed";
    /// Its attributes were changed, perhaps with its name.
    Edited = "edited";
    /// It was disabled.
    Disabled = "disabled";
    /// It was enabled again.
    Enabled = "enabled";
    /// A successor was issued.
    Rotated = "rotated";
    /// It was deleted.
    Deleted = "deleted";
    /// It was deleted by a bearer who presented it.
    Revoked = "revoked";
    /// It was used for the first time since its successor was issued.
    UsedAfterRotation = "used_after_rotation";
    /// It was used when at least half of its overlap had passed.
    UsedAtHalfOfOverlap = "used_at_half_of_overlap";
    /// It was used when at least nine tenths of its overlap had passed.
    UsedAtNineTenthsOfOverlap = "used_at_nine_tenths_of_overlap";
    /// It was used for the first time, and has replaced another credential.
    SuccessorUsed = "successor_used";
    /// The overlap after its rotation has ended.
    OverlapEnded = "overlap_ended";
    /// It expires soon, at the [`expires_at`](AuditEvent::expires_at) of the event.
    ExpiresSoon = "expires_soon";
    /// It expired because it was not used for long.
    ExpiredUnused = "expired_unused";
    /// The stored action cannot be read: it is damaged, or a newer version wrote it.
    Unknown = "unknown";
}

/// Who did something: the actor of an [`AuditEvent`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditActor {
    /// An organization key.
    Key(CredentialId),
    /// A user's personal token.
    Token {
        /// The token.
        id: CredentialId,
        /// The user.
        user: UserId,
    },
    /// A user whom the service itself has authenticated.
    User(UserId),
    /// The service itself or its operator, under a name that it chose.
    Operator(Box<str>),
    /// The bearer of the credential that the event is about.
    Bearer,
    /// The stored actor cannot be read: it is damaged, or a newer version wrote it.
    Unknown,
}

/// An [`AuditActor`] as stores keep it, in the columns `actor_kind`, `actor_id` and
/// `actor_user_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorColumns<'a> {
    /// A fixed word.
    pub kind: &'static str,
    /// The credential's id, or the operator's name.
    pub id: Option<&'a str>,
    /// The user's id.
    pub user: Option<&'a str>,
}

impl AuditActor {
    /// Returns what a store keeps.
    ///
    /// ```
    /// use tower_api_key::store::AuditActor;
    ///
    /// let actor = AuditActor::Operator("backoffice".into());
    /// let columns = actor.columns();
    /// assert_eq!((columns.kind, columns.id), ("operator", Some("backoffice")));
    /// let read = AuditActor::from_columns(columns.kind, columns.id, columns.user);
    /// assert_eq!(read, Some(actor.clone()));
    /// ```
    pub fn columns(&self) -> ActorColumns<'_> {
        let (kind, id, user) = match self {
            Self::Key(id) => ("org_key", Some(id.as_str()), None),
            Self::Token { id, user } => ("pat", Some(id.as_str()), Some(user.as_str())),
            Self::User(user) => ("user", None, Some(user.as_str())),
            Self::Operator(name) => ("operator", Some(&**name), None),
            Self::Bearer => ("bearer", None, None),
            Self::Unknown => ("unknown", None, None),
        };
        ActorColumns { kind, id, user }
    }

    /// Replaces the id of a user with the pseudonym. Returns whether it was there.
    pub(crate) fn erase(&mut self, user: &UserId, pseudonym: &UserId) -> bool {
        match self {
            Self::Token { user: id, .. } | Self::User(id) if id == user => {
                *id = pseudonym.clone();
                true
            }
            _ => false,
        }
    }

    /// Parses what [`columns`](Self::columns) returned.
    #[must_use]
    pub fn from_columns(kind: &str, id: Option<&str>, user: Option<&str>) -> Option<Self> {
        Some(match (kind, id, user) {
            ("org_key", Some(id), None) => Self::Key(id.into()),
            ("pat", Some(id), Some(user)) => Self::Token {
                id: id.into(),
                user: user.into(),
            },
            ("user", None, Some(user)) => Self::User(user.into()),
            ("operator", Some(name), None) => Self::Operator(name.into()),
            ("bearer", None, None) => Self::Bearer,
            ("unknown", None, None) => Self::Unknown,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_back_from_its_columns() {
        for actor in [
            AuditActor::Key("k1".into()),
            AuditActor::Token {
                id: "t1".into(),
                user: "alice".into(),
            },
            AuditActor::User("alice".into()),
            AuditActor::Operator("backoffice".into()),
            AuditActor::Bearer,
            AuditActor::Unknown,
        ] {
            let columns = actor.columns();
            let read = AuditActor::from_columns(columns.kind, columns.id, columns.user);
            assert_eq!(read.as_ref(), Some(&actor));
        }
    }
}

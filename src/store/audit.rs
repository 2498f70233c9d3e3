//! The audit trail: who did what to which credential, when, and from where.

use super::Owner;
use crate::{
    clock::UnixMillis,
    id::{CredentialId, UserId},
};

/// Something that happened to a credential. Written in the same transaction as the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its number in the store, by which the later of two events about one owner is told; 0 before it is stored.
    pub number: i64,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub action: AuditAction,
    /// Whose credential.
    pub owner: Owner,
    /// Which credential.
    pub credential: CredentialId,
    /// For [`Rotated`](AuditAction::Rotated) the credential that took its place, for [`Issued`](AuditAction::Issued) the one whose
    /// place it took.
    pub related: Option<CredentialId>,
    /// Who.
    pub by: AuditActor,
    /// From where, as the service has stated it, such as the client's address.
    pub origin: Option<Box<str>>,
}

impl AuditEvent {
    /// Removes a user: another name takes the place of their id, and where they acted from is forgotten.
    pub(crate) fn erase(&mut self, user: &UserId, pseudonym: &UserId) {
        let owned = matches!(&self.owner, Owner::User(id) if id == user);
        let by = match &mut self.by {
            AuditActor::Token { user: id, .. } | AuditActor::Person(id) if id == user => {
                *id = pseudonym.clone();
                true
            }
            _ => false,
        };
        if owned {
            self.owner = Owner::User(pseudonym.clone());
        }
        if owned || by {
            self.origin = None;
        }
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum AuditAction {
            $($(#[doc = $doc])+ $name,)+
        }

        impl AuditAction {
            /// Returns a fixed word, as a store keeps it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// Reads what [`as_str`](Self::as_str) gave.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

actions! {
    /// It was issued.
    Issued = "issued";
    /// It was taken over from another system.
    Imported = "imported";
    /// It was given another name.
    Renamed = "renamed";
    /// It was switched off.
    Disabled = "disabled";
    /// It was switched on again.
    Enabled = "enabled";
    /// Another was issued in its place.
    Rotated = "rotated";
    /// It was deleted.
    Deleted = "deleted";
    /// It was deleted by somebody who presented it.
    Revoked = "revoked";
    /// It was used for the first time since another was issued in its place.
    UsedAfterRotation = "used_after_rotation";
    /// What the store has kept cannot be read: it is damaged, or a newer version wrote it.
    Unknown = "unknown";
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditActor {
    /// An organization key.
    Key(CredentialId),
    /// A personal token of a person.
    Token {
        /// The token.
        id: CredentialId,
        /// The person.
        user: UserId,
    },
    /// A person whom the service has authenticated by itself.
    Person(UserId),
    /// The service itself, or whoever runs it, by a name of their own.
    Operator(Box<str>),
    /// Whoever has the credential that it is about.
    Holder,
    /// What the store has kept cannot be read: it is damaged, or a newer version wrote it.
    Unknown,
}

impl AuditActor {
    /// Returns what a store keeps: a fixed word, and the ids of the credential (or the name) and of the person.
    #[must_use]
    pub fn columns(&self) -> (&'static str, Option<&str>, Option<&str>) {
        match self {
            Self::Key(id) => ("org_key", Some(id.as_str()), None),
            Self::Token { id, user } => ("pat", Some(id.as_str()), Some(user.as_str())),
            Self::Person(user) => ("person", None, Some(user.as_str())),
            Self::Operator(name) => ("operator", Some(name), None),
            Self::Holder => ("holder", None, None),
            Self::Unknown => ("unknown", None, None),
        }
    }

    /// Reads what [`columns`](Self::columns) gave.
    #[must_use]
    pub fn from_columns(sort: &str, id: Option<&str>, user: Option<&str>) -> Option<Self> {
        Some(match (sort, id, user) {
            ("org_key", Some(id), None) => Self::Key(id.into()),
            ("pat", Some(id), Some(user)) => Self::Token {
                id: id.into(),
                user: user.into(),
            },
            ("person", None, Some(user)) => Self::Person(user.into()),
            ("operator", Some(name), None) => Self::Operator(name.into()),
            ("holder", None, None) => Self::Holder,
            ("unknown", None, None) => Self::Unknown,
            _ => return None,
        })
    }
}

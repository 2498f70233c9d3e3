//! What the databases keep of records and owners.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{
    Authority, Commit, Insert, Record, Standing, StoreError,
    WriteError::{self, GrantOnToken, UnknownRole},
};
use crate::{
    clock::{Clock, SystemClock},
    credential::{Kind, check_credential_id},
    scope::Catalogue,
    secret::{Digest, Pepper, Peppers},
    store::{CredentialInfo, Owner},
};

impl Commit {
    /// Makes what [`StoreAdmin::insert`](super::StoreAdmin::insert) asks for: a credential and nothing else, created now.
    ///
    /// The scopes are left out when they are the role's, so that they follow the catalogue. A record that was read from a
    /// store with peppers is refused: its digest is one of that store.
    pub(crate) fn inserting(record: &Record, catalogue: &Catalogue) -> Result<Self, WriteError> {
        if let Some(pepper) = record.pepper() {
            // It would be kept under two, which no token verifies.
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
        let insert = Insert {
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

/// What a token may do follows from memberships.
fn has_grant(token: &Record) -> bool {
    token.organization().is_some() || token.role().is_some() || !token.scopes().is_empty()
}

impl Peppers {
    /// What is kept of a credential with the digest `plain`: its digest under the current pepper, and that one's name.
    pub(super) fn keep<'p>(peppers: Option<&'p Self>, plain: &Digest) -> (Digest, Option<&'p str>) {
        match peppers.map(Self::current) {
            Some(pepper) => (pepper.digest(plain), Some(pepper.name())),
            None => (plain.clone(), None),
        }
    }

    /// Every digest that a credential with the digest `plain` may be kept by, the likeliest first.
    pub(super) fn candidates(peppers: Option<&Self>, plain: &Digest) -> Vec<Digest> {
        let peppered = peppers
            .into_iter()
            .flat_map(Self::all)
            .map(|pepper| pepper.digest(plain));
        peppered
            .chain(
                peppers
                    .is_none_or(Self::accepts_plain)
                    .then(|| plain.clone()),
            )
            .collect()
    }

    /// Finds the pepper that a row names.
    pub(super) fn of_row(
        peppers: Option<&Self>,
        name: Option<&str>,
    ) -> Result<Option<Arc<Pepper>>, StoreError> {
        match name {
            None if peppers.is_none_or(Self::accepts_plain) => Ok(None),
            None => Err(StoreError::UnknownPepper("".into())),
            Some(name) => {
                let pepper = peppers.and_then(|peppers| peppers.named(name)).cloned();
                pepper
                    .map(Some)
                    .ok_or_else(|| StoreError::UnknownPepper(name.into()))
            }
        }
    }

    /// Makes sure that a token that was found by its digest is kept under the pepper that its row names.
    pub(super) fn confirm(
        peppers: Option<&Self>,
        stored: &Digest,
        name: Option<&str>,
        presented: &Digest,
    ) -> Result<(), StoreError> {
        match Self::verifies(peppers, stored, name, presented)? {
            true => Ok(()),
            false => Err(StoreError::corrupt(
                "the digest was not made under the pepper that the row names",
            )),
        }
    }

    /// Whether a row's digest, made under the pepper that it names, is of the token with the digest `presented`.
    pub(super) fn verifies(
        peppers: Option<&Self>,
        stored: &Digest,
        name: Option<&str>,
        presented: &Digest,
    ) -> Result<bool, StoreError> {
        let pepper = Self::of_row(peppers, name)?;
        let shown = pepper.map_or_else(|| presented.clone(), |pepper| pepper.digest(presented));
        Ok(shown.ct_eq(stored).into())
    }

    /// Whether digests are not made any more as the one of a row was.
    pub(super) fn is_outdated(peppers: Option<&Self>, name: Option<&str>) -> bool {
        peppers.is_some_and(|peppers| name != Some(peppers.current().name()))
    }
}

impl Record {
    /// States what the digest of a key is kept under. A deleted key is refused whatever is presented, so that the pepper of
    /// one need not be known: it never moves to another.
    pub(super) fn kept_under(
        self,
        peppers: Option<&Peppers>,
        name: Option<&str>,
    ) -> Result<Self, StoreError> {
        let pepper = match Peppers::of_row(peppers, name) {
            Err(_) if self.standing() == Standing::Deleted => None,
            pepper => pepper?,
        };
        Ok(self
            .under(pepper)
            .outdated(Peppers::is_outdated(peppers, name)))
    }
}

impl Standing {
    /// The word that is kept. Whether an owner is gone follows from the owner: a record that says so by itself does not count,
    /// and must not begin to.
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
            _ => Err(StoreError::corrupt("unknown standing")),
        }
    }
}

impl Owner {
    /// The columns of an organization and of a person, of which one is taken.
    pub(super) fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Organization(id) => (Some(id.as_str()), None),
            Self::User(id) => (None, Some(id.as_str())),
        }
    }
}

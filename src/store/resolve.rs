//! Records that a store keeps: what they are resolved from, so that they follow a catalogue that is
//! replaced.

use std::sync::Arc;

use super::{CredentialInfo, Grant, Record, Restrictions, StoreError, grant::StoredRights};
use crate::{
    credential::Kind,
    error::ConfigError,
    id::OrgId,
    observe,
    scope::{ScopeSet, Tables},
};

impl Record {
    /// Returns the scopes that it was given one by one: those of a key that are not its role's,
    /// `of_role`, or the only ones that a token may have.
    pub(crate) fn own_scopes(&self, of_role: Option<&ScopeSet>) -> Option<ScopeSet> {
        let allowed = self.restrictions().and_then(Restrictions::scopes);
        match self.kind() {
            Kind::PersonalToken => allowed.cloned(),
            Kind::OrgKey => {
                // Those of its role, also if they come from a catalogue that was replaced between
                // the making of the record and now.
                let of_role = self.grant().by_role
                    && allowed.is_none()
                    && (!self.is_current() || of_role == Some(self.scopes()));
                (!of_role).then(|| self.scopes().clone())
            }
        }
    }

    /// Returns the same of a record that a store keeps, as it was stored.
    pub(super) fn stored_scopes(&self) -> Option<&ScopeSet> {
        self.grant().stored.as_ref()?.own.as_ref()
    }

    /// Keeps what the record says as what to resolve it from. A key that is restricted to scopes
    /// has those that are left to it as its own.
    pub(super) fn kept(self, of_role: Option<&ScopeSet>) -> Self {
        let own = self.own_scopes(of_role).map(ScopeSet::detached);
        let is_key = self.kind() == Kind::OrgKey;
        self.regrant(|grant| {
            grant.keep(own);
            if is_key {
                grant.restrictions = None; // to organizations it cannot be
            }
        })
    }

    /// Sets what a store keeps of its rights. They grant nothing until they are
    /// [resolved](Self::resolved).
    pub(super) fn keeping(self, role: Option<&str>, own: Option<ScopeSet>) -> Self {
        self.regrant(|grant| {
            grant.role = role.map(Into::into);
            grant.keep(own);
        })
    }

    /// Keeps what an info says, and resolves it.
    pub(super) fn with_rights_of(
        self,
        info: &CredentialInfo,
        tables: &Tables,
    ) -> Result<Self, ConfigError> {
        let own = info.scopes.as_ref();
        let own = own.map(|scopes| scopes.iter().cloned().collect());
        let only = Restrictions::of_lists(None, info.organizations.as_deref());
        self.restricted_to(only)
            .keeping(info.role.as_deref(), own)
            .resolved(tables)
    }

    /// Resolves what is kept of its rights with the tables of a catalogue.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRole`].
    pub(super) fn resolved(&self, tables: &Tables) -> Result<Self, ConfigError> {
        let role = self.role().map(|role| tables.role(role)).transpose()?;
        let of_role = role.map(|(_, scopes)| scopes.clone());
        let own = self.stored_scopes().map(|own| tables.expand(own.iter()));
        Ok(self.clone().regrant(|grant| {
            grant.role = role.map(|(name, _)| name.clone());
            grant.by_role = role.is_some() && own.is_none();
            let held = match self.kind() {
                Kind::OrgKey => own.or(of_role),
                Kind::PersonalToken => {
                    own.into_iter().for_each(|own| grant.allow_only(own));
                    of_role
                }
            };
            grant.hold(held.unwrap_or_else(ScopeSet::empty));
        }))
    }

    /// Returns a token's record as its owner, a member in `role`, has it in an organization. If the
    /// tables have no such role, the record grants nothing and is not current.
    pub(super) fn as_member(&self, organization: &OrgId, role: &str, tables: &Tables) -> Self {
        let there = self.clone().in_organization(organization);
        let there = there.regrant(|grant| grant.role = Some(role.into()));
        there
            .resolved(tables)
            .unwrap_or_else(|_| there.regrant(|grant| grant.scopes = ScopeSet::unresolved()))
    }
}

impl Grant {
    fn keep(&mut self, own: Option<ScopeSet>) {
        self.stored = Some(StoredRights { own });
    }
}

/// Why a credential that was found cannot be returned: the catalogue does not have its role.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct WithoutRole {
    error: ConfigError,
    record: Arc<Record>,
}

/// Reports that a record has a role which the tables do not have, and returns the error of its
/// lookup. The error [knows](StoreError::found) the record, without its rights; that it has none is
/// current as long as the tables are.
pub(super) fn unknown_role(record: &Record, error: ConfigError, tables: &Tables) -> StoreError {
    if let ConfigError::UnknownRole(role) = &error {
        observe::unknown_role(record.kind(), record.id(), role);
    }
    let nothing = tables.expand([""; 0]);
    let record = Arc::new(record.clone().regrant(|grant| {
        grant.allow_only(nothing.clone());
        grant.hold(nothing);
    }));
    StoreError::corrupt(WithoutRole { error, record })
}

impl StoreError {
    /// Returns the credential that a failed lookup has found, if only its role is unknown. It grants
    /// nothing; who presents it is refused as with any other until the secret is proved.
    pub(crate) fn found(&self) -> Option<&Arc<Record>> {
        Some(&self.without_role()?.record)
    }

    pub(super) fn without_role(&self) -> Option<&WithoutRole> {
        match self {
            Self::Corrupt(source) => source.downcast_ref(),
            _ => None,
        }
    }
}

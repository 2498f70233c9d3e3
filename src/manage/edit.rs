//! Editing a credential: its name and its attributes.

use super::{
    Actor, ManageError, Manager,
    rules::{check_name, check_regrant},
};
use crate::{
    credential::Kind,
    store::{Attributes, AuditAction, Conditions, CredentialInfo, ManageStore, Metadata, Network},
};

/// A change of a credential's name and attributes. What it does not set stays as it is.
///
/// ```
/// use tower_api_key::{manage::Edit, store::Metadata};
///
/// let edit = Edit::default()
///     .with_description("Exports the calls of the day before.")
///     .with_metadata(Metadata::new([("team", "reporting")])?)
///     .with_networks(["192.0.2.0/24".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Edit {
    name: Option<Box<str>>,
    description: Option<Option<Box<str>>>,
    metadata: Option<Metadata>,
    networks: Option<Option<Box<[Network]>>>,
    environment: Option<Option<Box<str>>>,
}

impl Edit {
    /// Sets the name: 1 to 100 characters.
    pub fn with_name(self, name: impl Into<Box<str>>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// Sets the description: 1 to 500 characters.
    pub fn with_description(self, description: impl Into<Box<str>>) -> Self {
        Self {
            description: Some(Some(description.into())),
            ..self
        }
    }

    /// Removes the description.
    pub fn without_description(self) -> Self {
        Self {
            description: Some(None),
            ..self
        }
    }

    /// Replaces the metadata as a whole. Whoever may manage the credential may.
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self {
            metadata: Some(metadata),
            ..self
        }
    }

    /// Replaces the conditions as a whole: what they leave out no longer holds.
    pub fn with_conditions(self, conditions: Conditions) -> Self {
        Self {
            networks: Some(conditions.networks().map(Into::into)),
            environment: Some(conditions.environment().map(Into::into)),
            ..self
        }
    }

    /// Accepts the credential from these networks alone. Without any it is accepted from nowhere.
    pub fn with_networks(self, networks: impl IntoIterator<Item = Network>) -> Self {
        Self {
            networks: Some(Some(networks.into_iter().collect())),
            ..self
        }
    }

    /// Accepts the credential from every network.
    pub fn without_networks(self) -> Self {
        Self {
            networks: Some(None),
            ..self
        }
    }

    /// Accepts the credential in this environment alone: 1 to 64 letters, digits and `-._`.
    pub fn with_environment(self, environment: impl Into<Box<str>>) -> Self {
        Self {
            environment: Some(Some(environment.into())),
            ..self
        }
    }

    /// Accepts the credential in every environment.
    pub fn without_environment(self) -> Self {
        Self {
            environment: Some(None),
            ..self
        }
    }

    /// Returns the credential after the change.
    fn apply(&self, before: &CredentialInfo) -> CredentialInfo {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name = name.clone();
        }
        let Attributes {
            description,
            metadata,
            conditions,
        } = &mut after.attributes;
        if let Some(edited) = &self.description {
            *description = edited.clone();
        }
        if let Some(edited) = &self.metadata {
            *metadata = edited.clone();
        }
        *conditions = self.conditions(std::mem::take(conditions));
        after
    }

    /// Returns the conditions after the change.
    fn conditions(&self, before: Conditions) -> Conditions {
        let changed = match &self.networks {
            Some(Some(networks)) => before.with_networks(networks.iter().copied()),
            Some(None) => before.without_networks(),
            None => before,
        };
        match &self.environment {
            Some(Some(environment)) => changed.with_environment(environment.clone()),
            Some(None) => changed.without_environment(),
            None => changed,
        }
    }
}

impl<S: ManageStore> Manager<S> {
    /// Changes the name and the attributes of a credential in one change.
    ///
    /// Conditions that allow less may be set by everyone who may manage the credential. To set
    /// others, which allow something that the old ones did not, the actor must hold what the
    /// credential may do, last as long, and be accepted wherever the credential then is, as if it
    /// were to [enable](Self::enable) it.
    ///
    /// ```
    /// # use tower_api_key::{Principal, credential::Kind, manage::*, store::*};
    /// /// `PATCH /keys/{id}` with `{"description": …}`.
    /// async fn describe(
    ///     manager: &Manager<impl ManageStore>,
    ///     caller: &Principal,
    ///     id: &str,
    ///     description: &str,
    /// ) -> Result<CredentialInfo, ManageError> {
    ///     let edit = Edit::default().with_description(description);
    ///     manager.edit(&Actor::from_principal(caller), Kind::OrgKey, id, edit).await
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`delete`](Self::delete), and [`ManageError::InvalidName`],
    /// [`ManageError::InvalidAttributes`], [`ManageError::AttributesUnsupported`],
    /// [`ManageError::Damaged`], [`ManageError::Busy`]; for conditions that allow more,
    /// [`ManageError::ScopeNotHeld`], [`ManageError::RestrictionsBeyondCreator`],
    /// [`ManageError::ExpiryBeyondCreator`], [`ManageError::ConditionsBeyondCreator`].
    pub async fn edit(
        &self,
        actor: &Actor,
        kind: Kind,
        id: &str,
        edit: Edit,
    ) -> Result<CredentialInfo, ManageError> {
        self.owner(actor, kind)?;
        if let Some(name) = &edit.name {
            check_name(name)?;
        }
        let change = |before: CredentialInfo| {
            let after = edit.apply(&before);
            if after.attributes != before.attributes {
                self.check_attributes(&after.attributes)?;
            }
            let (old, new) = (&before.attributes.conditions, &after.attributes.conditions);
            if !old.cover(new) {
                check_regrant(actor, &after, &self.store.catalogue().tables())?;
            }
            Ok(after)
        };
        self.within_deadline(self.change(actor, kind, id, AuditAction::Edited, change))
            .await
    }
}

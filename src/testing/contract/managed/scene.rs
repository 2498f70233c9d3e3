//! An actor at work, and what happens to it meanwhile.

use super::{
    Feature, Fixture, Known, Violation,
    actors::{Loss, Role},
    into_pair, narrowed, scopes_of,
};
use crate::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Edit, ManageError, Manager, NewKey, NewToken, Rotation},
    scope::Catalogue,
    secret::{Digest, Secret},
    store::{
        Conditions, CredentialInfo, Directory, Lookup, LookupKey, ManageStore, Owner, Record,
        Status,
    },
    testing::principal,
};
use std::{sync::Arc, time::Duration};

const OVERLAP: Duration = Duration::from_secs(3600);

/// An actor with an organization and a user that no other case uses.
pub(super) struct Scene<S> {
    store: Arc<S>,
    pub(super) manager: Manager<Arc<S>>,
    pub(super) organization: String,
    user: String,
    role: Role,
    pub(super) actor: Actor,
    /// The credential that authenticated the actor, and its token. A user has none.
    own: Option<(CredentialInfo, Secret)>,
    /// Two others: one to change, and one that is disabled.
    target: CredentialId,
    disabled: CredentialId,
}

impl<S: ManageStore + Directory> Scene<S> {
    pub(super) async fn new(
        fixture: &Fixture<S>,
        role: Role,
        number: usize,
    ) -> Result<Self, Violation> {
        let organization = format!("org_scene_{number}");
        let user = format!("user_scene_{number}");
        fixture.store.catalogue().replace(Catalogue::anyreach()); // after another case
        fixture
            .store
            .create_organization(&organization, None)
            .await?;
        fixture.seed_users(&[&user]).await?;
        if fixture.supports(Feature::Memberships) {
            let member = fixture.store.set_member(&user, &organization, "admin");
            member.await?;
        }
        let mut scene = Self {
            store: Arc::clone(&fixture.store),
            manager: fixture.manager.clone(),
            organization,
            actor: Actor::user(&*user),
            user,
            role,
            own: None,
            target: "".into(),
            disabled: "".into(),
        };
        let managed = role.manages();
        scene.own = match role {
            Role::Key => Some(scene.issue(fixture, Kind::OrgKey, "own").await?),
            role if role.is_token() => {
                Some(scene.issue(fixture, Kind::PersonalToken, "own").await?)
            }
            _ => None,
        };
        scene.target = scene.issue(fixture, managed, "target").await?.0.id;
        scene.disabled = scene.issue(fixture, managed, "disabled").await?.0.id;
        let (operator, id) = (scene.owner(managed), scene.disabled.as_str());
        scene.manager.disable(&operator, managed, id).await?;
        scene.actor = scene.authenticate().await?;
        Ok(scene)
    }

    async fn issue(
        &self,
        fixture: &Fixture<S>,
        kind: Kind,
        name: &str,
    ) -> Result<(CredentialInfo, Secret), Violation> {
        let owner = self.owner(kind);
        into_pair(match kind {
            Kind::OrgKey => {
                let new = fixture.granted(NewKey::named(name), "admin");
                self.manager.issue_key(&owner, new).await?
            }
            Kind::PersonalToken => {
                let new = NewToken::named(name);
                self.manager.issue_token(&owner, new).await?
            }
        })
    }

    /// Returns the actor that a layer, or a service with its own sessions, would create.
    async fn authenticate(&self) -> Result<Actor, Violation> {
        let Some((info, secret)) = &self.own else {
            let user = Actor::user(&*self.user);
            return Ok(match self.role {
                Role::User => user.acting_in(&*self.organization, scopes_of("admin")),
                _ => user,
            });
        };
        let digest = Digest::of(secret.expose_secret().as_bytes());
        let credential = match info.kind() {
            Kind::OrgKey => LookupKey::OrgKey {
                id: info.id.as_str(),
            },
            Kind::PersonalToken => LookupKey::PersonalToken { digest: &digest },
        };
        let organization = Some(&*self.organization).filter(|_| self.role.is_member());
        let found = self
            .store
            .find(&Lookup::new(credential, organization))
            .await?;
        let found = found.filter(|record| record.status() == Status::Active);
        let found = found.ok_or_else(|| Violation(format!("a new {:?} is inactive", self.role)))?;
        Ok(Actor::from_principal(&principal(Record::clone(&found))))
    }

    fn owner(&self, kind: Kind) -> Actor {
        let id = match kind {
            Kind::OrgKey => &self.organization,
            Kind::PersonalToken => &self.user,
        };
        Actor::operator("test", Owner::of(kind, id))
    }

    pub(super) async fn lose(&self, loss: Loss) -> Result<(), Violation> {
        let (user, organization) = (self.user.as_str(), self.organization.as_str());
        match loss {
            Loss::MembershipEnded => self.store.remove_member(user, organization).await?,
            Loss::RoleNarrowed => {
                self.store.set_member(user, organization, "viewer").await?;
            }
            Loss::CatalogueNarrowed => self.store.catalogue().replace(narrowed()?),
            Loss::UserDisabled => self.store.set_user_enabled(user, false).await?,
            Loss::UserDeleted => self.store.delete_user(user).await?,
            Loss::OrganizationDeleted => self.store.delete_organization(organization).await?,
            _ => self.lose_credential(loss).await?,
        }
        Ok(())
    }

    async fn lose_credential(&self, loss: Loss) -> Result<(), Violation> {
        let Some((info, secret)) = &self.own else {
            return Err(Violation("a user has no credential to lose".into()));
        };
        let (manager, kind, id) = (&self.manager, info.kind(), info.id.as_str());
        let (owner, at_once) = (self.owner(kind), Rotation::default());
        match loss {
            Loss::Deleted => drop(manager.delete(&owner, kind, id).await?),
            Loss::Disabled => drop(manager.disable(&owner, kind, id).await?),
            Loss::Rotated => drop(manager.rotate(&owner, kind, id, at_once).await?),
            Loss::RotatedWithOverlap => {
                let overlap = at_once.with_overlap(OVERLAP);
                manager.rotate(&owner, kind, id, overlap).await?;
            }
            Loss::ConditionsNarrowed => {
                let nowhere = Conditions::default().with_networks([]);
                let edit = Edit::default().with_conditions(nowhere);
                manager.edit(&owner, kind, id, edit).await?;
            }
            Loss::AllRevoked => drop(manager.revoke_all(&owner, kind).await?),
            _ => {
                let token = secret.expose_secret();
                manager.revoke_presented(token, None).await?;
            }
        }
        Ok(())
    }

    /// Returns all that the store knows of the credentials of both owners.
    pub(super) async fn snapshot(&self, fixture: &Fixture<S>) -> Result<Vec<Known>, Violation> {
        let mut known = Vec::new();
        for kind in fixture.kinds() {
            known.push(fixture.all(&self.owner(kind), kind).await?);
        }
        Ok(known)
    }

    /// Makes a call as the actor.
    pub(super) async fn call(
        &self,
        manager: &Manager<impl ManageStore>,
        call: &str,
    ) -> Result<(), ManageError> {
        let (actor, kind) = (&self.actor, self.role.manages());
        let (target, disabled) = (self.target.as_str(), self.disabled.as_str());
        let at_once = Rotation::default();
        let overlap = at_once.clone().with_overlap(OVERLAP);
        match (call, kind) {
            ("issue", Kind::OrgKey) => {
                let new = NewKey::named("new").with_scopes(["agents:read"]);
                manager.issue_key(actor, new).await.map(drop)
            }
            ("issue", Kind::PersonalToken) => {
                let new = NewToken::named("new");
                manager.issue_token(actor, new).await.map(drop)
            }
            ("rename", _) => {
                let renamed = manager.rename(actor, kind, target, "renamed");
                renamed.await.map(drop)
            }
            ("rename to the same", _) => {
                let name = manager.get(actor, kind, target).await?.name;
                manager.rename(actor, kind, target, &name).await.map(drop)
            }
            ("edit", _) => {
                let edit = Edit::default().with_description("edited");
                manager.edit(actor, kind, target, edit).await.map(drop)
            }
            ("disable", _) => manager.disable(actor, kind, target).await.map(drop),
            ("enable", _) => manager.enable(actor, kind, disabled).await.map(drop),
            ("rotate", _) => manager.rotate(actor, kind, target, at_once).await.map(drop),
            ("rotate with an overlap", _) => {
                manager.rotate(actor, kind, target, overlap).await.map(drop)
            }
            ("delete", _) => manager.delete(actor, kind, target).await.map(drop),
            _ => manager.revoke_all(actor, kind).await.map(drop),
        }
    }
}

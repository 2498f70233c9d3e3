//! Claims about actors who lose their status between a decision and its commit: nothing is written.

use crate::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, ManageError, Manager, NewKey, NewToken, Rotation},
    secret::Secret,
    store::{
        AuditEvent, CredentialInfo, EffectiveStatus, Filter, Lookup, LookupKey, ManageStore, Owner,
        Record, Status,
    },
    testing::{contract::Directory, principal},
};
use std::{sync::Arc, time::Duration};

use super::{Breach, Claim, Site, claim, interposed::Interposed};

/// Who acts, and what they manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuditActor {
    /// A key, its organization's keys.
    Key,
    /// A personal token in an organization, that organization's keys.
    Token,
    /// A personal token in an organization, its owner's tokens.
    TokenForTokens,
    /// A personal token in no organization, its owner's tokens.
    TokenAlone,
    /// A user in an organization, that organization's keys.
    User,
    /// A user, their own tokens.
    UserAlone,
}

const ACTORS: [AuditActor; 6] = [
    AuditActor::Key,
    AuditActor::Token,
    AuditActor::TokenForTokens,
    AuditActor::TokenAlone,
    AuditActor::User,
    AuditActor::UserAlone,
];

impl AuditActor {
    fn manages(self) -> Kind {
        match self {
            Self::Key | Self::Token | Self::User => Kind::OrgKey,
            Self::TokenForTokens | Self::TokenAlone | Self::UserAlone => Kind::PersonalToken,
        }
    }

    fn is_token(self) -> bool {
        matches!(self, Self::Token | Self::TokenForTokens | Self::TokenAlone)
    }

    fn acts_as_member(self) -> bool {
        matches!(self, Self::Token | Self::TokenForTokens | Self::User)
    }
}

/// How they lose what the decision relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Deleted,
    Disabled,
    Rotated,
    RotatedWithOverlap,
    AllRevoked,
    Presented,
    MembershipEnded,
    RoleNarrowed,
    UserDisabled,
    UserDeleted,
    OrganizationDeleted,
}

const LOSSES: [Loss; 11] = [
    Loss::Deleted,
    Loss::Disabled,
    Loss::Rotated,
    Loss::RotatedWithOverlap,
    Loss::AllRevoked,
    Loss::Presented,
    Loss::MembershipEnded,
    Loss::RoleNarrowed,
    Loss::UserDisabled,
    Loss::UserDeleted,
    Loss::OrganizationDeleted,
];

impl Loss {
    fn concerns(self, who: AuditActor) -> bool {
        match self {
            Self::Deleted | Self::Disabled | Self::Rotated => {
                who == AuditActor::Key || who.is_token()
            }
            Self::RotatedWithOverlap | Self::AllRevoked | Self::Presented => {
                who == AuditActor::Key || who.is_token()
            }
            Self::MembershipEnded | Self::RoleNarrowed => who.acts_as_member(),
            Self::UserDisabled | Self::UserDeleted => who != AuditActor::Key,
            Self::OrganizationDeleted => who == AuditActor::Key || who.acts_as_member(),
        }
    }
}

/// What they do.
const CALLS: [&str; 9] = [
    "issue",
    "rename",
    "rename to the same",
    "disable",
    "enable",
    "rotate",
    "rotate with an overlap",
    "delete",
    "revoke all",
];

const OVERLAP: Duration = Duration::from_secs(3600);

/// An organization and a user of their own for each case, with everything that it needs.
struct Scene<S> {
    store: Arc<S>,
    manager: Manager<Arc<S>>,
    organization: String,
    user: String,
    who: AuditActor,
    actor: Actor,
    /// The credential that authenticated them, and its token; there is one for a user too, which then plays no part.
    own: CredentialInfo,
    secret: Secret,
    /// Two others: one to change, and one that is disabled.
    target: CredentialId,
    disabled: CredentialId,
}

impl<S: ManageStore + Directory> Scene<S> {
    async fn new(site: &Site<S>, who: AuditActor, number: usize) -> Result<Self, Breach> {
        let (store, manager) = (Arc::clone(&site.store), site.manager.clone());
        let (organization, user) = (
            format!("org_scene_{number}"),
            format!("user_scene_{number}"),
        );
        store.create_organization(&organization, None).await?;
        store.create_user(&user).await?;
        store.set_member(&user, &organization, "admin").await?;
        let issue = async |kind: Kind, name: &str| {
            let owner = Actor::operator(
                "test",
                Owner::of(kind, owner_of(kind, &organization, &user)),
            );
            let issued = match kind {
                Kind::OrgKey => {
                    manager
                        .issue_key(&owner, NewKey::named(name).with_role("admin"))
                        .await
                }
                Kind::PersonalToken => manager.issue_token(&owner, NewToken::named(name)).await,
            };
            super::both(issued?)
        };
        let kind = if who == AuditActor::Key {
            Kind::OrgKey
        } else {
            Kind::PersonalToken
        };
        let (own, secret) = issue(kind, "own").await?;
        let (target, _) = issue(who.manages(), "target").await?;
        let (disabled, _) = issue(who.manages(), "disabled").await?;
        let actor = actor_of(&*store, who, &organization, &user, &own, &secret).await?;
        let (target, disabled) = (target.id, disabled.id);
        let scene = Self {
            store,
            manager,
            organization,
            user,
            who,
            actor,
            own,
            secret,
            target,
            disabled,
        };
        scene
            .manager
            .disable(&scene.operator(), who.manages(), scene.disabled.as_str())
            .await?;
        Ok(scene)
    }

    fn owner(&self, kind: Kind) -> Actor {
        let id = owner_of(kind, &self.organization, &self.user);
        Actor::operator("test", Owner::of(kind, id))
    }

    fn operator(&self) -> Actor {
        self.owner(self.who.manages())
    }

    async fn lose(&self, loss: Loss) -> Result<(), Breach> {
        let (kind, id) = (self.own.kind(), self.own.id.as_str());
        let (owner, store, manager) = (self.owner(kind), &self.store, &self.manager);
        let (user, organization) = (self.user.as_str(), self.organization.as_str());
        let overlap = Rotation::default().with_overlap(OVERLAP);
        match loss {
            Loss::Deleted => drop(manager.delete(&owner, kind, id).await?),
            Loss::Disabled => drop(manager.disable(&owner, kind, id).await?),
            Loss::Rotated => drop(
                manager
                    .rotate(&owner, kind, id, Rotation::default())
                    .await?,
            ),
            Loss::RotatedWithOverlap => drop(manager.rotate(&owner, kind, id, overlap).await?),
            Loss::AllRevoked => drop(manager.revoke_all(&owner, kind).await?),
            Loss::Presented => {
                drop(
                    manager
                        .revoke_presented(self.secret.expose_secret(), None)
                        .await?,
                );
            }
            Loss::MembershipEnded => store.remove_member(user, organization).await?,
            Loss::RoleNarrowed => store.set_member(user, organization, "viewer").await?,
            Loss::UserDisabled => store.set_user_enabled(user, false).await?,
            Loss::UserDeleted => store.delete_user(user).await?,
            Loss::OrganizationDeleted => store.delete_organization(organization).await?,
        }
        Ok(())
    }

    /// Everything that the store knows of the credentials of both owners.
    async fn snapshot(&self) -> Result<Vec<(Vec<CredentialInfo>, Vec<AuditEvent>)>, Breach> {
        let mut all = Vec::new();
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            let (owner, mut found) = (self.owner(kind), Vec::new());
            for state in [None, Some(EffectiveStatus::Deleted)] {
                let filter = Filter {
                    state,
                    ..Filter::default()
                };
                found.extend(
                    self.manager
                        .list(&owner, kind, &filter, None, 200)
                        .await?
                        .items,
                );
            }
            all.push((found, self.manager.events(&owner, kind, None, 200).await?));
        }
        Ok(all)
    }
}

fn owner_of<'a>(kind: Kind, organization: &'a str, user: &'a str) -> &'a str {
    match kind {
        Kind::OrgKey => organization,
        Kind::PersonalToken => user,
    }
}

/// The actor that a layer, or a service with sessions of its own, would make.
async fn actor_of<S: ManageStore + Directory>(
    store: &S,
    who: AuditActor,
    organization: &str,
    user: &str,
    own: &CredentialInfo,
    secret: &Secret,
) -> Result<Actor, Breach> {
    let admin = store.catalogue().scopes_of("admin").cloned();
    let admin = admin.ok_or_else(|| Breach("the catalogue has no role admin".into()))?;
    let digest = crate::secret::Digest::of(secret.expose_secret().as_bytes());
    let lookup = match who {
        AuditActor::Key => Lookup::new(
            LookupKey::OrgKey {
                id: own.id.as_str(),
            },
            None,
        ),
        AuditActor::Token | AuditActor::TokenForTokens => Lookup::new(
            LookupKey::PersonalToken { digest: &digest },
            Some(organization),
        ),
        AuditActor::TokenAlone => Lookup::new(LookupKey::PersonalToken { digest: &digest }, None),
        AuditActor::User => return Ok(Actor::user(user).acting_in(organization, admin)),
        AuditActor::UserAlone => return Ok(Actor::user(user)),
    };
    let record = store.find(&lookup).await?;
    let record = record.filter(|record| record.status() == Status::Active);
    let record =
        record.ok_or_else(|| Breach(format!("the credential of {who:?} does not count")))?;
    Ok(Actor::from_principal(&principal(Record::clone(&record))))
}

/// Makes a call as the actor of a scene.
async fn call<S: ManageStore + Directory>(
    manager: &Manager<impl ManageStore>,
    scene: &Scene<S>,
    call: &str,
) -> Result<(), ManageError> {
    let (actor, kind) = (&scene.actor, scene.who.manages());
    let (target, disabled) = (scene.target.as_str(), scene.disabled.as_str());
    let overlap = Rotation::default().with_overlap(OVERLAP);
    match (call, kind) {
        ("issue", Kind::OrgKey) => manager
            .issue_key(actor, NewKey::named("new").with_role("viewer"))
            .await
            .map(drop),
        ("issue", Kind::PersonalToken) => manager
            .issue_token(actor, NewToken::named("new"))
            .await
            .map(drop),
        ("rename", _) => manager
            .rename(actor, kind, target, "renamed")
            .await
            .map(drop),
        ("rename to the same", _) => {
            let name = manager.get(actor, kind, target).await?.name;
            manager.rename(actor, kind, target, &name).await.map(drop)
        }
        ("disable", _) => manager.disable(actor, kind, target).await.map(drop),
        ("enable", _) => manager.enable(actor, kind, disabled).await.map(drop),
        ("rotate", _) => manager
            .rotate(actor, kind, target, Rotation::default())
            .await
            .map(drop),
        ("rotate with an overlap", _) => {
            manager.rotate(actor, kind, target, overlap).await.map(drop)
        }
        ("delete", _) => manager.delete(actor, kind, target).await.map(drop),
        _ => manager.revoke_all(actor, kind).await.map(drop),
    }
}

pub(super) async fn what_is_decided_for_an_actor_in_good_standing_is_done<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    // Each of these finds something to change after those before it.
    let orders: [&[&str]; 2] = [
        &[
            "issue",
            "rename",
            "rotate with an overlap",
            "enable",
            "disable",
            "delete",
            "revoke all",
        ],
        &["rotate"],
    ];
    let cases = ACTORS
        .into_iter()
        .flat_map(|who| orders.map(|calls| (who, calls)));
    for (number, (who, calls)) in cases.enumerate() {
        let scene = Scene::new(site, who, number).await?;
        for name in calls {
            let before = scene.snapshot().await?;
            let done = call(&scene.manager, &scene, name).await;
            claim(
                done.is_ok(),
                format!("{who:?}, {name}: refused with {done:?}"),
            )?;
            let after = scene.snapshot().await?;
            claim(
                after != before,
                format!("{who:?}, {name}: nothing happened"),
            )?;
        }
    }
    Ok(())
}

/// All calls are decided, then the status is lost, and then their changes reach the store.
pub(super) async fn nothing_is_written_for_an_actor_who_lost_their_standing<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let cases = ACTORS
        .into_iter()
        .flat_map(|who| LOSSES.map(|loss| (who, loss)));
    let cases = cases.filter(|(who, loss)| loss.concerns(*who));
    for (number, (who, loss)) in cases.enumerate() {
        let scene = Arc::new(Scene::new(site, who, number).await?);
        let store = Arc::new(Interposed::new(Arc::clone(&scene.store)));
        let manager = Manager::new(Arc::clone(&store)).with_clock(site.clock.clone());
        let manager = manager.with_deadline(Duration::from_secs(60));
        let decided = CALLS.map(|name| {
            let (manager, scene, store) = (manager.clone(), Arc::clone(&scene), Arc::clone(&store));
            tokio::spawn(async move {
                let outcome = call(&manager, &scene, name).await;
                store.ended();
                outcome.err().map(|error| error.code())
            })
        });
        store
            .decided(u32::try_from(CALLS.len()).unwrap_or(u32::MAX))
            .await;
        scene.lose(loss).await?;
        let before = scene.snapshot().await?;
        store.release();
        for (name, outcome) in CALLS.into_iter().zip(decided) {
            let refused = outcome.await.map_err(|error| Breach(error.to_string()))?;
            let told = refused == Some("not_allowed");
            claim(
                told,
                format!("{who:?}, {loss:?}, {name}: answered with {refused:?}"),
            )?;
        }
        let after = scene.snapshot().await?;
        claim(
            after == before,
            format!("{who:?}, {loss:?}: something was written: {after:?}"),
        )?;
    }
    Ok(())
}

/// As in a request that took so long that its credential has expired.
pub(super) async fn nothing_is_written_for_a_credential_that_has_expired<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let mut scene = Scene::new(site, AuditActor::Key, 0).await?;
    let digest = super::super::digest("mortal");
    let mortal = Record::org_key("mortal", digest, scene.organization.as_str());
    let mortal = mortal.with_role("admin", site.store.catalogue());
    let mortal = mortal.map_err(|error| Breach(error.to_string()))?;
    let mortal = mortal.expiring_at(Some(site.later(1000)));
    site.store.insert(mortal.clone()).await?;
    scene.actor = Actor::from_principal(&principal(mortal));
    let before = scene.snapshot().await?;
    site.clock.advance_millis(1000);
    for name in CALLS {
        let refused = call(&scene.manager, &scene, name)
            .await
            .err()
            .map(|error| error.code());
        // What would outlive the caller is refused as that, before anything is asked of the store.
        let told = matches!(refused, Some("not_allowed" | "expiry_beyond_creator"));
        claim(told, format!("{name}: answered with {refused:?}"))?;
    }
    site.clock.advance_millis(-1000);
    claim(scene.snapshot().await? == before, "something was written")
}

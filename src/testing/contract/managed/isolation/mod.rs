//! The claim about other owners: their credentials do not exist.
//!
//! Each owner makes every call with each id, key and cursor of each other owner. What it answers is
//! what it answers for one that nobody has; what the others have stays as it is.

mod calls;

use calls::{answers_by_id, answers_of_store, imported, issue_once, listed_from, owners_listed};

use super::{
    Actor, Feature, Fixture, Known, ORG, OTHER_ORG, OTHER_USER, Outcome, USER, Violation, ensure,
    into_pair, scopes_of,
};
use crate::{
    credential::Kind,
    manage::{NewKey, NewToken, PageCursor, Rotation},
    secret::Secret,
    store::{CredentialInfo, Directory, Filter, ManageStore, Owner},
};

/// The id that nobody has.
const NOBODYS: &str = "unknown";

/// An owner with what they have.
struct Owned {
    owner: Owner,
    /// Who manages their credentials.
    actors: Vec<Actor>,
    /// One in each state, as it is stored.
    credentials: Vec<CredentialInfo>,
    /// The secret of the first one, which is accepted.
    secret: Secret,
    /// How the last one was rotated, under an idempotency key.
    rotation: Rotation,
    cursor: PageCursor,
}

pub(super) async fn another_owners_credentials_are_unknown_and_untouched<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let tokens = fixture.supports(Feature::PersonalTokens);
    if tokens && fixture.supports(Feature::Memberships) {
        fixture.store.set_member(USER, ORG, "admin").await?;
    }
    let mut all = vec![
        Owned::new(fixture, Owner::Organization(ORG.into())).await?,
        Owned::new(fixture, Owner::Organization(OTHER_ORG.into())).await?,
    ];
    if tokens {
        all.push(Owned::new(fixture, Owner::User(USER.into())).await?);
        all.push(Owned::new(fixture, Owner::User(OTHER_USER.into())).await?);
    }
    for own in &all {
        for theirs in all.iter().filter(|one| one.owner != own.owner) {
            let before = fixture.everything().await?;
            for actor in &own.actors {
                own.calls_with_ids_of(fixture, actor, theirs).await?;
                own.lists_without_those_of(fixture, actor, theirs).await?;
            }
            own.asks_the_store_for(fixture, theirs).await?;
            ensure(
                fixture.everything().await? == before,
                "another owner's credential was changed",
            )?;
        }
    }
    for own in &all {
        own.revokes_only_their_own(fixture, &all).await?;
    }
    Ok(())
}

impl Owned {
    /// Issues credentials, and leaves one in each state. All owners issue the first one under the
    /// same idempotency key, and each gets a secret.
    async fn new<S>(fixture: &Fixture<S>, owner: Owner) -> Result<Self, Violation>
    where
        S: ManageStore + Directory,
    {
        let (manager, kind) = (&fixture.manager, owner.kind());
        let operator = Actor::operator("test", owner.clone());
        let (first, secret) = into_pair(issue_once(fixture, &operator, kind).await?)?;
        let mut ids = vec![first.id];
        for name in ["disabled", "deleted", "rotated"] {
            let issued = match kind {
                Kind::OrgKey => manager.issue_key(&operator, NewKey::named(name)).await?,
                Kind::PersonalToken => {
                    manager
                        .issue_token(&operator, NewToken::named(name))
                        .await?
                }
            };
            ids.push(issued.info().id.clone());
        }
        let rotation = match fixture.supports(Feature::Idempotency) {
            true => Rotation::default().with_idempotency_key(&format!("rotated-{}", owner.id())),
            false => Rotation::default(),
        };
        if let [_, disabled, deleted, old] = &ids[..] {
            manager.disable(&operator, kind, disabled.as_str()).await?;
            manager.delete(&operator, kind, deleted.as_str()).await?;
            if fixture.supports(Feature::Rotation) {
                let (id, rotation) = (old.as_str(), rotation.clone());
                manager.rotate(&operator, kind, id, rotation).await?;
            }
        }
        let mut credentials = Vec::new();
        for id in ids {
            credentials.push(manager.get(&operator, kind, id.as_str()).await?);
        }
        let all = Filter::default();
        let cursor = manager.list(&operator, kind, &all, None, 1).await?.next;
        let mut actors = vec![operator];
        if owner.organization() == Some(ORG) {
            actors.push(fixture.caller(&["organizations:manage"], None).await?); // holds less
        }
        let of_both_kinds = [ORG, USER].contains(&owner.id());
        let members = [Feature::PersonalTokens, Feature::Memberships];
        if of_both_kinds && members.into_iter().all(|one| fixture.supports(one)) {
            actors.push(Actor::user(USER).acting_in(ORG, scopes_of("admin")));
        }
        Ok(Self {
            owner,
            actors,
            credentials,
            secret,
            rotation,
            cursor: cursor.ok_or_else(|| Violation("two fit on a page of one".into()))?,
        })
    }

    async fn calls_with_ids_of<S>(
        &self,
        fixture: &Fixture<S>,
        actor: &Actor,
        theirs: &Self,
    ) -> Outcome
    where
        S: ManageStore + Directory,
    {
        let kind = self.owner.kind();
        let answers = async |id| answers_by_id(fixture, actor, kind, id, &theirs.rotation).await;
        let unknown = answers(NOBODYS).await;
        let refused = |(_, answer): &(_, String)| answer.starts_with("unknown_credential 404");
        ensure(
            unknown.iter().all(refused),
            format!("for an unknown id, the answers are {unknown:?}"),
        )?;
        for theirs in &theirs.credentials {
            let found = answers(theirs.id.as_str()).await;
            ensure(
                found == unknown,
                format!("for an unknown id {unknown:?}, for another owner's {found:?}"),
            )?;
        }
        Ok(())
    }

    /// Cursors and numbers of others lead nowhere, and an import does not tell whose an id is.
    async fn lists_without_those_of<S>(
        &self,
        fixture: &Fixture<S>,
        actor: &Actor,
        theirs: &Self,
    ) -> Outcome
    where
        S: ManageStore + Directory,
    {
        let kind = self.owner.kind();
        let [nowhere, elsewhere] = [
            listed_from(fixture, actor, kind, &"0000000000000000.0.00".parse()?).await,
            listed_from(fixture, actor, kind, &theirs.cursor).await,
        ];
        ensure(
            nowhere.starts_with("stale_cursor 422") && elsewhere == nowhere,
            format!("for a cursor of nobody {nowhere}, for another owner's {elsewhere}"),
        )?;
        let number = |events: &Known| events.1.first().and_then(|event| event.number);
        let of_them = Actor::operator("test", theirs.owner.clone());
        let before = number(&fixture.all(&of_them, theirs.owner.kind()).await?);
        for owner in owners_listed(fixture, actor, kind, before).await? {
            ensure(
                owner == self.owner,
                format!("{:?} is shown what {owner:?} has", self.owner),
            )?;
        }
        if theirs.owner.kind() != kind {
            return Ok(()); // a key and a token may have the same id
        }
        for (own, theirs) in self.credentials.iter().zip(&theirs.credentials) {
            let own = imported(fixture, actor, kind, own.id.as_str()).await;
            let found = imported(fixture, actor, kind, theirs.id.as_str()).await;
            ensure(
                found == own,
                format!("imported with an own id {own}, with another owner's {found}"),
            )?;
        }
        Ok(())
    }

    /// Every statement of the store names the owner, whatever the manager has asked before.
    async fn asks_the_store_for<S>(&self, fixture: &Fixture<S>, theirs: &Self) -> Outcome
    where
        S: ManageStore + Directory,
    {
        for theirs in &theirs.credentials {
            let nobodys = CredentialInfo {
                id: NOBODYS.into(),
                ..theirs.clone()
            };
            let unknown = answers_of_store(fixture, &self.owner, &nobodys).await;
            let found = answers_of_store(fixture, &self.owner, theirs).await;
            ensure(
                found == unknown,
                format!("of an unknown id the store says {unknown:?}, of another's {found:?}"),
            )?;
        }
        Ok(())
    }

    /// Revokes all, which ends none of the others'.
    async fn revokes_only_their_own<S>(&self, fixture: &Fixture<S>, all: &[Self]) -> Outcome
    where
        S: ManageStore + Directory,
    {
        let others = async || {
            let mut known = Vec::new();
            for other in all.iter().filter(|one| one.owner != self.owner) {
                let operator = Actor::operator("test", other.owner.clone());
                known.push(fixture.all(&operator, other.owner.kind()).await?);
            }
            Ok::<_, Violation>(known)
        };
        let (before, kind) = (others().await?, self.owner.kind());
        ensure(
            fixture.accepts(&self.secret).await?,
            format!("a credential of {:?} was ended by others", self.owner),
        )?;
        let operator = Actor::operator("test", self.owner.clone());
        fixture.manager.revoke_all(&operator, kind).await?;
        ensure(
            others().await? == before,
            format!("with all of {:?}, others were revoked", self.owner),
        )
    }
}

//! Claims about repeated requests.

use super::{
    Actor, Feature, Fixture, NOW, ORG, OTHER_ORG, Outcome, Violation,
    actors::{Loss, Role},
    ensure, ensure_code,
    interposed::Interposed,
    into_pair, operator, org,
    scene::Scene,
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{Issued, ManageError, Manager, NewKey, NewToken, Rotation},
    store::{Directory, ManageStore, Owner, Record},
    testing::{contract::fixture::digest, principal},
};
use std::{sync::Arc, time::Duration};

const MANAGES: &str = "organizations:manage";

pub(super) async fn a_repeated_request_returns_the_first_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, actor, elsewhere) = (&fixture.manager, org(ORG), org(OTHER_ORG));
    let end = fixture.later(10_000);
    let named = |name| fixture.granted(NewKey::named(name), "viewer");
    let request = || named("ci").expiring_at(end).with_idempotency_key("key-1");
    let (info, secret) = into_pair(manager.issue_key(&actor, request()).await?)?;
    fixture.clock.advance_millis(5000);
    let repeated = manager.issue_key(&actor, request()).await?;
    let (repeated, again) = repeated.into_parts();
    ensure(again.is_none(), "the secret was returned twice")?;
    ensure(
        repeated == info,
        format!("issued {info:?}, repeated {repeated:?}"),
    )?;
    fixture.clock.advance_millis(-5000);
    ensure(
        fixture.accepts(&secret).await?,
        "after the repetition, the first credential is refused",
    )?;
    let key = NewKey::named("ci").expiring_at(end);
    for (what, other) in [
        ("another name", named("cd").expiring_at(end)),
        ("another role", key.clone().with_role("admin")),
        ("other scopes", key.with_scopes(["agents:read"])),
        ("another expiry", named("ci")),
    ] {
        let issued = manager.issue_key(&actor, other.with_idempotency_key("key-1"));
        fixture
            .assert_refused(what, "idempotency_conflict", issued)
            .await?;
    }
    let (other, secret) = manager.issue_key(&elsewhere, request()).await?.into_parts();
    ensure(
        secret.is_some() && other.id != info.id,
        "another owner's idempotency key counted",
    )
}

/// Issues a credential that expires a second after the start, under `key`.
async fn issue<S: ManageStore>(
    manager: &Manager<S>,
    actor: &Actor,
    kind: Kind,
    key: &str,
) -> Result<Issued, ManageError> {
    let end = UnixMillis(NOW.0 + 1000);
    match kind {
        Kind::OrgKey => {
            let new = NewKey::named("ci").with_idempotency_key(key);
            manager.issue_key(actor, new.expiring_at(end)).await
        }
        Kind::PersonalToken => {
            let new = NewToken::named("ci").with_idempotency_key(key);
            manager.issue_token(actor, new.expiring_at(end)).await
        }
    }
}

pub(super) async fn a_repeated_request_never_returns_an_inactive_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, code) = (&fixture.manager, "issued_inactive");
    for kind in fixture.kinds() {
        let actor = operator(kind);
        let issue = |key: &'static str| issue(manager, &actor, kind, key);
        let deleted = issue("deleted").await?.info().id.clone();
        let disabled = issue("disabled").await?.info().id.clone();
        issue("expired").await?;
        manager.delete(&actor, kind, deleted.as_str()).await?;
        manager.disable(&actor, kind, disabled.as_str()).await?;
        let mut inactive = vec!["deleted", "disabled"];
        if fixture.supports(Feature::Rotation) {
            let rotated = issue("rotated").await?.info().id.clone();
            let at_once = Rotation::default();
            manager
                .rotate(&actor, kind, rotated.as_str(), at_once)
                .await?;
            inactive.push("rotated");
        }
        for key in inactive {
            let what = format!("a {} that is {key}", kind.as_str());
            fixture.assert_refused(&what, code, issue(key)).await?;
        }
        manager.enable(&actor, kind, disabled.as_str()).await?;
        let (info, _) = issue("disabled").await?.into_parts();
        ensure(
            info.id == disabled,
            "after it is enabled, another credential is returned",
        )?;
        fixture.clock.advance_millis(1000);
        let what = format!("a {} that has expired", kind.as_str());
        fixture
            .assert_refused(&what, code, issue("expired"))
            .await?;
        fixture.clock.advance_millis(-1000);
    }
    Ok(())
}

pub(super) async fn a_repeated_rotation_returns_the_same_successor<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let hour = Duration::from_secs(3600);
    for kind in fixture.kinds() {
        let actor = operator(kind);
        for (key, overlap) in [("overlap", hour), ("at-once", Duration::ZERO)] {
            let old = fixture.issue(kind, key).await?.info().id.clone();
            let other = fixture.issue(kind, "other").await?.info().id.clone();
            let rotate = |id, overlap| rotate(&fixture.manager, &actor, kind, id, overlap, key);
            let (new, secret) = into_pair(rotate(&old, overlap).await?)?;
            let (again, none) = rotate(&old, overlap).await?.into_parts();
            ensure(
                again == new && none.is_none() && fixture.accepts(&secret).await?,
                format!("{key}: rotated to {new:?}, repeated {again:?}"),
            )?;
            for (what, rotated) in [
                ("another credential", rotate(&other, overlap)),
                ("another overlap", rotate(&old, hour * 2)),
            ] {
                fixture
                    .assert_refused(what, "idempotency_conflict", rotated)
                    .await?;
            }
            let id = new.id.as_str();
            fixture.manager.delete(&actor, kind, id).await?;
            let what = "a deleted successor";
            fixture
                .assert_refused(what, "issued_inactive", rotate(&old, overlap))
                .await?;
        }
    }
    Ok(())
}

/// Rotates a credential under an idempotency key.
async fn rotate<S: ManageStore>(
    manager: &Manager<S>,
    actor: &Actor,
    kind: Kind,
    id: &CredentialId,
    overlap: Duration,
    key: &str,
) -> Result<Issued, ManageError> {
    let rotation = Rotation::default().with_overlap(overlap);
    let rotation = rotation.with_idempotency_key(key);
    manager.rotate(actor, kind, id.as_str(), rotation).await
}

/// It is still accepted, and names its successor.
pub(super) async fn a_repeated_request_during_an_overlap_returns_the_old_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let an_hour = Rotation::default().with_overlap(Duration::from_secs(3600));
    for kind in fixture.kinds() {
        let actor = operator(kind);
        let old = issue(manager, &actor, kind, "overlap").await?;
        let id = old.info().id.as_str();
        manager.rotate(&actor, kind, id, an_hour.clone()).await?;
        let again = issue(manager, &actor, kind, "overlap").await?;
        let info = again.info();
        ensure(
            info.rotated_to.is_some() && info.id.as_str() == id,
            format!("{info:?} is returned"),
        )?;
    }
    Ok(())
}

pub(super) async fn concurrent_requests_with_one_idempotency_key_issue_once<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    for kind in fixture.kinds() {
        let tasks = (0..8).map(|_| {
            // The first of them reaches the limit.
            let manager = fixture.manager.clone().with_max_credentials(1);
            tokio::spawn(async move { issue(&manager, &operator(kind), kind, "once").await })
        });
        let (mut ids, mut secrets) = (Vec::new(), 0);
        for task in tasks.collect::<Vec<_>>() {
            let issued = task.await.map_err(|error| Violation(error.to_string()))?;
            let (info, secret) = issued?.into_parts();
            secrets += usize::from(secret.is_some());
            ids.push(info.id);
        }
        ids.dedup();
        ensure(
            secrets == 1 && ids.len() == 1,
            format!("{secrets} secrets, {ids:?}"),
        )?;
    }
    Ok(())
}

/// The response would tell it the id, the name and the rights of the credential.
pub(super) async fn a_revoked_caller_cannot_replay_its_request<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let roles = Role::all(fixture).into_iter();
    let cases = roles.flat_map(|role| {
        let losses = Loss::of(role, fixture).into_iter();
        losses.map(move |loss| (role, loss))
    });
    for (number, (role, loss)) in cases.enumerate() {
        let scene = Scene::new(fixture, role, number).await?;
        let request = || issue(&scene.manager, &scene.actor, role.manages(), "replay");
        request().await?;
        request().await?;
        scene.lose(loss).await?;
        let refused = request().await.err().map(|error| error.code());
        // Some losses end the credential too.
        ensure(
            matches!(refused, Some("not_allowed" | "issued_inactive")),
            format!("{role:?}, {loss:?}: refused with {refused:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn a_key_that_expired_or_lost_a_scope_cannot_replay_its_request<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, code) = (&fixture.manager, "not_allowed");
    let new = || NewKey::named("ci").with_idempotency_key("replay");
    manager.issue_key(&org(ORG), new()).await?;
    let mortal = fixture.caller(&[MANAGES], Some(fixture.soon(5))).await?;
    manager.issue_key(&mortal, new()).await?;
    fixture.wait(5);
    let expired = manager.issue_key(&mortal, new());
    fixture
        .assert_refused("an expired key", code, expired)
        .await?;
    // As after a scope was taken in the service's own tables.
    let holding = |scopes: &[&str]| {
        let scopes = fixture.store.catalogue().expand(scopes.iter().copied());
        Record::org_key("narrowed", digest("narrowed"), ORG).with_scopes(scopes)
    };
    let narrowed = holding(&[MANAGES]);
    fixture.store.insert(narrowed.clone()).await?;
    let now = Actor::from_principal(&principal(narrowed));
    manager.issue_key(&now, new()).await?;
    let before = Actor::from_principal(&principal(holding(&[MANAGES, "agents:read"])));
    let replay = manager.issue_key(&before, new());
    fixture.assert_refused("a narrowed key", code, replay).await
}

/// For the idempotency key, or for the last place below the limit.
pub(super) async fn a_caller_revoked_while_it_loses_a_race_gets_no_replay<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    // The actor's own key, the scene's other one, and what the race is about.
    for (number, limit) in [3, 100].into_iter().enumerate() {
        let scene = Scene::new(fixture, Role::Key, number).await?;
        let store = Arc::new(Interposed::new(Arc::clone(&fixture.store)));
        let manager = Manager::new(Arc::clone(&store))
            .with_clock(fixture.clock.clone())
            .with_deadline(Duration::from_secs(60))
            .with_max_credentials(limit);
        let loser = tokio::spawn({
            let (store, actor) = (Arc::clone(&store), scene.actor.clone());
            async move {
                let outcome = issue(&manager, &actor, Kind::OrgKey, "race").await;
                store.ended();
                outcome
            }
        });
        store.decided(1).await;
        let owner = Owner::of(Kind::OrgKey, &scene.organization);
        let operator = Actor::operator("test", owner);
        issue(&fixture.manager, &operator, Kind::OrgKey, "race").await?;
        // The store refuses the loser, which has now read what the winner was given.
        store.release_one();
        store.decided(1).await;
        scene.lose(Loss::Deleted).await?;
        store.release();
        let outcome = loser.await.map_err(|error| Violation(error.to_string()))?;
        let what = format!("the loser under a limit of {limit}");
        ensure_code(&what, "not_allowed", outcome)?;
    }
    Ok(())
}

//! Claims about actors that lose their rights between a decision and its commit: nothing is
//! written.

use super::{
    Fixture, Outcome, Violation,
    actors::{Loss, Role, calls},
    ensure,
    interposed::Interposed,
    scene::Scene,
};
use crate::{
    manage::{Actor, Manager},
    store::{Directory, ManageStore, Record},
    testing::{contract::fixture::digest, principal},
};
use std::{sync::Arc, time::Duration};

/// Each of these finds something to change after those before it.
const ORDERS: [&[&str]; 2] = [
    &[
        "issue",
        "rename",
        "edit",
        "rotate with an overlap",
        "enable",
        "disable",
        "delete",
        "revoke all",
    ],
    &["rotate"],
];

pub(super) async fn permitted_changes_are_made<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let supported = calls(fixture);
    let roles = Role::all(fixture).into_iter();
    let cases = roles.flat_map(|role| ORDERS.map(|calls| (role, calls)));
    for (number, (role, calls)) in cases.enumerate() {
        let scene = Scene::new(fixture, role, number).await?;
        for name in calls.iter().filter(|call| supported.contains(call)) {
            let before = scene.snapshot(fixture).await?;
            let outcome = scene.call(&scene.manager, name).await;
            ensure(
                outcome.is_ok(),
                format!("{role:?}, {name}: refused with {outcome:?}"),
            )?;
            ensure(
                scene.snapshot(fixture).await? != before,
                format!("{role:?}, {name}: nothing has changed"),
            )?;
        }
    }
    Ok(())
}

pub(super) async fn an_actor_that_lost_its_rights_changes_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let roles = Role::all(fixture).into_iter();
    let cases = roles.flat_map(|role| {
        Loss::of(role, fixture)
            .into_iter()
            .map(move |loss| (role, loss))
    });
    for (number, (role, loss)) in cases.enumerate() {
        let scene = Arc::new(Scene::new(fixture, role, number).await?);
        let outcome = lose_between_decision_and_commit(fixture, &scene, Some(loss)).await;
        outcome.map_err(|Violation(what)| Violation(format!("{role:?}, {loss:?}: {what}")))?;
    }
    Ok(())
}

/// Lets all calls be decided, then the rights be lost, or a second pass, and then the changes reach
/// the store.
async fn lose_between_decision_and_commit<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    scene: &Arc<Scene<S>>,
    loss: Option<Loss>,
) -> Outcome {
    let store = Arc::new(Interposed::new(Arc::clone(&fixture.store)));
    let manager = Manager::new(Arc::clone(&store))
        .with_clock(fixture.clock.clone())
        .with_deadline(Duration::from_secs(60));
    let calls = calls(fixture);
    let decided = calls.iter().map(|&name| {
        let (manager, scene, store) = (manager.clone(), Arc::clone(scene), Arc::clone(&store));
        tokio::spawn(async move {
            let outcome = scene.call(&manager, name).await;
            store.ended();
            outcome.err().map(|error| error.code())
        })
    });
    let decided: Vec<_> = decided.collect();
    let count = u32::try_from(calls.len()).unwrap_or(u32::MAX);
    store.decided(count).await;
    match loss {
        Some(loss) => scene.lose(loss).await?,
        None => fixture.clock.advance_millis(1000),
    }
    let before = scene.snapshot(fixture).await?;
    store.release();
    for (name, outcome) in calls.iter().zip(decided) {
        let refused = outcome
            .await
            .map_err(|error| Violation(error.to_string()))?;
        // The manager itself refuses what would outlive a mortal actor.
        let decided = loss.is_none() && refused == Some("expiry_beyond_creator");
        ensure(
            refused == Some("not_allowed") || decided,
            format!("{name}: refused with {refused:?}"),
        )?;
    }
    let after = scene.snapshot(fixture).await?;
    ensure(after == before, format!("something was written: {after:?}"))
}

/// A change may wait for a lock until its actor's credential has expired.
pub(super) async fn an_actor_that_expires_before_the_commit_changes_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let mut scene = Scene::new(fixture, Role::Key, 0).await?;
    scene.actor = mortal(fixture, &scene.organization).await?;
    lose_between_decision_and_commit(fixture, &Arc::new(scene), None).await
}

/// Returns the caller of a request with a key that has one more second.
async fn mortal<S>(fixture: &Fixture<S>, organization: &str) -> Result<Actor, Violation>
where
    S: ManageStore + Directory,
{
    let mortal = Record::org_key("mortal", digest("mortal"), organization);
    let mortal = fixture.contract.granting(mortal, "admin");
    let mortal = mortal.expiring_at(fixture.later(1000));
    fixture.store.insert(mortal.clone()).await?;
    Ok(Actor::from_principal(&principal(mortal)))
}

/// A request may take so long that its credential has expired.
pub(super) async fn an_expired_credential_changes_nothing<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let mut scene = Scene::new(fixture, Role::Key, 0).await?;
    scene.actor = mortal(fixture, &scene.organization).await?;
    let before = scene.snapshot(fixture).await?;
    fixture.clock.advance_millis(1000);
    for name in calls(fixture) {
        let outcome = scene.call(&scene.manager, name).await;
        let refused = outcome.err().map(|error| error.code());
        // The manager itself refuses what would outlive the actor.
        ensure(
            matches!(refused, Some("not_allowed" | "expiry_beyond_creator")),
            format!("{name}: refused with {refused:?}"),
        )?;
    }
    fixture.clock.advance_millis(-1000);
    ensure(
        scene.snapshot(fixture).await? == before,
        "something was written",
    )
}

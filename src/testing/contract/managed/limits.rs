//! Claims about the maximum number of usable credentials.

use super::{Fixture, ORG, OTHER_ORG, Outcome, Violation, ensure, into_pair, org};
use crate::{
    credential::Kind,
    manage::{ManageError, Manager, NewKey, Rotation},
    secret::Secret,
    store::{CredentialInfo, Directory, Filter, ManageStore},
};
use std::time::Duration;

const KIND: Kind = Kind::OrgKey;

/// Issues as many keys at once as the limit of five allows.
async fn fill<S: ManageStore + Clone>(
    manager: &Manager<S>,
) -> Result<Vec<CredentialInfo>, Violation> {
    let tasks = (0..12).map(|_| {
        let manager = manager.clone();
        tokio::spawn(async move { manager.issue_key(&org(ORG), NewKey::named("many")).await })
    });
    let mut issued = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        match task.await.map_err(|error| Violation(error.to_string()))? {
            Ok(key) => issued.push(key.into_parts().0),
            Err(ManageError::CapReached(5)) => {}
            Err(other) => return Err(Violation::from(other)),
        }
    }
    Ok(issued)
}

pub(super) async fn concurrent_requests_respect_the_limit<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (actor, manager) = (org(ORG), fixture.manager.clone().with_max_credentials(5));
    let issued = fill(&manager).await?;
    ensure(issued.len() == 5, format!("{} issued of 5", issued.len()))?;
    let sixth = manager.issue_key(&actor, NewKey::named("sixth"));
    fixture
        .assert_refused("a sixth key", "cap_reached", sixth)
        .await?;
    let elsewhere = NewKey::named("elsewhere");
    manager.issue_key(&org(OTHER_ORG), elsewhere).await?;
    // Deleted and expired credentials make room.
    let [first, ..] = &issued[..] else {
        return Err(Violation("nothing was issued".into()));
    };
    manager.delete(&actor, KIND, first.id.as_str()).await?;
    let mortal = NewKey::named("mortal").expiring_at(fixture.soon(10));
    manager.issue_key(&actor, mortal).await?;
    fixture.wait(10);
    let again = fill(&manager).await?;
    ensure(
        again.len() == 1,
        format!("{} issued in the place of one", again.len()),
    )
}

pub(super) async fn the_limit_counts_usable_credentials<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (actor, manager) = (org(ORG), fixture.manager.clone().with_max_credentials(2));
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let secrets = issue_rotate_and_delete(&manager, overlap.clone()).await?;
    let mut accepted = 0;
    for secret in &secrets {
        accepted += usize::from(fixture.accepts(secret).await?);
    }
    ensure(
        accepted == 2,
        format!("{accepted} are accepted under a limit of two"),
    )?;
    let all = Filter::default();
    let listed = manager.list(&actor, KIND, &all, None, 10).await?.items;
    let [first, second] = &listed[..] else {
        return Err(Violation(format!("two keys are listed as {listed:?}")));
    };
    let (first, second) = (first.id.as_str(), second.id.as_str());
    // The limit applies to enabling and to overlaps, but not to a rotation that makes room.
    manager.disable(&actor, KIND, first).await?;
    let (third, _) = into_pair(manager.issue_key(&actor, NewKey::named("third")).await?)?;
    let enabled = manager.enable(&actor, KIND, first);
    fixture
        .assert_refused("enabled beyond the limit", "cap_reached", enabled)
        .await?;
    let third = third.id.as_str();
    let rotated = manager.rotate(&actor, KIND, third, overlap);
    fixture
        .assert_refused("an overlap", "cap_reached", rotated)
        .await?;
    let at_once = Rotation::default();
    manager.rotate(&actor, KIND, third, at_once).await?;
    manager.delete(&actor, KIND, second).await?;
    manager.enable(&actor, KIND, first).await?;
    an_expired_credential_has_no_place(fixture, &manager).await
}

/// Deleting the successor after each rotation must not raise the limit of two.
async fn issue_rotate_and_delete<S: ManageStore>(
    manager: &Manager<S>,
    overlap: Rotation,
) -> Result<Vec<Secret>, Violation> {
    let (actor, mut secrets) = (org(ORG), Vec::new());
    for round in 0..10 {
        let Ok(issued) = manager.issue_key(&actor, NewKey::named("key")).await else {
            break;
        };
        let (info, secret) = into_pair(issued)?;
        secrets.push(secret);
        let rotated = manager.rotate(&actor, KIND, info.id.as_str(), overlap.clone());
        if let Ok(rotated) = rotated.await {
            let (successor, secret) = into_pair(rotated)?;
            secrets.push(secret);
            let id = successor.id.as_str();
            manager.delete(&actor, KIND, id).await?;
        }
        ensure(round < 2, "a third key was issued under a limit of two")?;
    }
    Ok(secrets)
}

/// So its successor cannot take it over.
async fn an_expired_credential_has_no_place<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    manager: &Manager<std::sync::Arc<S>>,
) -> Outcome {
    let actor = org(OTHER_ORG);
    let brief = NewKey::named("brief").expiring_at(fixture.soon(10));
    let (expired, _) = into_pair(manager.issue_key(&actor, brief).await?)?;
    fixture.wait(10);
    for name in ["a", "b"] {
        manager.issue_key(&actor, NewKey::named(name)).await?;
    }
    let forever = Rotation::default().expiring_at(None);
    let revived = manager.rotate(&actor, KIND, expired.id.as_str(), forever);
    let what = "an expired key, rotated beyond the limit";
    fixture.assert_refused(what, "cap_reached", revived).await
}

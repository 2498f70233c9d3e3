//! Claims about ending credentials while their bearers try to prevent it.

use super::{Fixture, ORG, Outcome, Violation, ensure, into_pair, operator, org};
use crate::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Issued, Manager, NewKey, NewToken, Rotation},
    secret::Secret,
    store::{CredentialInfo, Directory, Filter, ManageStore, Status},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// How many tasks work against the end of a credential.
const TASKS: usize = 64;

/// How often each way to end a credential is tried.
const ROUNDS: usize = 2;

/// The ways to end a credential.
const ENDS: [&str; 4] = ["delete", "disable", "revoke_presented", "revoke_all"];

/// Renames, rotates and enables `id` until `stop` is set.
async fn resist<S: ManageStore + Directory>(
    manager: Manager<Arc<S>>,
    actor: Actor,
    kind: Kind,
    id: CredentialId,
    number: usize,
    stop: Arc<AtomicBool>,
) {
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let (mut turn, id) = (number, id.as_str());
    while !stop.load(SeqCst) {
        turn += 1;
        // Each of these may be refused at any time.
        match turn % 3 {
            0 => {
                let name = format!("name {turn}");
                drop(manager.rename(&actor, kind, id, &name).await);
            }
            1 => drop(manager.enable(&actor, kind, id).await),
            _ => drop(manager.rotate(&actor, kind, id, overlap.clone()).await),
        }
        tokio::task::yield_now().await;
    }
}

/// Ends a credential once.
async fn end<S: ManageStore + Directory>(
    manager: &Manager<Arc<S>>,
    actor: &Actor,
    info: &CredentialInfo,
    secret: &Secret,
    how: &str,
) -> Outcome {
    let (kind, id) = (info.kind(), info.id.as_str());
    let status = match how {
        "delete" => manager.delete(actor, kind, id).await?.status,
        "disable" => manager.disable(actor, kind, id).await?.status,
        "revoke_presented" => {
            let token = secret.expose_secret();
            manager.revoke_presented(token, None).await?.status
        }
        _ => {
            let ended = manager.revoke_all(actor, kind).await?;
            ensure(
                ended.contains(&info.id),
                format!("only {ended:?} were ended"),
            )?;
            Status::Deleted
        }
    };
    let wanted = if how == "disable" {
        Status::Disabled
    } else {
        Status::Deleted
    };
    ensure(status == wanted, format!("it is returned as {status:?}"))
}

pub(super) async fn a_bearer_cannot_prevent_the_end_of_its_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    for kind in fixture.kinds() {
        for how in ENDS.into_iter().flat_map(|how| [how; ROUNDS]) {
            let ended = end_during_resistance(fixture, kind, how).await;
            ended.map_err(|Violation(what)| {
                Violation(format!("{how} of a {}: {what}", kind.as_str()))
            })?;
        }
    }
    Ok(())
}

async fn end_during_resistance<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    kind: Kind,
    how: &str,
) -> Outcome {
    let (manager, actor) = (
        fixture.manager.clone().with_max_credentials(u32::MAX),
        operator(kind),
    );
    let issued = match kind {
        Kind::OrgKey => manager.issue_key(&actor, NewKey::named("target")).await?,
        Kind::PersonalToken => {
            let new = NewToken::named("target");
            manager.issue_token(&actor, new).await?
        }
    };
    let (info, secret) = into_pair(issued)?;
    let stop = Arc::new(AtomicBool::new(false));
    let resisting = (0..TASKS).map(|number| {
        let (manager, actor, stop) = (manager.clone(), actor.clone(), Arc::clone(&stop));
        tokio::spawn(resist(manager, actor, kind, info.id.clone(), number, stop))
    });
    let resisting = resisting.collect::<Vec<_>>();
    tokio::task::yield_now().await;
    let ended = end(&manager, &actor, &info, &secret, how).await;
    stop.store(true, SeqCst);
    for task in resisting {
        task.await.map_err(|error| Violation(error.to_string()))?;
    }
    ended?;
    ensure(
        how == "disable" || !fixture.accepts(&secret).await?,
        "it is accepted afterwards",
    )
}

/// Issues keys until that is refused, and returns them with the code of the refusal.
async fn issue_until_refused<S: ManageStore>(
    manager: Manager<S>,
    caller: Actor,
    number: usize,
) -> (Vec<Issued>, Option<&'static str>) {
    let mut issued = Vec::new();
    for turn in 0..1000 {
        let new = NewKey::named(&format!("{number}-{turn}")).with_scopes(["agents:read"]);
        match manager.issue_key(&caller, new).await {
            Ok(key) => issued.push(key),
            Err(error) => return (issued, Some(error.code())),
        }
        tokio::task::yield_now().await;
    }
    (issued, None)
}

pub(super) async fn revoke_all_ends_what_is_issued_meanwhile<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = fixture.manager.clone().with_max_credentials(u32::MAX);
    let scopes = ["organizations:manage", "agents:read"];
    for round in 0..ROUNDS {
        let caller = fixture.caller(&scopes, None).await?;
        let issuing = (0..4)
            .map(|number| issue_until_refused(manager.clone(), caller.clone(), number))
            .map(tokio::spawn)
            .collect::<Vec<_>>();
        tokio::task::yield_now().await;
        let revoked = manager.revoke_all(&org(ORG), Kind::OrgKey).await?;
        ensure(
            !revoked.is_empty(),
            format!("in round {round} nothing was revoked"),
        )?;
        for task in issuing {
            let (issued, refused) = task.await.map_err(|error| Violation(error.to_string()))?;
            ensure(
                matches!(refused, None | Some("not_allowed")),
                format!("a revoked caller is refused with {refused:?}"),
            )?;
            for key in issued {
                let (_, secret) = into_pair(key)?;
                ensure(
                    !fixture.accepts(&secret).await?,
                    "a key that a revoked caller issued is accepted",
                )?;
            }
        }
        let all = Filter::default();
        let page = manager
            .list(&org(ORG), Kind::OrgKey, &all, None, 10)
            .await?;
        let left = page.items;
        ensure(
            left.is_empty(),
            format!("in round {round}, {left:?} were left"),
        )?;
    }
    Ok(())
}

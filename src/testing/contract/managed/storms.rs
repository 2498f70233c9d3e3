//! Claims about ending credentials while their holder does what they can to prevent it.

use crate::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey, NewToken, Rotation},
    secret::Secret,
    store::Directory,
    store::{CredentialInfo, Filter, ManageStore, Status},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use super::{Breach, Claim, ORG, Site, USER, both, claim, org, user};

/// How many tasks work against the end of a credential.
const TASKS: usize = 64;

/// How often each end is tried.
const ROUNDS: usize = 2;

/// The ways to end a credential.
const ENDS: [&str; 4] = ["delete", "disable", "revoke_presented", "revoke_all"];

/// Renames, rotates and enables `id` until it is told to stop.
async fn resist<S: ManageStore + Directory>(
    manager: Manager<Arc<S>>,
    actor: Actor,
    kind: Kind,
    id: CredentialId,
    number: usize,
    stop: Arc<AtomicBool>,
) {
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let mut turn = number;
    while !stop.load(SeqCst) {
        turn += 1;
        let id = id.as_str();
        // What becomes of it is of no interest: it may be refused at any time.
        match turn % 3 {
            0 => drop(
                manager
                    .rename(&actor, kind, id, &format!("name {turn}"))
                    .await,
            ),
            1 => drop(manager.enable(&actor, kind, id).await),
            _ => drop(manager.rotate(&actor, kind, id, overlap).await),
        }
        tokio::task::yield_now().await;
    }
}

/// Ends a credential once, and says what is wrong with how that went.
async fn end<S: ManageStore + Directory>(
    manager: &Manager<Arc<S>>,
    actor: &Actor,
    info: &CredentialInfo,
    secret: &Secret,
    how: &str,
) -> Claim {
    let (kind, id) = (info.kind(), info.id.as_str());
    let status = match how {
        "delete" => manager.delete(actor, kind, id).await?.status,
        "disable" => manager.disable(actor, kind, id).await?.status,
        "revoke_presented" => {
            manager
                .revoke_presented(secret.expose_secret(), None)
                .await?
                .status
        }
        _ => {
            let ended = manager.revoke_all(actor, kind).await?;
            claim(
                ended.contains(&info.id),
                format!("{how} has left it out: {ended:?}"),
            )?;
            Status::Deleted
        }
    };
    let wanted = if how == "disable" {
        Status::Disabled
    } else {
        Status::Deleted
    };
    claim(
        status == wanted,
        format!("{how} says that it is {status:?}"),
    )
}

pub(super) async fn an_end_does_not_depend_on_what_the_holder_does<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let manager = site.manager.clone().with_max_credentials(u32::MAX);
    for (actor, kind) in [(org(ORG), Kind::OrgKey), (user(USER), Kind::PersonalToken)] {
        for how in ENDS.into_iter().flat_map(|how| [how; ROUNDS]) {
            let issued = match kind {
                Kind::OrgKey => manager.issue_key(&actor, NewKey::named("target")).await?,
                Kind::PersonalToken => {
                    manager
                        .issue_token(&actor, NewToken::named("target"))
                        .await?
                }
            };
            let (info, secret) = both(issued)?;
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
                task.await.map_err(|error| Breach(error.to_string()))?;
            }
            ended.map_err(|Breach(what)| Breach(format!("{how} of a {kind:?}: {what}")))?;
            if how != "disable" {
                claim(
                    !site.accepts(&secret).await?,
                    format!("after {how} it is accepted"),
                )?;
            }
        }
    }
    Ok(())
}

pub(super) async fn what_revoked_callers_issue_at_the_same_time_ends_too<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let manager = site.manager.clone().with_max_credentials(u32::MAX);
    for round in 0..ROUNDS {
        let caller = site
            .caller(&["organizations:manage", "agents:read"], None)
            .await?;
        let issuing = (0..4).map(|number| {
            let (manager, caller) = (manager.clone(), caller.clone());
            tokio::spawn(async move {
                let mut made = Vec::new();
                for turn in 0..1000 {
                    let new =
                        NewKey::named(&format!("{number}-{turn}")).with_scopes(["agents:read"]);
                    match manager.issue_key(&caller, new).await {
                        Ok(issued) => made.push(issued),
                        Err(error) => return (made, Some(error.code())),
                    }
                    tokio::task::yield_now().await;
                }
                (made, None)
            })
        });
        let issuing = issuing.collect::<Vec<_>>();
        tokio::task::yield_now().await;
        let revoked = manager.revoke_all(&org(ORG), Kind::OrgKey).await?;
        claim(
            !revoked.is_empty(),
            format!("in round {round} nothing was revoked"),
        )?;
        for task in issuing {
            let (made, refused) = task.await.map_err(|error| Breach(error.to_string()))?;
            let told = refused.is_none() || refused == Some("not_allowed");
            claim(
                told,
                format!("a revoked caller is refused with {refused:?}"),
            )?;
            for issued in made {
                let (_, secret) = both(issued)?;
                claim(
                    !site.accepts(&secret).await?,
                    "what a revoked caller has issued is accepted",
                )?;
            }
        }
        let left = manager
            .list(&org(ORG), Kind::OrgKey, &Filter::default(), None, 10)
            .await?
            .items;
        claim(
            left.is_empty(),
            format!("in round {round} there are left: {left:?}"),
        )?;
    }
    Ok(())
}

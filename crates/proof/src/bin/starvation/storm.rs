//! One credential, the tasks that work against its end, and its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, ManageError, Manager, NewKey, NewToken, Rotation},
    secret::Secret,
    store::{ManageStore, Owner, Status},
};

pub(crate) const ORG: &str = "org_test";
pub(crate) const USER: &str = "user_test";

/// How many tasks work against the end of a credential.
const TASKS: usize = 64;

/// The changes that are made before the credential is ended, so that the storm has begun.
const BEFORE: u64 = 4;

/// A way to end a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Delete,
    Disable,
    RevokePresented,
    RevokeAll,
}

const ENDS: [End; 4] = [
    End::Delete,
    End::Disable,
    End::RevokePresented,
    End::RevokeAll,
];

/// What became of the calls.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Credentials that the first call ended.
    pub(crate) ended: usize,
    pub(crate) failures: Vec<String>,
    pub(crate) slowest: Duration,
    /// Changes that the storms made.
    pub(crate) changes: u64,
}

/// A credential to be ended.
struct Target<S> {
    manager: Manager<S>,
    actor: Actor,
    owner: Owner,
    id: CredentialId,
    secret: Secret,
}

/// Issues a credential and ends it during a storm: in each way in turn, four keys and then four
/// tokens.
pub(crate) async fn end_one<S>(store: &S, round: usize, outcome: &mut Outcome)
where
    S: ManageStore + Clone,
{
    let how = ENDS[round % ENDS.len()];
    let target = Arc::new(issue(store, round / ENDS.len()).await);
    let (stop, changes) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let storm: Vec<_> = (0..TASKS)
        .map(|number| resist(&target, number, &stop, &changes))
        .collect();
    while changes.load(SeqCst) < BEFORE {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    let ended = end(&target, how).await;
    outcome.slowest = outcome.slowest.max(began.elapsed());
    stop.store(true, SeqCst);
    for task in storm {
        task.await.unwrap();
    }
    outcome.changes += changes.load(SeqCst);
    let left = store.credential(&target.owner, target.id.as_str()).await;
    let status = left.unwrap().map(|info| info.status);
    match ended {
        // What is disabled, the storm may have enabled again.
        Ok(true) if how == End::Disable || status == Some(Status::Deleted) => outcome.ended += 1,
        other => outcome
            .failures
            .push(format!("{how:?}: {other:?}, {status:?}")),
    }
}

/// Issues a key, or a token if `number` is odd.
async fn issue<S: ManageStore + Clone>(store: &S, number: usize) -> Target<S> {
    let manager = Manager::new(store.clone()).with_max_credentials(u32::MAX);
    let owner = match number % 2 {
        0 => Owner::Organization(ORG.into()),
        _ => Owner::User(USER.into()),
    };
    let actor = Actor::operator("operator-test", owner.clone());
    let issued = match owner.kind() {
        Kind::OrgKey => manager.issue_key(&actor, NewKey::named("target")).await,
        Kind::PersonalToken => manager.issue_token(&actor, NewToken::named("target")).await,
    };
    let (info, secret) = issued.unwrap().into_parts();
    Target {
        manager,
        actor,
        owner,
        id: info.id,
        secret: secret.expect("it is shown once"),
    }
}

/// Renames, enables and rotates the credential until `stop` is set. Each of these may be refused at
/// any time.
fn resist<S: ManageStore>(
    target: &Arc<Target<S>>,
    number: usize,
    stop: &Arc<AtomicBool>,
    changes: &Arc<AtomicU64>,
) -> JoinHandle<()> {
    let target = Arc::clone(target);
    let (stop, changes) = (Arc::clone(stop), Arc::clone(changes));
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    tokio::spawn(async move {
        let (kind, id, actor) = (target.owner.kind(), target.id.as_str(), &target.actor);
        let mut turn = number;
        while !stop.load(SeqCst) {
            turn += 1;
            let name = format!("name {turn}");
            let made = match turn % 3 {
                0 => target.manager.rename(actor, kind, id, &name).await.is_ok(),
                1 => target.manager.enable(actor, kind, id).await.is_ok(),
                _ => target
                    .manager
                    .rotate(actor, kind, id, overlap.clone())
                    .await
                    .is_ok(),
            };
            changes.fetch_add(u64::from(made), SeqCst);
            tokio::task::yield_now().await;
        }
    })
}

/// Calls once. Returns whether the answer is that the credential has ended.
async fn end<S: ManageStore>(target: &Target<S>, how: End) -> Result<bool, ManageError> {
    let (manager, actor) = (&target.manager, &target.actor);
    let (kind, id) = (target.owner.kind(), target.id.as_str());
    Ok(match how {
        End::Delete => manager.delete(actor, kind, id).await?.status == Status::Deleted,
        End::Disable => manager.disable(actor, kind, id).await?.status == Status::Disabled,
        End::RevokePresented => {
            let token = target.secret.expose_secret();
            manager.revoke_presented(token, None).await?.status == Status::Deleted
        }
        End::RevokeAll => manager.revoke_all(actor, kind).await?.contains(&target.id),
    })
}

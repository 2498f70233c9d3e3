//! Claims about what happens at the same time.

use crate::{
    credential::Kind,
    scope::Catalogue,
    store::{Directory, Lookup, LookupKey, ManageStore, Record, WriteError},
    testing::contract::owner,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::JoinHandle;

use super::{Breach, Claim, ORG, USER, claim, counts, digest, furnish, key_of, role_of};

const WRITERS: u8 = 64;
const CHANGES: usize = 50;

pub(super) async fn of_many_who_insert_one_id_exactly_one_wins<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "other").await?;
    for kind in [Kind::OrgKey, Kind::PersonalToken] {
        let writers = (0..WRITERS).map(|number| {
            let store = Arc::clone(store);
            let digest = digest(&format!("{} number {number}", kind.as_str()));
            let record = match kind {
                Kind::OrgKey => Record::org_key("one", digest, ORG),
                Kind::PersonalToken => Record::personal_token("one", digest, USER),
            };
            tokio::spawn(async move { (record.clone(), store.insert(record).await) })
        });
        let mut won = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match joined(writer).await? {
                (record, Ok(())) => won.push(record),
                (_, Err(WriteError::Taken(_))) => {}
                (_, Err(other)) => return Err(other.into()),
            }
        }
        claim(
            won.len() == 1,
            format!("{} of {WRITERS} inserted one {}", won.len(), kind.as_str()),
        )?;
        for record in won {
            let lookup = match kind {
                Kind::OrgKey => Lookup::new(LookupKey::OrgKey { id: "one" }, None),
                Kind::PersonalToken => Lookup::new(
                    LookupKey::PersonalToken {
                        digest: record.digest(),
                    },
                    None,
                ),
            };
            let found = store.find(&lookup).await?;
            let digest = found.map(|found| found.digest().to_bytes());
            claim(
                digest == Some(record.digest().to_bytes()),
                "what was found is not what won",
            )?;
        }
    }
    Ok(())
}

/// A record is the membership before or the one after, whole: never a role without its organization or its scopes.
pub(super) async fn a_look_up_during_changes_never_sees_a_half_made_record<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    let readers = read_until_told(store, |record: &Record| {
        let scopes = record
            .role()
            .and_then(|role| Catalogue::anyreach().scopes_of(role).cloned());
        let whole = match scopes {
            Some(scopes) => record.organization().is_some() && scopes == *record.scopes(),
            None => record.organization().is_none() && record.scopes().is_empty(),
        };
        claim(
            whole && record.user().is_some(),
            format!("half a record: {record:?}"),
        )
    });
    for turn in 0..CHANGES {
        match turn % 4 {
            0 => store.set_member(USER, ORG, "admin").await?,
            1 => store.set_user_enabled(USER, turn % 8 == 1).await?,
            2 => store.set_member(USER, ORG, "viewer").await?,
            _ => store.remove_member(USER, ORG).await?,
        }
        tokio::task::yield_now().await;
    }
    readers.stop().await
}

pub(super) async fn a_credential_deleted_during_look_ups_stays_dead<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    let readers = read_until_told(store, |_| Ok(()));
    for number in 0..CHANGES {
        let id = format!("key-{number}");
        store.insert(super::key(&id)?).await?;
        claim(
            counts(&key_of(store, &id).await?),
            "a key does not count once it was made",
        )?;
        store.delete(&owner(Kind::OrgKey), &id).await?;
        claim(
            !counts(&key_of(store, &id).await?),
            "a key counts after its deletion",
        )?;
    }
    store.delete(&owner(Kind::PersonalToken), "pat").await?;
    let found = super::token_of(store, "pat", Some(ORG)).await?;
    claim(
        role_of(&found).is_none() && !counts(&found),
        "a token that others look up counts after its deletion",
    )?;
    readers.stop().await
}

struct Readers {
    told: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Claim>>,
}

fn read_until_told<S: ManageStore + Directory>(
    store: &Arc<S>,
    check: fn(&Record) -> Claim,
) -> Readers {
    let told = Arc::new(AtomicBool::new(false));
    let tasks = (0..4).map(|_| {
        let (store, told) = (Arc::clone(store), Arc::clone(&told));
        tokio::spawn(async move {
            let digest = digest("pat");
            while !told.load(Ordering::Acquire) {
                let lookup = Lookup::new(LookupKey::PersonalToken { digest: &digest }, Some(ORG));
                if let Some(record) = store.find(&lookup).await? {
                    check(&record)?;
                }
                tokio::task::yield_now().await; // a store in memory never waits
            }
            Ok(())
        })
    });
    Readers {
        tasks: tasks.collect(),
        told,
    }
}

impl Readers {
    async fn stop(self) -> Claim {
        self.told.store(true, Ordering::Release);
        for task in self.tasks {
            joined(task).await??;
        }
        Ok(())
    }
}

async fn joined<T>(task: JoinHandle<T>) -> Result<T, Breach> {
    task.await
        .map_err(|error| Breach(format!("the store panicked: {error}")))
}

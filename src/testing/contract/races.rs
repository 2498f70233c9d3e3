//! Claims about what happens at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::JoinHandle;

use super::{
    Feature,
    fixture::{
        Fixture, ORG, Outcome, USER, Violation, digest, ensure, is_active, owner, role_of,
        scopes_of,
    },
    roles::viewer_with,
};
use crate::{
    credential::Kind,
    store::{CredentialStore, Directory, Lookup, LookupKey, ManageStore, Record, WriteError},
};

const WRITERS: u8 = 64;
const CHANGES: usize = 50;

pub(super) async fn concurrent_inserts_of_one_id_have_one_winner<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("other").await?;
    for kind in fixture.kinds() {
        let writers = (0..WRITERS).map(|number| {
            let store = Arc::clone(&fixture.store);
            let digest = digest(&format!("{} number {number}", kind.as_str()));
            let record = match kind {
                Kind::OrgKey => Record::org_key("one", digest, ORG),
                Kind::PersonalToken => Record::personal_token("one", digest, USER),
            };
            tokio::spawn(async move { (record.clone(), store.insert(record).await) })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match joined(writer).await? {
                (record, Ok(())) => winners.push(record),
                (_, Err(WriteError::Taken(_))) => {}
                (_, Err(other)) => return Err(other.into()),
            }
        }
        let count = winners.len();
        ensure(
            count == 1,
            format!("{count} of {WRITERS} inserted one {}", kind.as_str()),
        )?;
        for record in winners {
            let found = find(&fixture.store, &record).await?;
            ensure(
                found == Some(record.digest().to_bytes()),
                "a lookup does not return the winner",
            )?;
        }
    }
    Ok(())
}

async fn find(
    store: &impl CredentialStore,
    record: &Record,
) -> Result<Option<[u8; 32]>, Violation> {
    let (id, digest) = (record.id(), record.digest());
    let credential = match record.kind() {
        Kind::OrgKey => LookupKey::OrgKey { id },
        Kind::PersonalToken => LookupKey::PersonalToken { digest },
    };
    let found = store.find(&Lookup::new(credential, None)).await?;
    Ok(found.map(|found| found.digest().to_bytes()))
}

/// A record shows the membership before or after a change: never a role without its organization
/// or its scopes.
pub(super) async fn concurrent_lookups_never_see_a_partial_record<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("pat").await?;
    let store = &fixture.store;
    let readers = Readers::start(store, |record: &Record| {
        let whole = match record.role().map(scopes_of) {
            Some(scopes) => record.organization().is_some() && scopes == *record.scopes(),
            None => record.organization().is_none() && record.scopes().is_empty(),
        };
        ensure(
            whole && record.user().is_some(),
            format!("a partial record: {record:?}"),
        )
    });
    let disables = fixture.supports(Feature::UserDisabling);
    for turn in 0..CHANGES {
        match turn % 4 {
            0 => store.set_member(USER, ORG, "admin").await?,
            1 if disables => store.set_user_enabled(USER, turn % 8 == 1).await?,
            1 | 2 => store.set_member(USER, ORG, "viewer").await?,
            _ => store.remove_member(USER, ORG).await?,
        }
        tokio::task::yield_now().await;
    }
    readers.stop().await
}

pub(super) async fn a_credential_deleted_during_lookups_stays_inactive<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("pat").await?;
    let readers = Readers::start(&fixture.store, |_| Ok(()));
    for number in 0..CHANGES {
        let id = format!("key-{number}");
        let key = fixture.record(Kind::OrgKey, &id);
        fixture.store.insert(key).await?;
        ensure(
            is_active(&fixture.key(&id).await?),
            "a key is inactive once it is stored",
        )?;
        fixture.store.delete(&owner(Kind::OrgKey), &id).await?;
        ensure(
            !is_active(&fixture.key(&id).await?),
            "a key is active after its deletion",
        )?;
    }
    for kind in fixture.kinds() {
        fixture.store.delete(&owner(kind), "pat").await?;
        let found = fixture.find(kind, "pat").await?;
        ensure(
            role_of(&found).is_none() && !is_active(&found),
            format!("others look it up, and after its deletion it is {found:?}"),
        )?;
    }
    readers.stop().await
}

pub(super) async fn no_lookup_after_a_replacement_uses_the_old_catalogue<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    const SETS: [&[&str]; 2] = [&["agents:read"], &["agents:manage", "agents:read"]];
    fixture.seed("pat").await?;
    let catalogue = fixture.store.catalogue().clone();
    catalogue.replace(viewer_with(SETS[1])?);
    let readers = Readers::start(&fixture.store, |record: &Record| {
        let known = SETS.map(|set| set.iter().copied().collect());
        let whole = known.contains(record.scopes());
        ensure(whole, format!("of neither catalogue: {record:?}"))
    });
    for scopes in SETS.iter().cycle().take(CHANGES) {
        catalogue.replace(viewer_with(scopes)?);
        let scopes = scopes.iter().copied().collect();
        fixture
            .ensure_scopes(Kind::PersonalToken, "pat", &scopes)
            .await?;
    }
    readers.stop().await
}

/// Tasks that look up the token and the key `pat`.
struct Readers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Outcome>>,
}

impl Readers {
    fn start<S: ManageStore>(store: &Arc<S>, check_token: fn(&Record) -> Outcome) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..4).map(|_| {
            let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
            tokio::spawn(async move {
                let digest = digest("pat");
                while !stop.load(Ordering::Acquire) {
                    let token = LookupKey::PersonalToken { digest: &digest };
                    if let Some(record) = store.find(&Lookup::new(token, Some(ORG))).await? {
                        check_token(&record)?;
                    }
                    let key = LookupKey::OrgKey { id: "pat" };
                    store.find(&Lookup::new(key, None)).await?;
                    tokio::task::yield_now().await; // a store in memory never waits
                }
                Ok(())
            })
        });
        Self {
            tasks: tasks.collect(),
            stop,
        }
    }

    async fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Release);
        for task in self.tasks {
            joined(task).await??;
        }
        Ok(())
    }
}

async fn joined<T>(task: JoinHandle<T>) -> Result<T, Violation> {
    task.await
        .map_err(|error| Violation(format!("the store panicked: {error}")))
}

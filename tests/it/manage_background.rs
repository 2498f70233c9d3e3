//! The rounds of the tasks in the background: each begins at once, goes on for ever, and does all
//! that there is to do.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};
use tower_api_key::{
    async_trait,
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{
        AuditAction, AuditEvent, CredentialInfo, CredentialStore, ExpiryWatch, Lookup, ManageStore,
        MemoryStore, Owner, Record, Retention, StoreError, WriteError,
        backend::{Commit, Ending, ListQuery, Sweep, SweptBatch},
    },
    testing::ManualClock,
};

use crate::support::{ORG, memory};

const DAY: i64 = 24 * 3_600_000;
const NOW: UnixMillis = UnixMillis(1_000_000);

fn operator() -> Actor {
    Actor::operator("test", Owner::of(Kind::OrgKey, ORG))
}

/// A manager, its clock, and what its hook is called with.
fn manager() -> (
    Manager<MemoryStore>,
    ManualClock,
    mpsc::UnboundedReceiver<AuditEvent>,
) {
    let (clock, (send, events)) = (ManualClock::at(NOW), mpsc::unbounded_channel());
    let manager = Manager::new(memory())
        .with_clock(clock.clone())
        .with_max_credentials(2000)
        .on_event(move |event| {
            let _ = send.send(event.clone());
        });
    (manager, clock, events)
}

async fn expiring(manager: &Manager<MemoryStore>, life: i64) -> CredentialId {
    let end = UnixMillis(NOW.0 + life);
    let new = NewKey::named("key").expiring_at(end);
    let issued = manager.issue_key(&operator(), new).await;
    issued.unwrap().info().id.clone()
}

/// The next event that is not that of a new key.
async fn next_report(events: &mut mpsc::UnboundedReceiver<AuditEvent>) -> AuditEvent {
    loop {
        let event = events.recv().await.unwrap();
        if event.action != AuditAction::Issued {
            return event;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_expiry_watch_reports_at_once_and_once_a_minute() {
    let (manager, clock, mut events) = manager();
    let first = expiring(&manager, DAY / 2).await;
    let second = expiring(&manager, 2 * DAY).await;
    let watch = ExpiryWatch::before([Duration::from_secs(3600)]).unwrap();
    let (begun, task) = (
        Instant::now(),
        tokio::spawn(manager.run_expiry_watch(watch)),
    );
    // A millisecond before each expires.
    for (id, passed, minutes) in [(first, DAY / 2 - 1, 1), (second, 3 * DAY / 2, 2)] {
        clock.advance_millis(passed);
        let event = next_report(&mut events).await;
        assert_eq!(
            (event.action, event.credential),
            (AuditAction::ExpiresSoon, id)
        );
        let waited = begun.elapsed();
        assert!(waited <= Duration::from_secs(60 * minutes), "{waited:?}");
    }
    assert!(!task.is_finished());
    task.abort();
}

/// A store reports a thousand at a time.
#[tokio::test]
async fn one_call_reports_every_key_that_expires_soon() {
    for count in [999, 1000, 1001] {
        let (manager, clock, _events) = manager();
        for _ in 0..count {
            expiring(&manager, 2 * DAY).await;
        }
        clock.advance_millis(2 * DAY - 1);
        let watch = ExpiryWatch::default();
        assert_eq!(manager.watch_expiry(&watch).await.unwrap(), count);
        assert_eq!(manager.watch_expiry(&watch).await.unwrap(), 0);
    }
}

/// A store whose sweeps end as they were listed, and that is otherwise a memory store.
struct Scripted {
    memory: MemoryStore,
    batches: Mutex<Vec<SweptBatch>>,
    asked: Arc<Mutex<Vec<Sweep>>>,
    rounds: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(batches: impl IntoIterator<Item = SweptBatch>) -> Self {
        let mut batches: Vec<_> = batches.into_iter().collect();
        batches.reverse();
        Self {
            memory: memory(),
            batches: Mutex::new(batches),
            asked: Arc::default(),
            rounds: Arc::default(),
        }
    }
}

#[async_trait]
impl CredentialStore for Scripted {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.memory.find(lookup).await
    }
}

#[async_trait]
impl ManageStore for Scripted {
    fn catalogue(&self) -> &Catalogue {
        self.memory.catalogue()
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        self.memory.credential(owner, id).await
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        self.memory.credentials(owner, query).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        self.memory.commit(commit).await
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        self.memory.end(ending).await
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        self.rounds.fetch_add(1, SeqCst);
        self.asked.lock().unwrap().push(sweep.clone());
        Ok(self.batches.lock().unwrap().pop().unwrap_or_default())
    }
}

/// A batch in which a key was removed.
fn batch(more: bool, uses_through: Option<&str>) -> SweptBatch {
    let mut batch = SweptBatch::default();
    batch.swept.credentials = 1;
    batch.more = more;
    batch.uses_through = uses_through.map(|id| (Kind::OrgKey, id.into()));
    batch
}

#[tokio::test]
async fn a_sweep_goes_on_while_there_is_more_of_anything() {
    for (batches, asked) in [
        (vec![batch(false, None)], 1),
        (vec![batch(true, None), batch(false, None)], 2),
        (vec![batch(false, Some("a")), batch(false, None)], 2),
        (
            vec![
                batch(true, Some("a")),
                batch(true, None),
                batch(false, None),
            ],
            3,
        ),
    ] {
        let store = Scripted::new(batches);
        let sweeps = Arc::clone(&store.asked);
        let swept = Manager::new(store)
            .sweep(&Retention::default())
            .await
            .unwrap();
        let sweeps = sweeps.lock().unwrap();
        assert_eq!((sweeps.len(), swept.credentials), (asked, asked as u64));
        if let [_, second, ..] = &sweeps[..] {
            // Uses are looked at in the order of ids, and no more once all were.
            assert_eq!(second.uses.is_some(), second.uses_after.is_some());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retention_sweeps_at_once_and_once_an_hour() {
    let store = Scripted::new([]);
    let rounds = Arc::clone(&store.rounds);
    let task = tokio::spawn(Manager::new(store).run_retention(Retention::default()));
    tokio::time::sleep(Duration::from_millis(1)).await;
    for hours in 1..4 {
        assert_eq!(rounds.load(SeqCst), hours);
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    assert!(!task.is_finished());
    task.abort();
}

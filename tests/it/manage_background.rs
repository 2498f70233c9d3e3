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
    AuthLayer, async_trait,
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey, NewToken},
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialStore, Directory, ExpiryWatch, Lookup,
        MemoryStore, Owner, Record, Retention, StoreError,
        backend::{Sweep, SweptBatch},
    },
    testing::ManualClock,
};

use crate::support::{ORG, USER, ask, bearer_in, forward::forward_required, memory};

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

#[tokio::test]
async fn keys_that_expire_soon_are_reported_in_the_order_of_their_ends() {
    let (manager, clock, mut events) = manager();
    let mut ends = Vec::new();
    for minutes in [3, 1, 4, 2, 5, 9, 7] {
        ends.push((
            minutes,
            expiring(&manager, 2 * DAY + 60_000 * minutes).await,
        ));
    }
    ends.sort_by_key(|(minutes, _)| *minutes);
    clock.advance_millis(2 * DAY);
    manager.watch_expiry(&ExpiryWatch::default()).await.unwrap();
    for (minutes, id) in ends {
        assert_eq!(next_report(&mut events).await.credential, id, "{minutes}");
    }
}

/// Its user's other tokens stay under the user.
#[tokio::test]
async fn retention_of_one_token_leaves_the_others_to_their_user() {
    let (manager, clock, _events) = manager();
    let user = Actor::user(USER);
    let mut tokens = Vec::new();
    for name in ["kept", "removed"] {
        let issued = manager.issue_token(&user, NewToken::named(name)).await;
        let (info, secret) = issued.unwrap().into_parts();
        tokens.push((info.id, secret.unwrap()));
    }
    let kind = Kind::PersonalToken;
    manager
        .delete(&user, kind, tokens[1].0.as_str())
        .await
        .unwrap();
    clock.advance_millis(DAY);
    let retention = Retention::forever().with_deleted(Duration::ZERO);
    assert_eq!(manager.sweep(&retention).await.unwrap().credentials, 1);
    let auth = AuthLayer::new(manager.store().clone());
    let request = || bearer_in(tokens[0].1.expose_secret(), ORG);
    assert_eq!(ask(&auth, request()).await.status, 200);
    manager.store().set_user_enabled(USER, false).await.unwrap();
    assert_eq!(ask(&auth, request()).await.status, 401);
}

/// Also where idempotency keys are kept for longer.
#[tokio::test]
async fn an_idempotency_key_ends_with_its_removed_credential() {
    let (manager, clock, _events) = manager();
    let issue = async || {
        let new = NewKey::named("once").with_idempotency_key("order-1");
        let issued = manager.issue_key(&operator(), new).await;
        issued.map(|issued| issued.info().id.clone())
    };
    let first = issue().await.unwrap();
    assert_eq!(issue().await.unwrap(), first);
    manager
        .delete(&operator(), Kind::OrgKey, first.as_str())
        .await
        .unwrap();
    assert_eq!(issue().await.unwrap_err().code(), "issued_inactive");
    clock.advance_millis(DAY);
    let retention = Retention::forever().with_deleted(Duration::ZERO);
    manager.sweep(&retention).await.unwrap();
    assert_ne!(issue().await.unwrap(), first);
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

/// A store whose sweeps end, and whose reports are as long, as they were listed, and that is
/// otherwise a memory store.
struct Scripted {
    memory: MemoryStore,
    batches: Mutex<Vec<SweptBatch>>,
    reports: Mutex<Vec<usize>>,
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
            reports: Mutex::default(),
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

forward_required!(Scripted {
    async fn watch_expiry(
        &self,
        _: &ExpiryWatch,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let count = self.reports.lock().unwrap().pop().unwrap_or_default();
        assert!(count <= limit as usize);
        let owner = Owner::of(Kind::OrgKey, ORG);
        let by = AuditActor::Operator("test".into());
        let event = AuditEvent::new(now, AuditAction::ExpiresSoon, owner, "key", by);
        Ok(vec![event; count])
    }

    async fn sweep(&self, sweep: &Sweep) -> Result<SweptBatch, StoreError> {
        self.rounds.fetch_add(1, SeqCst);
        self.asked.lock().unwrap().push(sweep.clone());
        Ok(self.batches.lock().unwrap().pop().unwrap_or_default())
    }
});

#[tokio::test]
async fn the_watch_goes_on_while_a_report_is_as_long_as_it_may_be() {
    for (mut reports, reported) in [
        (vec![999, 5], 999),
        (vec![1000, 5, 7], 1005),
        (vec![1000, 1000, 0, 7], 2000),
    ] {
        reports.reverse();
        let store = Scripted::new([]);
        *store.reports.lock().unwrap() = reports;
        let watch = ExpiryWatch::default();
        let count = Manager::new(store).watch_expiry(&watch).await;
        assert_eq!(count.unwrap(), reported);
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

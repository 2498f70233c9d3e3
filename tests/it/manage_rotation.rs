//! A rotation with an overlap under load: the new token is never refused, and the old one ends
//! exactly on time.

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tower_api_key::{
    AuthLayer,
    clock::{Clock, UnixMillis},
    credential::Kind,
    manage::{Actor, Manager, NewKey, Rotation},
    store::{Cached, Directory, ManageStore, MemoryStore, Owner},
    testing::ManualClock,
};

use http::{Request, Response, StatusCode};
use tokio::{sync::RwLock, task::JoinHandle};
use tower::{Layer, ServiceExt, service_fn};

const OVERLAP: i64 = 1000;
const ROTATIONS: usize = 50;
const CLIENTS: usize = 4;

/// The tokens that the clients use: the newest, the previous one, and when that one ends.
#[derive(Clone)]
struct Tokens {
    new: String,
    old: Option<(String, UnixMillis)>,
}

#[derive(Default)]
struct Counts {
    new: AtomicU64,
    old_in_time: AtomicU64,
    old_too_late: AtomicU64,
}

async fn status(auth: &AuthLayer<Arc<impl ManageStore>>, token: &str) -> StatusCode {
    let inner =
        service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let request = Request::builder()
        .header("authorization", format!("Bearer {token}"))
        .body(())
        .unwrap();
    auth.layer(inner).oneshot(request).await.unwrap().status()
}

/// Sends requests with both tokens until stopped. Each answer is checked against the clock before
/// and after it.
async fn client<S: ManageStore + Directory>(
    auth: AuthLayer<Arc<S>>,
    clock: ManualClock,
    known: Arc<RwLock<Tokens>>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Ordering::Acquire) {
        // Held to the end of the round, so that the rotation after the next one waits for it.
        let round = known.read().await;
        let Tokens { new, old } = &*round;
        assert_eq!(
            status(&auth, new).await,
            StatusCode::OK,
            "the newest was refused"
        );
        counts.new.fetch_add(1, Ordering::Relaxed);
        if let Some((token, end)) = old {
            let before = clock.now();
            let answer = status(&auth, token).await;
            let after = clock.now();
            if before >= *end {
                assert_eq!(
                    answer,
                    StatusCode::UNAUTHORIZED,
                    "accepted at {before:?}, though it ended at {end:?}"
                );
                counts.old_too_late.fetch_add(1, Ordering::Relaxed);
            } else if after < *end {
                assert_eq!(
                    answer,
                    StatusCode::OK,
                    "refused at {after:?}, though it ends at {end:?}"
                );
                counts.old_in_time.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(round);
        tokio::task::yield_now().await;
    }
}

/// Waits until every client can have completed a round.
async fn wait_for_rounds(counter: &AtomicU64, clients: &[JoinHandle<()>]) {
    let wanted = counter.load(Ordering::Relaxed) + 2 * CLIENTS as u64;
    while counter.load(Ordering::Relaxed) < wanted {
        assert!(
            !clients.iter().any(JoinHandle::is_finished),
            "a client got a wrong answer"
        );
        tokio::task::yield_now().await;
    }
}

async fn rotate_under_load<S: ManageStore + Directory>(store: S) {
    let (store, clock) = (Arc::new(store), ManualClock::at(UnixMillis(1_000_000)));
    store.create_organization("org_test", None).await.unwrap();
    let manager = Manager::new(Arc::clone(&store)).with_clock(clock.clone());
    let operator = Actor::operator("test", Owner::Organization("org_test".into()));
    let first = manager
        .issue_key(&operator, NewKey::named("key").with_role("viewer"))
        .await
        .unwrap();
    let (info, secret) = first.into_parts();
    let secret = secret.unwrap().expose_secret().to_owned();

    let known = Arc::new(RwLock::new(Tokens {
        new: secret.clone(),
        old: None,
    }));
    let (counts, stop) = (
        Arc::new(Counts::default()),
        Arc::new(AtomicBool::new(false)),
    );
    let auth = AuthLayer::new(Arc::clone(&store)).with_clock(clock.clone());
    let clients = (0..CLIENTS).map(|_| {
        let parts = (
            auth.clone(),
            clock.clone(),
            Arc::clone(&known),
            Arc::clone(&counts),
            Arc::clone(&stop),
        );
        tokio::spawn(client(parts.0, parts.1, parts.2, parts.3, parts.4))
    });
    let clients = clients.collect::<Vec<_>>();

    let rotation = Rotation::default().with_overlap(Duration::from_millis(OVERLAP as u64));
    let (mut id, mut secret) = (info.id, secret);
    for _ in 0..ROTATIONS {
        let new = manager
            .rotate(&operator, Kind::OrgKey, id.as_str(), rotation.clone())
            .await
            .unwrap();
        let (new, new_secret) = new.into_parts();
        let end = UnixMillis(clock.now().0 + OVERLAP);
        let new_secret = new_secret.unwrap().expose_secret().to_owned();
        *known.write().await = Tokens {
            new: new_secret.clone(),
            old: Some((secret, end)),
        };
        (id, secret) = (new.id, new_secret);
        wait_for_rounds(&counts.old_in_time, &clients).await;
        clock.advance_millis(OVERLAP - 1); // the last millisecond of the overlap
        wait_for_rounds(&counts.old_in_time, &clients).await;
        clock.advance_millis(1);
        wait_for_rounds(&counts.old_too_late, &clients).await;
    }
    stop.store(true, Ordering::Release);
    for client in clients {
        client.await.unwrap();
    }
    let [new, in_time, late] = [&counts.new, &counts.old_in_time, &counts.old_too_late]
        .map(|count| count.load(Ordering::Relaxed));
    println!(
        "{ROTATIONS} rotations: {new} requests with the new one and {in_time} with the \
         old one in time, 0 refused; \
         {late} with the old one after its moment, 0 accepted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_in_memory_refuses_no_valid_token() {
    rotate_under_load(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_behind_a_cache_refuses_no_valid_token() {
    rotate_under_load(Cached::new(MemoryStore::new()).with_ttl(Duration::MAX)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_in_sqlite_behind_a_cache_refuses_no_valid_token() {
    let directory = tempfile::tempdir().unwrap();
    let catalogue = tower_api_key::scope::Catalogue::anyreach();
    let store = tower_api_key_sqlx::SqliteStore::open(directory.path().join("test.db"), catalogue)
        .await
        .unwrap();
    rotate_under_load(Cached::new(store).with_ttl(Duration::MAX)).await;
}

use crate::support::pg;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_in_postgres_behind_a_cache_refuses_no_valid_token() {
    let Some(cluster) = pg::shared() else { return };
    rotate_under_load(Cached::new(cluster.store().await).with_ttl(Duration::MAX)).await;
}

//! A catalogue that is replaced while the service runs: no cache and no store answers with the old
//! one afterwards, and a role that the new one lacks is refused, reported and counted.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tower_api_key::{
    AuthLayer, async_trait,
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        Cached, CredentialStore, Directory, Lookup, ManageStore, MemoryStore, Owner, Peek, Record,
        Restrictions, StaticCredentials, StaticStore, StoreError, backend,
    },
};
use tower_api_key_sqlx::SqliteStore;

use crate::support::{
    ask, bearer_in,
    held_store::{Behaviour, HeldStore, TestLookup, cache_without_expiry, filled_memory},
    logs,
    recorder::TestRecorder,
};

const READ: &str = "agents:read";
const MANAGE: &str = "agents:manage";

/// A catalogue in which the role `viewer` holds `scopes`.
fn viewer(scopes: &[&str]) -> Catalogue {
    let builder = Catalogue::builder().role("viewer", scopes.iter().copied());
    builder.role("admin", [READ, MANAGE]).build().unwrap()
}

fn without_viewer() -> Catalogue {
    let builder = Catalogue::builder().role("admin", [READ, MANAGE]);
    builder.build().unwrap()
}

/// The scopes that a layer would get.
async fn held(
    store: &impl CredentialStore,
    lookup: &TestLookup,
) -> Result<Vec<String>, StoreError> {
    let lookup = lookup.lookup();
    let found = match store.peek(&lookup) {
        Peek::Found(record) => Some(record),
        Peek::NotFound => None,
        Peek::Unknown => store.find(&lookup).await?,
    };
    let found = found.expect("the credential is stored");
    Ok(found.scopes().iter().map(str::to_owned).collect())
}

/// Both credentials of [`filled_memory`], which have the role `viewer`.
fn lookups() -> [TestLookup; 2] {
    [
        TestLookup::key("k1"),
        TestLookup::token("t1", Some("org_1")),
    ]
}

#[tokio::test]
async fn every_cache_and_every_clone_follows() {
    let memory = filled_memory();
    let catalogue = memory.catalogue().clone();
    let one = Cached::new(memory.clone()).with_ttl(Duration::MAX);
    let other = Cached::new(Cached::new(memory)).with_ttl(Duration::MAX);
    let (clone, nested) = (one.clone(), other.clone());
    for scopes in [&[READ] as &[&str], &[MANAGE, READ], &[], &[READ]] {
        catalogue.replace(viewer(scopes));
        for lookup in lookups() {
            for cache in [&one, &clone] {
                assert_eq!(held(cache, &lookup).await.unwrap(), scopes);
            }
            for cache in [&other, &nested] {
                assert_eq!(held(cache, &lookup).await.unwrap(), scopes);
            }
            assert!(lookup.is_cached(&one) && lookup.is_cached(&nested));
        }
    }
}

#[tokio::test]
async fn an_equal_catalogue_drops_no_answer() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let catalogue = store.memory.catalogue().clone();
    for lookup in lookups() {
        assert!(lookup.is_accepted(&cache).await);
    }
    catalogue.replace(Catalogue::anyreach());
    assert!(lookups().iter().all(|lookup| lookup.is_cached(&cache)));
    catalogue.replace(viewer(&[READ]));
    assert!(!lookups().iter().any(|lookup| lookup.is_cached(&cache)));
}

#[tokio::test]
async fn a_lookup_in_flight_answers_no_later_request_and_is_not_cached() {
    for lookup in lookups() {
        let store = HeldStore::new();
        let cache = cache_without_expiry(&store);
        let catalogue = store.memory.catalogue().clone();
        catalogue.replace(viewer(&[MANAGE, READ]));
        store.set_behaviour(Behaviour::Held);
        let ask = || {
            let (cache, lookup) = (cache.clone(), lookup.clone());
            tokio::spawn(async move { held(&cache, &lookup).await.unwrap() })
        };
        let early = ask();
        store.wait_until_read().await;
        catalogue.replace(viewer(&[READ]));
        let late = ask();
        tokio::task::yield_now().await; // joins the lookup in flight
        store.release();
        assert_eq!(late.await.unwrap(), [READ]);
        assert!(early.await.unwrap().contains(&READ.to_owned()));
        assert_eq!(held(&cache, &lookup).await.unwrap(), [READ]);
    }
}

#[tokio::test]
async fn a_stale_accept_is_none_of_an_old_catalogue() {
    let store = HeldStore::new();
    let cache = Cached::new(Arc::clone(&store))
        .with_ttl(Duration::ZERO)
        .danger_with_stale_accepts(Duration::from_secs(3600));
    let key = TestLookup::key("k1");
    held(&cache, &key).await.unwrap();
    store.memory.catalogue().replace(viewer(&[READ]));
    store.set_behaviour(Behaviour::Fails);
    held(&cache, &key).await.unwrap_err();
}

/// Refuses the token's role a few times, so that the cache keeps the failure.
async fn refused(cache: &Cached<MemoryStore>) -> AuthLayer<Cached<MemoryStore>> {
    let auth = AuthLayer::new(cache.clone());
    cache.catalogue().replace(without_viewer());
    for _ in 0..4 {
        let answer = ask(&auth, bearer_in("pat_test_t1", "org_1")).await;
        assert_eq!((answer.status, answer.cause()), (503, "record_corrupt"));
    }
    auth
}

#[tokio::test]
async fn a_role_that_is_back_is_answered_at_once() {
    let cache = Cached::new(filled_memory());
    let auth = refused(&cache).await;
    cache.catalogue().replace(viewer(&[READ]));
    let answer = ask(&auth, bearer_in("pat_test_t1", "org_1")).await;
    assert_eq!(answer.status, 200, "{}", answer.cause());
}

#[tokio::test]
async fn a_member_who_is_given_a_known_role_is_answered_at_once() {
    let cache = Cached::new(filled_memory());
    let auth = refused(&cache).await;
    cache.set_member("alice", "org_1", "admin").await.unwrap();
    let answer = ask(&auth, bearer_in("pat_test_t1", "org_1")).await;
    assert_eq!(answer.status, 200, "{}", answer.cause());
}

#[tokio::test]
async fn a_token_that_ends_while_its_role_is_unknown_is_a_401_at_once() {
    let cache = Cached::new(filled_memory());
    let auth = refused(&cache).await;
    let owner = Owner::User("alice".into());
    cache.delete(&owner, "t1").await.unwrap();
    let answer = ask(&auth, bearer_in("pat_test_t1", "org_1")).await;
    assert_eq!(answer.status, 401, "{}", answer.cause());
}

/// A lookup that began before a change answers no one who came after it, also when it failed.
#[tokio::test]
async fn a_failed_lookup_that_began_before_a_change_is_repeated() {
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    let key = TestLookup::key("k1");
    let catalogue = store.memory.catalogue().clone();
    catalogue.replace(without_viewer());
    store.set_behaviour(Behaviour::Held);
    let ask = || {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move { held(&cache, &key).await })
    };
    let early = ask();
    store.wait_until_read().await;
    catalogue.replace(viewer(&[READ]));
    let late = ask();
    store.release();
    assert_eq!(late.await.unwrap().unwrap(), [READ]);
    assert!(early.await.unwrap().is_ok_and(|scopes| scopes == [READ]));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Looks up the key, and returns whether it holds more than the narrow catalogue allows.
fn is_wide(runtime: &Runtime, store: &Arc<dyn CredentialStore>) -> bool {
    let held = runtime.block_on(held(store, &TestLookup::key("k1")));
    held.unwrap().iter().any(|scope| scope == MANAGE)
}

/// Threads look up while another one replaces the catalogue.
#[test]
fn after_a_replacement_no_thread_gets_the_old_scopes() {
    let (memory, main) = (filled_memory(), runtime());
    let catalogue = memory.catalogue().clone();
    catalogue.replace(viewer(&[READ]));
    let listed = StaticStore::new(list("viewer"), catalogue.clone()).unwrap();
    let cached = Cached::new(memory.clone()).with_ttl(Duration::MAX);
    let stores: [Arc<dyn CredentialStore>; 3] =
        [Arc::new(memory), Arc::new(listed), Arc::new(cached)];
    let (stop, narrow) = (AtomicBool::new(false), Mutex::new(()));
    thread::scope(|scope| {
        for store in stores.iter().cycle().take(6) {
            scope.spawn(|| {
                let own = runtime();
                while !stop.load(Ordering::Relaxed) {
                    is_wide(&own, store);
                    // While this is held, the catalogue in force is the narrow one.
                    let _narrow = narrow.lock().unwrap();
                    assert!(!is_wide(&own, store));
                }
            });
        }
        for _ in 0..200 {
            let widened = narrow.lock().unwrap();
            catalogue.replace(viewer(&[MANAGE, READ]));
            assert!(stores.iter().all(|store| is_wide(&main, store)));
            catalogue.replace(viewer(&[READ]));
            drop(widened);
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Keeps a record that it made once, and counts how often it is asked.
struct Kept(Arc<Record>, Arc<AtomicUsize>);

#[async_trait]
impl CredentialStore for Kept {
    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Arc::clone(&self.0)))
    }
}

#[tokio::test]
async fn a_cache_fails_over_a_store_that_keeps_old_records() {
    let catalogue = viewer(&[MANAGE]);
    let record = Record::org_key("k1", Digest::of(b"k1"), "org_1");
    let record = Arc::new(record.with_role("viewer", &catalogue).unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let cache = Cached::new(Kept(Arc::clone(&record), Arc::clone(&asked)));
    let key = TestLookup::key("k1");
    assert_eq!(held(&cache, &key).await.unwrap(), [MANAGE]);
    assert!(record.is_current());
    catalogue.replace(viewer(&[READ]));
    assert!(!record.is_current());
    asked.store(0, Ordering::Relaxed);
    let error = held(&cache, &key).await.unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(
        source.contains("a catalogue that has been replaced"),
        "{source}"
    );
    assert_eq!(asked.load(Ordering::Relaxed), 65);
}

/// The credentials of [`lookups`], in which the token may read at most.
fn list(role: &str) -> StaticCredentials {
    let digest = |token: &str| Digest::of(token.as_bytes()).to_hex();
    let list = json!({
        "keys": [{
            "id": "k1", "digest": digest("ak_k1.test"), "organization": "org_1", "role": role,
        }],
        "tokens": [{
            "id": "t1", "digest": digest("pat_test_t1"), "user": "alice", "scopes": [READ],
            "memberships": [{ "organization": "org_1", "role": role }],
        }],
    });
    serde_json::from_value(list).unwrap()
}

#[tokio::test]
async fn a_list_is_read_with_the_catalogue_in_force() {
    let catalogue = viewer(&[READ]);
    let store = StaticStore::new(list("viewer"), catalogue.clone()).unwrap();
    let [key, token] = lookups();
    let ask = async || {
        (
            held(&store, &key).await.ok(),
            held(&store, &token).await.ok(),
        )
    };
    let some = |scopes: &[&str]| Some(scopes.iter().map(|it| (*it).to_owned()).collect());
    assert_eq!(ask().await, (some(&[READ]), some(&[READ])));
    catalogue.replace(viewer(&[MANAGE, READ]));
    assert_eq!(ask().await, (some(&[MANAGE, READ]), some(&[READ])));
    catalogue.replace(without_viewer());
    assert_eq!(ask().await, (None, None));
    assert!(store.reload(list("viewer")).is_err());
    assert_eq!(ask().await, (None, None), "the old list stays in force");
    store.reload(list("admin")).unwrap();
    assert_eq!(ask().await, (some(&[MANAGE, READ]), some(&[READ])));
    catalogue.replace(viewer(&[MANAGE]));
    store.reload(list("viewer")).unwrap();
    assert_eq!(ask().await, (some(&[MANAGE]), some(&[])));
}

/// A record that was made before a replacement is inserted after it.
#[tokio::test]
async fn a_key_that_was_given_its_role_before_follows_the_role() {
    let key = TestLookup::key("k1");
    for restricted in [false, true] {
        let catalogue = viewer(&[MANAGE, READ]);
        let memory = MemoryStore::with_catalogue(catalogue.clone());
        let sqlite = SqliteStore::in_memory(catalogue.clone()).await.unwrap();
        let record = Record::org_key("k1", Digest::of(b"k1"), "org_1");
        let record = record.with_role("viewer", &catalogue).unwrap();
        let only = Restrictions::default().with_scopes(ScopeSet::from_iter([READ]));
        let record = match restricted {
            true => record.restricted_to(only),
            false => record,
        };
        catalogue.replace(viewer(&["agents:list", MANAGE, READ]));
        for create in [
            memory.create_organization("org_1", None),
            sqlite.create_organization("org_1", None),
            memory.insert(record.clone()),
            sqlite.insert(record),
        ] {
            create.await.unwrap();
        }
        let ask = async || {
            let of_memory = held(&memory, &key).await.unwrap();
            assert_eq!(held(&sqlite, &key).await.unwrap(), of_memory);
            of_memory
        };
        let expected = |all: &[&str]| match restricted {
            true => vec![READ.to_owned()],
            false => all.iter().map(|it| (*it).to_owned()).collect(),
        };
        assert_eq!(ask().await, expected(&["agents:list", MANAGE, READ]));
        catalogue.replace(viewer(&[MANAGE, READ]));
        assert_eq!(ask().await, expected(&[MANAGE, READ]));
    }
}

const UNKNOWN: &str = "unknown_roles_total{}";
const ROLES: &str = "tower_api_key::roles";

/// Stores the two credentials of [`lookups`].
async fn fill(store: &(impl ManageStore + Directory)) {
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "viewer").await.unwrap();
    let key = Record::org_key("k1", Digest::of(b"k1"), "org_1");
    let key = key.with_role("viewer", store.catalogue()).unwrap();
    let token = Record::personal_token("t1", Digest::of(b"pat_test_t1"), "alice");
    store.insert(key).await.unwrap();
    store.insert(token).await.unwrap();
}

async fn reports_an_unknown_role(store: impl ManageStore + Directory) {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    fill(&store).await;
    let catalogue = store.catalogue().clone();
    logs::start();
    for lookup in lookups() {
        held(&store, &lookup).await.unwrap();
    }
    assert_eq!((recorder.of(UNKNOWN), logs::events(ROLES).len()), (0.0, 0));
    catalogue.replace(without_viewer());
    for (lookup, (kind, id)) in lookups().iter().zip([("org_key", "k1"), ("pat", "t1")]) {
        let before = recorder.of(UNKNOWN);
        logs::start();
        let error = held(&store, lookup).await.unwrap_err();
        assert_eq!(error.code(), "record_corrupt");
        let event = logs::only_event(ROLES);
        logs::assert_error_names_fix(&event, "add it, or assign another");
        for (field, value) in [("role", "viewer"), ("kind", kind), ("credential_id", id)] {
            assert_eq!(event["fields"][field], value, "{event}");
        }
        assert_eq!(recorder.of(UNKNOWN), before + 1.0);
    }
    catalogue.replace(viewer(&[READ]));
    for lookup in lookups() {
        assert_eq!(held(&store, &lookup).await.unwrap(), [READ]);
    }
    assert_eq!(recorder.of(UNKNOWN), 2.0);
}

#[tokio::test]
async fn a_memory_store_reports_a_role_that_the_catalogue_lacks() {
    reports_an_unknown_role(MemoryStore::with_catalogue(viewer(&[READ]))).await;
}

#[tokio::test]
async fn a_database_store_reports_a_role_that_the_catalogue_lacks() {
    reports_an_unknown_role(SqliteStore::in_memory(viewer(&[READ])).await.unwrap()).await;
}

/// The lookups of this store end at once, so everything runs on the thread of the test.
#[tokio::test]
async fn an_unknown_role_is_reported_once_for_each_call_of_the_store() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    let store = HeldStore::new();
    let cache = cache_without_expiry(&store);
    store.memory.catalogue().replace(without_viewer());
    logs::start();
    for _ in 0..100 {
        held(&cache, &TestLookup::key("k1")).await.unwrap_err();
    }
    let calls = store.lookups();
    assert!(calls < 100, "a failure is kept");
    assert_eq!(logs::events(ROLES).len(), calls);
    assert_eq!(recorder.of(UNKNOWN), calls as f64);
}

#[test]
fn a_store_of_ones_own_reports_an_unknown_role_in_the_same_form() {
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    logs::start();
    backend::report_unknown_role(Kind::OrgKey, "k1", "viewer");
    let events = logs::events(ROLES);
    assert_eq!(events.len(), 1);
    let shown = events[0]["fields"].to_string();
    assert!(shown.contains("k1") && shown.contains("viewer"), "{shown}");
    assert_eq!(recorder.of(UNKNOWN), 1.0);
}

//! Every store of the crate keeps the contract: by itself, behind a pointer, and behind a cache.
//! Caches with other times to live stand before the memory store alone, since what they do about
//! them is the same before any store.

use std::{fs, path::Path, sync::Arc, time::Duration};

use tower_api_key::{
    clock::UnixMillis,
    secret::{SaltedDigests, SaltedSha256},
    store::{Cached, Directory, ManageStore, MemoryStore},
    testing::contract::{Contract, Feature},
};

/// Each claim about a store is a test, by itself and behind a cache; behind a pointer all of them are
/// one. `$make` is a closure that makes an empty store.
macro_rules! keeps_the_contract {
    ($make:expr) => {
        tower_api_key::contract_tests!(by_itself);

        #[tokio::main(flavor = "multi_thread")]
        async fn by_itself(claim: &str) {
            Contract::new().run_claim(claim, $make).await;
        }

        #[tokio::test]
        async fn through_a_trait_object() {
            let make = $make;
            Contract::new()
                .run(|| async { Arc::new(make().await) as Arc<dyn Whole> })
                .await;
        }

        mod behind_a_cache_that_keeps_for_ever {
            use super::*;

            tower_api_key::contract_tests!(behind_a_cache);

            #[tokio::main(flavor = "multi_thread")]
            async fn behind_a_cache(claim: &str) {
                let make = $make;
                let make = || async { keeping(Duration::MAX, make().await) };
                Contract::new().run_claim(claim, make).await;
            }
        }
    };
}

/// Salted digests, for claims about keys that have one; stores without any must refuse them.
fn salted() -> SaltedDigests {
    SaltedDigests::new(SaltedSha256::SaltFirst).expect("a name")
}

/// Everything that a store of the crate is.
trait Whole: ManageStore + Directory {}

impl<S: ManageStore + Directory> Whole for S {}

/// A cache keeps the contract of the store behind it, for what is changed through it.
async fn cached<S: ManageStore + Directory, F: Future<Output = S>>(
    make: impl Fn() -> F,
    life: Duration,
) {
    let make = || async { keeping(life, make().await) };
    Contract::new().run(make).await;
    Contract::new().run_managed(make).await;
    Contract::new().run_tree(make).await;
}

/// A cache whose answers have this time to live.
fn keeping<S: ManageStore + Directory>(life: Duration, store: S) -> Cached<S> {
    Cached::new(store).with_ttl(life).with_negative_ttl(life)
}

/// The second claim finds what the first has stored, which violates it: a run of no claim passes.
#[tokio::test(flavor = "multi_thread")]
async fn each_run_reports_what_a_store_violates() {
    let stored = || {
        let store = MemoryStore::new();
        move || std::future::ready(store.clone())
    };
    let runs = [
        tokio::spawn(async move { Contract::new().run(stored()).await }),
        tokio::spawn(async move { Contract::new().run_managed(stored()).await }),
        tokio::spawn(async move { Contract::new().run_tree(stored()).await }),
    ];
    for run in runs {
        let panic = run.await.unwrap_err().into_panic();
        let message = *panic.downcast::<String>().unwrap();
        assert!(
            message.starts_with("the store breaks the contract: "),
            "{message}"
        );
    }
}

#[test]
fn the_records_of_a_contract_fit_its_moments() {
    let (first, last) = (UnixMillis(1_000), UnixMillis(4_000_000_000_000));
    let ends = |contract: &Contract| {
        let records = contract.records().into_iter();
        let ends: Vec<_> = records.filter_map(|record| record.expires_at()).collect();
        ends.iter().min().copied().zip(ends.iter().max().copied())
    };
    let every = ends(&Contract::new());
    assert_eq!(every, Some((UnixMillis(i64::MIN), UnixMillis(i64::MAX))));
    let limited = Contract::new().with_moments(first..=last);
    assert_eq!(ends(&limited), Some((first, last)));
    let declared = limited.without(Feature::Roles).with_moments(first..=last);
    assert!(
        declared
            .records()
            .iter()
            .all(|record| record.role().is_none())
    );
}

mod memory {
    use super::*;

    async fn make() -> MemoryStore {
        MemoryStore::new().with_salted_digests(salted())
    }

    keeps_the_contract!(make);

    #[tokio::test(flavor = "multi_thread")]
    async fn behind_a_cache_that_keeps_nothing() {
        cached(make, Duration::ZERO).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn behind_a_cache_that_keeps_for_a_while() {
        cached(make, Duration::from_secs(5)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn behind_the_smallest_cache() {
        Contract::new()
            .run(|| async {
                Cached::new(MemoryStore::new())
                    .with_capacity(1)
                    .with_negative_capacity(1)
            })
            .await;
    }
}

/// A file and a database in memory are locked alike and written differently.
mod sqlite {
    use tower_api_key::scope::Catalogue;
    use tower_api_key_sqlx::SqliteStore;

    mod in_memory {
        use super::{super::*, *};

        keeps_the_contract!(|| async {
            SqliteStore::in_memory(Catalogue::anyreach())
                .await
                .expect("opens")
        });
    }

    mod in_a_file {
        use std::sync::atomic::{AtomicU32, Ordering};

        use super::{super::*, *};

        keeps_the_contract!({
            let (directory, next) = (
                tempfile::tempdir().expect("a temporary directory"),
                AtomicU32::new(0),
            );
            move || {
                let path = directory
                    .path()
                    .join(next.fetch_add(1, Ordering::Relaxed).to_string());
                async {
                    let store = SqliteStore::open(path, Catalogue::anyreach()).await;
                    store.expect("opens").with_salted_digests(salted())
                }
            }
        });
    }
}

#[path = "../../examples/your_own_tables.rs"]
mod your_own_tables;

/// The store of the example, which leaves out what its table has no columns for.
mod own_tables {
    use tower_api_key::{
        scope::Catalogue,
        store::{StoreError, WriteError},
        testing::contract::Feature,
    };

    use super::{your_own_tables::Keys, *};

    /// Writes into the tables of the service, as the service would.
    #[tower_api_key::async_trait]
    impl Directory for Keys {
        async fn is_descendant_of(&self, _: &str, _: &str) -> Result<bool, StoreError> {
            Ok(false)
        }

        async fn create_organization(&self, id: &str, _: Option<&str>) -> Result<(), WriteError> {
            let insert = "INSERT INTO accounts (id) VALUES (?)";
            execute(self, insert, &[id]).await
        }

        async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
            let close = "UPDATE accounts SET closed = TRUE WHERE id = ?";
            execute(self, close, &[id]).await
        }

        async fn create_user(&self, id: &str) -> Result<(), WriteError> {
            let insert = "INSERT INTO people (id) VALUES (?)";
            execute(self, insert, &[id]).await
        }

        async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
            let block = match enabled {
                true => "UPDATE people SET blocked = FALSE WHERE id = ?",
                false => "UPDATE people SET blocked = TRUE WHERE id = ?",
            };
            execute(self, block, &[id]).await
        }

        async fn set_member(&self, user: &str, org: &str, role: &str) -> Result<(), WriteError> {
            let join = "INSERT OR REPLACE INTO members VALUES (?, ?, ?)";
            execute(self, join, &[org, user, role]).await
        }

        async fn remove_member(&self, user: &str, org: &str) -> Result<(), WriteError> {
            let leave = "DELETE FROM members WHERE account_id = ? AND person_id = ?";
            execute(self, leave, &[org, user]).await
        }
    }

    async fn execute(keys: &Keys, sql: &'static str, values: &[&str]) -> Result<(), WriteError> {
        let query = values
            .iter()
            .fold(sqlx::query(sql), |query, value| query.bind(*value));
        let done = query.execute(&keys.db).await;
        Ok(done.map(drop).map_err(StoreError::unavailable)?)
    }

    fn contract() -> Contract {
        Contract::new()
            .without(Feature::Directory)
            .without(Feature::Roles)
            .without(Feature::PersonalTokens)
            .without(Feature::UserErasure)
            .without(Feature::Rotation)
            .without(Feature::Idempotency)
            .without(Feature::AuditTrail)
            .without(Feature::Creator)
            .without(Feature::LastUse)
            .without(Feature::UnusedCredentials)
            .without(Feature::ExpiryWatch)
            .without(Feature::Retention)
            .without(Feature::Attributes)
            .with_resolution(Duration::from_secs(1))
    }

    async fn make() -> Keys {
        Keys::open(Catalogue::anyreach()).await.expect("opens")
    }

    tower_api_key::contract_tests!(by_itself);

    #[tokio::main(flavor = "multi_thread")]
    async fn by_itself(claim: &str) {
        contract().run_claim(claim, make).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn behind_a_cache() {
        let make = || async { Cached::new(make().await) };
        contract().run(make).await;
        contract().run_managed(make).await;
    }
}

use crate::support::pg;

/// A fresh schema for each claim, in one cluster.
mod postgres {
    use super::*;

    keeps_the_contract!({
        let Some(cluster) = pg::shared() else { return };
        || async { cluster.store().await.with_salted_digests(salted()) }
    });
}

/// A new call that takes an id, a key or a cursor is tried with those of other owners too.
#[test]
fn the_isolation_matrix_has_every_call() {
    // They ask for no actor, and find what they change by themselves.
    let of_the_service = [
        "expire_unused",
        "expiry_events",
        "flush",
        "insert",
        "record_uses",
        "rehash",
        "run",
        "run_expiry_watch",
        "run_retention",
        "run_usage_recorder",
        "sweep",
        "unused",
        "watch_expiry",
    ];
    let read = |folder: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
        files
            .map(|file| fs::read_to_string(file).unwrap())
            .collect::<String>()
    };
    let matrix = read("src/testing/contract/managed/isolation");
    let store = include_str!("../../src/store/backend/mod.rs");
    let mut counted = 0;
    for (source, begin, receiver) in [
        (read("src/manage").as_str(), "    pub async fn ", "manager"),
        (store, "    async fn ", "store"),
    ] {
        let names = source.lines().filter_map(|line| line.strip_prefix(begin));
        for name in names.map(|rest| rest.split(['(', '<']).next().unwrap()) {
            let is_tried = matrix.contains(&format!("{receiver}.{name}("));
            let is_excepted = of_the_service.contains(&name);
            assert!(is_tried != is_excepted, "{receiver}.{name}");
            counted += 1;
        }
    }
    assert!(counted > 30, "{counted}");
}

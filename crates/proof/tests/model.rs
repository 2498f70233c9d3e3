//! Random histories over every store, with and without a cache, against the model.
//!
//! `MODEL_STEPS` sets how many steps each test makes over a database. Over memory, where a step costs
//! less than a tenth, it makes ten times as many. How a failing history is read and replayed is said
//! in `tower_api_key_proof::history`.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "../../sqlx/tests/it/support/pg.rs"]
#[allow(unreachable_pub, reason = "made for another test")]
mod pg;

use std::{
    cell::{Cell, RefCell},
    io::Write,
    time::{Duration, Instant},
};

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tower_api_key::scope::Catalogue;
use tower_api_key_proof::{
    history::{
        run::{Counts, run},
        site::{Backend, Caching, Memory, Plain, Site, Sqlite},
        step::{
            ActorForm, CallForm, CallStep, LineForm, OrganizationForm, RequestStep, Step,
            TokenForm, histories,
        },
    },
    model::Route,
};
use tower_api_key_sqlx::{PostgresStore, postgres::PostgresFeed};

/// The longest history. Setting one up takes as long as many steps.
const LONGEST: usize = 400;

/// How many steps a test makes over a database, unless it is told.
const STEPS: u64 = 6_000;

/// How many steps are made over memory for one over a database.
const OVER_MEMORY: u64 = 10;

/// Runs histories until so many steps are made, `times` as many as over a database.
fn check<S: Site>(name: &'static str, times: u64, open: impl AsyncFnOnce() -> S) {
    let steps = std::env::var("MODEL_STEPS")
        .ok()
        .and_then(|steps| steps.parse().ok());
    let steps: u64 = times * steps.unwrap_or(STEPS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let site = RefCell::new(runtime.block_on(open()));
    let (number, total) = (Cell::new(0), Cell::new(Counts::default()));
    let config = Config {
        cases: u32::try_from(steps / (LONGEST as u64 / 2)).unwrap().max(1),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        source_file: Some(file!()),
        max_shrink_iters: 1_000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let began = Instant::now();
    let outcome = TestRunner::new(config).run(&histories(LONGEST), |history| {
        number.set(number.get() + 1);
        let mut site = site.borrow_mut();
        let done = runtime.block_on(run(&mut *site, number.get(), &history));
        match done {
            Ok(counts) => {
                total.set(total.get() + counts);
                Ok(())
            }
            Err(why) => Err(TestCaseError::fail(why)),
        }
    });
    let (took, total) = (began.elapsed().as_secs_f64(), total.get());
    let rate = total.steps as f64 / took;
    // Bypasses the harness, which captures what a passing test prints.
    let histories = number.get();
    let told =
        format!("{name}: {histories} histories in {took:.1} s, {rate:.0} steps/s, {total:?}");
    let _ = writeln!(std::io::stderr(), "{told}");
    runtime.block_on(async { drop(site) });
    if let Err(failure) = outcome {
        panic!("{name}: {failure}");
    }
}

/// PostgreSQL: all histories of a site share one schema, with ids of their own.
struct Postgres {
    cluster: &'static pg::Cluster,
    schema: String,
    pool: RefCell<(PgPool, u32)>,
}

/// After so many restarts of nodes their pool is a new one: connecting takes more time than a
/// hundred steps, and a store keeps nothing in a connection.
const RESTARTS_PER_POOL: u32 = 32;

/// A cluster that does not wait for the disk: nothing here is about a power failure.
fn cluster() -> Option<&'static pg::Cluster> {
    static SHARED: std::sync::OnceLock<Option<pg::Cluster>> = std::sync::OnceLock::new();
    let settings = "-c fsync=off -c full_page_writes=off";
    SHARED
        .get_or_init(|| pg::Cluster::start_with(settings))
        .as_ref()
}

impl Backend for Postgres {
    type Store = PostgresStore;
    type Feed = PostgresFeed;
    const NODES: usize = 2;

    async fn begin(&mut self) {
        self.open().await.migrate().await.unwrap();
    }

    async fn clear(&self) {
        let pool = self.pool.borrow().0.clone();
        let sql = format!(
            "DELETE FROM {0}.credentials; DELETE FROM {0}.uses;
            UPDATE {0}.expiry_watch SET through = 0, kind = '', id = ''",
            self.schema
        );
        let cleared = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        cleared.execute(&pool).await.unwrap();
    }

    async fn open(&self) -> PostgresStore {
        let pool = {
            let (pool, opened) = &mut *self.pool.borrow_mut();
            *opened += 1;
            if opened.is_multiple_of(RESTARTS_PER_POOL) {
                *pool = connect(self.cluster);
            }
            pool.clone()
        };
        let store = PostgresStore::new(pool, Catalogue::anyreach()).danger_allow_lost_commits();
        store.with_schema(&self.schema).unwrap()
    }

    async fn feed(&self, store: &PostgresStore) -> Option<PostgresFeed> {
        let feed = store.feed().await.unwrap();
        // A change is told by its notification or not at all.
        Some(feed.with_keep_alive(PATIENCE, PATIENCE))
    }

    async fn close(&self, store: PostgresStore) {
        drop(store); // another node may have the same pool
    }

    async fn prune(&self, store: &PostgresStore) {
        store.prune(Duration::ZERO).await.unwrap();
    }
}

/// How long a feed waits for a notification, and for an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A pool for all nodes of a site.
fn connect(cluster: &pg::Cluster) -> PgPool {
    PgPoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false)
        .connect_lazy_with(cluster.options())
}

/// Call it in a runtime.
fn postgres(cluster: &'static pg::Cluster) -> Postgres {
    Postgres {
        cluster,
        schema: pg::fresh_schema(),
        pool: RefCell::new((connect(cluster), 0)),
    }
}

#[test]
fn histories_over_memory_answer_as_the_model() {
    check("memory", OVER_MEMORY, async || {
        Plain::new(Memory::default()).await
    });
}

#[test]
fn histories_over_memory_with_a_cache_answer_as_the_model() {
    check("memory, cached", OVER_MEMORY, async || {
        Caching::new(Memory::default()).await
    });
}

#[test]
fn histories_over_sqlite_answer_as_the_model() {
    check("sqlite", 1, async || Plain::new(Sqlite::new()).await);
}

#[test]
fn histories_over_sqlite_with_a_cache_answer_as_the_model() {
    check("sqlite, cached", 1, async || {
        Caching::new(Sqlite::new()).await
    });
}

#[test]
fn histories_over_postgres_answer_as_the_model() {
    if let Some(cluster) = cluster() {
        check("postgres", 1, async || Plain::new(postgres(cluster)).await);
    }
}

#[test]
fn histories_over_postgres_with_a_cache_answer_as_the_model() {
    if let Some(cluster) = cluster() {
        check("postgres, cached", 1, async || {
            Caching::new(postgres(cluster)).await
        });
    }
}

#[test]
fn a_token_presented_before_its_import_is_accepted_after_the_deadline_of_lookups() {
    let request = Step::Request(RequestStep {
        node: 0,
        credential: 0,
        token: TokenForm::Foreign(1),
        line: LineForm::Bearer,
        organization: OrganizationForm::One(0),
        route: Route::Plain,
        target: 0,
        hold: false,
        at: 0,
        address: 0,
        agent: 0,
    });
    let call = |actor, call, details| {
        Step::Call(CallStep {
            node: 0,
            actor,
            call,
            target: 1,
            details,
            attributes: [0; 2],
        })
    };
    // A change of another token makes the cache ask twice, and keep the second answer for a while.
    let rename = call(ActorForm::OperatorOfTarget, CallForm::Rename, [85, 0, 0]);
    let import = call(ActorForm::OperatorOfUser(0), CallForm::Import, [84, 1, 0]);
    let history = [request, rename, request, import, request];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let counts = runtime.block_on(async {
        let mut site = Caching::new(Memory::default()).await;
        run(&mut site, 1, &history).await.unwrap()
    });
    assert_eq!((counts.early, counts.accepted, counts.refused), (1, 1, 2));
}

#[test]
fn of_two_changes_at_once_neither_is_lost() {
    let change = |node, call, a, conditions| CallStep {
        node,
        actor: ActorForm::OperatorOfTarget,
        call,
        target: 0,
        details: [a, 16, 0], // of an edit, only the conditions
        attributes: [conditions, 0],
    };
    let history: Vec<Step> = (0..60)
        .map(|number| {
            let edit = change(0, CallForm::Edit, 0, 1 + number % 3);
            let rename = change(1, CallForm::Rename, 80 + number % 3, 0);
            Step::Both(edit, rename)
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let mut site = Plain::new(Sqlite::new()).await;
        run(&mut site, 1, &history).await
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}

//! The cost of dead rows: issuing and listing for an owner with many inactive rows, compared with
//! an owner without.
//!
//! ```text
//! cargo bench --bench dead_rows -- [sqlite|postgres] [SIZE …]
//! ```
//!
//! A size is the number of dead rows of each kind, 10000 by default.
//!
//! Both owners have sixty credentials in each state, older than all others, so that every list has
//! a full page. The two are queried in turn; the table shows the medians, and the median of the
//! ratios of neighbours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failed measurement must stop the bench"
)]

#[path = "../crates/sqlx/tests/it/support/pg.rs"]
mod pg;

use std::time::Instant;
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    secret::Digest,
    store::{
        CredentialInfo, Directory, EffectiveStatus, Filter, ManageStore, Owner,
        backend::{Authority, Cap, Commit, ListQuery, NewCredential},
    },
};

use sqlx::{AssertSqlSafe, Executor, SqlitePool, sqlite::SqlitePoolOptions};
use tower_api_key_sqlx::SqliteStore;

const TURNS: usize = 101;
const PAGE: u32 = 51;
const NOW: i64 = 1_700_000_000_000;

/// The rows of each kind: their status, expiry and successor; `n` is their number.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("deleted", "'deleted'", "NULL", "NULL"),
    ("expired", "'active'", "1600000000000 + n", "NULL"),
    ("rotated", "'active'", "1600000000000 + n", "'successor'"),
    ("disabled", "'disabled'", "NULL", "NULL"),
];

/// Fills a database without going through its store.
trait Database {
    /// Runs a statement in which `$$` stands for the prefix of the table names.
    async fn run(&self, sql: &str);

    /// The numbers `n` from 1 to `last`, to select from.
    fn numbers(last: u64) -> String;

    /// 32 unique bytes, derived from the text `of`.
    fn digest(of: &str) -> String;

    /// Runs the maintenance that the database would run later.
    async fn settle(&self);
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = |store: &str| arguments.iter().any(|argument| argument == store);
    let mut sizes: Vec<u64> = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if sizes.is_empty() {
        sizes = vec![10_000];
    }
    println!("| store | dead rows | call | without | with | ratio |");
    println!("|---|---|---|---|---|---|");
    for size in sizes {
        if !only("postgres") {
            sqlite(size).await;
        }
        if !only("sqlite") {
            postgres::run(size).await;
        }
    }
}

struct Sqlite(SqlitePool);

impl Database for Sqlite {
    async fn run(&self, sql: &str) {
        self.0
            .execute(AssertSqlSafe(sql.replace("$$", "tower_api_key_")))
            .await
            .unwrap();
    }

    fn numbers(last: u64) -> String {
        format!(
            "(WITH RECURSIVE s (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < {last}) \
             SELECT n FROM s)"
        )
    }

    fn digest(_of: &str) -> String {
        "randomblob(32)".into()
    }

    async fn settle(&self) {
        self.run("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").await;
    }
}

async fn sqlite(size: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bench.db");
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false);
    let pool = pool.connect_lazy_with(SqliteStore::options(&path));
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
        .await
        .unwrap();
    compare("SQLite", &store, &Sqlite(pool), size).await;
}

mod postgres {
    use sqlx::{AssertSqlSafe, Executor, PgPool, postgres::PgPoolOptions};
    use tower_api_key::scope::Catalogue;
    use tower_api_key_sqlx::PostgresStore;

    use super::{Database, compare, pg};

    struct Postgres(PgPool);

    impl Database for Postgres {
        async fn run(&self, sql: &str) {
            self.0
                .execute(AssertSqlSafe(sql.replace("$$", "tower_api_key.")))
                .await
                .unwrap();
        }

        fn numbers(last: u64) -> String {
            format!("generate_series(1, {last}) AS s (n)")
        }

        fn digest(of: &str) -> String {
            format!("sha256(({of})::bytea)")
        }

        async fn settle(&self) {
            self.run("VACUUM ANALYZE").await;
        }
    }

    pub(super) async fn run(size: u64) {
        let Some(cluster) = pg::Cluster::start() else {
            return;
        };
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .test_before_acquire(false);
        let pool = pool.connect_lazy_with(cluster.options());
        let store = PostgresStore::new(pool.clone(), Catalogue::anyreach());
        store.migrate().await.unwrap();
        compare("PostgreSQL", &store, &Postgres(pool), size).await;
    }
}

async fn compare<D: Database>(
    name: &str,
    store: &(impl ManageStore + Directory),
    database: &D,
    size: u64,
) {
    for (kind, status, expires_at, successor) in KINDS {
        for owner in [format!("without-{kind}"), format!("with-{kind}")] {
            store.create_organization(&owner, None).await.unwrap();
            for (state, status, expires_at) in [
                ("active", "'active'", "NULL"),
                ("expiring", "'active'", "1700000001000 + n"),
                ("over", "'active'", "1500000000000 + n"),
                ("disabled", "'disabled'", "NULL"),
                ("deleted", "'deleted'", "NULL"),
            ] {
                fill(
                    database,
                    &owner,
                    state,
                    60,
                    [status, expires_at, "NULL", "1400000000000"],
                )
                .await;
            }
        }
        fill(
            database,
            &format!("with-{kind}"),
            "dead",
            size,
            [status, expires_at, successor, "1550000000000"],
        )
        .await;
    }
    database.settle().await;
    for (kind, ..) in KINDS {
        let owners = [format!("without-{kind}"), format!("with-{kind}")];
        let owners = owners.map(|id| Owner::Organization(id.as_str().into()));
        report(name, kind, size, "issue", &owners, async |owner, turn| {
            issue(store, owner, turn).await
        })
        .await;
        for (call, filter) in filters() {
            report(name, kind, size, call, &owners, async |owner, _| {
                list(store, owner, &filter).await
            })
            .await;
        }
    }
}

async fn fill<D: Database>(database: &D, owner: &str, name: &str, size: u64, columns: [&str; 4]) {
    let [status, expires_at, successor, created_at] = columns;
    let id = format!("'{owner}-{name}-' || n");
    let sql = format!(
        "INSERT INTO $$credentials
            (kind, id, digest, organization_id, role, status, expires_at, rotated_to, rotated_at,
             created_at)
        SELECT 'org_key', {id}, {}, '{owner}', 'viewer', {status}, {expires_at}, {successor}, {},
            {created_at} + n
        FROM {}",
        D::digest(&id),
        if successor == "NULL" {
            "NULL"
        } else {
            "1600000000000"
        },
        D::numbers(size),
    );
    database.run(&sql).await;
}

fn filters() -> [(&'static str, Filter); 8] {
    let of = |state| Filter::default().with_state(state);
    let soon = Some(UnixMillis(NOW + 100_000));
    [
        ("first page", Filter::default()),
        ("active", of(EffectiveStatus::Active)),
        ("expired", of(EffectiveStatus::Expired)),
        ("disabled", of(EffectiveStatus::Disabled)),
        ("deleted", of(EffectiveStatus::Deleted)),
        ("expiring", Filter::default().with_expiring_before(soon)),
        (
            "active, expiring",
            of(EffectiveStatus::Active).with_expiring_before(soon),
        ),
        (
            "active, unused",
            of(EffectiveStatus::Active).with_unused_since(UnixMillis(NOW)),
        ),
    ]
}

async fn list(store: &(impl ManageStore + Directory), owner: &Owner, filter: &Filter) {
    let query = ListQuery {
        filter: filter.clone(),
        after: None,
        limit: PAGE,
        now: UnixMillis(NOW),
    };
    assert_eq!(
        store.credentials(owner, &query).await.unwrap().len(),
        PAGE as usize,
        "{filter:?}"
    );
}

async fn issue(store: &(impl ManageStore + Directory), owner: &Owner, turn: usize) {
    let id = format!("{}-new-{turn}", owner.id());
    let mut info = CredentialInfo::new(&*id, owner.clone(), UnixMillis(1_700_000_000_000));
    info.role = Some("viewer".into());
    info.created_at = UnixMillis(NOW);
    let insert = NewCredential {
        info,
        digest: Digest::of(id.as_bytes()),
        salt: None,
        idempotency: None,
    };
    let commit = Commit {
        insert: Some(insert),
        cap: Some(Cap::new(1_000, UnixMillis(NOW))),
        ..Commit::new(owner.clone(), Authority::Unconditional)
    };
    store.commit(&commit).await.unwrap();
}

/// Calls for both owners in turn and prints the times.
async fn report(
    name: &str,
    kind: &str,
    size: u64,
    call: &str,
    owners: &[Owner; 2],
    ask: impl AsyncFn(&Owner, usize),
) {
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let [one, other] = [
            time(ask(&owners[0], turn)).await,
            time(ask(&owners[1], turn)).await,
        ];
        without.push(one);
        with.push(other);
        ratios.push(other / one);
    }
    let [without, with, ratio] = [without, with, ratios].map(median);
    println!("| {name} | {size} {kind} | {call} | {without:.0} µs | {with:.0} µs | {ratio:.2} |");
}

/// The duration in microseconds.
async fn time(call: impl Future<Output = ()>) -> f64 {
    let started = Instant::now();
    call.await;
    started.elapsed().as_secs_f64() * 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

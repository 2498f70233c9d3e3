//! A sweep removes a million deleted credentials beside lookups: what it saves, how long it takes,
//! and what the lookups notice.
//!
//! ```text
//! cargo run --release -p tower-api-key-proof --bin retention \
//!     [-- --quick] [--only NAME] [--count N]
//! ```
//!
//! `NAME` is `sqlite` or `postgres`. While the sweep runs, four tasks look active keys up, and one
//! tries to give the ids of deleted ones out again. The sizes are those of the tables and indexes
//! without free space: for SQLite of the whole file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that prints figures, and ends at the first surprise"
)]

mod database;
#[path = "../../../../sqlx/tests/it/support/pg.rs"]
mod pg;
mod traffic;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use tower_api_key::{
    manage::Manager,
    scope::Catalogue,
    secret::Digest,
    store::{CredentialStore, Directory, ManageStore, Record, Retention},
};
use tower_api_key_proof::rig::{Options, Report};
use tower_api_key_sqlx::SqliteStore;

use database::Database;
use traffic::{Seen, Traffic};

const ORG: &str = "org_test";
const ACTIVE: usize = 1000;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::from_args();
    let count = options.value("--count").map(str::parse);
    let count = count.map_or(options.count(1_000_000, 20_000), Result::unwrap);
    let before = Duration::from_secs(if options.is_quick() { 1 } else { 10 });
    let chosen = |name| options.value("--only").is_none_or(|only| only == name);
    let mut report = Report::new("retention");
    if chosen("sqlite") {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let store = SqliteStore::open(&path, Catalogue::anyreach()).await;
        let database = Database::Sqlite(path);
        run(&mut report, &database, store.unwrap(), count, before).await;
    }
    if chosen("postgres")
        && let Some(cluster) = pg::Cluster::start()
    {
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        let database = Database::Postgres(cluster, schema);
        run(&mut report, &database, store, count, before).await;
    }
    report.exit_code()
}

/// The id of a deleted credential; as in the statements that insert them.
fn id_of(number: usize) -> String {
    format!("{:08x}{number:08x}", number * 2_654_435_761 % (1 << 32))
}

async fn run<S>(report: &mut Report, database: &Database, store: S, count: usize, time: Duration)
where
    S: ManageStore + CredentialStore + Directory + Clone + 'static,
{
    let name = database.name();
    seed(&store).await;
    database.insert_deleted(count).await;
    let size = mib(database.size().await);
    report.note(
        &format!("{name}: size with {count} deleted credentials"),
        size,
    );

    let quiet = Traffic::start(&store, count);
    tokio::time::sleep(time).await;
    let quiet = quiet.stop().await;
    quiet.note(report, &format!("{name}: lookups without a sweep"));
    let logged = database.logged().await;
    let busy = Traffic::start(&store, count);
    let (swept, taken, failures) = sweep(store).await;
    let busy = busy.stop().await;
    busy.note(report, &format!("{name}: lookups during the sweep"));
    let taken = format!("{:.1} s", taken.as_secs_f64());
    report.note(&format!("{name}: sweep of {swept} credentials"), taken);
    let logged = format!("{logged}, {}", database.logged().await);
    report.note(
        &format!("{name}: rows of the change log, before and after"),
        logged,
    );
    let size = mib(database.size().await);
    report.note(&format!("{name}: size after the sweep"), size);

    judge(report, name, quiet.and(busy), &failures);
    let (deleted, active, tombstones) = database.counts().await;
    let row = format!("{name}: deleted, active and removed credentials");
    let (figure, target) = (
        format!("{deleted}, {active}, {tombstones}"),
        format!("0, {ACTIVE}, {count}"),
    );
    report.row(&row, &figure, &target, figure == target);
}

/// Inserts the active keys.
async fn seed<S: ManageStore + Directory>(store: &S) {
    store.create_organization(ORG, None).await.unwrap();
    for number in 0..ACTIVE {
        let id = format!("active{number}");
        let key = Record::org_key(id.as_str(), Digest::of(id.as_bytes()), ORG);
        store.insert(key).await.unwrap();
    }
}

/// Reports what went wrong in the traffic and in the sweep.
fn judge(report: &mut Report, name: &str, seen: Seen, sweep: &[String]) {
    let errors: Vec<_> = seen.failures.iter().chain(sweep).collect();
    for error in errors.iter().take(10) {
        report.note(&format!("{name}: error"), error);
    }
    let row = format!("{name}: errors of lookups, insertions and sweeps");
    report.row(&row, errors.len(), "0", errors.is_empty());
    let row = format!("{name}: ids given out again");
    let figure = format!("{} of {} tries", seen.given_out, seen.tries);
    report.row(&row, figure, "0", seen.given_out == 0 && seen.tries > 0);
}

/// Sweeps until nothing is left, at most ten times. Returns how many credentials were removed, in
/// which time, and what failed.
async fn sweep<S: ManageStore>(store: S) -> (u64, Duration, Vec<String>) {
    let (manager, begun) = (Manager::new(store), Instant::now());
    let retention = Retention::forever().with_deleted(Duration::ZERO);
    let (mut credentials, mut failures) = (0, Vec::new());
    for _ in 0..10 {
        match manager.sweep(&retention).await {
            Ok(swept) if swept.credentials == 0 => break,
            Ok(swept) => credentials += swept.credentials,
            Err(error) => failures.push(format!("{error:?}")),
        }
    }
    (credentials, begun.elapsed(), failures)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

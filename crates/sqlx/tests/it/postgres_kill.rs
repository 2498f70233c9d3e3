//! A client process is killed while it creates and deletes keys: acknowledged changes persist, and
//! no change is stored in part. `KILLS=100` sets the number of kills; the default is 10.

use crate::support::pg;
use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Record, Status},
};

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use sqlx::PgPool;
use tower_api_key_sqlx::PostgresStore;

/// Set only for the process to be killed: the URL, the schema and the number of the run.
const CHILD: &str = "TOWER_API_KEY_TEST_CHILD";

/// The process to be killed: creates keys, deletes every other one and prints each acknowledgement.
/// Never ends by itself.
#[tokio::test]
async fn child() {
    let Ok(job) = std::env::var(CHILD) else {
        return;
    };
    let [url, schema, run] = job.split(' ').collect::<Vec<_>>()[..] else {
        panic!("expected three words")
    };
    let pool = PgPool::connect(url).await.unwrap();
    let store = PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(schema)
        .unwrap();
    for n in 0.. {
        let id = format!("r{run}n{n}");
        store
            .insert(Record::org_key(&*id, Digest::of(id.as_bytes()), "org_test"))
            .await
            .unwrap();
        println!("\ncreated {id}");
        if n % 2 == 0 {
            store
                .delete(&Owner::of(Kind::OrgKey, "org_test"), &id)
                .await
                .unwrap();
            println!("\ndeleted {id}");
        }
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_a_killed_client_and_none_is_partial() {
    let Some(cluster) = pg::shared() else { return };
    let kills: usize = std::env::var("KILLS").map_or(10, |kills| kills.parse().unwrap());
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization("org_test", None).await.unwrap();
    let mut acknowledged = BTreeMap::new();
    for run in 0..kills {
        // A different length each time, so that the kill comes at a different point of the work.
        let lines = 1 + run * 7 % 23;
        acknowledged.extend(run_and_kill_after(
            lines,
            &format!("{} {schema} {run}", cluster.url()),
        ));
    }
    assert!(
        acknowledged.len() >= kills,
        "every child acknowledged a change"
    );
    for (id, expected) in &acknowledged {
        let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
        let record = store
            .find(&lookup)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{id} is lost"));
        assert!(
            record.status() == *expected || *expected == Status::Active,
            "{id} is active again"
        );
        assert_eq!(
            record.digest().to_bytes(),
            Digest::of(id.as_bytes()).to_bytes()
        );
    }
    let unlogged = format!(
        "SELECT count(*) FROM {schema}.credentials c WHERE (SELECT count(*) \
         FROM {schema}.changes l WHERE l.id = c.id)
         <> CASE status WHEN 'deleted' THEN 2 ELSE 1 END"
    );
    assert_eq!(
        cluster.psql(&unlogged),
        "0",
        "the log has a row for each change"
    );
    let total = format!("SELECT count(*) FROM {schema}.credentials");
    let stored: usize = cluster.psql(&total).parse().unwrap();
    assert!(
        stored <= acknowledged.len() + kills,
        "each run leaves at most one unacknowledged key"
    );
}

/// Runs a child, kills it after `lines` acknowledgements and returns the acknowledged changes.
fn run_and_kill_after(lines: usize, job: &str) -> Vec<(String, Status)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres_kill::child", "--nocapture"])
        .env(CHILD, job)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("created", id)) => acknowledged.push((id.to_owned(), Status::Active)),
            Some(("deleted", id)) => acknowledged.push((id.to_owned(), Status::Deleted)),
            _ => continue,
        }
        if acknowledged.len() == lines {
            child.kill().unwrap(); // SIGKILL; the loop reads the rest of the output
        }
    }
    child.wait().unwrap();
    acknowledged
}

//! A client process that is killed in the middle of creating and deleting: what it was told is so, and nothing is
//! half-made. `KILLS=100` kills as many; by default fewer.

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

/// Set for the process that is to be killed: the URL, the schema, and the number of the run.
const CHILD: &str = "TOWER_API_KEY_TEST_CHILD";

/// Creates keys and deletes every other one, and says so after each acknowledgement. Never ends by itself.
#[tokio::test]
async fn child() {
    let Ok(job) = std::env::var(CHILD) else {
        return;
    };
    let [url, schema, run] = job.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words")
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
async fn what_a_killed_client_was_told_is_so_and_nothing_is_half_made() {
    let Some(cluster) = pg::shared() else { return };
    let kills: usize = std::env::var("KILLS").map_or(10, |kills| kills.parse().unwrap());
    let schema = pg::fresh_schema();
    let store = cluster.unmade_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization("org_test", None).await.unwrap();
    let mut told = BTreeMap::new();
    for run in 0..kills {
        // Another length each time, so that it is killed at another point of its work.
        let lines = 1 + run * 7 % 23;
        told.extend(killed_after(
            lines,
            &format!("{} {schema} {run}", cluster.url()),
        ));
    }
    assert!(told.len() >= kills, "the children worked");
    for (id, expected) in &told {
        let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
        let record = store
            .find(&lookup)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{id} is lost"));
        assert!(
            record.status() == *expected || *expected == Status::Active,
            "{id} came back"
        );
        assert_eq!(
            record.digest().to_bytes(),
            Digest::of(id.as_bytes()).to_bytes()
        );
    }
    let unlogged = format!(
        "SELECT count(*) FROM {schema}.credentials c WHERE (SELECT count(*) FROM {schema}.changes l WHERE l.id = c.id)
         <> CASE status WHEN 'deleted' THEN 2 ELSE 1 END"
    );
    assert_eq!(
        cluster.psql(&unlogged),
        "0",
        "the log and the credentials agree"
    );
    let strangers = format!("SELECT count(*) FROM {schema}.credentials");
    let stored: usize = cluster.psql(&strangers).parse().unwrap();
    assert!(
        stored <= told.len() + kills,
        "at most the one operation of each run that was under way is more"
    );
}

/// Runs a child, kills it after so many acknowledgements, and returns what it was told.
fn killed_after(lines: usize, job: &str) -> Vec<(String, Status)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "postgres_kill::child", "--nocapture"])
        .env(CHILD, job)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut told = Vec::new();
    for line in output.lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("created", id)) => told.push((id.to_owned(), Status::Active)),
            Some(("deleted", id)) => told.push((id.to_owned(), Status::Deleted)),
            _ => continue,
        }
        if told.len() == lines {
            child.kill().unwrap(); // SIGKILL; what it still managed to say is read to the end
        }
    }
    child.wait().unwrap();
    told
}

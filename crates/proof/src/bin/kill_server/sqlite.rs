//! The process that writes an SQLite file is killed.

use std::io::Write as _;

use tower_api_key::{
    credential::Kind,
    scope::Catalogue,
    store::{CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Status},
};
use tower_api_key_proof::rig::{Node, Random, Report};
use tower_api_key_sqlx::SqliteStore;

use crate::{ORG, key};

/// The process to be killed: creates and deletes keys, and prints each acknowledged deletion.
pub(crate) async fn write(path: &str, round: &str) -> ! {
    let store = open(path).await;
    println!("ready");
    for number in 0_u64.. {
        let id = format!("r{round}n{number}");
        store.insert(key(&id)).await.unwrap();
        store
            .delete(&Owner::of(Kind::OrgKey, ORG), &id)
            .await
            .unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{id}").unwrap();
        out.flush().unwrap();
    }
    unreachable!("it writes until it is killed")
}

async fn open(path: &str) -> SqliteStore {
    SqliteStore::open(path, Catalogue::anyreach())
        .await
        .unwrap()
}

pub(crate) async fn run(report: &mut Report, kills: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let path = path.to_str().unwrap();
    let store = open(path).await;
    store.create_organization(ORG, None).await.unwrap();
    store.close().await;

    let (mut random, mut acknowledged, mut lost) = (Random::seeded(3), 0, 0);
    for round in 0..kills {
        let mut child = Node::start(&["--write", path, "--round", &round.to_string()]).await;
        let mut deleted = Vec::new();
        for _ in 0..1 + random.below(40) {
            deleted.push(child.line().await.expect("the child writes"));
        }
        deleted.extend(child.kill().await);
        acknowledged += deleted.len();
        let store = open(path).await;
        for id in &deleted {
            let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
            let record = store.find(&lookup).await.unwrap();
            let is_deleted = record.is_some_and(|record| record.status() == Status::Deleted);
            lost += usize::from(!is_deleted);
        }
        store.close().await;
    }
    let name = format!("{kills} kills of a process that writes SQLite: revocations lost");
    let figure = format!("{lost} of {acknowledged} acknowledged");
    report.row(&name, figure, "0", lost == 0 && acknowledged >= kills);
}

//! Another process that uses the same file.

use super::{File, UNHARMED, seeded};
use crate::faults::{Cells, Table, other_process::Other, run};

const REVOKE: &str = "UPDATE tower_api_key_credentials SET status = 'deleted' WHERE id = 'leaked'";

pub(super) async fn rows(table: &mut Table) {
    another_process(table).await;
    a_held_lock(table).await;
    a_killed_process(table).await;
    a_switched_journal(table).await;
    a_dropped_trigger(table).await;
}

async fn another_process(table: &mut Table) {
    let file = File::new();
    let expected = Cells {
        leaked: "401",
        feed: "changed",
        ..UNHARMED
    };
    run(
        table,
        ("another process revokes a key", expected, "as before"),
        file.scene().await,
        async |_| Other::run(&file.path, REVOKE),
        async |_, _| None,
    )
    .await;
}

/// The manager has given up when the lock is released, but a change that was begun through a cache
/// runs to its end.
async fn a_held_lock(table: &mut Table) {
    let file = File::new();
    let expected = Cells {
        management: "store_timed_out, made",
        ..UNHARMED
    };
    run(
        table,
        (
            "another process holds BEGIN EXCLUSIVE",
            expected,
            "as before",
        ),
        file.scene().await,
        async |_| Other::run(&file.path, &format!("BEGIN EXCLUSIVE; {REVOKE}")),
        async |_, other| {
            drop(other);
            None
        },
    )
    .await;
}

async fn a_killed_process(table: &mut Table) {
    let file = File::new();
    run(
        table,
        (
            "another process is killed in its transaction",
            UNHARMED,
            "as before",
        ),
        file.scene().await,
        async |_| Other::run(&file.path, &format!("BEGIN IMMEDIATE; {REVOKE}")).kill(),
        async |_, ()| None,
    )
    .await;
}

async fn a_switched_journal(table: &mut Table) {
    let file = File::new();
    run(
        table,
        (
            "another process switches the journal mode, which is refused",
            UNHARMED,
            "as before",
        ),
        file.scene().await,
        async |_| {
            let other = Other::run(&file.path, "PRAGMA journal_mode = DELETE");
            let why = other.refused.as_ref().expect("SQLite refuses");
            assert!(why.contains("locked"), "{why}");
        },
        async |_, ()| None,
    )
    .await;
}

async fn a_dropped_trigger(table: &mut Table) {
    let file = File::new();
    let (scene, pool) = seeded(&file.path).await;
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'tower_api_key_credential_updated'";
    let trigger: String = sqlx::query_scalar(trigger).fetch_one(&pool).await.unwrap();
    let expected = Cells {
        leaked: "401",
        feed: "lost",
        check: "MissingObjects",
        ..UNHARMED
    };
    let drop = format!("DROP TRIGGER tower_api_key_credential_updated; {REVOKE}");
    run(
        table,
        (
            "a trigger of the log is dropped",
            expected,
            "everything changed restored, as before",
        ),
        scene,
        async |_| Other::run(&file.path, &drop),
        async |_, _| {
            let again = Other::run(&file.path, &trigger);
            assert_eq!(again.refused, None);
            None
        },
    )
    .await;
}

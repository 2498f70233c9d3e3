//! Faults of a whole cluster that it recovers from: they are brought about one after the other.

use std::time::Duration;

use super::{Database, UNHARMED, UNREACHABLE};
use crate::{
    faults::{Cells, Table, run},
    support::pg,
};

#[tokio::test]
async fn the_views_of_a_postgres_server_in_each_fault() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let mut table = Table::new();
    a_read_only_server(&mut table, &cluster).await;
    a_lost_acknowledgement(&mut table, &cluster).await;
    a_stepped_clock(&mut table, &cluster).await;
    a_stopped_server(&mut table, &cluster).await;
    a_restarted_server(&mut table, &cluster).await;
    table.finish();
}

/// Beside the others, because `check()` gives up only after ten seconds.
#[tokio::test]
async fn the_views_of_a_postgres_server_that_hangs() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let mut table = Table::new();
    a_frozen_server(&mut table, &cluster).await;
    a_frozen_postmaster(&mut table, &cluster).await;
    table.finish();
}

async fn a_frozen_server(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    run(
        table,
        (
            "the server hangs",
            UNREACHABLE,
            "everything restored, as before",
        ),
        database.scene().await,
        async |_| cluster.freeze(),
        async |_, frozen| {
            drop(frozen);
            None
        },
    )
    .await;
}

async fn a_frozen_postmaster(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        check: "CannotConnect",
        ..UNHARMED
    };
    run(
        table,
        (
            "the server accepts no connections, and serves those it has",
            expected,
            "as before",
        ),
        database.scene().await,
        async |_| cluster.freeze_postmaster(),
        async |_, frozen| {
            drop(frozen);
            None
        },
    )
    .await;
}

async fn a_read_only_server(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        leaked: "401",
        management: "store_unavailable, not made",
        feed: "changed",
        ..UNHARMED
    };
    let wait_for = |value| while cluster.psql("SHOW default_transaction_read_only") != value {};
    run(
        table,
        ("the server is read-only", expected, "as before"),
        database.scene().await,
        async |_| {
            cluster.psql("ALTER SYSTEM SET default_transaction_read_only = on");
            cluster.psql("SELECT pg_reload_conf()");
            wait_for("on");
            database.psql(
                "BEGIN READ WRITE; \
                 UPDATE $.credentials SET status = 'deleted' WHERE id = 'leaked'; COMMIT",
            );
        },
        async |_, ()| {
            cluster.psql("ALTER SYSTEM RESET default_transaction_read_only");
            cluster.psql("SELECT pg_reload_conf()");
            wait_for("off");
            None
        },
    )
    .await;
}

/// The commit waits for a standby that does not exist. When its session is ended, the change is
/// made, and only the acknowledgement is lost.
async fn a_lost_acknowledgement(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        management: "store_unavailable, made",
        ..UNHARMED
    };
    let wait_for = |value| while cluster.psql("SHOW synchronous_standby_names") != value {};
    let killer = "DO $$ BEGIN LOOP
            PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep';
            EXIT WHEN FOUND;
        END LOOP; END $$";
    run(
        table,
        (
            "the connection is lost in the commit",
            expected,
            "as before",
        ),
        database.scene().await,
        async |_| {
            cluster.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
            cluster.psql("SELECT pg_reload_conf()");
            wait_for("nobody");
            let mut psql = cluster.tool("psql", "postgres");
            psql.args(["-XAtq", "-c", killer, "postgres"])
                .spawn()
                .unwrap()
        },
        async |_, mut killer| {
            assert!(killer.wait().unwrap().success());
            cluster.psql("ALTER SYSTEM RESET synchronous_standby_names");
            cluster.psql("SELECT pg_reload_conf()");
            wait_for("");
            None
        },
    )
    .await;
}

/// What the server reports when its clock is stepped a day ahead, and back: the store's statements
/// call the function by which it is read.
async fn a_stepped_clock(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let step = |hours: i32| {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz \
             LANGUAGE sql STABLE AS 'SELECT now() + interval ''{hours} hours'''"
        );
        cluster.psql(&sql);
    };
    let expected = Cells {
        leaked: "401",
        feed: "changed",
        ..UNHARMED
    };
    run(
        table,
        (
            "the server's clock is a day ahead, and the log is pruned",
            expected,
            "as before",
        ),
        database.scene().await,
        async |scene| {
            step(24);
            let pruned = scene.store.prune(Duration::from_secs(3600)).await.unwrap();
            assert!(pruned > 0, "the clock is ahead");
            database.leak();
        },
        async |_, ()| {
            step(0);
            None
        },
    )
    .await;
}

async fn a_stopped_server(table: &mut Table, cluster: &pg::Cluster) {
    for (name, mode) in [
        ("the server is stopped, and started", "fast"),
        ("the server is killed, and started", "immediate"),
    ] {
        let database = Database::new(cluster).await;
        run(
            table,
            (name, UNREACHABLE, "everything restored, as before"),
            database.scene().await,
            async |_| cluster.pg_ctl(&["stop", "-m", mode]),
            async |_, ()| {
                cluster.pg_ctl(&["restart"]);
                None
            },
        )
        .await;
    }
}

async fn a_restarted_server(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        feed: "lost everything restored",
        ..UNHARMED
    };
    run(
        table,
        ("the server is restarted", expected, "as before"),
        database.scene().await,
        async |_| cluster.pg_ctl(&["restart", "-m", "fast"]),
        async |_, ()| None,
    )
    .await;
}

//! Faults that a cluster does not recover from, or that need more than one.

use tower_api_key::store::{ManageStore as _, StoreError, WriteError};

use tower_api_key_sqlx::PostgresStore;

use super::{Database, UNHARMED, create_role};
use crate::{
    faults::{Cells, Table, run},
    postgres_faults::fill_disk,
    support::{feeds::key, pg},
};

#[tokio::test]
async fn the_views_of_postgres_servers_in_each_fault() {
    let mut table = Table::new();
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    another_cluster(&mut table, &cluster).await;
    a_promoted_standby(&mut table, &cluster).await;
    a_full_disk(&mut table).await;
    table.finish();
}

async fn another_cluster(table: &mut Table, old: &pg::Cluster) {
    let newer = pg::Cluster::start().unwrap();
    old.psql(
        "DO 'BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'",
    );
    let database = Database::new(old).await;
    create_role(&newer, &database.role());
    let expected = Cells {
        feed: "lost everything restored",
        check: "ForeignLog",
        ..UNHARMED
    };
    run(
        table,
        (
            "a dump takes over in another cluster",
            expected,
            "as before",
        ),
        database.scene().await,
        async |_| {
            newer.psql(&old.dump(&["-n", &database.schema]));
            let options = newer.options().username(&database.role());
            database.pool.set_connect_options(options);
            database.disconnect();
        },
        async |_, ()| {
            let owner = newer.unmigrated_store(&database.schema);
            owner.migrate().await.unwrap();
            None
        },
    )
    .await;
}

async fn a_promoted_standby(table: &mut Table, primary: &pg::Cluster) {
    let database = Database::new(primary).await;
    let standby = primary.standby();
    let expected = Cells {
        management: "store_unavailable, not made",
        feed: "lost",
        ..UNHARMED
    };
    run(
        table,
        (
            "the primary is gone; the standby is promoted",
            expected,
            "everything restored, as before",
        ),
        database.scene().await,
        async |_| {
            primary.wait_for_replay_by(&standby);
            let options = standby.options().username(&database.role());
            database.pool.set_connect_options(options);
            primary.pg_ctl(&["stop", "-m", "immediate"]);
        },
        async |_, ()| {
            standby.psql("SELECT pg_promote()");
            None
        },
    )
    .await;
}

async fn a_full_disk(table: &mut Table) {
    let Some(cluster) = pg::Cluster::start_with_file_limit() else {
        return;
    };
    let database = Database::new(&cluster).await;
    let expected = Cells {
        management: "store_unavailable, not made",
        feed: "silent|changed",
        ..UNHARMED
    };
    run(
        table,
        ("the disk is full", expected, "as before"),
        database.scene().await,
        async |scene| {
            fill_disk(&cluster, &database.schema).await;
            let refused = insert_until_refused(&scene.store).await;
            assert!(
                matches!(refused, WriteError::Store(StoreError::Unavailable(_))),
                "{refused:?}"
            );
        },
        async |_, ()| {
            database.psql("DELETE FROM $.credentials WHERE id LIKE 'fill-%'");
            cluster.psql(&format!("VACUUM {}.credentials", database.schema));
            None
        },
    )
    .await;
}

/// Stores keys of the usual size until there is no room for another.
async fn insert_until_refused(store: &PostgresStore) -> WriteError {
    for number in 0..1000 {
        if let Err(refused) = store.insert(key(&format!("late-{number}"))).await {
            return refused;
        }
    }
    panic!("the disk never fills up");
}

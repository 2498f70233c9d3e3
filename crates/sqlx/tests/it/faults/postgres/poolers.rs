//! A pooler in front of the server.

use super::{Database, UNHARMED, UNREACHABLE};
use crate::{
    faults::{Cells, Table, run},
    support::pg,
};

#[tokio::test]
async fn the_views_behind_a_pooler_in_each_fault() {
    let Some(cluster) = pg::shared() else { return };
    let mut table = Table::new();
    a_lost_pooler(&mut table, cluster).await;
    a_pooler_by_transaction(&mut table, cluster).await;
    table.finish();
}

async fn a_lost_pooler(table: &mut Table, cluster: &pg::Cluster) {
    let Some(pooler) = cluster.pooler("session") else {
        return;
    };
    let database = Database::new(cluster).await;
    database.pool.set_connect_options(pooler.options.clone());
    let mut again = None;
    run(
        table,
        (
            "PgBouncer in front is killed",
            UNREACHABLE,
            "everything restored, as before",
        ),
        database.scene().await,
        async |_| drop(pooler),
        async |_, ()| {
            let pooler = again.insert(cluster.pooler("session").unwrap());
            database.pool.set_connect_options(pooler.options.clone());
            None
        },
    )
    .await;
}

async fn a_pooler_by_transaction(table: &mut Table, cluster: &pg::Cluster) {
    let Some(pooler) = cluster.pooler("transaction") else {
        return;
    };
    let database = Database::new(cluster).await;
    let direct = (*database.pool.connect_options()).clone();
    let shared = pooler.options.clone();
    let expected = Cells {
        cold: "200|503",
        cached: "200|200, 503",
        revoked: "401|503",
        feed: "lost",
        management: "done|store_unavailable, not made",
        check: "TransactionPooler",
        ..UNHARMED
    };
    run(
        table,
        (
            "PgBouncer in transaction mode is put in front",
            expected,
            // The second when the rotation was made while the feed was lost.
            "everything restored, as before|everything changed restored, as before",
        ),
        database.scene().await,
        async |_| {
            database.pool.set_connect_options(shared);
            database.disconnect();
        },
        async |_, ()| {
            database.pool.set_connect_options(direct);
            drop(pooler);
            None
        },
    )
    .await;
}

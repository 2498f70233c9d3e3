//! Faults of one schema, one role or one connection: the cluster that all tests share is enough.

use sqlx::Connection as _;

use super::{Database, UNHARMED, UNREACHABLE};
use crate::{
    faults::{Cells, Table, run},
    support::pg,
};

#[tokio::test]
async fn the_views_of_a_postgres_schema_in_each_fault() {
    let Some(cluster) = pg::shared() else { return };
    let mut table = Table::new();
    lost_connections(&mut table, cluster).await;
    an_exhausted_pool(&mut table, cluster).await;
    refused_connections(&mut table, cluster).await;
    a_locked_table(&mut table, cluster).await;
    hidden_rows(&mut table, cluster).await;
    a_hidden_log(&mut table, cluster).await;
    a_switched_trigger(&mut table, cluster).await;
    a_newer_schema(&mut table, cluster).await;
    a_restored_dump(&mut table, cluster).await;
    table.finish();
}

async fn lost_connections(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        leaked: "401",
        feed: "changed lost everything restored|lost everything changed restored",
        ..UNHARMED
    };
    run(
        table,
        ("every connection is lost", expected, "as before"),
        database.scene().await,
        async |_| {
            database.leak();
            database.disconnect();
        },
        async |_, ()| None,
    )
    .await;
}

async fn an_exhausted_pool(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        cold: "503",
        leaked: "503",
        management: "store_unavailable, not made",
        feed: "changed",
        check: "CannotConnect",
        ..UNHARMED
    };
    run(
        table,
        (
            "every connection of the pool is taken",
            expected,
            "as before",
        ),
        database.scene().await,
        async |_| {
            let mut taken = Vec::new();
            for _ in 0..4 {
                taken.push(database.pool.acquire().await.unwrap());
            }
            database.leak();
            taken
        },
        async |_, taken| {
            drop(taken);
            None
        },
    )
    .await;
}

async fn refused_connections(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        leaked: "503",
        ..UNREACHABLE
    };
    run(
        table,
        (
            "the server has no connections left",
            expected,
            "everything changed restored, as before",
        ),
        database.scene().await,
        async |_| {
            database.psql("ALTER ROLE $_service CONNECTION LIMIT 0");
            database.disconnect();
            database.leak();
        },
        async |_, ()| {
            database.psql("ALTER ROLE $_service CONNECTION LIMIT -1");
            None
        },
    )
    .await;
}

async fn a_locked_table(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        cold: "503",
        management: "store_timed_out, not made",
        check: "Locked",
        ..UNHARMED
    };
    run(
        table,
        (
            "an administrator locks the credentials",
            expected,
            "as before",
        ),
        database.scene().await,
        async |_| {
            let mut connection = cluster.connection().await;
            let lock = format!("BEGIN; LOCK TABLE {}.credentials", database.schema);
            sqlx::raw_sql(sqlx::AssertSqlSafe(lock))
                .execute(&mut connection)
                .await
                .unwrap();
            connection
        },
        async |_, connection| {
            connection.close().await.unwrap();
            None
        },
    )
    .await;
}

async fn hidden_rows(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        cold: "401",
        leaked: "401",
        management: "store_unavailable, not made",
        feed: "changed",
        check: "RowSecurity",
        ..UNHARMED
    };
    run(
        table,
        ("row security hides the credentials", expected, "as before"),
        database.scene().await,
        async |_| {
            database.psql("ALTER TABLE $.credentials ENABLE ROW LEVEL SECURITY");
            database.leak();
        },
        async |_, ()| {
            database.psql("ALTER TABLE $.credentials DISABLE ROW LEVEL SECURITY");
            None
        },
    )
    .await;
}

async fn a_hidden_log(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        leaked: "401",
        feed: "lost",
        check: "RowSecurity",
        ..UNHARMED
    };
    run(
        table,
        (
            "row security hides the log",
            expected,
            "everything changed restored, as before",
        ),
        database.scene().await,
        async |_| {
            database.psql("ALTER TABLE $.changes ENABLE ROW LEVEL SECURITY");
            database.leak();
        },
        async |_, ()| {
            database.psql("ALTER TABLE $.changes DISABLE ROW LEVEL SECURITY");
            None
        },
    )
    .await;
}

async fn a_switched_trigger(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        leaked: "401",
        feed: "lost",
        check: "Trigger",
        ..UNHARMED
    };
    run(
        table,
        (
            "a trigger of the log is disabled",
            expected,
            "everything restored, as before",
        ),
        database.scene().await,
        async |_| {
            database.psql("ALTER TABLE $.credentials DISABLE TRIGGER logged");
            database.leak();
        },
        async |_, ()| {
            database.psql("ALTER TABLE $.credentials ENABLE ALWAYS TRIGGER logged");
            None
        },
    )
    .await;
}

async fn a_newer_schema(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        check: "UnknownSchema",
        ..UNHARMED
    };
    run(
        table,
        ("the schema is a migration ahead", expected, "as before"),
        database.scene().await,
        async |_| {
            database.psql(
                "ALTER TABLE $.credentials ADD COLUMN newer text;
                 INSERT INTO $._migrations SELECT max(version) + 1, 'newer', now(), true, '', 0 \
                 FROM $._migrations",
            )
        },
        async |_, _| {
            database.psql(
                "ALTER TABLE $.credentials DROP COLUMN newer;
                 DELETE FROM $._migrations WHERE description = 'newer'",
            );
            None
        },
    )
    .await;
}

async fn a_restored_dump(table: &mut Table, cluster: &pg::Cluster) {
    let database = Database::new(cluster).await;
    let expected = Cells {
        feed: "everything|lost everything|lost everything restored",
        ..UNHARMED
    };
    run(
        table,
        (
            "a dump is restored in place",
            expected,
            "as before|restored, as before",
        ),
        database.scene().await,
        async |_| {
            let options = ["-n", &database.schema, "--clean", "--if-exists"];
            cluster.psql(&cluster.dump(&options));
        },
        async |_, ()| None,
    )
    .await;
}

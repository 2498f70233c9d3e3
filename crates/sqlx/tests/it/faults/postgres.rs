//! The rows of a PostgreSQL cluster.
//!
//! The service connects as a role with the documented rights of a service. Keys are revoked
//! meanwhile by an administrator.

mod alone;
mod cluster;
mod poolers;
mod shared;

use std::time::Duration;

use sqlx::{PgPool, postgres::PgPoolOptions};
use tower_api_key::scope::Catalogue;
use tower_api_key_sqlx::PostgresStore;

use super::{Cells, Scene, scene::seed};
use crate::support::pg;

const RIGHTS: &str = include_str!("../../../src/postgres/rights.sql");

/// A fault that no view notices.
const UNHARMED: Cells<&str> = Cells {
    cold: "200",
    cached: "200",
    revoked: "401",
    leaked: "-",
    management: "done",
    feed: "silent",
    check: "ok",
};

/// The database cannot be reached.
const UNREACHABLE: Cells<&str> = Cells {
    cold: "503",
    cached: "200, 503",
    revoked: "503",
    leaked: "-",
    management: "store_unavailable, not made",
    feed: "lost",
    check: "CannotConnect",
};

/// A schema of its own for each row, with a role for the service.
struct Database<'c> {
    cluster: &'c pg::Cluster,
    schema: String,
    pool: PgPool,
}

impl<'c> Database<'c> {
    /// Creates and seeds a schema.
    async fn new(cluster: &'c pg::Cluster) -> Self {
        let schema = pg::fresh_schema();
        let owner = cluster.unmigrated_store(&schema);
        owner.migrate().await.unwrap();
        seed(&owner).await;
        let database = Self {
            pool: pool(cluster, &schema),
            cluster,
            schema,
        };
        create_role(cluster, &database.role());
        database.psql(&database.grants());
        database
    }

    fn role(&self) -> String {
        format!("{}_service", self.schema)
    }

    /// The documented grants for the service's role.
    fn grants(&self) -> String {
        let service = RIGHTS.split("\n\n").nth(1).expect("groups of statements");
        let grants = service.replace("tower_api_key", &self.schema);
        grants.replace("api_key_service", &self.role())
    }

    fn store(&self) -> PostgresStore {
        PostgresStore::new(self.pool.clone(), Catalogue::anyreach())
            .with_schema(&self.schema)
            .unwrap()
    }

    async fn scene(&self) -> Scene<PostgresStore> {
        Scene::start(self.store()).await
    }

    /// Runs statements as an administrator; `$` stands for the schema.
    fn psql(&self, sql: &str) -> String {
        let sql = sql.replace('$', &self.schema);
        self.cluster
            .psql(&format!("SET client_min_messages = warning; {sql}"))
    }

    /// Revokes the key `leaked`.
    fn leak(&self) {
        self.psql("UPDATE $.credentials SET status = 'deleted' WHERE id = 'leaked'");
    }

    /// Ends every connection of the service, the feed's too.
    fn disconnect(&self) {
        self.psql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE usename = '$_service'",
        );
    }
}

fn create_role(cluster: &pg::Cluster, role: &str) {
    cluster.psql(&format!("CREATE ROLE {role} LOGIN"));
}

/// The service's pool.
fn pool(cluster: &pg::Cluster, schema: &str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_millis(500))
        .connect_lazy_with(cluster.options().username(&format!("{schema}_service")))
}

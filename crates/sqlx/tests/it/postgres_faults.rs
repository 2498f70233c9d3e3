//! Whatever fails in the database, a request gets 503 or the right answer, never 401 and never a
//! guess.
//!
//! Tests that wait for a deadline pause time: it advances only when nothing else can run, so that
//! no test depends on speed.

use crate::support::pg;
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    scope::Catalogue,
    secret::Digest,
    store::{Directory, ManageStore, Owner, Record, StoreError, WriteError},
};

use std::{convert::Infallible, future::ready, time::Duration};

use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use sqlx::{AssertSqlSafe, Executor, postgres::PgPoolOptions};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key_sqlx::{PostgresStore, SetupError};

const DEADLINE: Duration = Duration::from_millis(300);

/// A valid key, a valid token and an unknown key.
const TOKENS: [(&str, StatusCode); 3] = [
    ("ak_k1.test-secret", StatusCode::OK),
    ("pat_test-token", StatusCode::OK),
    ("ak_unknown.test-secret", StatusCode::UNAUTHORIZED),
];

async fn seeded(cluster: &pg::Cluster) -> (PostgresStore, String) {
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_organization("org_test", None).await.unwrap();
    store.create_user("user_test").await.unwrap();
    store
        .set_member("user_test", "org_test", "viewer")
        .await
        .unwrap();
    for id in ["k1", "k2", "k3", "k4"] {
        store.insert(key(id)).await.unwrap();
    }
    store
        .insert(Record::personal_token(
            "t",
            Digest::of(b"pat_test-token"),
            "user_test",
        ))
        .await
        .unwrap();
    (store, schema)
}

fn key(id: &str) -> Record {
    let digest = Digest::of(format!("ak_{id}.test-secret").as_bytes());
    Record::org_key(id, digest, "org_test")
        .with_role("viewer", &Catalogue::anyreach())
        .unwrap()
}

async fn send(store: &PostgresStore, token: &str) -> Response<String> {
    let auth = AuthLayer::new(store.clone()).with_deadline(DEADLINE);
    let service = ServiceBuilder::new()
        .layer(auth)
        .service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let request = Request::builder()
        .header("authorization", format!("Bearer {token}"))
        .header("x-anyreach-org", "org_test");
    service.oneshot(request.body(()).unwrap()).await.unwrap()
}

async fn status(store: &PostgresStore, token: &str) -> StatusCode {
    send(store, token).await.status()
}

async fn assert_all_answered(store: &PostgresStore) {
    for (token, expected) in TOKENS {
        assert_eq!(status(store, token).await, expected, "{token}");
    }
}

/// Asserts 503 with `Retry-After` for every token, within the deadline and 50 ms.
async fn assert_all_unavailable(store: &PostgresStore, name: &str) {
    for (token, _) in TOKENS {
        let sent_at = Instant::now();
        let response = send(store, token).await;
        assert_eq!(
            response.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{name} {token}"
        );
        assert!(
            response.headers().contains_key(RETRY_AFTER),
            "{name} {token}"
        );
        assert!(
            sent_at.elapsed() <= DEADLINE + Duration::from_millis(50),
            "{name} {token}: {:?}",
            sent_at.elapsed()
        );
    }
}

/// A store over a pool of one connection, which is open.
async fn single_connection_store(
    cluster: &pg::Cluster,
    schema: &str,
) -> (PostgresStore, sqlx::PgPool) {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(cluster.options())
        .await
        .unwrap();
    (
        PostgresStore::new(pool.clone(), Catalogue::anyreach())
            .with_schema(schema)
            .unwrap(),
        pool,
    )
}

#[tokio::test]
async fn an_exhausted_pool_is_an_outage_until_a_connection_is_free() {
    let Some(cluster) = pg::shared() else { return };
    let (_, schema) = seeded(cluster).await;
    let (store, pool) = single_connection_store(cluster, &schema).await;
    assert_all_answered(&store).await;
    let taken = pool.acquire().await.unwrap();
    tokio::time::pause();
    assert_all_unavailable(&store, "pool exhausted").await;
    tokio::time::resume();
    drop(taken);
    assert_all_answered(&store).await;
}

#[tokio::test]
async fn a_frozen_server_is_an_outage_until_it_resumes() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = seeded(&cluster).await;
    let (checking, _) = single_connection_store(&cluster, &schema).await;
    assert_all_answered(&store).await;
    assert_all_answered(&checking).await;
    let frozen = cluster.freeze();
    tokio::time::pause();
    assert_all_unavailable(&store, "stopped").await;
    assert_all_unavailable(&checking, "stopped, with one connection").await;
    tokio::time::resume();
    drop(frozen);
    assert_recovers(&store).await;
    assert_recovers(&checking).await;
}

/// Dead connections are discarded one by one; until then the only answer is 503.
async fn assert_recovers(store: &PostgresStore) {
    for _ in 0..100 {
        match status(store, TOKENS[0].0).await {
            StatusCode::OK => return assert_all_answered(store).await,
            other => assert_eq!(other, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    panic!("the store stays unavailable");
}

#[tokio::test]
async fn connections_closed_by_the_server_are_replaced() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, _) = seeded(&cluster).await;
    assert_all_answered(&store).await;
    cluster.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND backend_type = 'client backend'",
    );
    assert_recovers(&store).await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_outage() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, _) = seeded(&cluster).await;
    drop(cluster);
    tokio::time::pause();
    assert_all_unavailable(&store, "gone").await;
}

#[tokio::test]
async fn a_missing_table_or_schema_is_an_outage() {
    let Some(cluster) = pg::shared() else { return };
    for (name, sql) in [
        (
            "table renamed",
            "ALTER TABLE $.credentials RENAME TO elsewhere",
        ),
        ("schema renamed", "ALTER SCHEMA $ RENAME TO $_elsewhere"),
        (
            "schema dropped",
            "SET client_min_messages = warning; DROP SCHEMA $ CASCADE",
        ),
    ] {
        let (store, schema) = seeded(cluster).await;
        assert_all_answered(&store).await;
        cluster.psql(&sql.replace('$', &schema));
        assert_all_unavailable(&store, name).await;
    }
}

#[tokio::test]
async fn a_schema_that_was_never_created_is_an_outage() {
    let Some(cluster) = pg::shared() else { return };
    let store = cluster.unmigrated_store(&pg::fresh_schema());
    assert_all_unavailable(&store, "never created").await;
    let refused = store.create_user("u").await;
    assert!(
        matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_standby_answers_from_replayed_data_and_refuses_changes() {
    let Some(primary) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = seeded(&primary).await;
    let standby = primary.standby();
    primary.wait_for_replay_by(&standby);
    let replica = standby.unmigrated_store(&schema);
    replica.migrate().await.unwrap();
    assert_all_answered(&replica).await;
    let before = primary.psql(&format!("SELECT count(*) FROM {schema}.changes"));
    for (name, refused) in [
        (
            "organization",
            replica.create_organization("org_2", None).await,
        ),
        ("user", replica.create_user("u").await),
        ("key", replica.insert(key("k5")).await),
        (
            "deletion",
            replica
                .delete(&Owner::of(Kind::OrgKey, "org_test"), "k1")
                .await,
        ),
    ] {
        assert!(
            matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))),
            "{name}: {refused:?}"
        );
    }
    assert_eq!(
        replica.feed().await.unwrap_err().code(),
        "store_unavailable",
        "a standby accepts no listeners"
    );
    let none = standby
        .unmigrated_store(&pg::fresh_schema())
        .migrate()
        .await
        .unwrap_err();
    assert!(matches!(none, SetupError::ReadOnly { .. }), "{none:?}");
    assert_eq!(
        primary.psql(&format!("SELECT count(*) FROM {schema}.changes")),
        before
    );
    assert_all_answered(&replica).await;

    store
        .delete(&Owner::of(Kind::OrgKey, "org_test"), "k1")
        .await
        .unwrap();
    primary.wait_for_replay_by(&standby);
    assert_eq!(
        status(&replica, "ak_k1.test-secret").await,
        StatusCode::UNAUTHORIZED
    );
}

/// Stores keys until the table has no room for another: large ones, then small ones in between,
/// finally one by one.
pub(crate) async fn fill_disk(cluster: &pg::Cluster, schema: &str) {
    let (pool, mut stored) = (cluster.pool(), 0);
    for (at_once, scope) in [(200, 1800), (200, 1), (1, 1)] {
        let more = |from: u32| {
            format!(
                "INSERT INTO {schema}.credentials (kind, id, digest, organization_id, scopes)
                 SELECT 'org_key', 'fill-' || n, sha256('test'), 'org_test', ARRAY[repeat('x', \
                 {scope})]
                 FROM generate_series({from} + 1, {from} + {at_once}) n"
            )
        };
        let refused = loop {
            match pool.execute(AssertSqlSafe(more(stored))).await {
                Ok(_) => stored += at_once,
                Err(refused) => break refused.to_string(),
            }
            assert!(stored < 20_000, "the disk never fills up");
        };
        assert!(refused.contains("could not extend file"), "{refused}");
        // What the refused statement had written is room that a later one would find.
        cluster.psql(&format!("VACUUM (TRUNCATE FALSE) {schema}.credentials"));
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_loses_nothing() {
    let Some(cluster) = pg::Cluster::start_with_file_limit() else {
        return;
    };
    let (store, schema) = seeded(&cluster).await;
    fill_disk(&cluster, &schema).await;
    let mut stored = Vec::new();
    let refused = loop {
        let id = format!("late-{}", stored.len());
        match store.insert(key(&id)).await {
            Ok(()) => stored.push(id),
            Err(WriteError::Store(StoreError::Unavailable(_))) => break id,
            Err(other) => panic!("{other:?}"),
        }
        assert!(stored.len() < 1000, "the disk never fills up");
    };
    assert_all_answered(&store).await;
    for id in &stored {
        assert_eq!(
            status(&store, &format!("ak_{id}.test-secret")).await,
            StatusCode::OK,
            "{id}"
        );
    }
    let left = format!("SELECT count(*) FROM {schema}.changes WHERE id = '{refused}'");
    assert_eq!(cluster.psql(&left), "0", "the refused change left no row");

    cluster.psql(&format!(
        "DELETE FROM {schema}.credentials WHERE id LIKE 'fill-%'"
    ));
    cluster.psql(&format!("VACUUM {schema}.credentials"));
    store.insert(key(&refused)).await.unwrap();
    assert_eq!(
        status(&store, &format!("ak_{refused}.test-secret")).await,
        StatusCode::OK
    );
    assert_all_answered(&store).await;
}

#[tokio::test]
async fn an_unreadable_row_is_503_for_its_credential_alone() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = seeded(cluster).await;
    let table = [
        (
            "digest",
            "ak_k1.test-secret",
            "UPDATE credentials SET digest = '\\x00' WHERE id = 'k1'",
        ),
        (
            "status",
            "ak_k2.test-secret",
            "UPDATE credentials SET status = 'odd' WHERE id = 'k2'",
        ),
        (
            "role",
            "ak_k3.test-secret",
            "UPDATE credentials SET role = 'odd' WHERE id = 'k3'",
        ),
        (
            "scopes",
            "ak_k4.test-secret",
            "UPDATE credentials SET scopes = ARRAY['agents:read', NULL] WHERE id = 'k4'",
        ),
        (
            "membership",
            "pat_test-token",
            "UPDATE memberships SET role = 'odd'",
        ),
    ];
    cluster.psql(&format!(
        "ALTER TABLE {schema}.credentials DROP CONSTRAINT digest_has_32_bytes, \
         DROP CONSTRAINT status_is_known,
            DROP CONSTRAINT scopes_are_scopes"
    ));
    for (at, (name, token, sql)) in table.iter().enumerate() {
        assert_eq!(
            status(&store, token).await,
            StatusCode::OK,
            "{name}, before"
        );
        cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
        assert_eq!(
            status(&store, token).await,
            StatusCode::SERVICE_UNAVAILABLE,
            "{name}"
        );
        for (_, other, _) in &table[at + 1..] {
            assert_eq!(
                status(&store, other).await,
                StatusCode::OK,
                "{other} beside {name}"
            );
        }
    }
    assert_eq!(
        status(&store, "ak_unknown.test-secret").await,
        StatusCode::UNAUTHORIZED
    );
}

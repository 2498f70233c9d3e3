//! Whatever happens to the database while requests come in: 503 or the right answer, never 401 and never a guess.
//!
//! Time is paused where a deadline is awaited: it moves on when nothing else can happen, so that no test depends on speed.

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

/// A good key, a good token, one that nobody has.
const TOKENS: [(&str, StatusCode); 3] = [
    ("ak_k1.test-secret", StatusCode::OK),
    ("pat_test-token", StatusCode::OK),
    ("ak_unknown.test-secret", StatusCode::UNAUTHORIZED),
];

async fn filled(cluster: &pg::Cluster) -> (PostgresStore, String) {
    let schema = pg::fresh_schema();
    let store = cluster.unmade_store(&schema);
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

async fn ask(store: &PostgresStore, token: &str) -> Response<String> {
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
    ask(store, token).await.status()
}

async fn all_is_well(store: &PostgresStore) {
    for (token, expected) in TOKENS {
        assert_eq!(status(store, token).await, expected, "{token}");
    }
}

/// 503 for everybody, with a hint when to come back, before the deadline and 50 ms have passed.
async fn all_is_out(store: &PostgresStore, name: &str) {
    for (token, _) in TOKENS {
        let asked_at = Instant::now();
        let answer = ask(store, token).await;
        assert_eq!(
            answer.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{name} {token}"
        );
        assert!(answer.headers().contains_key(RETRY_AFTER), "{name} {token}");
        assert!(
            asked_at.elapsed() <= DEADLINE + Duration::from_millis(50),
            "{name} {token}: {:?}",
            asked_at.elapsed()
        );
    }
}

/// The store over a pool of one connection, which is open.
async fn narrow(cluster: &pg::Cluster, schema: &str) -> (PostgresStore, sqlx::PgPool) {
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
async fn an_exhausted_pool_is_an_outage_and_ends_with_it() {
    let Some(cluster) = pg::shared() else { return };
    let (_, schema) = filled(cluster).await;
    let (store, pool) = narrow(cluster, &schema).await;
    all_is_well(&store).await;
    let taken = pool.acquire().await.unwrap();
    tokio::time::pause();
    all_is_out(&store, "pool exhausted").await;
    tokio::time::resume();
    drop(taken);
    all_is_well(&store).await;
}

#[tokio::test]
async fn a_stopped_server_is_an_outage_and_ends_with_it() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = filled(&cluster).await;
    let (checking, _) = narrow(&cluster, &schema).await;
    all_is_well(&store).await;
    all_is_well(&checking).await;
    let frozen = cluster.freeze();
    tokio::time::pause();
    all_is_out(&store, "stopped").await;
    all_is_out(&checking, "stopped, with one connection").await;
    tokio::time::resume();
    drop(frozen);
    recovers(&store).await;
    recovers(&checking).await;
}

/// Connections that died are thrown away one by one: until then it is 503, and nothing else.
async fn recovers(store: &PostgresStore) {
    for _ in 0..100 {
        match status(store, TOKENS[0].0).await {
            StatusCode::OK => return all_is_well(store).await,
            other => assert_eq!(other, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    panic!("the store stays out");
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, _) = filled(&cluster).await;
    all_is_well(&store).await;
    cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
    recovers(&store).await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_outage() {
    let Some(cluster) = pg::Cluster::start() else {
        return;
    };
    let (store, _) = filled(&cluster).await;
    drop(cluster);
    tokio::time::pause();
    all_is_out(&store, "gone").await;
}

#[tokio::test]
async fn a_table_or_schema_that_is_gone_is_an_outage() {
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
        let (store, schema) = filled(cluster).await;
        all_is_well(&store).await;
        cluster.psql(&sql.replace('$', &schema));
        all_is_out(&store, name).await;
    }
}

#[tokio::test]
async fn a_schema_that_was_never_made_is_an_outage() {
    let Some(cluster) = pg::shared() else { return };
    let store = cluster.unmade_store(&pg::fresh_schema());
    all_is_out(&store, "never made").await;
    let refused = store.create_user("u").await;
    assert!(
        matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_standby_answers_as_it_has_replayed_and_takes_no_change() {
    let Some(primary) = pg::Cluster::start() else {
        return;
    };
    let (store, schema) = filled(&primary).await;
    let standby = primary.standby();
    primary.is_replayed_by(&standby);
    let there = standby.unmade_store(&schema);
    there.migrate().await.unwrap();
    all_is_well(&there).await;
    let before = primary.psql(&format!("SELECT count(*) FROM {schema}.changes"));
    for (name, refused) in [
        (
            "organization",
            there.create_organization("org_2", None).await,
        ),
        ("person", there.create_user("u").await),
        ("key", there.insert(key("k5")).await),
        (
            "deletion",
            there
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
        there.feed().await.unwrap_err().code(),
        "store_unavailable",
        "a standby takes no listeners"
    );
    let none = standby
        .unmade_store(&pg::fresh_schema())
        .migrate()
        .await
        .unwrap_err();
    assert!(matches!(none, SetupError::ReadOnly { .. }), "{none:?}");
    assert_eq!(
        primary.psql(&format!("SELECT count(*) FROM {schema}.changes")),
        before
    );
    all_is_well(&there).await;

    store
        .delete(&Owner::of(Kind::OrgKey, "org_test"), "k1")
        .await
        .unwrap();
    primary.is_replayed_by(&standby);
    assert_eq!(
        status(&there, "ak_k1.test-secret").await,
        StatusCode::UNAUTHORIZED
    );
}

/// Stores keys until the table has no room for another: large ones, then small ones between them, at last one by one.
async fn fill(cluster: &pg::Cluster, schema: &str) {
    let (pool, mut stored) = (cluster.pool(), 0);
    for (at_once, scope) in [(200, 1800), (200, 1), (1, 1)] {
        let more = |from: u32| {
            format!(
                "INSERT INTO {schema}.credentials (kind, id, digest, organization_id, scopes)
                 SELECT 'org_key', 'fill-' || n, sha256('test'), 'org_test', ARRAY[repeat('x', {scope})]
                 FROM generate_series({from} + 1, {from} + {at_once}) n"
            )
        };
        let refused = loop {
            match pool.execute(AssertSqlSafe(more(stored))).await {
                Ok(_) => stored += at_once,
                Err(refused) => break refused.to_string(),
            }
            assert!(stored < 20_000, "the disk is never full");
        };
        assert!(refused.contains("could not extend file"), "{refused}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_change_and_loses_nothing() {
    let Some(cluster) = pg::Cluster::start_cramped() else {
        return;
    };
    let (store, schema) = filled(&cluster).await;
    fill(&cluster, &schema).await;
    let mut stored = Vec::new();
    let refused = loop {
        let id = format!("late-{}", stored.len());
        match store.insert(key(&id)).await {
            Ok(()) => stored.push(id),
            Err(WriteError::Store(StoreError::Unavailable(_))) => break id,
            Err(other) => panic!("{other:?}"),
        }
        assert!(stored.len() < 1000, "the disk is never full");
    };
    all_is_well(&store).await;
    for id in &stored {
        assert_eq!(
            status(&store, &format!("ak_{id}.test-secret")).await,
            StatusCode::OK,
            "{id}"
        );
    }
    let left = format!("SELECT count(*) FROM {schema}.changes WHERE id = '{refused}'");
    assert_eq!(
        cluster.psql(&left),
        "0",
        "nothing is left of what was refused"
    );

    cluster.psql(&format!(
        "DELETE FROM {schema}.credentials WHERE id LIKE 'fill-%'"
    ));
    cluster.psql(&format!("VACUUM {schema}.credentials"));
    store.insert(key(&refused)).await.unwrap();
    assert_eq!(
        status(&store, &format!("ak_{refused}.test-secret")).await,
        StatusCode::OK
    );
    all_is_well(&store).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_503_for_it_alone() {
    let Some(cluster) = pg::shared() else { return };
    let (store, schema) = filled(cluster).await;
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
        "ALTER TABLE {schema}.credentials DROP CONSTRAINT digest_has_32_bytes, DROP CONSTRAINT status_is_known,
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

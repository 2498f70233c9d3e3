//! Change lag: every change is measured once, by the clock of the database that stores it.

use crate::support::recorder;

use recorder::TestRecorder;
use tower_api_key::store::{Change, Feed, FeedEvent};

const LAG: &str = "revocation_lag_seconds{}";

async fn assert_next_user(feed: &mut impl Feed, id: &str) {
    assert_eq!(
        feed.next().await,
        Some(FeedEvent::Changed(Change::User(id.into())))
    );
}

/// Asserts one sample for each change, in seconds; the third change is dated back by an hour.
fn assert_each_change_is_measured_once(recorder: &TestRecorder) {
    let samples = recorder.samples(LAG);
    let [first, second, third] = samples[..] else {
        panic!("expected three samples, got {samples:?}")
    };
    let hour = 3600.0;
    assert!(
        (0.0..hour).contains(&first) && (0.0..hour).contains(&second),
        "{samples:?}"
    );
    assert!((hour..2.0 * hour).contains(&third), "{samples:?}");
}

#[tokio::test]
async fn sqlite_measures_the_lag_of_each_change() {
    use sqlx::SqlitePool;
    use tower_api_key::{scope::Catalogue, store::Directory};
    use tower_api_key_sqlx::SqliteStore;

    let directory = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_with(SqliteStore::options(directory.path().join("keys.db")))
        .await
        .unwrap();
    let store = SqliteStore::from_pool(pool.clone(), Catalogue::anyreach())
        .await
        .unwrap();
    store.create_user("before").await.unwrap();
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    let mut feed = store.feed().await.unwrap();
    for id in ["a", "b"] {
        store.create_user(id).await.unwrap();
        assert_next_user(&mut feed, id).await;
    }
    let late = "BEGIN IMMEDIATE; INSERT INTO tower_api_key_users (id) VALUES ('late');
        UPDATE tower_api_key_changes SET at = at - 3600000 WHERE id = 'late'; COMMIT";
    sqlx::raw_sql(late).execute(&pool).await.unwrap();
    assert_next_user(&mut feed, "late").await;
    assert_each_change_is_measured_once(&recorder);
    // A change dated in the future, as if the clock had been set back since: its lag is zero.
    let future = "BEGIN IMMEDIATE; INSERT INTO tower_api_key_users (id) VALUES ('future');
        UPDATE tower_api_key_changes SET at = at + 3600000 WHERE id = 'future'; COMMIT";
    sqlx::raw_sql(future).execute(&pool).await.unwrap();
    assert_next_user(&mut feed, "future").await;
    assert_eq!(recorder.samples(LAG).len(), 4);
    assert_eq!(recorder.samples(LAG)[3], 0.0);
}

use crate::support::pg;

#[tokio::test]
async fn postgres_measures_the_lag_of_each_change() {
    use tower_api_key::store::Directory;

    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    store.create_user("before").await.unwrap();
    let recorder = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    let mut feed = store.feed().await.unwrap();
    for id in ["a", "b"] {
        store.create_user(id).await.unwrap();
        assert_next_user(&mut feed, id).await;
    }
    cluster.psql(&format!(
        "SET search_path TO {schema}; BEGIN; INSERT INTO users (id) VALUES ('late');
         UPDATE changes SET at = at - interval '1 hour' WHERE id = 'late'; COMMIT"
    ));
    assert_next_user(&mut feed, "late").await;
    assert_each_change_is_measured_once(&recorder);
}

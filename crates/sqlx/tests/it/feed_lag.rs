//! How long changes take to be read is measured, by the clock of the database that keeps them.

use crate::support::recorder;

use recorder::TestRecorder;
use tower_api_key::store::{Change, Feed, FeedEvent};

const LAG: &str = "revocation_lag_seconds{}";

async fn tells(feed: &mut impl Feed, id: &str) {
    assert_eq!(
        feed.next().await,
        Some(FeedEvent::Changed(Change::User(id.into())))
    );
}

/// One sample for each change that was told, in seconds; the third change is dated an hour back.
fn each_is_measured_once(tally: &TestRecorder) {
    let samples = tally.samples(LAG);
    let [first, second, third] = samples[..] else {
        panic!("three changes, {samples:?}")
    };
    let hour = 3600.0;
    assert!(
        (0.0..hour).contains(&first) && (0.0..hour).contains(&second),
        "{samples:?}"
    );
    assert!((hour..2.0 * hour).contains(&third), "{samples:?}");
}

#[tokio::test]
async fn the_lag_of_a_file_is_measured_for_each_change() {
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
    let tally = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&tally);
    let mut feed = store.feed().await.unwrap();
    for id in ["a", "b"] {
        store.create_user(id).await.unwrap();
        tells(&mut feed, id).await;
    }
    let late = "BEGIN IMMEDIATE; INSERT INTO tower_api_key_users (id) VALUES ('late');
        UPDATE tower_api_key_changes SET at = at - 3600000 WHERE id = 'late'; COMMIT";
    sqlx::raw_sql(late).execute(&pool).await.unwrap();
    tells(&mut feed, "late").await;
    each_is_measured_once(&tally);
    // By a clock that was set back since.
    let future = "BEGIN IMMEDIATE; INSERT INTO tower_api_key_users (id) VALUES ('future');
        UPDATE tower_api_key_changes SET at = at + 3600000 WHERE id = 'future'; COMMIT";
    sqlx::raw_sql(future).execute(&pool).await.unwrap();
    tells(&mut feed, "future").await;
    assert_eq!(tally.samples(LAG).len(), 4);
    assert_eq!(tally.samples(LAG)[3], 0.0);
}

use crate::support::pg;

#[tokio::test]
async fn the_lag_of_a_database_is_measured_for_each_change() {
    use tower_api_key::store::Directory;

    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = cluster.unmade_store(&schema);
    store.migrate().await.unwrap();
    store.create_user("before").await.unwrap();
    let tally = TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&tally);
    let mut feed = store.feed().await.unwrap();
    for id in ["a", "b"] {
        store.create_user(id).await.unwrap();
        tells(&mut feed, id).await;
    }
    cluster.psql(&format!(
        "SET search_path TO {schema}; BEGIN; INSERT INTO users (id) VALUES ('late');
         UPDATE changes SET at = at - interval '1 hour' WHERE id = 'late'; COMMIT"
    ));
    tells(&mut feed, "late").await;
    each_is_measured_once(&tally);
}

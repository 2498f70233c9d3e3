//! A service that runs while another process manages its credentials.

use std::{convert::Infallible, mem, time::Duration};

use http::{Request, Response, StatusCode};
use tokio::{sync::mpsc, time::timeout};
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer, async_trait,
    scope::Catalogue,
    store::{Cached, Feed, FeedEvent, ManageStore},
};
use tower_api_key_sqlx::SqliteStore;

use crate::support::{Database, pg};

/// A feed that reports each event once the cache has applied it: when it asks for the next one.
struct Observed<F> {
    feed: F,
    given: bool,
    applied: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl<F: Feed> Feed for Observed<F> {
    async fn next(&mut self) -> Option<FeedEvent> {
        if mem::take(&mut self.given) {
            let _ = self.applied.send(());
        }
        let event = self.feed.next().await;
        self.given = true;
        event
    }
}

/// Presents a key to the service.
async fn status<S: ManageStore + Clone>(auth: &AuthLayer<S>, secret: &str) -> StatusCode {
    let inner =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let request = Request::get("/").header("authorization", format!("Bearer {secret}"));
    let request = request.body(()).expect("a request");
    let response = auth.layer(inner).oneshot(request).await;
    response.expect("an answer").status()
}

/// Serves from a cache of the store, and lets the command change each key.
async fn refuses_after_each_change<S: ManageStore + Clone>(
    database: &Database,
    store: S,
    feed: impl Feed,
) {
    let (applied, mut changes) = mpsc::unbounded_channel();
    let cache = Cached::new(store).with_ttl(Duration::from_secs(3600));
    tokio::spawn(cache.follow(Observed {
        feed,
        given: false,
        applied,
    }));
    let auth = AuthLayer::new(cache);
    for change in ["disable", "revoke", "rotate", "presented"] {
        let (id, secret) = database.key("ci");
        assert_eq!(status(&auth, &secret).await, StatusCode::OK);
        match change {
            "presented" => database.run_with("revoke", &secret).done(),
            verb => database.run(&format!("key {verb} --org org_1 {id}")).done(),
        };
        while status(&auth, &secret).await != StatusCode::UNAUTHORIZED {
            changes.recv().await.expect("the cache follows the feed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_refuses_what_the_command_ended_in_sqlite() {
    let database = Database::each().next().unwrap();
    let store = SqliteStore::open_existing(database.file(), Catalogue::anyreach());
    let store = store.await.unwrap();
    let feed = store.feed().await.unwrap();
    let refused = refuses_after_each_change(&database, store, feed);
    timeout(Duration::from_secs(60), refused)
        .await
        .expect("each change arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_refuses_what_the_command_ended_in_postgres() {
    let Some(database) = Database::each().nth(1) else {
        return;
    };
    let cluster = pg::shared().unwrap();
    let store = cluster.unmigrated_store(database.schema.as_deref().unwrap());
    let feed = store.feed().await.unwrap();
    let refused = refuses_after_each_change(&database, store, feed);
    timeout(Duration::from_secs(60), refused)
        .await
        .expect("each change arrives");
}

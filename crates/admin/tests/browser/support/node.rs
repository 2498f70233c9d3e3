//! Another node of the service, with a cache of its own.

use std::net::SocketAddr;

use axum::Router;
use tokio::{
    net::TcpListener,
    sync::broadcast::{Receiver, error::RecvError},
};
use tower_api_key::{
    AuthLayer, async_trait,
    manage::Manager,
    store::{Cached, Change, Feed, FeedEvent},
};
use tower_api_key_admin::Admin;

use super::{console::Console, http::call};

/// The changes that the console's manager has made.
struct Changes(Receiver<Change>);

#[async_trait]
impl Feed for Changes {
    async fn next(&mut self) -> Option<FeedEvent> {
        match self.0.recv().await {
            Ok(change) => Some(FeedEvent::Changed(change)),
            Err(RecvError::Lagged(_)) => Some(FeedEvent::Changed(Change::Everything)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// An API over the console's store, which remembers what it has read until it hears of a change.
pub(crate) struct SecondNode(SocketAddr);

impl SecondNode {
    pub(crate) async fn start(console: &Console) -> Self {
        let cache = Cached::new(console.manager.store().clone());
        tokio::spawn(cache.follow(Changes(console.changes.subscribe())));
        let auth = AuthLayer::new(cache.clone()).with_clock(console.clock.clone());
        let endpoints = Admin::new(Manager::new(cache)).organization_routes();
        let app: Router = Router::new().nest("/v1", endpoints.layer(auth));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        Self(address)
    }

    /// Calls the API with a credential, and returns the status.
    pub(crate) async fn call(&self, secret: &str) -> u16 {
        call(self.0, secret).await
    }
}

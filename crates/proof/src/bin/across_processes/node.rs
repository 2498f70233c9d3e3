//! One of the processes.

use std::time::Duration;

use axum::{Router, routing::get};
use sqlx::PgPool;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
};
use tower_api_key::{
    AuthLayer,
    scope::Catalogue,
    store::{Cached, CredentialStore, Lookup, LookupKey, ManageStore, Peek},
};
use tower_api_key_sqlx::PostgresStore;

use crate::owner;

/// Serves, and executes commands from standard input until that ends.
pub(crate) async fn serve(url: &str, schema: &str) {
    let pool = PgPool::connect(url).await.unwrap();
    let store = PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(schema)
        .unwrap();
    let feed = store.feed().await.unwrap();
    let cache = Cached::new(store).with_ttl(Duration::MAX);
    tokio::spawn(cache.follow(feed));
    let router = Router::new()
        .route("/", get(async || "hello"))
        .layer(AuthLayer::new(cache.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = commands.next_line().await {
        match line.split_once(' ') {
            Some(("revoke", id)) => {
                cache.delete(&owner(), id).await.unwrap();
                println!("revoked");
            }
            Some(("look", id)) => match cache.peek(&Lookup::new(LookupKey::OrgKey { id }, None)) {
                Peek::Found(_) => println!("cached"),
                _ => println!("not cached"),
            },
            _ => panic!("unknown command {line:?}"),
        }
    }
}

//! A small platform on axum: an API with scopes, endpoints that manage credentials, pages where
//! people manage theirs, public routes, and a document of it all. The credentials are in a SQLite
//! file, or in PostgreSQL.
//!
//! ```text
//! cargo run --package platform [ADDRESS [FILE]]
//! cargo run --package platform -- [ADDRESS] --postgres URL
//! ```
//!
//! It prints where the pages are, accounts to sign in with, and `curl` lines. If the database is
//! new, it issues one key and one token for those; after a restart both still work. Any number of
//! nodes may run on one PostgreSQL database; `examples/platform/cluster` starts one, and three nodes.
//!
//! `RUST_LOG=debug` shows each request with its headers, but for `Authorization` and cookies. Ctrl-C
//! and SIGTERM end it: requests under way are answered, and the last uses of credentials are
//! written.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example prints what it does"
)]

mod accounts;
mod api;
mod console;
mod demo;
mod document;
mod public;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use axum::{
    Router,
    http::header::{AUTHORIZATION, COOKIE},
};
use clap::Parser;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, LastUse, PublicLayer,
    manage::Manager,
    scope::Catalogue,
    store::{Cached, Directory, ExpiryWatch, Feed, ManageStore, Retention},
};
use tower_api_key_admin::{Admin, refusal};
use tower_api_key_sqlx::{PostgresStore, SqliteStore};
use tower_http::{
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, TraceLayer},
};
use tracing_subscriber::EnvFilter;

use self::accounts::Accounts;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs the example platform, which prints where to look. The variable `DEMO_PASSWORD` sets the
/// password of the demo accounts; without it each start makes one.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Where it listens.
    #[arg(default_value = "127.0.0.1:3000")]
    address: String,
    /// The SQLite file; by default one in the folder for temporary files.
    file: Option<PathBuf>,
    /// The PostgreSQL database, in place of a file.
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    postgres: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a node until it is told to end.
pub(crate) async fn run(options: Options) -> Result<()> {
    let address = &options.address;
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| format!("{address}: {error}; name another [ADDRESS [FILE]]"))?;
    let Some(url) = options.postgres else {
        let file = options.file;
        let file = file.unwrap_or_else(|| std::env::temp_dir().join("platform.db"));
        let store = SqliteStore::open(&file, Catalogue::anyreach()).await?;
        let feed = store.feed().await?; // so that the cache sees what other programs change
        let afresh = format!("stop this, and rm {}*", file.display());
        println!("# the credentials are in {}", file.display());
        return serve(listener, Cached::new(store), feed, &afresh).await;
    };
    let store = PostgresStore::connect(&url, Catalogue::anyreach()).await?;
    store.migrate().await?;
    let feed = store.feed().await?; // so that the cache sees what other nodes change
    let bound = Duration::from_secs(5);
    let store = Cached::new(store).with_max_staleness_after_disconnect(bound);
    println!("# the credentials are in PostgreSQL");
    serve(listener, store, feed, "use another database").await
}

/// Serves over a store whose changes are in `feed`; `afresh` says how to begin with an empty one.
async fn serve<S>(
    listener: TcpListener,
    store: Cached<S>,
    feed: impl Feed,
    afresh: &str,
) -> Result<()>
where
    S: ManageStore + Directory,
{
    tokio::spawn(store.follow(feed));
    let manager = Manager::new(store);
    let uses = LastUse::new();
    tokio::spawn(manager.clone().run_usage_recorder(uses.clone()));
    tokio::spawn(manager.clone().run_expiry_watch(ExpiryWatch::default()));
    tokio::spawn(manager.clone().run_retention(Retention::default()));
    let address = listener.local_addr()?.to_string();
    let accounts = Accounts::new()?;
    let secrets = demo::first_credentials(&manager).await?;
    demo::print(&address, &accounts, secrets.as_ref(), afresh);
    let console = console::routes(manager.clone(), &address, accounts)?;
    let app = router(manager.clone(), uses.clone(), console)?;
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown_requested());
    tokio::select! {
        ended = server => ended?,
        () = grace_period_over() => {}
    }
    manager.record_uses(&uses).await?; // those since `run_usage_recorder` last wrote
    Ok(())
}

/// Waits for Ctrl-C or, as orchestrators send it, SIGTERM.
async fn shutdown_requested() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Waits until requests under way have had ten seconds to end.
async fn grace_period_over() {
    shutdown_requested().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
}

/// Builds the platform around the pages of `console`. `.layer(…)` is the last call on each router, so
/// that it covers the fallbacks, which `route_layer` leaves open.
pub(crate) fn router<S: ManageStore>(
    manager: Manager<Cached<S>>,
    uses: LastUse,
    console: Router,
) -> Result<Router> {
    // The cache that the manager writes to, so that a deleted key is refused at once.
    let auth: api::Auth<_> = AuthLayer::new(manager.store().clone())
        .with_last_use(uses)
        .with_responder(refusal);
    let admin = Admin::new(manager);
    let public = public::routes(&auth)?
        .merge(document::routes(&admin)?)
        .merge(console); // for people who are signed in: a credential opens none of its pages
    let app = api::organization_routes(&auth, &admin)?
        .merge(api::personal_routes(&auth, &admin))
        .merge(public.layer(PublicLayer::new()));
    // From the outside in. A route without a layer would now be a 500.
    let outermost = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([
            AUTHORIZATION,
            COOKIE,
        ]))
        .layer(
            TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().include_headers(true)),
        )
        .layer(EveryRouteDecidesLayer::new().with_responses_of(&auth));
    Ok(app.layer(outermost))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails at the first surprise")]

    use axum::body::Body;
    use tower_api_key::testing::routes::RouteProbe;

    use super::*;

    /// The lock file is what a review of the routes reads.
    #[tokio::test]
    async fn the_routes_match_their_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        let store = SqliteStore::open(&file, Catalogue::anyreach())
            .await
            .unwrap();
        let (manager, uses) = (Manager::new(Cached::new(store)), LastUse::new());
        // Without the pages, which no credential opens.
        let app = router(manager, uses, Router::new()).unwrap();
        let keys = "/admin/organization-pats";
        let rotate = format!("{keys}/{{id}}/rotate");
        let one = format!("{keys}/{{id}}");
        let routes = [
            ("GET", "/agents"),
            ("POST", "/agents"),
            ("GET", keys),
            ("POST", keys),
            ("DELETE", &one),
            ("POST", &rotate),
            ("GET", "/admin/members/me/scopes"),
            ("GET", "/account/personal-tokens"),
            ("POST", "/account/personal-tokens"),
            ("GET", "/core/public/web-widgets/{id}"),
            (
                "POST",
                "/workflow/public/workflows/{workflow_id}/{version}/execute",
            ),
            ("GET", "/openapi.json"),
            ("GET", "/me"),
            ("GET", "/status"),
            ("GET", "/whoami"),
        ];
        let probe = RouteProbe::new(app, Body::empty).with_routes(routes);
        let routes = probe.with_router_paths().describe().await;
        routes.assert_decided();
        routes.assert_matches("routes.lock");
    }
}

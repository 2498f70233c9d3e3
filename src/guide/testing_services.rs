//! Testing a service that uses the crate: its handlers, its routes and what is on them, expiry, and
//! an outage.
//!
//! Enable the feature `testing` in `[dev-dependencies]`. Its module shows how to call a handler
//! with a principal made by hand, without any layer. The tests here go through the layer, as
//! requests do.
//!
//! # Every route has a layer
//!
//! Send a request without a credential to each route. With an
//! [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) outermost, a forgotten route answers
//! 500 and an open one 200, so the test names every route that does not answer 401:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! use tower::ServiceExt;
//! use tower_api_key::{AuthLayer, EveryRouteDecidesLayer, PublicLayer, store::MemoryStore};
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let private = Router::new().route("/agents", get(async || "")).layer(auth);
//! let public = Router::new().route("/status", get(async || "")).layer(PublicLayer::new());
//! let app = public.merge(private).layer(EveryRouteDecidesLayer::new());
//!
//! for (path, expected) in [("/agents", 401), ("/status", 200), ("/unknown", 401)] {
//!     let request = Request::get(path).body(Body::empty())?;
//!     assert_eq!(app.clone().oneshot(request).await?.status(), expected, "{path}");
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "axum"))]
//! # fn main() {}
//! ```
//!
//! Such a list says little about each route: which scopes it accepts, and what is left open around
//! it. The next section does.
//!
//! # What is on each route
//!
//! `testing::routes` (feature `testing`) describes the layers of each route, without a credential
//! and without running the handlers behind them. Put the description into a file that the test
//! compares: a reviewer then sees in the diff that a route became public, or requires another
//! scope.
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "testing"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, body::Body, routing::{get, post}};
//! use tower_api_key::{
//!     AuthLayer, PublicLayer, RequireScopesLayer, store::MemoryStore, testing::routes::RouteProbe,
//! };
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?;
//! let private = Router::new().route("/agents", get(async || "").layer(reads)).layer(auth);
//! let public = Router::new().route("/hooks", post(async || "")).layer(PublicLayer::new());
//!
//! let routes = RouteProbe::new(public.merge(private), Body::empty)
//!     .with_router_paths()
//!     .with_routes([("GET", "/agents"), ("POST", "/hooks")])
//!     .describe()
//!     .await;
//! routes.assert_decided();
//! assert_eq!(routes.to_string(), "\
//! ## Paths: those listed and the router's. Others, such as in nested services, have no line.
//! *      /*                               required
//! GET    /agents                          required  \"agents:manage\" | \"agents:read\"
//! POST   /hooks                           public
//! ");
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "axum", feature = "testing")))]
//! # fn main() {}
//! ```
//!
//! In a test of your own, the last line is `routes.assert_matches("tests/routes.lock")`. If the
//! file differs, the test fails with the lines that differ; run it with `ROUTES_LOCK=overwrite` to
//! write the file. It is never written otherwise.
//!
//! Each path is probed with all standard methods, and so is what is around it: an open method
//! beside a guarded one and an open fallback at any level have lines of their own, and let
//! `assert_decided` fail. `with_router_paths` reads the paths of an axum router from its `Debug`
//! output; without it, list the routes, for example from an OpenAPI document. A route that is
//! neither listed nor read is not found, and the first line of the file says which paths it has.
//! The documentation of the module lists what is not found. In production an
//! [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) around the route withholds its
//! response. With a CORS layer outside, which answers each OPTIONS by itself, call
//! `without_options`.
//!
//! # A new requirement
//!
//! Before a route requires a scope that callers may lack, let the requirement watch:
//! `RequireScopesLayer::any(["campaigns:read"])?.observed()` refuses nothing and counts what it
//! would refuse, with the feature `metrics`, or reports it, with `tracing`
//! ([`require`](crate::require#trying-a-requirement-first)). In the description the route has
//! `observed("campaigns:read")`.
//!
//! # A key expires
//!
//! Give the layer, and the manager and the cache if there are any, a clock that the test moves. Start
//! it in the past: stores report expiry, remove old rows and record uses by their own clock if that
//! of the manager is ahead.
//!
//! ```
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{convert::Infallible, time::Duration};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_api_key::{
//!     AuthLayer, clock::UnixMillis, credential::*, store::*, testing::ManualClock,
//! };
//!
//! let (store, clock) = (MemoryStore::new(), ManualClock::at(UnixMillis(0)));
//! store.create_organization("org_1", None).await?;
//! let key = TokenFormat::default().mint(Kind::OrgKey)?;
//! let record = Record::org_key(&key.id, key.digest, "org_1");
//! store.insert(record.expiring_at(UnixMillis(60_000))).await?;
//!
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(store).with_clock(clock.clone()))
//!     .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
//! let bearer = format!("Bearer {}", key.secret.expose_secret());
//! let request = || Request::builder().header("authorization", &bearer).body(String::new());
//! assert_eq!(service.clone().oneshot(request()?).await?.status(), 200);
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(service.oneshot(request()?).await?.status(), 401);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
//!
//! # The store fails
//!
//! A store that always fails is a few lines. Clients must see a 503, and your own code must not
//! turn it into anything else:
//!
//! ```
//! use std::{convert::Infallible, sync::Arc};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_api_key::{AuthLayer, store::*};
//!
//! struct Broken;
//!
//! #[tower_api_key::async_trait]
//! impl CredentialStore for Broken {
//!     async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
//!         Err(StoreError::unavailable("out of order"))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(Broken))
//!     .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
//! let request = Request::builder().header("authorization", "Bearer pat_x").body(String::new())?;
//! assert_eq!(service.oneshot(request).await?.status(), 503);
//! # Ok(())
//! # }
//! ```
//!
//! # A store of your own
//!
//! Hold it to the contract with `testing::contract` (feature `testing`): each broken claim is a
//! panic that names it.

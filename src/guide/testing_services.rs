//! Testing a service that uses the crate: its handlers, its routes, expiry, and an outage.
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
//! # A key expires
//!
//! Give the layer a clock that the test moves:
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

//! Which layer goes outside of which, and what is public.
//!
//! # Outside, inside
//!
//! From the outside in: tracing and request ids, CORS, compression, rate limits; then [`AuthLayer`](crate::AuthLayer);
//! then demands ([`require`](crate::require)); then whatever belongs to the handler. A refused request never reaches what is
//! inside.
//!
//! - CORS has to be outside: a preflight carries no credential (Fetch, "CORS-preflight request"), so the CORS layer must
//!   answer it itself. Where that cannot be,
//!   [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass) lets preflights through, and them alone.
//! - Compression has to be outside: a refusal is written into the inner service's own body type, see
//!   [`RefusalBody`](crate::rejection::RefusalBody).
//!
//! # axum
//!
//! A layer covers the routes that are there when it is added, so add it last and merge the public routes afterwards.
//! [`route_layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.route_layer) leaves unknown paths a 404; `layer`
//! covers the fallback as well, so that strangers cannot tell which paths exist. A layer on a method router covers the
//! methods that are there so far: give each method its own and merge them.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_api_key::ConfigError> {
//! use axum::{Router, routing::{get, post}};
//! use tower_api_key::{AuthLayer, PublicLayer, RequireScopes, store::MemoryStore};
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopes::any(["agents:read", "agents:manage"])?.like(&auth);
//! let manages = RequireScopes::any(["agents:manage"])?.like(&auth);
//!
//! let agents = get(|| async {}).route_layer(reads).merge(post(|| async {}).route_layer(manages));
//! let organization = Router::new().route("/agents", agents).route_layer(auth.clone());
//! let person = Router::new().route("/me", get(|| async {})).route_layer(auth.clone().user_scoped());
//! let either = Router::new().route("/home", get(|| async {})).route_layer(auth.optional());
//! let public = Router::new().route("/hooks", post(|| async {})).route_layer(PublicLayer::new());
//! Ok(organization.merge(person).merge(either).merge(public))
//! # }
//! ```
//!
//! # tonic
//!
//! `Server::builder().layer(auth)` covers every service. To leave one open, wrap the others instead: a service behind a
//! layer keeps its name, so that `add_service(auth.layer(MyServer::new(mine)))` works.
//!
//! # What is public
//!
//! A route without a layer, or one behind a [`PublicLayer`](crate::PublicLayer), which says so in the code and drops any
//! principal. There is no list of open paths and no pattern over them: it would have to read a path exactly as the router
//! does, and that has gone wrong too often (gRPC-Go CVE-2026-33186, oauth2-proxy CVE-2025-54576, Envoy CVE-2019-9901).
//!
//! Public is not optional: a public route does not look at a credential, an optional one judges it when it is there.

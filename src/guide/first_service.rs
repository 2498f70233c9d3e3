//! A complete service, step by step: from a key in memory to keys that customers manage.
//!
//! The [front page](crate#quick-start) and the README get a first request through. What a service
//! needs beyond that is four steps. The platform in `examples/platform` has all of them.
//!
//! # 1. Keep the keys
//!
//! Replace the [`MemoryStore`](crate::store::MemoryStore) with one that survives a restart, and put
//! a cache in front of it. The feed sends the cache what other programs change in the file:
//!
//! ```no_run
//! use tower_api_key::{scope::Catalogue, store::Cached};
//! use tower_api_key_sqlx::SqliteStore;
//!
//! type Store = Cached<SqliteStore>;
//!
//! async fn open(file: &str) -> Result<Store, Box<dyn std::error::Error>> {
//!     let store = SqliteStore::open(file, Catalogue::anyreach()).await?;
//!     let feed = store.feed().await?;
//!     let store = Cached::new(store);
//!     tokio::spawn(store.follow(feed));
//!     Ok(store)
//! }
//! ```
//!
//! For several machines it is a `PostgresStore` and otherwise the same: see
//! [`many_machines`](super::many_machines).
//!
//! # 2. Protect the routes
//!
//! Make three routers: for what an organization owns, for what a person owns, and for what is open
//! to everyone ([`organizations`](super::organizations) has the rules). The last call on each adds
//! its layer. Add requirements to single routes, and an outermost layer that withholds the response
//! of a forgotten route, whose handler has run by then ([a test](super::testing_services) finds it
//! before it is deployed):
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # mod service {
//! use axum::{Router, routing::{get, post}};
//! use tower_api_key::{
//!     AuthLayer, ConfigError, CredentialStore, EveryRouteDecidesLayer, PublicLayer,
//!     RequireScopesLayer,
//! };
//!
//! pub fn routes(auth: &AuthLayer<impl CredentialStore>) -> Result<Router, ConfigError> {
//!     let manages = RequireScopesLayer::any(["agents:manage"])?.with_responses_of(auth);
//!     let create = post(async || "created").layer(manages);
//!     let organization = Router::new()
//!         .route("/agents", get(async || "agents").merge(create))
//!         .layer(auth.clone());
//!     let person = Router::new()
//!         .route("/me", get(async || "me"))
//!         .layer(auth.clone().user_scoped());
//!     let everyone = Router::new()
//!         .route("/status", get(async || "ok"))
//!         .layer(PublicLayer::new());
//!     let app = everyone.merge(person).merge(organization);
//!     Ok(app.layer(EveryRouteDecidesLayer::new().with_responses_of(auth)))
//! }
//! # }
//! ```
//!
//! # 3. Let customers manage their keys
//!
//! Put a [`Manager`](crate::manage::Manager) over a clone of the same store, so that a deleted key
//! is refused by the next request. [`tower-api-key-admin`](https://docs.rs/tower-api-key-admin)
//! turns it into endpoints, with lists, rotation, an audit trail and an OpenAPI document. Of your
//! own, they look like this. The actor comes from the principal, never from the body:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # mod service {
//! use axum::{extract::{Path, State}, http::StatusCode};
//! use tower_api_key::{
//!     Principal, credential::Kind, manage::*, secret::Secret, store::Cached,
//! };
//! use tower_api_key_sqlx::SqliteStore;
//!
//! type Keys = State<Manager<Cached<SqliteStore>>>;
//!
//! /// The new key may do what its creator may. Its secret is shown here and nowhere else.
//! pub async fn create(
//!     State(manager): Keys,
//!     caller: Principal,
//!     name: String,
//! ) -> Result<(StatusCode, String), ManageError> {
//!     let new = NewKey::named(&name).with_scopes(caller.scopes().iter());
//!     let issued = manager.issue_key(&Actor::from_principal(&caller), new).await?;
//!     let secret = issued.into_secret();
//!     let token = secret.as_ref().map(Secret::expose_secret).unwrap_or_default();
//!     Ok((StatusCode::CREATED, token.to_owned()))
//! }
//!
//! pub async fn delete(
//!     State(manager): Keys,
//!     caller: Principal,
//!     Path(id): Path<String>,
//! ) -> Result<StatusCode, ManageError> {
//!     manager.delete(&Actor::from_principal(&caller), Kind::OrgKey, &id).await?;
//!     Ok(StatusCode::NO_CONTENT)
//! }
//! # }
//! ```
//!
//! If your layer has a token format of its own, give the manager
//! [the same](crate::manage::Manager::with_token_format): it mints what the layer reads.
//!
//! The first key of an organization has no creator: a command or a job creates the organization
//! and then issues the key as an operator. Later starts find the organization there, and issue no
//! other key.
//!
//! ```
//! use tower_api_key::{manage::*, store::*};
//!
//! async fn first_key(
//!     store: impl ManageStore + Directory + Clone,
//! ) -> Result<Option<Issued>, Box<dyn std::error::Error>> {
//!     match store.create_organization("org_1", None).await {
//!         Ok(()) => {}
//!         Err(WriteError::Taken(_)) => return Ok(None), // an earlier start has issued the key
//!         Err(error) => return Err(error.into()),
//!     }
//!     let operator = Actor::operator("set-up", Owner::Organization("org_1".into()));
//!     let new = NewKey::named("first key").with_role("admin");
//!     Ok(Some(Manager::new(store).issue_key(&operator, new).await?))
//! }
//! ```
//!
//! # 4. Watch it, and stop it cleanly
//!
//! - Enable the features `tracing` and `metrics`. [`observe`](mod@crate::observe) lists every event
//!   and metric, and what to watch first.
//! - Put a layer that marks the `Authorization` header as sensitive outside of everything that logs
//!   requests.
//! - Record last uses, so that customers see which keys are idle: give one
//!   [`LastUse`](crate::LastUse) to the layers and to
//!   [`run_usage_recorder`](crate::manage::Manager::run_usage_recorder), and write the rest when
//!   the service stops.
//! - Warn customers before a key expires, and remove old rows, with two tasks: see
//!   [`life`](super::life#it-ends).
//! - Put a rate limit by client address in front. Guessing is hopeless, but each unknown key costs
//!   a lookup.
//! - See to it that no release is built with the feature `testing`:
//!   [`TESTING_ENABLED`](crate::TESTING_ENABLED).

//! API keys and personal access tokens for axum, tonic and any other Tower service.
//!
//! You need this crate if programs call your service with `Authorization: Bearer …` and you want
//! to give each customer keys of their own. You no longer write the middleware that reads and
//! verifies a key, the table of digests behind it, the refusals with the right status, challenge
//! and text over HTTP and gRPC, the cache that forgets a key at once when it is revoked through it,
//! or the endpoints' rules for who may issue, list, rotate and revoke which key.
//!
//! It is not for users who sign in with a password or through OAuth: sessions and JWTs are other
//! crates' work, and can be used [beside it](guide::recipes#jwts-beside-keys).
//!
//! ```text
//! request ─▶ bearer ─▶ digest ─▶ store ─▶ verify ─▶ organization ─▶ Principal ─▶ service
//!              │                   │         │           │
//!              └──── Rejection ────┴─────────┴───────────┘ ─▶ JSON, problem+json, gRPC
//! ```
//!
//! An [`AuthLayer`] wraps a service. It reads `ak_<id>.<secret>`, an organization's key, or
//! `pat_…`, a person's token with the organization named in `X-Anyreach-Org`; asks a
//! [`CredentialStore`]; and either puts a [`Principal`] into the request's extensions or refuses
//! with a [`Rejection`]. Header, prefixes, texts, roles and scopes are settings; the defaults are
//! those of the Anyreach platform's documented API.
//!
//! # Quick start
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_api_key::{AuthLayer, Principal, credential::*, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! store.create_organization("org_1", None).await?;
//! let key = TokenFormat::default().mint(Kind::OrgKey)?;
//! let record = Record::org_key(&key.id, key.digest, "org_1");
//! store.insert(record.with_role("viewer", store.catalogue())?).await?;
//!
//! async fn hello(request: Request<String>) -> Result<Response<String>, std::io::Error> {
//!     let caller = request.extensions().get::<Principal>();
//!     let organization = caller.and_then(Principal::organization);
//!     Ok(Response::new(format!("hello, {organization:?}")))
//! }
//!
//! let auth = AuthLayer::new(store);
//! let service = ServiceBuilder::new().layer(auth).service_fn(hello);
//! let bearer = format!("Bearer {}", key.secret.expose_secret());
//! let request = Request::builder().header("authorization", bearer);
//! let response = service.oneshot(request.body(String::new())?).await?;
//! assert_eq!(response.into_body(), r#"hello, Some("org_1")"#);
//! # Ok(())
//! # }
//! ```
//!
//! The README has the same for axum and for tonic.
//!
//! # Where to read on
//!
//! | you want to | read |
//! |---|---|
//! | build a complete service | [`guide::first_service`], step by step |
//! | order layers, leave a route open | [`guide::placement`], [`PublicLayer`], [`EveryRouteDecidesLayer`] |
//! | deploy it, or deal with a leaked key | [`guide::deploying`] |
//! | require a scope or an organization | [`require`], [`guide::organizations`] |
//! | accept a key only from its networks, or in its environment | [`condition`] |
//! | change texts, bodies or headers of refusals | [`rejection`], [`guide::refusals`] |
//! | serve OAuth clients | [`oauth`] |
//! | let the pages of some sites call a public route | [`guide::widgets`], feature `origins` |
//! | accept JWTs beside keys, limit requests per key | [`EitherAuthLayer`], [`guide::recipes`] |
//! | move here from another system, and keep its keys | [`guide::moving`], [`CredentialSource`] |
//! | issue, list, rotate and revoke keys | [`manage`], [`guide::managing`] |
//! | keep keys in your own tables, or in a configuration file | [`store`], [`guide::stores`] |
//! | tell callers who they are | [`CallerInfo`] |
//! | cache lookups and revoke at once | [`store::Cached`], [`guide::many_machines`] |
//! | see verdicts in logs and metrics | [`observe`] |
//! | test a service, or a store | [`guide::testing_services`], feature `testing` |
//!
//! To audit the crate, start with [`guide::auditing`], which says where each promise is kept, and
//! with `authenticate/mod.rs`, the decision on one page; `rejection/messages.rs`, every text; and
//! `store/mod.rs`, the contract of stores.
//!
//! # The three store traits
//!
//! | trait | what it does | who implements it |
//! |---|---|---|
//! | [`CredentialStore`] | answers lookups: one method | every store |
//! | [`ManageStore`](store::ManageStore) | commits what a [`manage::Manager`] decides | stores whose keys this crate issues |
//! | [`Directory`](store::Directory) | knows organizations and users | stores that keep them; for [`RequireDescendantLayer`], one method |
//!
//! All stores, and [`store::Cached`] around them, are cheap clones that share their content: give
//! one clone to the layer and another to the manager.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it brings |
//! |---|---|
//! | `axum` | `Principal` and `Option<Principal>` as extractors, `Rejection` as a response, the handler `whoami` (axum 0.8) |
//! | `tonic` | `request.principal()`, services keep their name behind the layers (tonic 0.14) |
//! | `http-body-util` | refusals in `Bytes`, `Full<Bytes>` and the boxed bodies, for hyper services |
//! | `utoipa` | the security scheme and the scopes of each operation for an OpenAPI document (utoipa 6) |
//! | `origins` | [lists of the sites](guide::widgets) whose pages may call a public route |
//! | `peppers` | [digests](guide::peppers) that are useless without a key outside the database |
//! | `tracing` | an event for each verdict, with its private cause; the caller on the span: [`observe`] |
//! | `metrics` | counters and histograms: [`observe`] |
//! | `serde` | `StaticStore`, a store over a list in a [configuration file](guide::stores#a-list-in-a-configuration-file); `CallerInfo` in responses |
//! | `testing` | forged principals, a manual clock, the layers on each route, and the contract suite for stores: [`TESTING_ENABLED`] |
//!
//! Other majors of axum and tonic work with a closure: see
//! [`guide::refusals`](guide::refusals#bodies-of-other-majors).
//!
//! # Companion crates
//!
//! | crate | what it adds | depends on |
//! |---|---|---|
//! | [`tower-api-key-sqlx`](https://docs.rs/tower-api-key-sqlx) | `SqliteStore` and `PostgresStore`, each with migrations and a change log | sqlx 0.9; a pool that you pass in has to come from the same major |
//! | [`tower-api-key-admin`](https://docs.rs/tower-api-key-admin) | endpoints that manage keys and tokens, with an OpenAPI document | axum 0.8, utoipa 6 |
//! | [`tower-api-key-cli`](https://docs.rs/tower-api-key-cli) | the same as a command, `api-keys` | |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod anyreach;
mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
mod caller_info;
pub mod clock;
pub mod condition;
pub mod credential;
mod decided;
mod either_auth;
mod end_notices;
mod error;
mod every_route;
pub mod future;
pub mod guide;
pub mod id;
mod last_use;
mod layer;
pub mod manage;
pub mod oauth;
pub mod observe;
#[cfg(feature = "origins")]
pub mod origins;
mod panics;
pub mod prelude;
mod principal;
mod probe;
mod public;
pub mod rejection;
pub mod require;
pub mod scope;
pub mod secret;
mod service;
pub mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "utoipa")]
pub mod utoipa;

#[doc(no_inline)]
pub use async_trait::async_trait;
pub use authenticate::{CredentialSource, ExposedCredential};
pub use caller_info::CallerInfo;
pub use either_auth::{CallerRequired, EitherAuth, EitherAuthFuture, EitherAuthLayer};
pub use error::ConfigError;
pub use every_route::{EveryRouteDecides, EveryRouteDecidesFuture, EveryRouteDecidesLayer};
pub use last_use::LastUse;
pub use layer::AuthLayer;
pub use principal::Principal;
pub use public::{PublicLayer, PublicService};
pub use rejection::{Messages, Reason, Rejection};
pub use require::{RequireDescendantLayer, RequireOrganizationLayer, RequireScopesLayer};
pub use service::AuthService;
pub use store::CredentialStore;

/// Whether the feature `testing` is compiled in, with which any code in the program can forge a
/// [`Principal`].
///
/// Cargo unites features, so a dependency can switch it on. To keep it out of release builds, put
/// this into the program's `main.rs`:
///
/// ```
/// const _: () = assert!(
///     cfg!(debug_assertions) || !tower_api_key::TESTING_ENABLED,
///     "the feature `testing` of tower-api-key is on",
/// );
/// ```
///
/// `cargo test --release` builds the program with the feature if its tests need it: leave the
/// assertion out there, for example with a `--cfg` of your own.
///
/// With the feature, the first verdict of a process emits an event at `WARN`, and so does the first
/// forged principal; see [`observe`](mod@observe).
pub const TESTING_ENABLED: bool = cfg!(feature = "testing");

#[cfg(all(doctest, feature = "axum", feature = "tonic"))]
#[doc = include_str!("../README.md")]
struct Readme;

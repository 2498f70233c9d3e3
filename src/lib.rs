//! API keys and personal access tokens for axum, tonic and any other Tower service.
//!
//! ```text
//! request ─▶ bearer ─▶ classify ─▶ digest ─▶ store ─▶ verify ─▶ live ─▶ organization ─▶ Principal ─▶ inner service
//!              │          │                    │        │        │           │
//!              └──────────┴───── Rejection ────┴────────┴────────┴───────────┘ ─▶ JSON, problem+json, gRPC
//! ```
//!
//! An [`AuthLayer`] stands in front of a service. It takes `Authorization: Bearer ak_<id>.<secret>`, an organization's key,
//! or `pat_…`, a person's token with the organization named in `X-Anyreach-Org`; asks a [`CredentialStore`]; and either
//! puts a [`Principal`] into the request or refuses with a [`Rejection`].
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
//! store.create_organization("org_1", None)?;
//! let minted = TokenFormat::default().mint(Kind::OrgKey)?;
//! store.insert(Record::org_key(&minted.id, minted.digest, "org_1").with_role("viewer", store.catalogue())?)?;
//!
//! let service = ServiceBuilder::new().layer(AuthLayer::new(store)).service_fn(async |request: Request<String>| {
//!     let caller = request.extensions().get::<Principal>().map(|caller| caller.organization().map(str::to_owned));
//!     Ok::<_, std::convert::Infallible>(Response::new(format!("{caller:?}")))
//! });
//! let bearer = format!("Bearer {}", minted.secret.expose_secret());
//! let request = Request::builder().header("authorization", bearer).body(String::new())?;
//! assert_eq!(service.oneshot(request).await?.into_body(), r#"Some(Some("org_1"))"#);
//! # Ok(())
//! # }
//! ```
//!
//! With axum or tonic, see the README and the modules of those names. To issue, list, rotate and revoke credentials, see
//! [`manage`].
//!
//! # Where to read on
//!
//! - The [`guide`]: where to put the layer, what is refused how, managing credentials, writing a store, what is promised.
//! - In the source: `authenticate/mod.rs`, the decision on one page; `rejection/messages.rs`, every text; `store/mod.rs`, the
//!   contract of stores.
//!
//! # Features
//!
//! | feature | what it brings |
//! |---|---|
//! | `axum` | `Principal` and `Option<Principal>` as extractors, `Rejection` as a response (axum 0.8) |
//! | `tonic` | `request.principal()`, services keep their name behind the layers (tonic 0.14) |
//! | `sqlite` | `SqliteStore`: credentials in a file, several processes on it, and its change log |
//! | `postgres` | `PostgresStore`: credentials in a database that many nodes share, and its change log |
//! | `tracing` | an event for each verdict, with its private cause: [`observe`] |
//! | `metrics` | counters and histograms: [`observe`] |
//! | `testing` | a principal and a clock made by hand, and the contract of stores, for your own tests: see [`TESTING_ENABLED`] |

mod anyreach;
mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
pub mod clock;
pub mod credential;
mod decided;
mod error;
mod every_route;
pub mod future;
pub mod guide;
pub mod id;
mod last_use;
mod layer;
pub mod manage;
pub mod observe;
mod panics;
mod principal;
mod public;
pub mod rejection;
pub mod require;
pub mod scope;
pub mod secret;
mod service;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tonic")]
pub mod tonic;

#[doc(no_inline)]
pub use async_trait::async_trait;
pub use authenticate::ExposedCredential;
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

/// Whether the feature `testing` is compiled in, with which any code in the program can forge a [`Principal`].
///
/// Cargo unites features, so that a dependency can switch it on. To keep it out of release builds, put this into the
/// program's `main.rs`:
///
/// ```
/// const _: () = assert!(cfg!(debug_assertions) || !tower_api_key::TESTING_ENABLED, "feature `testing` is on");
/// ```
///
/// With the feature, the first verdict of a process leaves an event at `WARN`, and so does the first forged principal;
/// see [`observe`](mod@observe).
pub const TESTING_ENABLED: bool = cfg!(feature = "testing");

#[cfg(all(doctest, feature = "axum", feature = "tonic"))]
#[doc = include_str!("../README.md")]
struct Readme;

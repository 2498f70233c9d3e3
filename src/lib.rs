//! API keys and personal access tokens for axum, tonic and any other Tower service.
//!
//! If clients call your service with `Authorization: Bearer …`, this crate is the part you no
//! longer write. One layer verifies the credential in constant time, tells the handler who is
//! calling, and refuses everyone else with the right status, challenge and text, over HTTP and
//! gRPC. The rest is included: stores in memory, SQLite and PostgreSQL, a cache whose revocation
//! is immediate, and everything needed to issue, list, rotate and revoke credentials.
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
//! with a [`Rejection`].
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
//! let key = TokenFormat::default().mint(Kind::OrgKey)?;
//! let record = Record::org_key(&key.id, key.digest, "org_1");
//! store.insert(record.with_role("viewer", store.catalogue())?)?;
//!
//! async fn hello(request: Request<String>) -> Result<Response<String>, std::io::Error> {
//!     let caller = request.extensions().get::<Principal>();
//!     let organization = caller.and_then(Principal::organization).unwrap_or("nobody");
//!     Ok(Response::new(format!("hello, {organization}")))
//! }
//!
//! let service = ServiceBuilder::new().layer(AuthLayer::new(store)).service_fn(hello);
//! let bearer = format!("Bearer {}", key.secret.expose_secret());
//! let request = Request::builder().header("authorization", bearer).body(String::new())?;
//! assert_eq!(service.oneshot(request).await?.into_body(), "hello, org_1");
//! # Ok(())
//! # }
//! ```
//!
//! For axum and tonic, see the README and the modules of those names. To issue, list, rotate and
//! revoke credentials, see [`manage`].
//!
//! # Where to read on
//!
//! - The [`guide`]: where to put the layer, what is refused how, managing credentials, writing a
//!   store, what is promised, what it costs.
//! - In the source: `authenticate/mod.rs`, the decision on one page; `rejection/messages.rs`,
//!   every text; `store/mod.rs`, the contract of stores.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it brings |
//! |---|---|
//! | `axum` | `Principal` and `Option<Principal>` as extractors, `Rejection` as a response (axum 0.8) |
//! | `tonic` | `request.principal()`, services keep their name behind the layers (tonic 0.14) |
//! | `http-body-util` | refusals in `Bytes`, `Full<Bytes>` and the boxed bodies, for hyper services |
//! | `tracing` | an event for each verdict, with its private cause: [`observe`] |
//! | `metrics` | counters and histograms: [`observe`] |
//! | `testing` | forged principals, a manual clock, and the contract suite for stores: [`TESTING_ENABLED`] |

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
pub mod prelude;
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

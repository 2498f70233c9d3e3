//! What a route demands of a caller that is already known: scopes, an organization, a place in the tree.
//!
//! A demand is a layer inside of an [`AuthLayer`](crate::AuthLayer), on one route or on many. Without one outside of it,
//! it answers 500 and logs the fix. Behind an optional or a public layer, a request without a principal is answered 401.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_api_key::{AuthLayer, RequireScopesLayer, store::MemoryStore};
//!
//! # fn inner(_: http::Request<String>) -> std::future::Ready<Result<http::Response<String>, std::convert::Infallible>> {
//! #     std::future::ready(Ok(http::Response::default()))
//! # }
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?.with_responses_of(&auth);
//! let service = ServiceBuilder::new().layer(auth).layer(reads).service_fn(inner);
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```

mod descendant;
mod org;
mod scopes;
mod service;

pub use descendant::{RequireDescendantLayer, RequireDescendantService};
pub use org::{HasOrganization, RequireOrganizationLayer};
pub use scopes::{HoldsAny, RequireScopesLayer};
pub use service::{Require, RequireService};

//! Layers that limit a route to some authenticated callers: by scopes, by organization, or by a
//! place in the organization tree.
//!
//! | layer | the caller must | others get |
//! |---|---|---|
//! | [`RequireScopesLayer`] | hold one of the accepted scopes | 403 `insufficient_scope` |
//! | [`RequireOrganizationLayer`] | act in an organization | 401 `missing_organization` |
//! | [`RequireDescendantLayer`] | act on their own organization or one below it | 403 `organization_denied` |
//!
//! Put a `Require…` layer inside an [`AuthLayer`](crate::AuthLayer), on one route or on many.
//! Without an `AuthLayer` around it, it answers 500, and an event names the fix (feature `tracing`). Behind an optional or a
//! public layer, it answers 401 to a request without a principal. The service behind each of these
//! layers is a [`RequireService`].
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_api_key::{AuthLayer, RequireScopesLayer, store::MemoryStore};
//!
//! # fn inner(
//! #     _: http::Request<String>,
//! # ) -> std::future::Ready<Result<http::Response<String>, std::convert::Infallible>> {
//! #     std::future::ready(Ok(http::Response::default()))
//! # }
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?
//!     .with_responses_of(&auth);
//! let service = ServiceBuilder::new().layer(auth).layer(reads).service_fn(inner);
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```

mod descendant;
mod organization;
mod requirement;
mod scopes;
mod service;

pub use descendant::RequireDescendantLayer;
pub use organization::RequireOrganizationLayer;
pub use scopes::RequireScopesLayer;
pub use service::RequireService;

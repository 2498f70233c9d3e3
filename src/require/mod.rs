//! Layers that limit a route to some authenticated callers: by scopes, by organization, or by a
//! place in the organization tree.
//!
//! | layer | the caller must | others get |
//! |---|---|---|
//! | [`RequireScopesLayer`] | hold one of the accepted scopes, or all; also by gRPC method or route, see [`GrpcScopes`] and [`RouteScopes`] | 403 `insufficient_scope` |
//! | [`RequireOrganizationLayer`] | act in an organization | 401 `missing_organization` |
//! | [`RequireDescendantLayer`] | act on their own organization or one below it | 403 `organization_denied` |
//!
//! Put a `Require…` layer inside an [`AuthLayer`](crate::AuthLayer), on one route or on many.
//! Without an `AuthLayer` around it, it answers 500, and an event names the fix (feature
//! `tracing`). Behind an optional or a public layer, it answers 401 to a request without a
//! principal. The service behind each of these layers is a [`RequireService`].
//!
//! # Trying a requirement first
//!
//! A new requirement may refuse callers that work today. With `observed()`, a layer of this module
//! lets every request pass to the inner service, the response is unchanged, and what the layer
//! would have refused is counted in `tower_api_key_would_refuse_total` (feature `metrics`) and
//! emitted as an event with its cause (feature `tracing`); see [`observe`](mod@crate::observe).
//! Remove the call when there are no more of them. Neither names the route: try one requirement at
//! a time, or read the events in the span of tower-http's `TraceLayer`, which names it.
//!
//! ```
//! use tower_api_key::RequireScopesLayer;
//!
//! let campaigns = RequireScopesLayer::any(["campaigns:read"])?.observed();
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! An observed requirement never refuses a request: without an `AuthLayer` around it, or when the
//! organization tree cannot be asked, the request passes too, and the event is at `ERROR`. A panic
//! in a closure of yours ends the request, as anywhere. It protects nothing, and it does not decide
//! a route: an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) withholds the response as
//! before. Other requirements on the route refuse as before. An observed [`RequireDescendantLayer`]
//! waits for the organization tree as an enforcing one does, up to its deadline.
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
mod table;

pub use descendant::RequireDescendantLayer;
pub use organization::RequireOrganizationLayer;
pub use scopes::RequireScopesLayer;
pub use service::RequireService;
pub use table::{GrpcScopes, RouteScopes};

//! [`RequireScopesLayer`]: limits a route to callers who hold the accepted scopes.

use std::{convert::Infallible, fmt, sync::Arc};

use http::Request;

use super::{
    requirement::{Requirement, require_layer},
    table::{Entry, GrpcScopes, GrpcTable, RouteScopes, RouteTable, Rule},
};
use crate::{
    error::ConfigError,
    layer::AuthLayer,
    principal::Principal,
    rejection::{Cause, JsonResponder, RefusalStyle},
    scope::AcceptedScopes,
};

/// Lets callers through who hold at least one of the accepted scopes
/// (organizations/roles-and-permissions), or all of them. Answers others 403 with
/// `error="insufficient_scope"` (RFC 6750, section 3.1).
///
/// Give each route, or each method of it, a layer of its own; or one layer with a table of them to
/// a gRPC service ([`by_grpc_method`](Self::by_grpc_method)) or a router
/// ([`by_route`](Self::by_route)). For what differs within one response, ask
/// [`Principal::has`](crate::Principal::has) in the handler.
///
/// ```
/// use tower_api_key::{AuthLayer, RequireScopesLayer, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new());
/// let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?;
/// let reads = reads.with_responses_of(&auth);
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[must_use]
pub struct RequireScopesLayer<R = JsonResponder> {
    rule: Rule,
    /// Whether it only reports what it would refuse.
    observed: bool,
    style: Arc<RefusalStyle<R>>,
}

impl RequireScopesLayer {
    /// Creates a layer that accepts callers who hold the `accepted` scopes.
    pub fn new(accepted: AcceptedScopes) -> Self {
        Self::of(Rule::Same(accepted.into()))
    }

    /// Creates a layer that accepts any of `scopes`. They are not looked up in a catalogue: with a
    /// misspelled scope the layer refuses everyone.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`] for an empty set, [`ConfigError::InvalidScope`] for an invalid
    /// scope name.
    pub fn any<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        AcceptedScopes::any(scopes).map(Self::new)
    }

    /// Creates a layer that requires all of `scopes`. To require one of several besides, see
    /// [`AcceptedScopes::and_any`] and [`new`](Self::new).
    ///
    /// # Errors
    /// Those of [`any`](Self::any).
    pub fn all<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        AcceptedScopes::all(scopes).map(Self::new)
    }

    /// Creates a layer for gRPC services that accepts, for each method, the scopes in a table. A
    /// request with any other path is refused, whatever its caller holds, as are all methods of
    /// services that are not among `services`.
    ///
    /// The request's path is compared byte for byte with `/package.Service/Method`, as tonic's
    /// services compare it. So put the layer where it sees the same path as they do, such as
    /// `Server::builder().layer(auth).layer(scopes)`, and not outside of axum's `nest`.
    ///
    /// # Errors
    /// Those of [`any`](Self::any); [`ConfigError::InvalidGrpcName`];
    /// [`ConfigError::DuplicateRoute`]; for a service whose methods are stated,
    /// [`ConfigError::UnknownGrpcMethod`], [`ConfigError::UnlistedGrpcMethod`],
    /// [`ConfigError::UnknownGrpcService`] and [`ConfigError::InvalidDescriptorSet`].
    pub fn by_grpc_method(
        services: impl IntoIterator<Item = GrpcScopes>,
    ) -> Result<Self, ConfigError> {
        let table = GrpcTable::new(services)?;
        Ok(Self::of(Rule::ByMethod(Arc::new(table))))
    }

    /// Creates a layer for a router that accepts, for each route, the scopes in a table. A request
    /// for any other route, or for none, is refused, whatever its caller holds.
    ///
    /// # Errors
    /// Those of [`any`](Self::any); [`ConfigError::InvalidRoute`];
    /// [`ConfigError::DuplicateRoute`].
    pub fn by_route(routes: RouteScopes) -> Result<Self, ConfigError> {
        let table = RouteTable::new(routes)?;
        Ok(Self::of(Rule::ByRoute(Arc::new(table))))
    }

    fn of(rule: Rule) -> Self {
        Self {
            rule,
            observed: false,
            style: Arc::default(),
        }
    }
}

require_layer!(RequireScopesLayer { rule });

impl<R> Requirement for RequireScopesLayer<R> {
    type Responder = R;
    type Question = Infallible;

    fn style(&self) -> &RefusalStyle<R> {
        &self.style
    }

    fn is_observed(&self) -> bool {
        self.observed
    }

    fn kind<B>(&self, request: &Request<B>) -> &'static str {
        match self.rule.entry(request) {
            Entry::Scopes(_) => "scopes",
            Entry::Authenticated => "authenticated",
            Entry::Denied => "denied",
        }
    }

    fn accepted<B>(&self, request: &Request<B>) -> Option<&Arc<AcceptedScopes>> {
        match self.rule.entry(request) {
            Entry::Scopes(accepted) => Some(accepted),
            Entry::Authenticated | Entry::Denied => None,
        }
    }

    fn check<B>(&self, principal: &Principal, request: &Request<B>) -> Result<(), Cause> {
        match self.rule.entry(request) {
            Entry::Scopes(accepted) if accepted.met_by(principal.scopes()) => Ok(()),
            Entry::Scopes(_) => Err(Cause::NoAcceptedScope),
            Entry::Authenticated => Ok(()),
            Entry::Denied => Err(Cause::UnlistedRoute),
        }
    }
}

impl<R> fmt::Debug for RequireScopesLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScopesLayer")
            .field("rule", &self.rule)
            .field("observed", &self.observed)
            .finish_non_exhaustive()
    }
}

//! Tables that state the scopes of each route: [`GrpcScopes`] by gRPC method, [`RouteScopes`] by
//! the path that a router matched.

mod descriptor;
mod grpc;
mod routes;

use std::sync::Arc;

pub use grpc::GrpcScopes;
pub(super) use grpc::GrpcTable;
use http::Request;
pub use routes::RouteScopes;
pub(super) use routes::RouteTable;

use crate::{error::ConfigError, scope::AcceptedScopes};

/// What is required of the caller of a route.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Scopes.
    Scopes(Arc<AcceptedScopes>),
    /// Nothing but a valid credential.
    Authenticated,
    /// What no caller has.
    Denied,
}

impl From<AcceptedScopes> for Entry {
    fn from(accepted: AcceptedScopes) -> Self {
        Self::Scopes(Arc::new(accepted))
    }
}

/// An entry as it was stated, until it is validated.
type Stated = Result<Entry, ConfigError>;

/// Where the entry for a request is found.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// There is one for every request.
    Same(Entry),
    /// By the path of a gRPC method.
    ByMethod(Arc<GrpcTable>),
    /// By the route that a router matched.
    ByRoute(Arc<RouteTable>),
}

impl Rule {
    /// Returns the entry for the request. Without one, it is denied.
    #[inline]
    pub(super) fn entry<B>(&self, request: &Request<B>) -> &Entry {
        let found = match self {
            Self::Same(entry) => return entry,
            Self::ByMethod(table) => table.entry(request),
            Self::ByRoute(table) => table.entry(request),
        };
        found.unwrap_or(&Entry::Denied)
    }
}

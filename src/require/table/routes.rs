//! [`RouteScopes`]: the scopes of each route of a router.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::{Extensions, Method, Request};

use super::{Entry, Stated};
use crate::{error::ConfigError, scope::AcceptedScopes};

/// The scopes that each route of a router accepts, for
/// [`RequireScopesLayer::by_route`](crate::RequireScopesLayer::by_route). A route is a method and
/// the path that it was added to the router with. One without an entry is denied to everyone.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app() -> Result<axum::Router, tower_api_key::ConfigError> {
/// use axum::{Router, extract::MatchedPath, routing::get};
/// use http::Method;
/// use tower_api_key::{AuthLayer, RequireScopesLayer, require::RouteScopes, store::MemoryStore};
///
/// let routes = RouteScopes::new(MatchedPath::as_str)
///     .any(Method::GET, "/agents/{id}", ["agents:read", "agents:manage"])
///     .all(Method::POST, "/agents/{id}", ["agents:manage", "billing:manage"]);
///
/// let auth = AuthLayer::new(MemoryStore::new());
/// let scopes = RequireScopesLayer::by_route(routes)?.with_responses_of(&auth);
/// let app = Router::new()
///     .route("/agents/{id}", get(|| async {}).post(|| async {}))
///     .layer(scopes)
///     .layer(auth);
/// # Ok(app)
/// # }
/// ```
///
/// # Which path counts
///
/// The path is that of the router, not that of the request: `/agents/{id}` for each agent, with the
/// name of the parameter as the router has it. A router leaves it in the request's extensions;
/// [`new`](Self::new) takes the function that returns it from there, for axum
/// `MatchedPath::as_str`. The layer has to be inside the router, where the path is known: see the
/// [guide](crate::guide::placement#a-table-of-scopes).
///
/// A HEAD request without an entry of its own has that of GET, whose handler answers it (RFC 9110,
/// section 9.3.2): list HEAD if the router has another handler for it. Any other method has to be
/// listed, OPTIONS included.
///
/// The path is the one that axum's router has matched. In a router that is mounted as a service of
/// a route (`route_service`) and answers with its own fallback, that is still the path of the outer
/// route: do not list that path in the inner table, or mount the router with `nest`.
///
/// The order of the calls does not matter. Mistakes are returned when the layer is built.
#[derive(Clone)]
#[must_use]
pub struct RouteScopes {
    matched: Arc<Matched>,
    entries: Vec<(Method, Box<str>, Stated)>,
}

/// Finds the path that a router left in a request.
type Matched = dyn Fn(&Extensions) -> Option<&str> + Send + Sync;

impl RouteScopes {
    /// Starts a table. A router that leaves a `T` in each request that it matches, and in no other,
    /// is supported: `as_str` returns the path in it.
    pub fn new<T: Send + Sync + 'static>(as_str: fn(&T) -> &str) -> Self {
        Self {
            matched: Arc::new(move |request| request.get().map(as_str)),
            entries: Vec::new(),
        }
    }

    /// Accepts callers of a route who hold at least one of `scopes`.
    pub fn any<T: Into<Box<str>>>(
        self,
        method: Method,
        path: &str,
        scopes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.stated(method, path, AcceptedScopes::any(scopes).map(Entry::from))
    }

    /// Accepts callers of a route who hold each of `scopes`.
    pub fn all<T: Into<Box<str>>>(
        self,
        method: Method,
        path: &str,
        scopes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.stated(method, path, AcceptedScopes::all(scopes).map(Entry::from))
    }

    /// Accepts callers of a route who hold the `accepted` scopes.
    pub fn accepting(self, method: Method, path: &str, accepted: AcceptedScopes) -> Self {
        self.stated(method, path, Ok(accepted.into()))
    }

    /// Accepts every authenticated caller of a route.
    pub fn authenticated(self, method: Method, path: &str) -> Self {
        self.stated(method, path, Ok(Entry::Authenticated))
    }

    /// Denies a route to everyone, as if it had no entry; HEAD also where GET has one.
    pub fn denied(self, method: Method, path: &str) -> Self {
        self.stated(method, path, Ok(Entry::Denied))
    }

    fn stated(mut self, method: Method, path: &str, entry: Stated) -> Self {
        self.entries.push((method, path.into(), entry));
        self
    }
}

impl fmt::Debug for RouteScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteScopes")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// The entries of a router's paths, by path and method.
pub(crate) struct RouteTable {
    matched: Arc<Matched>,
    paths: BTreeMap<Box<str>, Vec<(Method, Entry)>>,
}

impl RouteTable {
    pub(crate) fn new(routes: RouteScopes) -> Result<Self, ConfigError> {
        let mut paths: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (method, path, entry) in routes.entries {
            if !path.starts_with('/') || path.contains("/:") || path.contains("/*") {
                return Err(ConfigError::InvalidRoute(path));
            }
            let route = format!("{method} {path}");
            let methods = paths.entry(path).or_default();
            if entry_of(methods, &method).is_some() {
                return Err(ConfigError::DuplicateRoute(route.into()));
            }
            methods.push((method, entry?));
        }
        Ok(Self {
            matched: routes.matched,
            paths,
        })
    }

    /// Returns the entry of the route that the router matched.
    pub(super) fn entry<B>(&self, request: &Request<B>) -> Option<&Entry> {
        let methods = self.paths.get((self.matched)(request.extensions())?)?;
        let get = || entry_of(methods, &Method::GET).filter(|_| request.method() == Method::HEAD);
        entry_of(methods, request.method()).or_else(get)
    }
}

fn entry_of<'a>(methods: &'a [(Method, Entry)], method: &Method) -> Option<&'a Entry> {
    let (_, entry) = methods.iter().find(|(listed, _)| listed == method)?;
    Some(entry)
}

impl fmt::Debug for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.paths, f)
    }
}

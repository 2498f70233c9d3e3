//! Describes which layers are on each route, finds routes that have none, and compares the
//! descriptions with a lock file, so that a reviewer sees in a diff when a route becomes public or
//! demands another scope.
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn describe(app: axum::Router) {
//! use axum::body::Body;
//! use tower_api_key::testing::routes::RouteProbe;
//!
//! let routes = RouteProbe::new(app, Body::empty)
//!     .with_routes([("GET", "/agents"), ("POST", "/agents"), ("GET", "/agents/{id}")])
//!     .describe()
//!     .await;
//! routes.assert_decided();
//! routes.assert_matches("tests/routes.lock");
//! # }
//! ```
//!
//! The list of routes may come from anywhere, for example from the paths of an OpenAPI document or
//! the methods of a gRPC service: `("POST", "/package.Service/Method")`. A path is sent as it is
//! written, so that `{id}` stands for itself as the value of the parameter. A path that the router
//! does not know is described as the fallback that answers it.
//!
//! Three things are probed besides the routes, because they are what is left open by mistake: a
//! method that no route has on each path, the fallback, and the fallback below each segment of a
//! path, which a nested router may have. In the description they have the method `*`, and a
//! fallback has the path `/*`. They are left out where they have the same mode as what is around
//! them, even if their requirements differ. An open method beside a guarded one on the same path, a
//! fallback below a captured segment, and a route that is not listed are missed.
//!
//! # The lock file
//!
//! One line a route, sorted by path. Scopes of which any one is enough are separated by `|`,
//! requirements that all have to be met by `&`:
//!
//! ```text
//! *      /*                               required
//! GET    /agents                          required  agents:manage | agents:read
//! POST   /agents                          required  agents:manage & organization
//! GET    /me                              user-scoped
//! GET    /status                          public
//! ```
//!
//! | word | the route is behind |
//! |---|---|
//! | `required`, `optional` | an [`AuthLayer`](crate::AuthLayer), or one that is `optional()` |
//! | `user-scoped`, `optional user-scoped` | one that is `user_scoped()` |
//! | `public` | a [`PublicLayer`](crate::PublicLayer) |
//! | `public > required` | several of them, from the outermost inwards |
//! | `undecided` | none of them |
//! | `organization`, `descendant(…)` | a `RequireOrganizationLayer`, a `RequireDescendantLayer` |
//! | `observed(…)` | a requirement that is only [observed](crate::require#trying-a-requirement-first) |
//!
//! # Which handlers run
//!
//! A probe has no credential and no caller, no store is asked, and its response is thrown away.
//! Handlers behind a layer of this crate do not run: the innermost one holds the probe. These run:
//!
//! - **Handlers of undecided routes.** Nothing stops a probe there, as nothing stops a client.
//! - With [`through`](RouteProbe::through), all handlers but those that take a `Principal`, which
//!   refuse a request without one. The same holds where a layer is around a service of your own
//!   that chooses between several others, if only one of them is behind another layer.
//!
//! A [`PublicLayer`](crate::PublicLayer) has to call the service inside it to learn whether another
//! layer of this crate is there. If that is a plain Tower service of yours, the probe invokes its
//! `call`, but without `through` never polls the future that it returns. So what `call` itself does
//! happens, and what its future would do does not. A handler of axum is such a future.
//!
//! Layers around those of this crate run as they do for every request, for example those that log.

mod lock;
mod probing;
mod route;

use http::{Method, Request, Response, Uri};
pub use route::{Demand, Mode, Route, Routes};
use tower_service::Service;

use crate::observe::{TestDouble, test_double_used};

/// Sends probes through a service and describes its routes; see the [module](self).
#[derive(Debug)]
#[must_use = "nothing is probed before `describe`"]
pub struct RouteProbe<S, F> {
    service: S,
    body: F,
    routes: Vec<(Method, String)>,
    through: bool,
}

impl<S, F> RouteProbe<S, F> {
    /// Creates a probe of `service`. `body` makes the empty body of a request, for example
    /// `Body::empty`.
    pub fn new<B>(service: S, body: F) -> Self
    where
        F: Fn() -> B,
    {
        Self {
            service,
            body,
            routes: Vec::new(),
            through: false,
        }
    }

    /// Adds routes: each a method, in upper or lower case, and a path.
    ///
    /// # Panics
    /// If a method or a path cannot be sent.
    #[expect(clippy::panic, reason = "a test stops at the first failure")]
    pub fn with_routes<M: AsRef<str>, P: AsRef<str>>(
        mut self,
        routes: impl IntoIterator<Item = (M, P)>,
    ) -> Self {
        for (method, path) in routes {
            let (method, path) = (method.as_ref().to_ascii_uppercase(), path.as_ref());
            let sendable = path.starts_with('/') && path.parse::<Uri>().is_ok();
            match Method::from_bytes(method.as_bytes()) {
                Ok(method) if sendable => self.routes.push((method, path.to_owned())),
                _ => panic!("no route can be {method:?} {path:?}: use a method and a path"),
            }
        }
        self
    }

    /// Sends probes past the innermost layer that can be seen from outside, to the handlers; the
    /// [module](self#which-handlers-run) says which of them run.
    ///
    /// A layer sees another one inside it through axum's `Router::layer` and `MethodRouter::layer`
    /// and through a `ServiceBuilder`. It does not where the inner one is on a route of a router
    /// or method router that was wrapped as a whole (`auth.layer(router)`,
    /// `Server::builder().layer(auth)` of tonic), or behind a `Buffer`. Without this call, requirements on such routes are missing in the
    /// description.
    pub fn through(mut self) -> Self {
        self.through = true;
        self
    }

    /// Probes each route and what is around it.
    pub async fn describe<ReqB, ResB>(self) -> Routes
    where
        S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
        F: Fn() -> ReqB,
    {
        test_double_used(TestDouble::Probe);
        probing::describe(&self).await
    }
}

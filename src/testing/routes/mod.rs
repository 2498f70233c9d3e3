//! Describes which layers are on each route, finds routes that have none, and compares the
//! descriptions with a lock file, so that a reviewer sees in a diff when a route becomes public or
//! requires another scope.
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn describe(app: axum::Router) {
//! use axum::body::Body;
//! use tower_api_key::testing::routes::RouteProbe;
//!
//! let routes = RouteProbe::new(app, Body::empty)
//!     .with_router_paths()
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
//! written, so that `{id}` stands for itself as the value of the parameter. If the service is an
//! axum router, or a router behind layers of this crate, or tonic's `Routes`,
//! [`with_router_paths`](RouteProbe::with_router_paths) adds each path that the router knows, so
//! that a route that was merged or added after the layers is found although it is not listed.
//!
//! # What is probed
//!
//! - **Each path**, listed or read from the router, with each method of RFC 9110, PATCH, QUERY,
//!   each method that is listed with any path, and one that no route has.
//! - **Around each path**, with the same methods: an unknown segment, two of them, and the empty
//!   one behind a slash, below the path and below each folder above it, with `{id}` in them as it
//!   is written. That is where fallbacks and nested routers answer.
//! - `OPTIONS *` and `CONNECT host:port`, which have no path.
//!
//! In the description, a method has a line if it is listed or differs from the method that no route
//! has, which is written `*` and stands for all that have no line; HEAD has none where it is as
//! GET. The line of `*` is left out if each listed method is like it, with the same modes and the
//! same requirements. A place around the paths has lines where it differs from the nearest place
//! above, `/*` for the root. A single unknown segment that a listed path takes for its parameter is
//! that path, and is left out.
//!
//! # What is not found
//!
//! - **A route that is neither listed nor read.** No request shows that a path exists which is
//!   nowhere written. Without `with_router_paths`, these are all that are not listed.
//!   With it, these are the routes inside a service that was given to `nest_service`,
//!   `route_service` or `fallback_service`, of which only what answers an unknown path is seen, and
//!   the routes of a service that has no axum router, or hides it in a box.
//! - **A method that is neither standard nor listed** where it differs from the others, and what a
//!   service of yours decides by something else than method and path, such as the host or a header.
//! - **What is behind a middleware of yours that answers** the probe by itself. If a layer of this
//!   crate is around it, the line ends in `(answered)`; otherwise, it is `undecided`.
//! - **Requirements behind a wrapped router**; see [`through`](RouteProbe::through).
//!
//! The first lines of the description say which of these paths and methods it lacks, so that a
//! reviewer reads it in the lock file. In production, an
//! [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) outermost withholds the responses of
//! all undecided routes that it is around.
//!
//! # The lock file
//!
//! One line a route, sorted by path. Scopes are quoted. Those of which any one is enough are
//! separated by `|`, what has to be met besides by `&`:
//!
//! ```text
//! # Paths: those listed. A route that is not listed has no line.
//! *      /*                               required
//! GET    /agents                          required  "agents:manage" | "agents:read"
//! POST   /agents                          required  "agents:manage" & organization
//! GET    /me                              user-scoped
//! GET    /status                          public
//! ```
//!
//! | word | the route is behind |
//! |---|---|
//! | `required`, `optional` | an [`AuthLayer`](crate::AuthLayer), or one that is `optional()` |
//! | `user-scoped`, `optional user-scoped` | one that is `user_scoped()` |
//! | `public` | a [`PublicLayer`](crate::PublicLayer) |
//! | `either > required` | an [`EitherAuthLayer`](crate::EitherAuthLayer), whose own mode comes next |
//! | `public > required` | several of them, from the outermost inwards |
//! | `undecided` | none of them |
//! | `"agents:read"` | a `RequireScopesLayer` that accepts the scope |
//! | `"a" & "b"` | one that needs both, or two of them |
//! | `denied`, `authenticated` | one with a table, which does not list the route or denies it; which accepts every authenticated caller |
//! | `organization`, `descendant(…)` | a `RequireOrganizationLayer`, a `RequireDescendantLayer` |
//! | `origin` | an `AllowedOriginsLayer` with a list that is not empty |
//! | `observed(…)` | a requirement that is only [observed] and protects nothing |
//! | `(answered)` | what the line shows; then code of yours answered the probe, see below |
//!
//! A line ends in `(answered)` if a layer passed the probe on and a middleware of yours answered
//! it, behind which nothing was seen, or a handler ran.
//!
//! [observed]: crate::require#trying-a-requirement-first
//!
//! # Which handlers run
//!
//! A probe has no credential and no caller, no store is asked, and its response is thrown away. The
//! closure of a `RequireDescendantLayer` is not called. Handlers behind a layer of this crate do
//! not run, those of undecided routes behind an
//! [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) included: the innermost layer holds
//! the probe. These run:
//!
//! - **Handlers of undecided routes** without an `EveryRouteDecidesLayer` around them, with every
//!   method that is probed, DELETE included. Nothing stops a probe there, as nothing stops a
//!   client. If one panics, the other routes are still described.
//! - **Handlers that hold a service of this crate**, such as an `AuthService`, in a closure or in
//!   their state. The probe takes it for a layer further in, and continues. The same holds where a
//!   layer is around a service of your own that chooses between several others, if only one of them
//!   is behind another layer. Their lines end in `(answered)`.
//! - With [`through`](RouteProbe::through), all handlers but those that take a `Principal`, which
//!   refuse a request without one.
//!
//! So describe the service with a store that the test made, not with one in use.
//!
//! A [`PublicLayer`](crate::PublicLayer) or an `EveryRouteDecidesLayer` has to call the service
//! inside it to learn whether another layer of this crate is there. If that is a plain Tower
//! service of yours, the probe invokes its `call`, but without `through` never polls the future
//! that it returns. So what `call` itself does happens, and what its future would do does not. A
//! handler of axum is such a future.
//!
//! Layers around those of this crate run as they do for every request, for example those that log.

mod lock;
mod places;
mod probing;
mod requirement;
mod route;
mod router;

use std::fmt;

use http::{Method, Request, Response, Uri};
use places::Listed;
pub use requirement::Requirement;
pub use route::{Mode, Route, Routes};
use tower_service::Service;

use crate::observe::{TestDouble, test_double_used};

/// Sends probes through a service and describes its routes; see the [module](self).
#[derive(Debug)]
#[must_use = "nothing is probed before `describe`"]
pub struct RouteProbe<S, F> {
    service: S,
    body: F,
    listed: Listed,
    reads_router: bool,
    probes_options: bool,
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
            listed: Listed::default(),
            reads_router: false,
            probes_options: true,
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
            match Method::from_bytes(method.as_bytes()) {
                Ok(method) if is_path(path) => self.listed.add_route(&method, path),
                _ => panic!("no route can be {method:?} {path:?}: use a method and a path"),
            }
        }
        self
    }

    /// Adds each path that an axum `Router` knows, as its `Debug` output shows it. The service is
    /// the router, has layers of this crate around it, or is tonic's `Routes`.
    ///
    /// Each path has a line, with the methods that differ, even if none is listed with
    /// [`with_routes`](Self::with_routes). Places that the router passes on to a nested fallback or
    /// service are probed with unknown paths; routes inside such a service
    /// [are not found](self#what-is-not-found).
    ///
    /// # Panics
    /// If the output has no paths in the form of axum 0.8, or one of them cannot be sent.
    #[expect(clippy::panic, reason = "a test stops at the first failure")]
    pub fn with_router_paths(mut self) -> Self
    where
        S: fmt::Debug,
    {
        let Some(paths) = router::read(&format!("{:?}", self.service)) else {
            panic!("no paths of an axum router in the service's `Debug` output: list the routes");
        };
        for path in paths.routes {
            assert!(is_path(&path), "the path {path:?} cannot be sent");
            self.listed.add_path(&path);
        }
        for folder in paths.folders {
            self.listed.add_folder(&folder);
        }
        self.reads_router = true;
        self
    }

    /// Leaves out the method OPTIONS where it is not listed, for a service with a CORS layer around
    /// it: that layer answers each OPTIONS by itself, so nothing behind it can be seen or reached.
    /// The description shows it.
    pub fn without_options(mut self) -> Self {
        self.probes_options = false;
        self
    }

    /// Sends probes past the innermost layer that can be seen from outside, to the handlers; the
    /// [module](self#which-handlers-run) lists which of them run.
    ///
    /// A layer sees another one inside it through axum's `Router::layer` and `MethodRouter::layer`
    /// and through a `ServiceBuilder`. It does not where the inner one is on a route of a router or
    /// method router that was wrapped as a whole (`auth.layer(router)`,
    /// `Server::builder().layer(auth)` of tonic), or behind a `Buffer`. Without this call,
    /// requirements on such routes are missing in the description.
    pub fn through(mut self) -> Self {
        self.through = true;
        self
    }

    /// Probes each route and what is around it.
    ///
    /// # Panics
    /// If no route is listed, or the service returns an error instead of getting ready.
    pub async fn describe<ReqB, ResB>(self) -> Routes
    where
        S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
        F: Fn() -> ReqB,
    {
        test_double_used(TestDouble::Probe);
        assert!(
            !self.listed.is_empty(),
            "no route is listed: call `with_routes` or `with_router_paths`"
        );
        Routes::new(self.remarks(), probing::describe(&self).await)
    }

    /// Returns what the description lacks.
    fn remarks(&self) -> Vec<&'static str> {
        let paths = match self.reads_router {
            false => "Paths: those listed. A route that is not listed has no line.",
            true => {
                "Paths: those listed and the router's. Others, such as in nested services, have no \
                 line."
            }
        };
        let methods = (!self.probes_options).then_some("Methods: OPTIONS only where it is listed.");
        [paths].into_iter().chain(methods).collect()
    }
}

/// Whether a text can be sent as a path.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.parse::<Uri>().is_ok()
}

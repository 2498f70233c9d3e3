//! How to order the layers, and how to make a route public.
//!
//! # Outside, inside
//!
//! From the outside in: sensitive headers, tracing and request ids, a layer that catches panics,
//! CORS, timeouts, compression, rate limits; then
//! [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer); then [`AuthLayer`](crate::AuthLayer);
//! then requirements ([`require`](crate::require)); then the handler's own layers. A refused
//! request never reaches what is further in.
//!
//! - Sensitive headers: a tracing layer that logs request headers runs before this crate sees the
//!   request, so it logs the token. Put tower-http's `SetSensitiveRequestHeadersLayer` outermost:
//!
//!   ```text
//!   ServiceBuilder::new()
//!       .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
//!       .layer(TraceLayer::new_for_http())
//!   ```
//!
//!   Further in, this crate itself marks every `Authorization` value as sensitive. Name the headers
//!   of further [sources](crate::CredentialSource) there too; a
//!   [`PublicLayer`](crate::PublicLayer::with_sources_of) gets them from the `AuthLayer`.
//! - CORS must be outside: a preflight carries no credential (Fetch, "CORS-preflight request"), so
//!   the CORS layer must answer it itself. Where a gateway adds the CORS headers,
//!   [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass) answers preflights with a bare
//!   200.
//! - Compression must be outside: a refusal is built in the inner service's own body type, see
//!   [`Responder`](crate::rejection::Responder).
//! - Requirements ([`require`](crate::require)) must be inside an `AuthLayer`. Without one they
//!   answer 500, and an event names the fix (feature `tracing`).
//! - A limit per key ([recipe](crate::guide::recipes#a-limit-per-key)) must be inside an
//!   `AuthLayer`, where the key is proven.
//! - Credentials of another kind, such as JWTs, are for a layer that
//!   [`with_other_authenticator`](crate::AuthLayer::with_other_authenticator) takes, not for one
//!   outside or inside.
//! - In front of a proxy, use
//!   [`with_authorization_removed`](crate::AuthLayer::with_authorization_removed). It keeps the
//!   credential from the services that requests are forwarded to.
//!
//! # axum
//!
//! Give each kind of route a router of its own, call `.layer(…)` on it last, and merge the routers.
//! The table lists what each form covers. The fallbacks and `method_not_allowed_fallback` are set
//! before the layer, unless the row states otherwise:
//!
//! | | a route | another method of it | a nested route | a nested fallback | the fallback | a route merged after | another method of that |
//! |---|---|---|---|---|---|---|---|
//! | `.layer(auth)` | yes | yes | yes | yes | yes | **no** | **no** |
//! | `.route_layer(auth)` | yes | yes | yes | **no** | **no** | **no** | **no** |
//! | `.layer(auth)`, fallbacks set afterwards | yes | **no** | **no** | **no** | **no** | **no** | **no** |
//! | `.layer(auth)` as the last call | yes | yes | yes | yes | yes | yes | yes |
//!
//! In the last row the fallbacks are set and the other router is merged before the layer is added,
//! so nothing is left outside.
//!
//! `route_layer` leaves every fallback open: with `nest("/api", …)` around a router that has a
//! fallback, such as a file service or a proxy, `/api/unknown` is answered without a credential.
//! `layer` also covers the default 404, so that unauthenticated clients cannot find out which paths
//! exist. When routers are merged, the default 404 of the last one wins: merge the public router
//! first, or set one fallback on the merged router.
//!
//! A layer on a method router covers only the methods that are already there. Give each method its
//! own layer, then merge them.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_api_key::ConfigError> {
//! use axum::{Router, routing::{get, post}};
//! use tower_api_key::{
//!     AuthLayer, EveryRouteDecidesLayer, PublicLayer, RequireScopesLayer,
//!     store::MemoryStore,
//! };
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?;
//! let reads = reads.with_responses_of(&auth);
//! let manages = RequireScopesLayer::any(["agents:manage"])?.with_responses_of(&auth);
//!
//! let agents = get(|| async {})
//!     .layer(reads)
//!     .merge(post(|| async {}).layer(manages));
//! let organization = Router::new()
//!     .route("/agents", agents)
//!     .layer(auth.clone());
//! let user = Router::new()
//!     .route("/me", get(|| async {}))
//!     .layer(auth.clone().user_scoped());
//! let either = Router::new()
//!     .route("/home", get(|| async {}))
//!     .layer(auth.clone().optional());
//! let public = Router::new()
//!     .route("/hooks", post(|| async {}))
//!     .layer(PublicLayer::new());
//! let app = public.merge(either).merge(user).merge(organization);
//! Ok(app.layer(EveryRouteDecidesLayer::new().with_responses_of(&auth)))
//! # }
//! ```
//!
//! The last line exposes a forgotten layer: a response that no `AuthLayer` and no `PublicLayer`
//! decided becomes a 500, with an event at `ERROR`. It is a safety net for mistakes, not
//! authentication: the handler has already run. A test finds the mistake before a client does: see
//! [what is on each route](crate::guide::testing_services#what-is-on-each-route).
//!
//! # A table of scopes
//!
//! Instead of a layer on each route, a router can have one layer with a table of its routes
//! ([`RouteScopes`](crate::require::RouteScopes)), and gRPC services one with a table of their
//! methods ([`GrpcScopes`](crate::require::GrpcScopes)). The table denies what it does not list, so
//! a route that was added and forgotten there is closed: it answers 403, with the cause
//! `unlisted_route`.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_api_key::ConfigError> {
//! use axum::{Router, extract::MatchedPath, routing::get};
//! use http::Method;
//! use tower_api_key::{AuthLayer, RequireScopesLayer, require::RouteScopes, store::MemoryStore};
//!
//! let routes = RouteScopes::new(MatchedPath::as_str)
//!     .any(Method::GET, "/api/agents", ["agents:read", "agents:manage"])
//!     .any(Method::POST, "/api/agents", ["agents:manage"])
//!     .all(Method::GET, "/api/invoices/{id}", ["agents:read", "billing:manage"])
//!     .authenticated(Method::GET, "/me");
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let api = Router::new()
//!     .route("/agents", get(|| async {}).post(|| async {}))
//!     .route("/invoices/{id}", get(|| async {}));
//! let app = Router::new()
//!     .nest("/api", api)
//!     .route("/me", get(|| async {}))
//!     .layer(RequireScopesLayer::by_route(routes)?.with_responses_of(&auth))
//!     .layer(auth);
//! # Ok(app)
//! # }
//! ```
//!
//! In axum the path that counts is the one that the router matched, with the prefixes of `nest`. It
//! is known only inside that router. The columns say what each placement does with a route or a
//! method that is in the table and with others; *open* means open to every authenticated caller.
//! The fallbacks are set before the layer:
//!
//! | | a listed route | an unlisted one | an unlisted method | a listed nested route | a nested fallback | the fallback |
//! |---|---|---|---|---|---|---|
//! | `.layer(table).layer(auth)` | its scopes | 403 | 403 | its scopes | 403 | 403 |
//! | `.route_layer(table).layer(auth)` | its scopes | 403 | 403 | its scopes | **open** | **open** |
//! | on the router that is nested | **open** | **open** | **open** | its scopes | 403 | **open** |
//! | around a router with `nest_service` | its scopes | 403 | 403 | 403 | 403 | 403 |
//! | around the whole router, in a `ServiceBuilder` | 403 | 403 | 403 | 403 | 403 | 403 |
//!
//! With `route_layer`, an unknown path without a fallback is answered 404 instead of 403. A HEAD
//! request has the entry of GET if it has none of its own. OPTIONS has to be listed, unless a CORS
//! layer outside answers it.
//!
//! Do not change the method or the path of a request further in: the table has decided by then.
//! [`RouteProbe`](crate::guide::testing_services#what-is-on-each-route) shows the entry of each
//! route, and `denied` where there is none.
//!
//! # tonic
//!
//! `Server::builder().layer(auth)` covers every service. To leave one open, wrap the others
//! instead: a service behind a layer keeps its name, so
//! `add_service(auth.layer(MyServer::new(mine)))` works, also for a service with an interceptor. In
//! an axum router (`Routes::into_axum_router`) the response body is axum's, which does not show
//! that the service speaks gRPC: add [`with_grpc`](crate::AuthLayer::with_grpc). For other majors
//! of axum and tonic, see [`refusals`](crate::guide::refusals#bodies-of-other-majors).
//!
//! A [table](#a-table-of-scopes) of the methods goes inside: `.layer(auth).layer(scopes)` on the
//! server. It compares the request's path as tonic's services do, byte for byte, and lists all
//! services behind it, also those for health checks and reflection. Or wrap the services that it
//! lists, each with both layers.
//!
//! # Limits and buffers
//!
//! A layer that limits concurrency (`ConcurrencyLimit`, `Buffer`) protects what is inside it:
//!
//! - Inside `AuthLayer` it counts accepted requests only. A request holds no permit while the store
//!   is queried: it releases readiness before the lookup and polls for it again afterwards. A
//!   refused request releases it at once. So neither unauthenticated clients nor a slow store can
//!   use up the permits. An accepted request that needed a lookup queues for a permit after it. If
//!   the limit is exhausted, requests that would be refused wait too, because a Tower service is
//!   polled ready before it sees the request.
//! - Outside `AuthLayer` it counts every request, lookups included: a flood of unknown tokens over
//!   a slow store uses up the permits of callers with valid keys. Put limits per client address
//!   there, and no others.
//!
//! # Forward authentication
//!
//! nginx's `auth_request`, Traefik's ForwardAuth, Caddy's `forward_auth` and Envoy's `ext_authz`
//! ask a service whether a request may pass, and treat any 2xx as a yes. This crate answers a
//! refused request with 401, 403, 503 or 500, whatever the client sends; a responder of your own
//! may choose another 4xx or 5xx. There are two exceptions,
//! both opt-in. Leave both off on routes that a gateway asks:
//!
//! - [`with_grpc`](crate::AuthLayer::with_grpc) (and tonic's own server), since a refused gRPC call
//!   is HTTP 200;
//! - [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass), which answers 200.
//!
//! Let the gateway ask with `GET` and without the body, as nginx does by default, and route by a
//! path of the gateway's own: this crate does not read the original URI that the gateway passes in
//! a header. Require scopes on the route that is asked, not behind the gateway. Do not trust a
//! forwarded request to have passed the gateway unless clients have no other way in.
//!
//! # Uploads
//!
//! A refusal is sent before the request body is read, and the body is dropped unread. Over HTTP/1.1
//! the server then reads and discards a little and closes the connection, so a client that is still
//! sending may see a reset instead of the 401. Clients that send `Expect: 100-continue` get the
//! refusal instead of `100 Continue`. Over HTTP/2 the stream is reset with `NO_ERROR` after the
//! response (RFC 9113, section 8.1) and the connection stays open. While the store is queried the
//! body waits unread, and flow control holds the client back.
//!
//! # What is public
//!
//! A route is public if it is behind a [`PublicLayer`](crate::PublicLayer), which makes that
//! visible in the code and drops any principal. There is no list of open paths and no pattern for
//! them: it would have to parse a path exactly as the router does, and that has gone wrong too
//! often (gRPC-Go CVE-2026-33186, oauth2-proxy CVE-2025-54576, Envoy CVE-2019-9901).
//!
//! Some public routes are for the pages of your customers' sites. An `AllowedOriginsLayer` (feature
//! `origins`) inside the `PublicLayer` refuses requests from other pages: see
//! [`widgets`](crate::guide::widgets).
//!
//! Public is not optional: a public route ignores credentials, an optional route checks a
//! credential if there is one. Responses of an optional route have a `Vary` field with
//! `Authorization` and the organization header, so that a cache does not serve one caller's
//! response to another.

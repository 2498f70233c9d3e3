//! Which layer goes outside of which, and what is public.
//!
//! # Outside, inside
//!
//! From the outside in: sensitive headers, tracing and request ids, a layer that catches panics, CORS, timeouts,
//! compression, rate limits; then [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer); then
//! [`AuthLayer`](crate::AuthLayer); then demands ([`require`](crate::require)); then whatever belongs to the handler. A
//! refused request never reaches what is inside.
//!
//! - Sensitive headers: a tracing layer that logs request headers runs before this crate has seen the request, so it logs
//!   the token. tower-http's `SetSensitiveRequestHeadersLayer` has to be outermost:
//!   `ServiceBuilder::new().layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION])).layer(TraceLayer::new_for_http())`.
//!   Further in, this crate marks every `Authorization` value itself.
//! - CORS has to be outside: a preflight carries no credential (Fetch, "CORS-preflight request"), so the CORS layer must
//!   answer it itself. Where a gateway adds the CORS headers,
//!   [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass) answers preflights with a bare 200.
//! - Compression has to be outside: a refusal is written into the inner service's own body type, see
//!   [`RefusalBody`](crate::rejection::RefusalBody).
//!
//! - Demands ([`require`](crate::require)) have to be inside of an `AuthLayer`. Without one around them they answer 500 and
//!   log the fix.
//! - In front of a proxy, [`with_authorization_removed`](crate::AuthLayer::with_authorization_removed) keeps the credential
//!   from the services that requests are forwarded to.
//!
//! # axum
//!
//! Give each kind of route a router of its own, call `.layer(…)` last on it, and merge the routers. What each form covers,
//! where the fallbacks and `method_not_allowed_fallback` are set before it unless the row says otherwise:
//!
//! | | a route | another method of it | a nested route | a nested fallback | the fallback | a route merged after | another method of that |
//! |---|---|---|---|---|---|---|---|
//! | `.layer(auth)` | yes | yes | yes | yes | yes | **no** | **no** |
//! | `.route_layer(auth)` | yes | yes | yes | **no** | **no** | **no** | **no** |
//! | `.layer(auth)`, fallbacks set afterwards | yes | **no** | **no** | **no** | **no** | **no** | **no** |
//! | `.layer(auth)` as the last call | yes | yes | yes | yes | yes | yes | yes |
//!
//! `route_layer` leaves every fallback open: with `nest("/api", …)` around a router that has a fallback, such as a file
//! service or a proxy, `/api/unknown` is answered without a credential. `layer` also covers the default 404, so that
//! strangers cannot tell which paths exist. Of the default 404s of merged routers the last one stays: merge the public
//! router first, or set one fallback on the merged router.
//!
//! A layer on a method router covers the methods that are there so far: give each method its own and merge them.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_api_key::ConfigError> {
//! use axum::{Router, routing::{get, post}};
//! use tower_api_key::{AuthLayer, EveryRouteDecidesLayer, PublicLayer, RequireScopesLayer, store::MemoryStore};
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?.with_responses_of(&auth);
//! let manages = RequireScopesLayer::any(["agents:manage"])?.with_responses_of(&auth);
//!
//! let agents = get(|| async {}).layer(reads).merge(post(|| async {}).layer(manages));
//! let organization = Router::new().route("/agents", agents).layer(auth.clone());
//! let person = Router::new().route("/me", get(|| async {})).layer(auth.clone().user_scoped());
//! let either = Router::new().route("/home", get(|| async {})).layer(auth.clone().optional());
//! let public = Router::new().route("/hooks", post(|| async {})).layer(PublicLayer::new());
//! let app = public.merge(either).merge(person).merge(organization);
//! Ok(app.layer(EveryRouteDecidesLayer::new().with_responses_of(&auth)))
//! # }
//! ```
//!
//! The last line makes a forgotten layer loud: a response that no `AuthLayer` and no `PublicLayer` decided becomes a 500, and
//! an event at `ERROR`. It is a net for mistakes and not authentication: the handler has run by then. A test that sends a request to every route finds it before a client does.
//!
//! # tonic
//!
//! `Server::builder().layer(auth)` covers every service. To leave one open, wrap the others instead: a service behind a
//! layer keeps its name, so that `add_service(auth.layer(MyServer::new(mine)))` works, also for a service with an
//! interceptor. In an axum router (`Routes::into_axum_router`) the response body is axum's, which does not say that
//! the service speaks gRPC: add [`with_grpc`](crate::AuthLayer::with_grpc).
//!
//! # Limits and buffers
//!
//! A layer that limits what runs at once (`ConcurrencyLimit`, `Buffer`) protects what is inside of it:
//!
//! - Inside of `AuthLayer` it counts accepted requests only. While a store is asked, a request holds no permit: readiness
//!   is given back before the lookup and polled for again after it, and a request that is refused gives it back at once.
//!   So callers without a credential cannot use up the permits, and neither can a slow store. An accepted request that had to be
//!   looked up queues for a permit after its lookup. If the limit is exhausted, requests that would be refused wait too,
//!   because a Tower service is polled ready before it sees the request.
//! - Outside of `AuthLayer` it counts everybody, lookups included: a flood of unknown tokens over a slow store uses up the
//!   permits of callers with good keys. Put limits per client address there, and no others.
//!
//! # Forward authentication
//!
//! nginx's `auth_request`, Traefik's ForwardAuth, Caddy's `forward_auth` and Envoy's `ext_authz` ask a service whether a
//! request may pass, and take any 2xx for a yes. This crate answers 401, 403, 503 or 500 to what it refuses, whatever the
//! client sends, with two exceptions that you have to ask for, so leave both off on routes that a gateway asks:
//! [`with_grpc`](crate::AuthLayer::with_grpc) (and tonic's own server), since a refused gRPC call is HTTP 200, and
//! [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass), whose answer is 200. Let the gateway ask with `GET`
//! and without the body, as nginx does by itself, and route by a path of the gateway's own: the original URI that it passes
//! in a header is no input for this crate. Demand scopes on the route that is asked, not behind the gateway. What the gateway
//! then forwards must not be trusted to have passed it unless clients have no other way in.
//!
//! # Uploads
//!
//! A refusal is sent before the request body is read, and the body is dropped unread. Over HTTP/1.1 the server then reads
//! and discards a little and closes the connection, so that a client which is still sending may see a reset instead of
//! the 401; clients that send `Expect: 100-continue` get the refusal instead of the invitation. Over HTTP/2 the stream is
//! reset with `NO_ERROR` after the response (RFC 9113, section 8.1) and the connection stays. While a store is asked the
//! body waits unread, and flow control holds the client back.
//!
//! # What is public
//!
//! A route behind a [`PublicLayer`](crate::PublicLayer), which says so in the code and drops any
//! principal. There is no list of open paths and no pattern over them: it would have to read a path exactly as the router
//! does, and that has gone wrong too often (gRPC-Go CVE-2026-33186, oauth2-proxy CVE-2025-54576, Envoy CVE-2019-9901).
//!
//! Public is not optional: a public route does not look at a credential, an optional one judges it when it is there. Responses of
//! an optional route get `Vary: Authorization` and the organization header, so that a cache does not give one caller's response
//! to another.

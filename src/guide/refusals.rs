//! What clients see when a request is refused, and how to change it.
//!
//! Every refusal has a [`Cause`](crate::rejection::Cause), which is for the operator. Each cause
//! maps to one [`Reason`](crate::Reason), which is for the client. A reason has an HTTP status, a
//! gRPC code and a text in [`Messages`](crate::Messages), so you change a text in one place:
//!
//! ```
//! use tower_api_key::{AuthLayer, Messages, store::MemoryStore};
//!
//! let mut messages = Messages::default();
//! messages.missing_credential = "Please send a key".into();
//! let auth = AuthLayer::new(MemoryStore::new())
//!     .with_realm("my api")?
//!     .with_messages(messages)
//!     .with_body_key("error");
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! # Another body
//!
//! [`with_responder`](crate::AuthLayer::with_responder) takes
//! [`ProblemResponder`](crate::rejection::ProblemResponder) (RFC 9457) or a closure. A closure
//! builds the body and may set headers. The layer adds the challenge, `Retry-After` and a failing
//! status if the closure did not set them. `Cache-Control: no-store` replaces any caching headers
//! that it set:
//!
//! ```
//! use http::Response;
//! use tower_api_key::{AuthLayer, Rejection, store::MemoryStore};
//!
//! let auth = AuthLayer::new(MemoryStore::new()).with_responder(|rejection: &Rejection| {
//!     Response::new(format!(r#"{{"code":"{}"}}"#, rejection.reason().code()))
//! });
//! ```
//!
//! # Bodies of other majors
//!
//! The documented JSON and the problem document are written into the body type of the inner
//! service, which has to implement [`RefusalBody`]: `String`, and with this crate's features the
//! bodies of axum 0.8, tonic 0.14 and `http-body-util`. A closure needs only a body with `Default`,
//! as axum 0.7 and tonic 0.13 have it. Let it convert what a responder of this crate writes:
//!
//! ```
//! # extern crate axum_core_04 as axum;
//! use axum::body::Body; // that of axum 0.7
//! use tower_api_key::{
//!     AuthLayer, Rejection, RequireScopesLayer,
//!     rejection::{JsonResponder, Responder},
//!     store::MemoryStore,
//! };
//!
//! let json = JsonResponder::default();
//! let auth = AuthLayer::new(MemoryStore::new()).with_responder(move |rejection: &Rejection| {
//!     json.respond(rejection).map(|text: String| Body::from(text))
//! });
//! let reads = RequireScopesLayer::any(["agents:read"])?.with_responses_of(&auth);
//! # fn answers_in<B, S, R: Responder<B>>(_: &AuthLayer<S, R>) {}
//! # answers_in::<Body, _, _>(&auth);
//! # let _ = reads;
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! For tonic 0.13 that is `Body::new(text)`, and the layer needs
//! [`with_grpc`](crate::AuthLayer::with_grpc). Put it around the server
//! (`Server::builder().layer(auth)`): the body of a service with an interceptor has no `Default`.
//! Without this crate's features `axum` and `tonic`, handlers find the
//! [`Principal`](crate::Principal) in the request's extensions.
//!
//! [`RefusalBody`]: crate::rejection::RefusalBody
//!
//! # gRPC
//!
//! A refused gRPC or gRPC-Web call is answered in its own protocol: HTTP 200, an empty body, and
//! `grpc-status` and a percent-encoded `grpc-message` in the headers. Two conditions must hold:
//!
//! - The service declares that it speaks gRPC, either through its response body type
//!   ([`RefusalBody::SPEAKS_GRPC`], as tonic's own server and services do) or through
//!   [`with_grpc`](crate::AuthLayer::with_grpc) on the layer. Behind a closure only `with_grpc`
//!   counts, whatever the body. `Require…` layers inherit this through `with_responses_of`.
//! - The request is a call: `POST` over HTTP/2 with `content-type: application/grpc` (also with
//!   `+…` or `;…`), or, for gRPC-Web, `POST` over any version. A request with several
//!   content-types is not a call.
//!
//! Every other request gets an ordinary refusal with its HTTP status. Gateways, load balancers and
//! health checks go by the status, so a client must not be able to have its refusal counted,
//! cached or let through as a success. One layer serves both protocols on one port.
//!
//! [`RefusalBody::SPEAKS_GRPC`]: crate::rejection::RefusalBody::SPEAKS_GRPC
//!
//! # Challenges
//!
//! `WWW-Authenticate` follows RFC 6750, section 3. `error="invalid_token"` is sent only for a
//! credential that was presented and is bad: clients discard a token when they see that error, and
//! a token that merely lacks its organization is still good. `insufficient_scope` carries
//! `scope="…"` when there is no choice: one scope is accepted, or all of several are needed. A 503
//! has `Retry-After`.
//!
//! Two further parameters are off by default, since clients with keys do not read them:
//!
//! - [`with_resource_metadata`](crate::AuthLayer::with_resource_metadata) adds
//!   `resource_metadata="<url>"` to the challenges of the layer and of those that take their
//!   [responses](crate::RequireScopesLayer::with_responses_of) from it (RFC 9728, section 5.1), so
//!   that OAuth clients find the authorization server. [`oauth`](crate::oauth) has the document for
//!   that URL.
//! - [`with_error_description`](crate::AuthLayer::with_error_description) adds
//!   `error_description="<text>"` to challenges with an `error`. It is the text of the body.
//!
//! # What an accepted caller may see
//!
//! Refusals are uniform, so a customer who sends the wrong key learns little from them. An endpoint
//! that shows which caller a credential belongs to answers most of these questions: it shows the
//! key's id, organization, role, scopes, expiry, restrictions and conditions to whoever presents
//! it. With axum it is `get(tower_api_key::axum::whoami)`, on a route behind the layer and without
//! required scopes; elsewhere send [`CallerInfo::to_json`](crate::CallerInfo::to_json). What is
//! refused on that route is refused in the same words as on every other.
//!
//! # In outer middleware
//!
//! The response's extensions hold the typed [`Rejection`](crate::Rejection), with its cause and the
//! credential's public id.

//! What a client sees, and how to change it.
//!
//! Every way to be refused is a [`Cause`](crate::rejection::Cause), for the operator; it has one
//! [`Reason`](crate::Reason), for the client; that has a status, a gRPC code and a text in
//! [`Messages`](crate::Messages). So a text is changed in one place:
//!
//! ```
//! use tower_api_key::{AuthLayer, Messages, store::MemoryStore};
//!
//! let auth = AuthLayer::new(MemoryStore::new())
//!     .with_realm("my api")?
//!     .with_messages(Messages { missing_credential: "Please send a key".into(), ..Messages::default() })
//!     .with_body_key("error");
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! # Another body
//!
//! [`with_responder`](crate::AuthLayer::with_responder) takes
//! [`ProblemResponder`](crate::rejection::ProblemResponder) (RFC 9457) or a closure. A closure makes the body and may set
//! headers; the challenge, `Retry-After` and a failing status are added if it has not. `Cache-Control: no-store` replaces
//! whatever it says to caches:
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
//! # gRPC
//!
//! A refused gRPC call is answered in gRPC's form, and one of gRPC-Web in its own: HTTP 200, an empty body, `grpc-status`
//! and a percent-encoded `grpc-message` in the headers. Two things have to come together:
//!
//! - The service says that it speaks gRPC: by its response body type ([`RefusalBody::SPEAKS_GRPC`], as tonic's own server
//!   and services do), or by [`with_grpc`](crate::AuthLayer::with_grpc) on the layer. Demands take it over with `with_responses_of`.
//! - The request is a call: `POST` over HTTP/2 with `content-type: application/grpc` (also with `+…` or `;…`), or for
//!   gRPC-Web `POST` over any version. A request with several content-types is none.
//!
//! Everything else gets an ordinary refusal with its HTTP status, so that a client cannot choose to be counted, cached or
//! let through as a success: gateways, load balancers and health checks judge by the status. One layer serves both on one
//! port.
//!
//! [`RefusalBody::SPEAKS_GRPC`]: crate::rejection::RefusalBody::SPEAKS_GRPC
//!
//! # Challenges
//!
//! `WWW-Authenticate` follows RFC 6750, section 3. `error="invalid_token"` is sent only for a credential that was
//! presented and is bad: a client throws away what is called so, and a token that merely lacks its organization is good.
//! `insufficient_scope` names `scope="…"` when exactly one scope is accepted. A 503 has `Retry-After`.
//!
//! # In middleware further out
//!
//! The typed [`Rejection`](crate::Rejection) is in the response's extensions, with its cause and the credential's public
//! id.

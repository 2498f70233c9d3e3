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
//! headers; the challenge, `Cache-Control: no-store`, `Retry-After` and a failing status are added if it has not:
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
//! A request with `content-type: application/grpc` is answered in gRPC's form, and one of gRPC-Web in its own: HTTP 200, an
//! empty body, `grpc-status` and a percent-encoded `grpc-message` in the headers. The request decides, so one layer serves
//! both on one port.
//!
//! # Challenges
//!
//! `WWW-Authenticate` follows RFC 6750, section 3. `error="invalid_token"` is sent only for a credential that was
//! presented and is bad: a client throws away what is called so, and a token that merely lacks its organization is good.
//!
//! # In middleware further out
//!
//! The typed [`Rejection`](crate::Rejection) is in the response's extensions, with its cause and the credential's public
//! id.

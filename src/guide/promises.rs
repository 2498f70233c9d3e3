//! What holds whatever a client sends, and what does not.
//!
//! - The inner service is called only after the verdict, with an instance that was polled ready. While a store is asked, none
//!   of its permits or places is held.
//! - Without a valid credential the HTTP status is 401, 403, 500 or 503 whatever the client sends, except for gRPC calls to a
//!   service that says that it speaks gRPC (HTTP 200 with a `grpc-status`), and for preflights where
//!   [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass) was asked for. A responder of your own can choose
//!   another status within the class.
//! - A refusal is `Cache-Control: no-store`, whatever a responder says.
//! - Under an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer), a response that no layer decided is withheld.
//! - A [`Principal`](crate::Principal) cannot be made from anything that a client sent, nor without every check: each step
//!   consumes the proof that the one before it made. One that somebody put into the request's extensions is replaced or
//!   removed.
//! - An error of the store is never an accept, a denial, or anonymous.
//! - Unknown, wrong, deleted, disabled and expired credentials are answered with the same bytes. The digest is computed
//!   before the look-up and compared in constant time, with a decoy when the id is unknown.
//! - A credential is read from exactly one `Authorization` field: not from the query, a cookie, the body, the trailers or
//!   `Proxy-Authorization`; not from the first or the last of two.
//! - Malformed tokens cost no look-up and no allocation before the response; tokens over the cap are refused before they
//!   are hashed.
//! - Neither tokens nor digests nor [peppers](super::peppers) are shown by `Debug`, errors, events or responses. The inner
//!   service sees the `Authorization` value marked sensitive.
//!
//! What does not hold:
//!
//! - A look-up in a map or a database takes time that may depend on what is looked up. An id is public; towards a digest
//!   nobody can steer without inverting SHA-256.
//! - Guessing is not slowed down; a minted secret has at least 200 random bits. Put a rate limit outside for the load.
//! - With the feature `testing` any code in the program can forge a principal; it leaves an event
//!   ([`TESTING_ENABLED`](crate::TESTING_ENABLED)).
//! - A layer outside of this crate's that logs request headers logs the token, unless the header is marked as sensitive
//!   further out; see [`placement`](super::placement).
//! - A credential that was accepted is not interrupted when it is revoked while its request is under way.

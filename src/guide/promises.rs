//! What holds whatever a client sends, and what does not.
//!
//! On a route behind an [`AuthLayer`](crate::AuthLayer) that is not optional:
//!
//! - The inner service is called only after the decision, on an instance that was polled ready. No
//!   permit or slot of the inner service is held while the store is queried.
//! - Without a valid credential the HTTP status is 401, 403, 500 or 503, whatever the client sends.
//!   There are two exceptions: gRPC calls to a service that declares that it speaks gRPC (HTTP 200
//!   with a `grpc-status`), and preflights where you enabled
//!   [`with_preflight_pass`](crate::AuthLayer::with_preflight_pass). A responder of your own can
//!   choose another status within the class.
//! - A refusal is `Cache-Control: no-store`, whatever a responder sets.
//! - Under an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer), a response that no layer
//!   decided is withheld.
//! - A [`Principal`](crate::Principal) cannot be built from anything that a client sent, nor
//!   without every check: each step consumes the proof that the previous step produced. A principal
//!   that code further out put into the request's extensions is replaced or removed.
//! - A store error is never treated as a denial or as anonymous, nor as an accept. The one setting
//!   that weakens the latter has `danger` in its name:
//!   [`danger_with_stale_accepts`](crate::store::Cached::danger_with_stale_accepts) serves what the
//!   store has accepted before.
//! - Unknown, wrong, deleted, disabled and expired credentials get byte-identical responses, as
//!   long as the store answers. The digest is computed before the lookup and compared in constant
//!   time, against a decoy when the id is unknown.
//! - A credential is read from exactly one `Authorization` field: not from the query, a cookie, the
//!   body, the trailers or `Proxy-Authorization`, and not from the first or last of two fields. A
//!   layer with [further sources](super::moving#where-clients-put-their-tokens) reads one field of
//!   them all.
//! - Malformed tokens cost no lookup, and no allocation before the response, unless HTTP Basic is a
//!   source, which has to be decoded. Tokens over the length
//!   limit are refused before they are hashed.
//! - `Debug`, errors, events and responses contain no tokens, digests or [peppers](super::peppers).
//!   The inner service sees the `Authorization` value, and those of further sources, marked as
//!   sensitive.
//!
//! What does not hold:
//!
//! - A lookup in a map, a cache or a database takes a time that depends on what is looked up: an id
//!   that is cached is answered sooner than one that is not, and the clock is read only for a
//!   credential that can expire. Ids are public. An attacker cannot steer the lookup of a digest
//!   without inverting SHA-256.
//! - Guessing is not slowed down; a generated secret has at least 200 random bits. To limit the
//!   load, put a rate limit outside.
//! - With the feature `testing`, any code in the program can forge a principal. The crate then
//!   emits an event ([`TESTING_ENABLED`](crate::TESTING_ENABLED)).
//! - A layer outside of this crate's layers that logs request headers logs the token, unless a
//!   layer further out marks the header as sensitive; see [`placement`](super::placement).
//! - Revoking a credential does not interrupt a request that it was already accepted for.

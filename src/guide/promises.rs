//! What holds whatever a client sends, and what does not.
//!
//! - The inner service is called only after the verdict, with the instance that was polled ready.
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
//! - A credential that was accepted is not interrupted when it is revoked while its request is under way.

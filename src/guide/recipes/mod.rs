//! Recipes for what surrounds the layers. The code of each is compiled and tested as it stands
//! here, except the extractor for `tower_governor`.
//!
//! # JWTs beside keys
//!
//! Programs call with keys, and people with JWTs of your identity provider, on the same routes.
//! [`with_other_authenticator`](crate::AuthLayer::with_other_authenticator) gives requests whose
//! credential is not one of the layer's to a layer of yours:
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
#![doc = include_str!("jwt.rs")]
//! ```
//!
//! A key that is expired, revoked or malformed is refused by the `AuthLayer`, and the verifier does
//! not see it. A request that the verifier lets pass without claims is a 500 and does not reach the
//! handler. What you decide with a key's scopes you decide for JWTs in your own code: a
//! [`require`](crate::require) layer answers 401 to a caller without a
//! [`Principal`](crate::Principal). For tokens of another service with keys of its own, pass a
//! second `AuthLayer` with other prefixes, and `Principal` as the type. Handlers then see callers of
//! two stores alike: only do so if no organization and no person has the same id in both.
//!
//! # A token in the query, for WebSockets of browsers
//!
//! A browser's WebSocket has no `Authorization` header. This crate does not read tokens
//! from the query, because URLs end up in logs, histories and `Referer` fields (RFC 9700, section
//! 4.3.2). If you have no session cookie and no ticket endpoint, move the token into the header
//! outside of everything that sees the URL:
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
#![doc = include_str!("query_token.rs")]
//! ```
//!
//! Put `tower::util::MapRequestLayer::new(token_from_query)` around the whole router, outside
//! tracing: `MapRequestLayer::new(token_from_query).layer(router)`. As a layer of the router it
//! would come too late, since axum keeps the original URI for its `OriginalUri` extractor.
//!
//! What to mind:
//!
//! - Proxies and gateways in front of the service see and log the URL all the same. Issue tokens
//!   for this use alone: [restricted](crate::store::Restrictions) to one scope, and expiring within
//!   minutes.
//! - A handshake of a browser has an `Origin` field, so
//!   [`with_browser_guard`](crate::AuthLayer::with_browser_guard) would refuse it. Leave the guard
//!   off on this route only, and compare `Origin` with your own sites: an `AllowedOriginsLayer` does
//!   that ([`widgets`](crate::guide::widgets)).
//! - Two credentials, such as a header beside the query, are refused.
//!
//! # A limit per key
//!
//! A limiter that counts by key goes inside the `AuthLayer`, where the caller is proven. Outside it
//! would have to trust a key's id before its secret is checked, and anyone could use up another
//! caller's quota:
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
#![doc = include_str!("limit.rs")]
//! ```
//!
//! In a router: `.layer(from_fn_with_state(limit, limit_per_key)).layer(auth)`, where the last
//! layer is the outermost. The table has an entry for each key that was accepted, and only
//! callers with a key make it grow. A rotated key has a new id: count by
//! [`organization`](crate::Principal::organization) if an organization should not get more from many
//! keys. Refused requests are not counted here; limit those by address, outside.
//!
//! With `tower_governor`, the same key is an extractor of a few lines, on a `GovernorLayer` in the
//! same place, inside the `AuthLayer`. The block is for its version 0.8. Unlike the code above it is
//! not compiled here: the crate would add a licence (ISC) and a dozen crates to those that this
//! project tests with.
//!
//! ```text
//! #[derive(Clone, Debug)]
//! struct ByCredential;
//!
//! impl KeyExtractor for ByCredential {
//!     type Key = String;
//!
//!     fn extract<T>(&self, request: &http::Request<T>) -> Result<String, GovernorError> {
//!         let caller = request.extensions().get::<Principal>();
//!         let id = caller.map(|it| format!("{} {}", it.kind().as_str(), it.credential_id()));
//!         id.ok_or(GovernorError::UnableToExtractKey) // 500: no AuthLayer outside, or no caller
//!     }
//! }
//! ```
//!
//! On a route with [`optional`](crate::AuthLayer::optional) authentication, return a constant for a
//! request without a caller, such as `Ok(String::new())`: all of them then share one quota. A flood
//! of requests without a good credential does not reach this limiter. Limit it by client address, in
//! the proxy or with a second `GovernorLayer` outside of the `AuthLayer` (`SmartIpKeyExtractor` only
//! behind a proxy that sets the header itself). Its table keeps an entry for each key until you call
//! `retain_recent`.
//!
//! # Two majors of axum
//!
//! While you move from one major to the next, both routers take the same layer, in front of the
//! same store. The one of the major that this crate does not know gets a closure that builds its
//! body, as in [`refusals`](crate::guide::refusals#bodies-of-other-majors):
//!
//! ```
//! # extern crate axum_core_04 as axum_07;
//! use tower_api_key::{
//!     AuthLayer, Rejection,
//!     rejection::{JsonResponder, Responder},
//!     store::MemoryStore,
//! };
//!
//! let auth = AuthLayer::new(MemoryStore::new()); // for axum 0.8, with the feature `axum`
//! let json = JsonResponder::default();
//! let for_axum_07 = auth.clone().with_responder(move |rejection: &Rejection| {
//!     json.respond(rejection).map(|text: String| axum_07::body::Body::from(text))
//! });
//! ```
//!
//! Handlers of axum 0.7 take the caller from `Extension<Principal>`.

//! Management endpoints for the credentials of [`tower_api_key`], as routers of axum 0.8.
//!
//! You need this crate if your customers manage their API keys themselves, over your API. It turns
//! a [`Manager`](tower_api_key::manage::Manager), which has the rules, into endpoints: you no longer
//! write bodies, pages, idempotency, error bodies and their OpenAPI document.
//!
//! ```
//! use axum::Router;
//! use tower_api_key::{AuthLayer, manage::Manager, store::MemoryStore};
//! use tower_api_key_admin::{Admin, refusal};
//!
//! let store = MemoryStore::new();
//! let auth = AuthLayer::new(store.clone()).with_responder(refusal);
//! let admin = Admin::new(Manager::new(store));
//! let app: Router = Router::new()
//!     .nest("/admin", admin.organization_routes().layer(auth.clone()))
//!     .nest("/account", admin.personal_routes().layer(auth.user_scoped()));
//! ```
//!
//! The routers do not authenticate. Put each behind an [`AuthLayer`](tower_api_key::AuthLayer);
//! without one, every route answers 500. Both have a fallback, so nest each under a prefix of its
//! own: axum cannot merge two routers with fallbacks. A nested router does not answer its prefix
//! with a slash behind (`/admin/`); that path is your router's.
//!
//! # Who may do what
//!
//! The manager decides, by its own rules, and nothing here adds to them: managing an organization's
//! keys requires one of the
//! [management scopes](tower_api_key::manage::Manager::with_management_scopes), and users manage
//! their own tokens. Callers who may read but not change are a
//! [setting](Admin::with_read_scopes). Every accepted caller may read who it is, and may revoke a
//! credential whose secret it presents.
//!
//! # Endpoints
//!
//! Of organization keys, in [`organization_routes`](Admin::organization_routes):
//!
//! | request | answer |
//! |---|---|
//! | `POST /organization-pats` | 201, the new key with its secret in `pat_key` |
//! | `GET /organization-pats` | 200, `{"items": […], "next": cursor or null}`, newest first |
//! | `GET /organization-pats/{id}` | 200, the key |
//! | `PATCH /organization-pats/{id}` | 200, the key after the change |
//! | `DELETE /organization-pats/{id}` | 204, also if it is already deleted |
//! | `POST /organization-pats/{id}/disable`, `…/enable` | 200, the key after the change |
//! | `POST /organization-pats/{id}/rotate` | 201, the successor with its secret in `pat_key` |
//! | `POST /organization-pats/revoke` | 204, also if it is already deleted |
//! | `GET /organization-pats/events` | 200, `{"items": […], "next": number or null}`, newest first |
//! | `GET /members/me` | 200, [who the caller is](tower_api_key::CallerInfo) |
//! | `GET /members/me/scopes` | 200, a list of scopes (organizations/roles-and-permissions) |
//!
//! Of personal tokens, in [`personal_routes`](Admin::personal_routes), the first nine under
//! `/personal-tokens`. Their owner is the user of the token that the request presents.
//!
//! Moments are integers: milliseconds since 1970-01-01T00:00:00Z. Ids are public. `key_id` is the
//! id with the prefix of keys, as it begins the key itself.
//!
//! # Bodies
//!
//! JSON objects of at most 64 KiB. Members that are not listed here, and members that are there
//! twice, are refused with 422.
//!
//! | body | member | form |
//! |---|---|---|
//! | issue | `name` | 1 to 100 characters |
//! | | `expires_at` | a moment; `null` or absent: never |
//! | | `description` | 1 to 500 characters; may be absent |
//! | | `metadata` | an object of strings; may be absent |
//! | | `allowed_networks` | a list of networks (CIDR); absent: those of the caller's credential |
//! | | `environment` | 1 to 64 letters, digits and `-._`; absent: that of the caller's credential |
//! | of a key | `role` or `scopes` | a role, or a list of scopes; neither: the caller's role, or a copy of its scopes |
//! | of a token | `scopes` | the only scopes it may have; absent: those of the caller's token |
//! | | `organizations` | the only organizations it may act in, as ids; absent: those of the caller's token |
//! | edit | `name`, `metadata` | as above; `metadata` is replaced as a whole |
//! | | `description`, `allowed_networks`, `environment` | as above; `null` removes it |
//! | rotate | `overlap_seconds` | how long the old one stays valid, in seconds; 0 ends it at once |
//! | | `expires_at` | a moment; `null`: never; absent: as the old one |
//! | revoke | `pat_key` | the whole secret; the bearer of a credential may revoke it, whoever owns it |
//!
//! The answer 201 names the place of the new credential in `Location`, relative to the request.
//!
//! Issuing and rotating take the header `Idempotency-Key`, 1 to 255 visible ASCII characters. A
//! repeated request answers 200 with the same credential, and `null` in `pat_key`
//! ([rules](tower_api_key::manage::NewKey::with_idempotency_key)).
//!
//! Lists take the query parameters `limit` (1 to 200, 50 by default), `cursor`
//! (`next` of the page before), `state` (`active`, `disabled`, `expired` or `deleted`; by default
//! all but deleted ones), `expires_before` and `unused_since` (moments), `name` (a part of it, in
//! upper or lower case), and one `metadata[key]`.
//! Events take `limit`, and `before` (`next` of the page before).
//!
//! # Errors
//!
//! `{"detail": "<text>", "code": "<code>"}`; programs distinguish them by the code:
//!
//! | status | code |
//! |---|---|
//! | 400 | `invalid_json`, `invalid_query`, `invalid_path` |
//! | 401, 403, 500, 503 | of the layers: [`Reason::code`](tower_api_key::Reason::code), with [`refusal`] as their responder |
//! | 404 | `not_found` for an unknown path |
//! | 405 | `method_not_allowed` |
//! | 413 | `body_too_large` |
//! | 415 | `unsupported_media_type`: the body is not `application/json` |
//! | 422 | `invalid_body` |
//! | 403, 404, 409, 422, 503 | of the manager: [`ManageError::code`](tower_api_key::manage::ManageError::code) |
//!
//! Another owner's id is answered with the same bytes as one that does not exist. No answer may be
//! cached: all have `Cache-Control: no-store`.
//!
//! # Limits
//!
//! A credential that was imported under the id `events` or `revoke` cannot be read, edited or
//! deleted by id here, as its path is another endpoint's. It can be revoked by its secret.

mod body;
mod caller;
mod error;
mod handlers;
mod openapi;
mod query;
mod refusal;
mod routes;
mod settings;
mod view;

pub use refusal::refusal;
pub use settings::{Admin, InvalidPath};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

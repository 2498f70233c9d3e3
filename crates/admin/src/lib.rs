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
//! without one, every route answers 500. The first key of an organization, and the first token of a
//! person, come from your own code or from the command `api-keys`
//! ([first service](tower_api_key::guide::first_service)); a console with sessions issues that token
//! through the manager, as [`Actor::user`](tower_api_key::manage::Actor::user), or has the pages of
//! the module `pages` (feature `pages`).
//!
//! # Where to put them
//!
//! Nest them under any prefix, also one with parameters. Each answers every path below its prefix,
//! so the two cannot be merged into one, and a nested router does not answer its prefix with a slash
//! behind (`/admin/`); that path is your router's. Routes of your own may have the same prefix:
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_api_key::{AuthLayer, ConfigError, RequireScopesLayer, store::MemoryStore};
//! use tower_api_key_admin::Admin;
//!
//! # async fn reports() {}
//! fn api(auth: AuthLayer<MemoryStore>, admin: &Admin<MemoryStore>) -> Result<Router, ConfigError> {
//!     let reads = RequireScopesLayer::any(["agents:read"])?;
//!     let routes = admin.organization_routes().route("/reports", get(reports).layer(reads));
//!     Ok(Router::new().nest("/v1", routes.layer(auth)))
//! }
//! ```
//!
//! # Who may do what
//!
//! The manager decides, by its own rules, and nothing here adds to them: managing an organization's
//! keys requires one of the
//! [management scopes](tower_api_key::manage::Manager::with_management_scopes), and users manage
//! their own tokens; a [restricted](tower_api_key::guide::organizations#restricted-tokens) token
//! needs one of those scopes too. Callers who may [read](Admin::with_read_scopes) but not change
//! anything, and those who may read [events](Admin::with_event_scopes), are settings. Every accepted
//! caller may read who it is, and may revoke a credential whose secret it presents.
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
//! Moments are integers: milliseconds since 1970-01-01T00:00:00Z. Ids are public.
//!
//! # Answers
//!
//! A credential has these members, all of them in every answer:
//!
//! | member | |
//! |---|---|
//! | `id` | by which it is managed |
//! | `key_id` | as logs show it: of a key with its prefix, as the key begins; of a token the same as `id` |
//! | `name`, `description`, `metadata`, `allowed_networks`, `environment` | as they were set; `null` where there is none |
//! | `status` | `active`, `disabled`, `expired` or `deleted` |
//! | `role`, `scopes` | of a key: one of them is `null`; of a token: no `role`, and in `scopes` the only ones that it may have |
//! | `organizations` | of a token alone: the only ones in which it may act; `null`: all of its owner's |
//! | `created_by` | `{"kind", "id", "user"}`, see below; `null` if that is not known |
//! | `created_at`, `expires_at`, `deleted_at`, `rotated_at` | moments; `null`: never, or not yet |
//! | `first_used_at`, `last_used_at` | moments, if the service [records uses](tower_api_key::LastUse); they may be behind |
//! | `last_address`, `last_user_agent` | the client of the last use, if the service keeps it |
//! | `rotated_from`, `rotated_to` | the ids before and after it |
//! | `damaged` | whether a part of it cannot be read; that part is empty or 0 |
//!
//! An event has `number`, `at`, `action` ([words](tower_api_key::store::AuditAction)),
//! `credential_id`, `key_id`, `related` (the id before or after it), `by`, `origin`
//! ([setting](Admin::with_origin)), `expires_at` (of an end), and what an edit has set. Who did
//! something is a `kind` with an id: `org_key` and `pat` with the credential, `user`, `operator` with
//! its name, `bearer` for whoever presented the credential to revoke it, `unknown`.
//!
//! # Bodies
//!
//! JSON objects of at most 64 KiB. Members that are not listed here, and members that are there
//! twice, are refused with 422. When issuing, `null` is the same as an absent member.
//!
//! | body | member | form |
//! |---|---|---|
//! | issue | `name` | 1 to 100 characters |
//! | | `expires_at` | a moment; `null` or absent: never, which a caller whose credential expires cannot grant |
//! | | `description` | 1 to 500 characters; may be absent |
//! | | `metadata` | an object of strings; may be absent |
//! | | `allowed_networks` | a list of networks (CIDR), an empty one: none; absent: those of the caller's credential |
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
//! A service that does not check networks or environments
//! ([conditions](tower_api_key::condition)) refuses credentials that have them.
//!
//! The answer 201 names the place of the new credential in `Location`, relative to the request.
//!
//! Issuing and rotating take the header `Idempotency-Key`, 1 to 255 visible ASCII characters. A
//! repeated request answers 200 with the same credential, and `null` in `pat_key`
//! ([rules](tower_api_key::manage::NewKey::with_idempotency_key)).
//!
//! Lists take the query parameters `limit` (1 to 200, 50 by default), `cursor`
//! (`next` of the page before), `state` (`active`, `disabled`, `expired` or `deleted`; by default
//! all but deleted ones), `expires_before` and `unused_since` (moments), `name` (a part of it,
//! letters of ASCII in either case), and one `metadata[key]`.
//! Events take `limit`, and `before` (`next` of the page before).
//!
//! # Errors
//!
//! `{"detail": "<text>", "code": "<code>"}`; programs distinguish them by the code:
//!
//! | status | code |
//! |---|---|
//! | 400 | `invalid_json`, `unreadable_body`, `invalid_query`, `invalid_path` |
//! | 401, 403, 500, 503 | of the layers: [`Reason::code`](tower_api_key::Reason::code), with [`refusal()`] as their responder |
//! | 404 | `not_found` for an unknown path |
//! | 405 | `method_not_allowed` |
//! | 413 | `body_too_large` |
//! | 415 | `unsupported_media_type`: the body is not `application/json`, or `application/…+json` |
//! | 422 | `invalid_body` |
//! | 403, 404, 409, 422, 503 | of the manager, [in a table](tower_api_key::guide::managing#endpoints) |
//!
//! Texts have at most 400 characters. What may be a secret that was sent in the wrong place, 32
//! letters and digits in a row, is shown as `…`.
//!
//! Another owner's id is answered with the same bytes as one that does not exist. No answer may be
//! cached: all have `Cache-Control: no-store`.
//!
//! # Limits
//!
//! A credential that was imported under the id `events` or `revoke` cannot be read, edited or
//! deleted by id here, as its path is another endpoint's. It can be revoked by its secret.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod caller;
mod error;
mod handlers;
mod openapi;
#[cfg(feature = "pages")]
pub mod pages;
mod query;
mod refusal;
mod routes;
mod settings;
mod view;

pub use refusal::refusal;
pub use settings::{Admin, InvalidPath};

#[cfg(all(doctest, feature = "pages"))]
#[doc = include_str!("../README.md")]
struct Readme;

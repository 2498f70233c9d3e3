//! Public routes for the pages of some sites only: the list of origins that a customer typed, and
//! the refusal of requests from other pages.
//!
//! You need this module if browsers call a [public](crate::PublicLayer) route of yours from pages
//! of your customers, such as the endpoints of a widget, and each customer states on which sites.
//! No credential belongs in such a page, so what counts is the `Origin` header, in which a browser
//! states where the page of a request comes from (RFC 6454, section 7; Fetch, "`Origin` header").
//!
//! [`AllowedOrigins`] is the list, [`AllowedOriginsLayer`] the layer for routes with one list, and
//! [`OriginCheck`] the same check for handlers whose list depends on what is asked for.
//!
//! # Which requests are allowed
//!
//! | the list | `Origin` of the request | |
//! |---|---|---|
//! | empty | any or none | allowed |
//! | has entries | one of them | allowed |
//! | | another one, also if only the scheme, `www.` or the port differs | 403, cause `origin_not_listed` |
//! | | `null`, of pages without an origin, such as those of a sandboxed frame or a file | 403, cause `null_origin` |
//! | | more than one field | 403, cause `several_origins` |
//! | | none | 403, cause `no_origin`, unless [`with_missing_origin_allowed`](AllowedOrigins::with_missing_origin_allowed) |
//!
//! Entries are normalized when the list is made: `Example.com` is `https://example.com`. The header
//! is compared with them byte by byte and is not parsed: browsers write it in that form (HTML,
//! "serialization of an origin"), and compare it in the same way for CORS (Fetch, "CORS check").
//! Credentials are not looked at.
//!
//! # One list for a route
//!
//! Inside a [`PublicLayer`](crate::PublicLayer):
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_api_key::origins::InvalidOrigin> {
//! use axum::{Router, routing::post};
//! use tower_api_key::{
//!     PublicLayer,
//!     origins::{AllowedOrigins, AllowedOriginsLayer},
//! };
//!
//! let sites = AllowedOrigins::new(["example.com", "https://www.example.com"])?;
//! let app = Router::new()
//!     .route("/feedback", post(|| async {}))
//!     .layer(AllowedOriginsLayer::new(sites))
//!     .layer(PublicLayer::new());
//! # Ok(app)
//! # }
//! ```
//!
//! The guide's chapter [`widgets`](crate::guide::widgets) has a list for each customer, CORS, and
//! what the check does not protect from.

mod check;
mod entry;
mod error;
mod host;
mod layer;
mod list;
#[cfg(feature = "tonic")]
mod named;
mod service;

pub use check::OriginCheck;
pub use error::{InvalidOrigin, OriginFault};
pub use layer::AllowedOriginsLayer;
pub use list::AllowedOrigins;
pub use service::AllowedOriginsService;

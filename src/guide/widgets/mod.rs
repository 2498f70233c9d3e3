//! Public routes for the pages of some sites, such as those of a widget that your customers embed.
//!
//! A script on a customer's page calls your service from the browsers of the page's visitors.
//! Neither a key nor a token belongs in the page, since whoever opens it can read them: its routes
//! are public ([`placement`](crate::guide::placement#what-is-public)). What a customer can say is
//! on which sites the widget may be used. The module `origins` (feature `origins`) reads that list
//! and compares the `Origin` of requests with it.
//!
//! # The list
//!
//! Read what a customer typed into a form with `AllowedOrigins::new`, and show its error in the
//! form. Store what `iter` yields, and read it again with `new`:
//!
//! ```
//! # #[cfg(feature = "origins")]
//! # {
//! use tower_api_key::origins::AllowedOrigins;
//!
//! let sites = AllowedOrigins::new(["Example.com", "https://www.example.com/"]);
//! let stored: Vec<String> = sites?.iter().map(str::to_owned).collect();
//! assert_eq!(stored, ["https://example.com", "https://www.example.com"]);
//!
//! let mistaken = AllowedOrigins::new(["*.example.com"]).unwrap_err();
//! assert_eq!(
//!     mistaken.to_string(),
//!     r#"invalid origin "*.example.com": list each origin by itself, without *"#,
//! );
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An origin is a scheme, a host and a port (RFC 6454, section 4). Without a scheme it is https.
//! The empty list allows every site. There are no wildcards: with `*.example.com`, one forgotten
//! subdomain that shows content of strangers would open the widget to it.
//!
//! # The routes
//!
//! Where one list is for the whole route, put an `AllowedOriginsLayer` inside the
//! [`PublicLayer`](crate::PublicLayer). Where each widget has a list of its own, call an
//! `OriginCheck` in the handler. Both refuse with 403, in the form of other refusals
//! ([`refusals`](crate::guide::refusals)), with the reason
//! [`OriginDenied`](crate::Reason::OriginDenied), an event and a count. Neither looks at a
//! credential.
//!
#![cfg_attr(all(feature = "axum", feature = "origins"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "axum", feature = "origins")), doc = "```ignore")]
#![doc = include_str!("app.rs")]
//! ```
//!
//! # CORS
//!
//! The check refuses requests in your service. It does not tell browsers what a page may read, and
//! does not answer preflights; CORS does (Fetch, "HTTP CORS protocol"). Put tower-http's `CorsLayer`
//! outside of the `AllowedOriginsLayer` or the handler with the check, because a preflight is to be
//! answered before, and inside the `PublicLayer`, because an
//! [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) would take the answer for undecided.
//!
//! - With one list, give it to both: `AllowOrigin::predicate(move |origin, _| sites.allows(origin))`.
//! - With a list for each widget, let CORS admit every origin, as above. A page of another site can
//!   then read the refusal. Instead, `AllowOrigin::async_predicate` can look the list up by the
//!   request's path.
//!
//! Leave `allow_credentials` off. Then browsers send no cookies of your service along, and what a
//! page can do is what anyone can do.
//!
//! # Frames
//!
//! A browser loads the page of a frame without an `Origin` header, so there is none to compare. The
//! response states instead on whose pages it may be shown: `frame-ancestors` of a Content Security
//! Policy (CSP), as above. Displayed, a list is the value of this directive. CSP has no form for
//! IPv6 addresses and for names with `_`; browsers skip such entries.
//!
//! # Requests without an origin
//!
//! - **No `Origin`**: browsers leave it out of GET and HEAD requests that are not subject to CORS:
//!   images, scripts, links, frames, and calls of a page to its own origin (Fetch, "append a request
//!   `Origin` header"). A list with entries refuses them, unless it is made with
//!   `with_missing_origin_allowed`.
//! - **`null`**: what browsers send for pages in a sandboxed frame or a file, after some redirects,
//!   and for forms on pages with `Referrer-Policy: no-referrer`. Any page can be made to send it, so
//!   it is refused by every list with entries.
//!
//! # What it is not
//!
//! `Origin` is a statement of the visitor's browser about the page. Page scripts can neither set nor
//! suppress it (Fetch, "forbidden request-header"). Any other client can send the origin of a listed
//! site. So the check keeps other sites from using a customer's widget with their own visitors. It
//! does not keep programs away, it does not identify a visitor, and it is not authentication: what
//! the route returns is public, and a limit per address and per widget is still yours to set.

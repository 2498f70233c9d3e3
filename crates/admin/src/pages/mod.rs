//! Pages for people: the API keys of an organization, and the personal access tokens of a person.
//!
//! You need this module (feature `pages`) if your customers manage their keys in a console of
//! yours, and you do not want to write that part of it. The pages are made on the server and work
//! without JavaScript; the rules are those of the [`Manager`](tower_api_key::manage::Manager).
//!
//! ```
//! use axum::Router;
//! use tower_api_key::{manage::Manager, store::MemoryStore};
//! use tower_api_key_admin::pages::{Pages, SessionReader};
//!
//! fn console(manager: Manager<MemoryStore>, sessions: impl SessionReader) -> Router {
//!     let pages = Pages::new(manager, sessions);
//!     Router::new()
//!         .merge(pages.organization_routes()) // /api-keys
//!         .merge(pages.personal_routes()) // /account/tokens
//! }
//! ```
//!
//! The service says who is signed in, by a [`SessionReader`]; for axum-login there is one ready, in
//! the module `axum_login` (feature `axum-login`). A credential opens none of the pages.
//!
//! The smallest service around them is the example `pages` of this crate; one with a sign-in,
//! several organizations and the API itself is in `examples/platform` of the repository, its file
//! `console.rs`.
//!
//! # What the store has to know
//!
//! The store checks each change by itself: it has its own list of organizations, users and members.
//! When an account is made in your service, and whenever a membership or a role changes, call
//! [`create_organization`](tower_api_key::store::Directory::create_organization),
//! [`create_user`](tower_api_key::store::Directory::create_user),
//! [`set_member`](tower_api_key::store::Directory::set_member) and
//! [`remove_member`](tower_api_key::store::Directory::remove_member). The session alone shows the
//! list and the forms to somebody whom the store does not know, and what they send is refused. A
//! store [over your own tables](tower_api_key::guide::stores) has that list already.
//!
//! # Where to put them
//!
//! Merge the routers, or nest them under a prefix. They belong beside the API, not behind its
//! layer. If an [`EveryRouteDecidesLayer`](tower_api_key::EveryRouteDecidesLayer) is around the whole
//! service, put a [`PublicLayer`](tower_api_key::PublicLayer) around them, since no credential is
//! looked at. A proxy must not change the path. Serve them over TLS, with a session cookie that is
//! `HttpOnly`, `Secure` and `SameSite=Lax` or `Strict`. Several servers need one store of sessions,
//! and the [bound](Pages::with_revocation_bound) after which all of them refuse what was ended.
//!
//! A client can hold the body of a form back for as long as the server waits: limit that, for example
//! with the `RequestBodyTimeoutLayer` of tower-http.
//!
//! Forms of your own around the pages, such as those to sign in or out, need a protection from other
//! sites of their own, such as the `CsrfLayer` of tower-http.
//!
//! # Pages
//!
//! | path | page |
//! |---|---|
//! | `/api-keys` | the list, with filters in the URL and pages by cursor; creates with POST |
//! | `/api-keys/new` | the form for a new key; parameters of the URL fill it in |
//! | `/api-keys/{id}/edit` | name and description |
//! | `/api-keys/{id}/rotate` | replaces the key |
//! | `/api-keys/{id}/delete` | asks before it deletes |
//! | `/api-keys/{id}/disable`, `…/enable` | POST alone, from the list |
//!
//! Personal tokens have the same under `/account/tokens`, or another
//! [path](Pages::with_path).
//!
//! A new secret is in the answer to the form that created it (201), and nowhere else: not in a URL,
//! a cookie or a storage of the browser. A form that is sent twice creates one credential; the
//! second answer (200) says what happened, without the secret. Every other change ends in a
//! redirect (303) to the list.
//!
//! # Who may do what
//!
//! The manager decides, as for [`Actor::user`](tower_api_key::manage::Actor::user): users manage
//! their own tokens, and the keys of their current organization if their role holds one of the
//! [management scopes](tower_api_key::manage::Manager::with_management_scopes), by default
//! `organizations:manage`. Who may only
//! [look](Pages::with_read_scopes) sees the list without buttons. A key gets the role of its
//! creator, or some of the creator's scopes; a token may be limited to some scopes and
//! organizations.
//!
//! Whatever grants something requires a sign-in of at most [ten
//! minutes](Pages::with_max_sign_in_age) ago, when the whole form has come. Who signed in earlier is
//! asked to do so again, and comes back to the form, filled in; a long description is not in its
//! URL, and lost. Ending something requires nothing but the session. While somebody else
//! [acts as the user](Session::impersonated_by), nothing can be changed. A form for a new key names
//! the organization that was the current one when it was opened, and is shown again if it is another
//! one now.
//!
//! # Requests from other sites
//!
//! Each form carries a digest of the session's id, which another site can neither read nor guess
//! (the synchronizer token pattern). Besides, a request that changes something is refused if
//! `Sec-Fetch-Site` or `Origin` says that it comes from elsewhere.
//!
//! Every answer has a Content-Security-Policy that allows files of this site alone, and forms that
//! stay on it; it forbids to be framed or cached. As that policy also holds for redirects after a
//! form, a sign-in on another site is a link in a page there, and a redirect everywhere else.
//!
//! # Looks and language
//!
//! All elements are within one of the class `credentials`. A style sheet of your
//! [layout](Pages::with_layout) that is loaded after this one may set these variables on `:root`,
//! for light and, in `@media (prefers-color-scheme: dark)`, for dark:
//!
//! | variable | what has it |
//! |---|---|
//! | `--credentials-background`, `--credentials-surface` | the page; what stands out from it a little |
//! | `--credentials-text`, `--credentials-muted` | text; hints and headings of columns |
//! | `--credentials-line` | borders of fields and buttons; a lighter shade of it separates rows |
//! | `--credentials-accent`, `--credentials-on-accent` | links, the focus and the main button; the text on it |
//! | `--credentials-danger`, `--credentials-on-danger` | errors and the button that deletes; the text on it |
//! | `--credentials-warning`, `--credentials-good` | the states "expires" and "active"; their backgrounds are a light shade |
//! | `--credentials-font` | the font family |
//!
//! [`Texts`] has all texts.
//!
//! # Limits
//!
//! Metadata, networks and environments are not in the forms; what a credential has of them stays.
//! Without JavaScript the server does not know the browser's time zone: times are in UTC, and the
//! pages say so.

mod assets;
#[cfg(feature = "axum-login")]
pub mod axum_login;
mod fault;
mod fields;
mod forms;
mod handlers;
mod headers;
mod layout;
mod moment;
mod place;
mod routes;
mod same_origin;
mod sentence;
mod session;
mod settings;
mod site;
mod texts;
mod urls;
mod views;
mod visit;

pub use layout::Page;
pub use session::{Membership, Session, SessionReader, is_local_path};
pub use settings::Pages;
pub use texts::{
    EndingTexts, FormTexts, KindTexts, ListTexts, ProblemTexts, SecretTexts, StateTexts, Texts,
};

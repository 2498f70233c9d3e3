//! Keys, tokens, roles and scopes, and what each of them allows.
//!
//! | | organization key `ak_…` | personal token `pat_…` |
//! |---|---|---|
//! | belongs to | an organization, permanently | a person |
//! | acts in | that organization; another one in the header is a 403 | the one that the header names, if the person is a member |
//! | may do | what the role or the scopes stored on it allow | what the person's role there allows, and its own lists if it has some |
//! | on a user-scoped route | 403 | acts as the person, the header is ignored |
//!
//! A key belongs to the organization, so its rights do not change when the person who created it
//! leaves. A store that should behave otherwise returns
//! [`Status::OwnerGone`](crate::store::Status::OwnerGone) for such a key.
//!
//! # Restricted tokens
//!
//! A token can have a list of scopes, a list of organizations, or both
//! ([`NewToken::with_scopes`](crate::manage::NewToken::with_scopes),
//! [`with_organizations`](crate::manage::NewToken::with_organizations)). They can only take away:
//!
//! | list | allows |
//! |---|---|
//! | none | what the owner may do, where the owner is a member |
//! | of scopes | of what the owner's role allows, these scopes and what they imply |
//! | of organizations | of the owner's organizations, these; any other is the same 403 as one where the owner is not a member |
//! | an empty one | none: no scope, or no organization |
//!
//! When the owner's role is narrowed, the token is too, with the next request. A wider role does
//! not widen it beyond its list. A token that is restricted to scopes manages its owner's other
//! tokens only if its list has `organizations:manage`, or what you set with
//! [`with_management_scopes`](crate::manage::Manager::with_management_scopes). What it issues,
//! rotates or enables is restricted as much or more, and a key holds no more than it does.
//! [`Principal::scopes`](crate::Principal::scopes) is the result;
//! [`Principal::restrictions`](crate::Principal::restrictions) has the lists, for a handler on a
//! user-scoped route, where no organization is named.
//!
//! In a rolling deployment, issue the first restricted token when no node runs a version that does
//! not know the lists: such a node would accept it for everything that its owner may do.
//!
//! # Roles and scopes
//!
//! A [`Catalogue`](crate::scope::Catalogue) maps roles to scopes. A store uses it to put scopes on
//! a record; the layer sees only scopes. [`Catalogue::anyreach`](crate::scope::Catalogue::anyreach)
//! has the roles `admin` and `viewer`. Scopes are compared by their whole name. The catalogue has
//! the two documented implications: `members:manage` ⇒ `members:read` and
//! `conversations:read_sensitive` ⇒ `conversations:read`, and no others: `agents:manage` does not
//! open a route that accepts `agents:read` alone. If other scopes should open a route too, list
//! them:
//!
//! ```
//! use tower_api_key::RequireScopesLayer;
//!
//! let reads = RequireScopesLayer::any(["conversations:read", "conversations:manage"])?;
//! let exports = RequireScopesLayer::all(["conversations:read", "members:read"])?; // both
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! For fields that need more than the route does, such as transcripts, check the principal:
//!
//! ```
//! # fn fields(caller: &tower_api_key::Principal) -> bool {
//! let with_transcripts = caller.has("conversations:read_sensitive");
//! # with_transcripts
//! # }
//! ```
//!
//! # Child organizations
//!
//! Membership in an organization grants nothing in the organizations below it. Put
//! [`RequireDescendantLayer`](crate::RequireDescendantLayer) on routes that act on children.
//!
//! Every organization on the path from the target up to the acting organization must be live: a
//! live organization below a deleted or disabled one cannot be reached from above.
//!
//! The layer and the handler must read the same target. A closure over the URI sees the path
//! percent-encoded and, under axum's `nest`, without the prefix. It then finds no target or an
//! unknown one, and the request is refused. With the feature `axum`, `tower_api_key::axum::target`
//! reads the target with the handler's own extractor:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> axum::Router {
//! use axum::{Router, extract::Path, routing::get};
//! use tower_api_key::{AuthLayer, RequireDescendantLayer, store::MemoryStore};
//!
//! let store = MemoryStore::new();
//! let auth = AuthLayer::new(store.clone());
//! let target = tower_api_key::axum::target(|Path(id): Path<String>| id.into());
//! let below = RequireDescendantLayer::new(store, target).with_responses_of(&auth);
//! let console = Router::new().route("/{id}", get(|| async {}).layer(below));
//! Router::new().nest("/admin/partner-console", console).layer(auth)
//! # }
//! ```

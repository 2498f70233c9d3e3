//! Keys, tokens, roles and scopes.
//!
//! | | organization key `ak_…` | personal token `pat_…` |
//! |---|---|---|
//! | belongs to | an organization, for ever | a person |
//! | acts in | that organization; another one in the header is a 403 | the one that the header names, if the person is a member |
//! | may do | what the role or the scopes stored on it say | what the person's role there says |
//! | on a user-scoped route | 403 | acts as the person, the header is ignored |
//!
//! What a key may do does not change when the person who created it leaves: it is the organization's. A store that wants
//! it otherwise answers such a key with [`Status::OwnerGone`](crate::store::Status::OwnerGone).
//!
//! # Roles and scopes
//!
//! A [`Catalogue`](crate::scope::Catalogue) says which scopes a role has; a store uses it to put scopes on a record, and
//! the layer sees scopes alone. [`Catalogue::anyreach`](crate::scope::Catalogue::anyreach) has the roles `admin` and
//! `viewer`. Scopes are compared by their whole name. It has the two implications that are documented: `members:manage` ⇒
//! `members:read` and `conversations:read_sensitive` ⇒ `conversations:read`. A route that other scopes should open too lists
//! them:
//!
//! ```
//! use tower_api_key::RequireScopesLayer;
//!
//! let reads = RequireScopesLayer::any(["conversations:read", "conversations:manage"])?;
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! Fields that need more than the route, such as transcripts, are a question to the principal:
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
//! Being a member of an organization says nothing of those below it. Routes that act on children demand
//! [`RequireDescendantLayer`](crate::RequireDescendantLayer).
//!
//! The way from the target up to the acting organization has to be live throughout: a living organization below a deleted or
//! disabled one cannot be reached from above.
//!
//! The layer and the handler have to read the same target. A closure over the URI sees it percent-encoded and, under
//! axum's `nest`, without the prefix. It then finds no target or an unknown one, and refuses. With the feature `axum`,
//! `tower_api_key::axum::target` reads it with the handler's own extractor:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> axum::Router {
//! use std::sync::Arc;
//!
//! use axum::{Router, extract::Path, routing::get};
//! use tower_api_key::{AuthLayer, RequireDescendantLayer, store::MemoryStore};
//!
//! let store = Arc::new(MemoryStore::new());
//! let auth = AuthLayer::new(Arc::clone(&store));
//! let target = tower_api_key::axum::target(|Path(organization): Path<String>| organization.into());
//! let below = RequireDescendantLayer::new(store, target).with_responses_of(&auth);
//! let console = Router::new().route("/{organization}", get(|| async {}).layer(below));
//! Router::new().nest("/admin/partner-console", console).layer(auth)
//! # }
//! ```

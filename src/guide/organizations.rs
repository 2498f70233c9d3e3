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
//! it otherwise answers such a key with [`Standing::OwnerGone`](crate::store::Standing::OwnerGone).
//!
//! # Roles and scopes
//!
//! A [`Catalogue`](crate::principal::Catalogue) says which scopes a role has; a store uses it to put scopes on a record, and
//! the layer sees scopes alone. [`Catalogue::documented`](crate::principal::Catalogue::documented) has the roles `admin` and
//! `viewer`. Scopes are compared by their whole name; the only implication there is `members:manage` ⇒ `members:read`, since
//! it is the only one documented. A route that several scopes should open lists them:
//!
//! ```
//! use tower_api_key::RequireScopes;
//!
//! let reads = RequireScopes::any(["conversations:read", "conversations:read_sensitive", "conversations:manage"])?;
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
//! [`RequireDescendant`](crate::RequireDescendant).

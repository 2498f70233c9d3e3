//! Writing a store.
//!
//! Implement [`CredentialStore`](crate::CredentialStore): one question, three answers. The contract is in
//! [`store`](crate::store). A store never sees a token, only a key's id or a token's digest:
//!
//! ```
//! use std::{collections::HashMap, sync::Arc};
//!
//! use tower_api_key::store::{Credential, CredentialStore, Lookup, Record, StoreError};
//!
//! struct Keys(HashMap<String, Arc<Record>>);
//!
//! #[tower_api_key::async_trait]
//! impl CredentialStore for Keys {
//!     async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
//!         match lookup.credential() {
//!             Credential::OrgKey { id } => Ok(self.0.get(id).cloned()),
//!             Credential::PersonalToken { .. } => Ok(None),
//!         }
//!     }
//! }
//! ```
//!
//! - Say `Err` whenever you are not sure. A 401 for an outage logs every client out; a 503 lets them try again.
//! - Compare ids byte for byte. A database column with a case-insensitive collation makes aliases.
//! - Answer from memory through [`peek`](crate::CredentialStore::peek) where you can: the request then costs no
//!   allocation and no clone of the inner service.
//! - The look-up is dropped when its deadline passes or the client goes away, and a panic in it is a 503. With a
//!   [cache](crate::store::Cached) in front it goes on when the client goes away, to the cache's
//!   [deadline](crate::store::Cached::with_lookup_deadline), for the next one who asks.
//! - A failing store is not asked more often than it can bear: a cache in front asks at most twice for one credential in the time
//!   that a lookup may take, however many requests come. Each *unknown* id is a lookup of its own, unless
//!   [a limit is set](crate::store::Cached::with_miss_rate_limit).
//! - The layer needs tokio's timer for a look-up that is not answered by `peek`.
//! - A cache in front asks you again about a credential when its [feed](crate::store::Feed) tells
//!   [`Change::Credential`](crate::store::Change::Credential) of it, or tells of the organization or the person that the
//!   record names. What the record does not name it cannot know: a store that ties keys to whoever created them has to
//!   tell `Change::Credential` for each of those keys when the creator goes.
//!
//! # Moving in
//!
//! A token issued elsewhere works as it is: store [`Digest::of`](crate::secret::Digest::of) the whole token, or
//! [`Digest::from_bytes`](crate::secret::Digest::from_bytes), [`from_hex`](crate::secret::Digest::from_hex) or
//! [`from_base64`](crate::secret::Digest::from_base64) if you already keep its SHA-256. Any body of token68 characters
//! is accepted behind the prefixes, and the [prefixes](crate::credential::TokenFormat::with_prefixes) can be yours.

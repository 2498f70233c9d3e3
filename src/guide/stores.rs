//! How to write your own store, and how to import existing tokens into it.
//!
//! Implement as much as you need:
//!
//! | implement | required methods | to |
//! |---|---|---|
//! | [`CredentialStore`](crate::CredentialStore) | `find` | accept credentials |
//! | [`ManageStore`](crate::store::ManageStore) | `catalogue`, `credential`, `credentials`, `commit`, `end` | issue, list and revoke them with a [`Manager`](crate::manage::Manager) |
//! | | and `issued_under` | issue under idempotency keys |
//! | | and `events` | keep an audit trail |
//! | | and `record_uses` | record the last use |
//! | [`Directory`](crate::store::Directory) | `is_descendant_of` | restrict routes to parts of a tree of organizations |
//!
//! The example `your_own_tables` (`cargo run --example your_own_tables`) does the first two over
//! tables that a service already has, with sqlx. Test your store with `testing::contract` of the
//! feature `testing`, and declare there what its tables leave out: the rest is tested.
//!
//! A store answers one question in three ways; the rules are in [`store`](crate::store). It never
//! sees a token, only a key's id or a token's digest:
//!
//! ```
//! use std::{collections::HashMap, sync::Arc};
//!
//! use tower_api_key::store::{LookupKey, CredentialStore, Lookup, Record, StoreError};
//!
//! struct Keys(HashMap<String, Arc<Record>>);
//!
//! #[tower_api_key::async_trait]
//! impl CredentialStore for Keys {
//!     async fn find(
//!         &self,
//!         lookup: &Lookup<'_>,
//!     ) -> Result<Option<Arc<Record>>, StoreError> {
//!         match lookup.key() {
//!             LookupKey::OrgKey { id } => Ok(self.0.get(id).cloned()),
//!             LookupKey::PersonalToken { .. } => Ok(None),
//!         }
//!     }
//! }
//! ```
//!
//! - Return `Err` whenever you are not sure. A 401 during an outage logs every client out; a 503
//!   lets them retry.
//! - Compare ids byte for byte. A database column with a case-insensitive collation creates
//!   aliases.
//! - Answer from memory through [`peek`](crate::CredentialStore::peek) where you can: the lookup
//!   then costs no allocation and no clone of the inner service.
//! - The lookup is dropped when its deadline passes or the client disconnects. A panic in it is a
//!   503.
//! - A lookup that `peek` does not answer needs tokio's timer.
//! - Add what your handlers need to know of the customer, such as the plan, with
//!   [`Record::with_data`](crate::store::Record::with_data). They read it with
//!   [`Principal::data`](crate::Principal::data).
//! - To keep last uses in your own table, see [managing](super::managing#the-last-use).
//! - A cache in front of the store looks a credential up again when its [feed](crate::store::Feed)
//!   emits [`Change::Credential`](crate::store::Change::Credential) for it, or a change to the
//!   organization or the person that the record names. The cache cannot know what the record does
//!   not name: a store that ties keys to their creator must emit `Change::Credential` for each of
//!   those keys when the creator leaves.
//!
//! # Importing existing tokens
//!
//! A token issued elsewhere works as it is, if it has a prefix and a body of token68 characters:
//! store the [`Digest`](crate::secret::Digest) of the whole token. [Managing
//! credentials](super::managing#migrating-from-another-system) has the steps, which are the same
//! without a manager.
//!
//! # Stores in SQLite and PostgreSQL
//!
//! They are in the crate [`tower-api-key-sqlx`](https://docs.rs/tower-api-key-sqlx), which is
//! written on the same public traits as a store of yours. See [`sqlite`](super::sqlite) and
//! [`many_machines`](super::many_machines).

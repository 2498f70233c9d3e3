//! How to write your own store, how to import existing tokens into it, and how to do without a
//! database.
//!
//! A small service whose operator hands out a few keys needs no database: see [a list in a
//! configuration file](#a-list-in-a-configuration-file). For tables of your own, implement as you
//! need:
//!
//! | implement | required methods | to |
//! |---|---|---|
//! | [`CredentialStore`](crate::CredentialStore) | `find` | accept credentials |
//! | [`ManageStore`](crate::store::ManageStore) | `catalogue`, `credential`, `credentials`, `commit`, `end` | issue, list and revoke them with a [`Manager`](crate::manage::Manager) |
//! | | and `issued_under` | issue under idempotency keys |
//! | | and `events` | keep an audit trail |
//! | | and `record_uses` | record the last use |
//! | | and `watch_expiry`, `expiry_events` | report credentials that expire soon |
//! | | and `unused` | expire credentials that are no longer used |
//! | | and `sweep` | remove old rows |
//! | | and `supports_restrictions` | restrict tokens to scopes and organizations of their own |
//! | | and `supports_attributes` | keep descriptions, metadata and conditions |
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
//! - Resolve roles and stored scopes in each lookup, with the methods of the
//!   [`Catalogue`](crate::scope::Catalogue) that the store was given: then the store and the caches
//!   in front of it follow [`Catalogue::replace`](crate::scope::Catalogue::replace). A store that
//!   keeps finished records, as the one above, asks
//!   [`Record::is_current`](crate::store::Record::is_current) before it returns one, and makes it
//!   anew otherwise.
//! - For keys whose digests another system computed with a salt, set the salt with
//!   [`Record::with_salt`](crate::store::Record::with_salt), and implement
//!   [`salted_digests`](crate::CredentialStore::salted_digests), so that unknown ids take as long as
//!   known ones.
//! - To keep last uses in your own table, see [managing](super::managing#the-last-use).
//! - A cache in front of the store looks a credential up again when its [feed](crate::store::Feed)
//!   emits [`Change::Credential`](crate::store::Change::Credential) for it, or a change to the
//!   organization or the person that the record names. The cache cannot know what the record does
//!   not name: a store that ties keys to their creator must emit `Change::Credential` for each of
//!   those keys when the creator leaves.
//!
//! # A list in a configuration file
//!
//! `StaticStore` of the feature `serde` serves the keys and tokens of a list in TOML, JSON or
//! another format. The list has digests, so a copy of it is no key:
//!
//! ```
//! # #[cfg(not(feature = "serde"))]
//! # fn main() {}
//! # #[cfg(feature = "serde")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_api_key::{AuthLayer, credential::*, scope::Catalogue, store::StaticStore};
//!
//! // Once for each key, by the operator of the service: give the secret to the customer …
//! let key = TokenFormat::default().mint(Kind::OrgKey)?;
//! println!("{}", key.secret.expose_secret());
//! // … and write the rest into the list.
//! let list = format!(
//!     r#"
//!         [[keys]]
//!         id = "{}"
//!         digest = "{}"
//!         organization = "org_1"
//!         role = "viewer"
//!     "#,
//!     key.id,
//!     key.digest.to_hex(),
//! );
//! let store = StaticStore::new(toml::from_str(&list)?, Catalogue::anyreach())?;
//! let auth = AuthLayer::new(store);
//! # Ok(())
//! # }
//! ```
//!
//! The example `static_keys` (`cargo run --features axum,serde --example static_keys`) has both as
//! a program, and reloads its file on SIGHUP. `StaticStore::reload` takes a list whole or not at
//! all: a mistake leaves the old list in force. To revoke a key, remove its entry, or disable it,
//! and reload. `StaticCredentials` describes each field.
//!
//! Choose a store with a [`Manager`](crate::manage::Manager) once customers issue keys themselves,
//! or you need an audit trail, the last use of a key, metadata or conditions.
//!
//! # Importing existing tokens
//!
//! A token issued elsewhere works as it is, if it has a prefix and a body of token68 characters:
//! store the [`Digest`](crate::secret::Digest) of the whole token. [Managing
//! credentials](super::managing#migrating-from-another-system) has the steps with a manager;
//! without one, [`insert`](crate::store::ManageStore::insert) the record.
//!
//! # Stores in SQLite and PostgreSQL
//!
//! They are in the crate [`tower-api-key-sqlx`](https://docs.rs/tower-api-key-sqlx), which is
//! written on the same public traits as a store of yours. See [`sqlite`](super::sqlite) and
//! [`many_machines`](super::many_machines).

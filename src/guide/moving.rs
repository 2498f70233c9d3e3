//! Moving from another system, so that users keep their keys.
//!
//! Clients send what they sent before, and the store gets the digests that the other system has.
//! New keys have the form of this crate. All of this is off by default.
//!
//! # Where clients put their tokens
//!
//! `Authorization: Bearer` is read in any case. [`with_source`](crate::AuthLayer::with_source) adds
//! the places of the other API:
//!
//! | clients send | the source |
//! |---|---|
//! | `X-API-Key: <token>` | [`header`](crate::CredentialSource::header) |
//! | `curl -u <token>:` | [`basic_username`](crate::CredentialSource::basic_username) |
//! | `curl -u x:<token>` | [`basic_password`](crate::CredentialSource::basic_password) |
//!
//! ```
//! use http::HeaderName;
//! use tower_api_key::{AuthLayer, CredentialSource, PublicLayer, store::MemoryStore};
//!
//! let header = CredentialSource::header(HeaderName::from_static("x-api-key"));
//! let auth = AuthLayer::new(MemoryStore::new()).with_source(header)?;
//! let open = PublicLayer::new().with_sources_of(&auth);
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! A request with two of these headers is refused (`several_credentials`), even if both have the
//! same token: two parties that read one request would otherwise see two callers. Find clients that
//! send both before you move.
//!
//! With HTTP Basic as a source, every `Authorization: Basic` is a credential, and the half that is
//! not the token is ignored, unless it begins with a prefix of tokens: then there are two
//! credentials, and they are refused. The challenge of a 401 stays `Bearer`, so browsers show no dialog for
//! a password. A browser that has such credentials all the same, from the URL of a page, sends them
//! again by itself, also for pages of other sites: use
//! [`with_browser_guard`](crate::AuthLayer::with_browser_guard), which refuses them when the browser
//! says by `Sec-Fetch-Mode` or `Origin` that it is one. Browsers send the former over HTTPS only.
//!
//! Name the headers in the layer that marks headers as sensitive
//! ([`placement`](super::placement#outside-inside)) and in what the proxy and the error tracker
//! leave out of their logs. Do not allow them in `Access-Control-Allow-Headers`: keys do not belong
//! in a page.
//!
//! # Which tokens they have
//!
//! The main [prefixes](crate::credential::TokenFormat::with_prefixes) are those of new keys. The
//! tokens of the other system stand beside them
//! ([`with_further_prefix`](crate::credential::TokenFormat::with_further_prefix)):
//!
//! | a token of the other system | the shape | its id here |
//! |---|---|---|
//! | `sk_live_<id>.<secret>`, a key of an organization | [`OrgKey`](crate::credential::TokenShape::OrgKey) | the part before the dot |
//! | `ghx_<secret>` or `sk_live_<secret>`, a key of an organization | [`OrgKeyWithoutId`](crate::credential::TokenShape::OrgKeyWithoutId) | computed from the digest |
//! | `mycompany_<id>_<secret>`, a key of which only the secret was hashed | [`OrgKeyHashedBySecret`](crate::credential::TokenShape::OrgKeyHashedBySecret) | the part before the separator |
//! | `user_<secret>`, a token of a person | [`PersonalToken`](crate::credential::TokenShape::PersonalToken) | any name, such as the number of its row |
//! | any of them without a prefix | [`with_unprefixed`](crate::credential::TokenFormat::with_unprefixed) | the same |
//!
//! ```
//! use tower_api_key::{AuthLayer, credential::*, manage::*, secret::Digest, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let format = TokenFormat::default()
//!     .with_prefixes("acme_key_", "acme_user_")?
//!     .with_further_prefix("ghx_", TokenShape::OrgKeyWithoutId)?;
//! let store = MemoryStore::new();
//! store.create_organization("org_1", None).await?;
//! let manager = Manager::new(store.clone()).with_token_format(format.clone());
//!
//! # let kept = Digest::of(b"ghx_not-a-real-secret").to_hex();
//! let digest = Digest::from_hex(&kept)?; // as the other system stores it
//! let import = Import::new(key_id_of_digest(&digest), digest, "billing export");
//! let operator = Actor::operator("move", Owner::Organization("org_1".into()));
//! manager.import(&operator, Kind::OrgKey, import.with_role("viewer")).await?;
//! let auth = AuthLayer::new(store).with_token_format(format);
//! # Ok(())
//! # }
//! ```
//!
//! - A token has the characters of `token68` (RFC 9110, section 11.2) in every source. Issue
//!   new keys for tokens with others, such as `|`.
//! - No prefix may begin with another one, because the id of a key would depend on which of them
//!   counts.
//! - An id that is computed from a digest is public like every id, so anyone who sees it can check
//!   a guess of the key. Import such keys only if they have 128 random bits or more.
//! - Stores find a key by that id as by any other. In [tables of your own](super::stores), add a
//!   column for it, filled by [`key_id_of_digest`](crate::credential::key_id_of_digest).
//! - With tokens that have no prefix, every bearer token is looked up, JWTs of other systems
//!   included, and a [checksum](crate::credential::TokenFormat::with_required_checksum) saves no
//!   lookups. Secret scanners do not recognize such tokens.
//! - The texts of refusals name the main prefixes.
//! - Give the layers and the [`Manager`](crate::manage::Manager::with_token_format) the same
//!   format.
//!
//! # Which digests they have
//!
//! [`import`](crate::manage::Manager::import) takes the SHA-256 of the whole token, its prefix
//! included, or of the secret where the shape says so, in [hex](crate::secret::Digest::from_hex),
//! [Base64](crate::secret::Digest::from_base64) or [bytes](crate::secret::Digest::from_bytes).
//! [`managing`](super::managing#migrating-from-another-system) has the steps.
//!
//! bcrypt, scrypt and Argon2 are not supported: they take milliseconds of every request, and a
//! random secret needs none of that. For a time, put a layer of yours around the `AuthLayer` that
//! checks an unknown token as the other system does, imports it with
//! [`Digest::of`](crate::secret::Digest::of), and passes the request on.
//!
//! # Salted digests
//!
//! The other system may have a salt in each row, and keep SHA-256(salt ‖ token):
//!
//! | id | salt | hash |
//! |---|---|---|
//! | `billing` | `d1f0a7c2` | `e380…` |
//!
//! Tell the store how such a digest is computed, import each row with its salt, and try a key that
//! you have: a wrong guess about salts or their order shows only there. With the crate `hex`:
//!
//! ```
//! use tower_api_key::{AuthLayer, credential::*, manage::*, secret::*, store::*};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let salted = SaltedDigests::new(SaltedSha256::SaltFirst)?; // SHA-256(salt ‖ token)
//! let format = TokenFormat::default().with_further_prefix("sk_live_", TokenShape::OrgKey)?;
//! let store = MemoryStore::new().with_salted_digests(salted.clone());
//! store.create_organization("org_1", None).await?;
//! let manager = Manager::new(store.clone()).with_token_format(format.clone());
//! let operator = Actor::operator("move", Owner::Organization("org_1".into()));
//!
//! # let hash = Digest::of(b"\xd1\xf0\xa7\xc2sk_live_billing.not-a-real-secret").to_hex();
//! let rows = [("billing", "d1f0a7c2", hash)];
//! for (id, salt, hash) in rows {
//!     let salt = salted.salt("sha256-prefix", &hex::decode(salt)?)?;
//!     let import = Import::new(id, Digest::from_hex(&hash)?, "moved").with_salt(salt);
//!     manager.import(&operator, Kind::OrgKey, import.with_role("viewer")).await?;
//! }
//! let found = manager.find_presented("sk_live_billing.not-a-real-secret").await?;
//! assert_eq!(found.id.as_str(), "billing");
//! let auth = AuthLayer::new(store).with_token_format(format);
//! # Ok(())
//! # }
//! ```
//!
//! [`SaltedSha256`](crate::secret::SaltedSha256) has SHA-256 with the salt first and with the salt
//! last. For HMAC or anything else implement [`SaltedDigest`](crate::secret::SaltedDigest), which
//! takes the salt and the token and returns the digest. For tokens of the shape
//! [`OrgKeyHashedBySecret`](crate::credential::TokenShape::OrgKeyHashedBySecret) it gets the secret
//! alone; a system that has its own separator and hashed the whole token has no shape here.
//!
//! - Did the other system hash the bytes of a salt, or the text that it keeps of them? The latter is
//!   usual where salts are hexadecimal: then the salt is `b"d1f0a7c2"`.
//! - Salted keys need an id, by which their row and its salt are found. Personal tokens and keys
//!   without an id are found by their digest: `import` refuses a salt on a token, and on a key whose
//!   id is [that of its digest](crate::credential::key_id_of_digest) (`salt_needs_id`). Issue new
//!   ones.
//! - A salted digest stays as it was imported. [Peppers](super::peppers) are not applied to it, and
//!   a store that excludes plain digests refuses it (`salt_without_pepper`), because it is no harder
//!   to insert than they are.
//! - [Rotate](super::managing#rotation) such a key to get one without a salt. Leave the salted
//!   digests out once no row of the table of credentials has a `pepper` that begins with a dot,
//!   deleted keys included: expired and disabled ones would be a 503, and a leaked one that was
//!   deleted would be unknown to [`find_presented`](crate::manage::Manager::find_presented).
//! - Have the salted digests on every node before you import: a node without them, or of a version
//!   that knows no salts, answers 503 for such a key (`unknown_salted_digest`, `unknown_pepper`).
//! - Each key that is presented, with a salt or without, costs one salted digest of each kind,
//!   so that the time does not show which ids there are: for SHA-256 about what the digest of the
//!   token itself costs.
//! - A salt has up to 36 bytes. If the other system hashed a longer text, such as 64 hexadecimal
//!   digits, import the bytes, and write the text in a `SaltedDigest` of yours.
//! - In [tables of your own](super::stores), return the salt with
//!   [`Record::with_salt`](crate::store::Record::with_salt).

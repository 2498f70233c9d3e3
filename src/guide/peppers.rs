//! Digests that are of no use without a key that is kept elsewhere.
//!
//! A database keeps the SHA-256 digest of a token. With a pepper it keeps HMAC-SHA-256 of that digest instead, under a key that
//! is not in the database, and the key's name beside it:
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_api_key::{scope::Catalogue, secret::Peppers, store::SqliteStore};
//!
//! # let secret_from_the_environment = [b't'; 32];
//! let peppers = Peppers::new("2026", &secret_from_the_environment)?;
//! let store = SqliteStore::in_memory(Catalogue::anyreach()).await?.with_peppers(peppers);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # What it is good for
//!
//! - Whoever has a copy of the database, from a backup or by an injection, cannot find out whether a token is one of it, and
//!   cannot search for weak ones that came from [elsewhere](super::managing).
//! - Whoever writes to the database cannot make the digest of a new token. This holds from
//!   [`refusing_plain`](crate::secret::Peppers::refusing_plain) on: before that a digest without a pepper will do.
//!
//! What it is not good for: who may write to the database and has *one* good credential can still change whose it is, what it
//! may do and until when, and bring a deleted one back; who reads the memory of the service has the pepper. Minted tokens are
//! safe in a copy without one, since nobody guesses 200 random bits.
//!
//! # From one to another
//!
//! 1. Give every node both, the old one as the current one: `Peppers::new("2025", …)?.accepting("2026", …)?`. A node that does not
//!    know a pepper answers 503 for a key that is kept under it. A *token* that is kept under it cannot be found, and is
//!    answered as an unknown one, 401.
//! 2. Give every node both, the new one as the current one. From here on new digests are made under it.
//! 3. Digests move when their credentials are used, with [`LastUse`](crate::LastUse) in the layers. The first pepper
//!    is no exception: digests without one move in the same way.
//! 4. Count what is left. In PostgreSQL the table is `tower_api_key.credentials`:
//!
//!    ```sql
//!    SELECT kind, pepper, count(*) FROM tower_api_key_credentials WHERE status <> 'deleted' GROUP BY kind, pepper;
//!    ```
//!
//! 5. When nothing is left under the old one, or nothing that is still of use, leave it out, and call
//!    [`refusing_plain`](crate::secret::Peppers::refusing_plain) when nothing is left without one. Deleted credentials never move and
//!    need no pepper: they are refused whatever is presented. Delete what is left before, so that it is a 401 and not
//!    a 503.
//!
//! # What it costs
//!
//! One HMAC for each request that presents a well-formed credential, whether it is known or not and whether its digest has a
//! pepper or not, so that these do the same work. A token that the database is asked for costs one more for each pepper, and
//! one for its row; the look-up stays one statement.

//! Peppers: make stored digests useless without a key that is kept outside the database.
//!
//! Without a pepper, the database holds a token's SHA-256 digest. With one, it holds the
//! HMAC-SHA-256 of that digest, under a key that is not in the database, and the key's name
//! beside it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_api_key::{scope::Catalogue, secret::Peppers};
//! use tower_api_key_sqlx::SqliteStore;
//!
//! # let secret_from_the_environment = [b't'; 32];
//! let peppers = Peppers::new("2026", &secret_from_the_environment)?;
//! let store = SqliteStore::in_memory(Catalogue::anyreach())
//!     .await?
//!     .with_peppers(peppers);
//! # Ok(())
//! # }
//! ```
//!
//! # What a pepper protects against
//!
//! Both hold for the digests that are peppered. Those from before the first pepper stay as they are
//! until their credentials are used, and older backups keep them.
//!
//! - An attacker with a copy of the database, from a backup or an injection, cannot verify a token
//!   against it, and cannot search for weak tokens that were issued [elsewhere](super::managing).
//!   The public id of a key is in the database as it is, and in the key.
//! - An attacker who can write to the database cannot create the digest of a new token. This holds
//!   once you call [`without_plain_digests`](crate::secret::Peppers::without_plain_digests); until
//!   then a digest without a pepper is accepted. Salted digests are refused with the plain ones, so
//!   rotate these keys first.
//!
//! A pepper does not protect against everything. An attacker who can write to the database and
//! holds *one* good credential can still change its owner, rights and expiry, and restore a
//! deleted one. An attacker who reads the service's memory has the pepper. Minted tokens are safe
//! in a copied database even without a pepper, since 200 random bits cannot be guessed.
//!
//! # Logs of the database server
//!
//! A lookup sends what it compares as a bind parameter: the id of a key, and for a token the
//! SHA-256 digest of what the client presented, valid or not, and that digest under each pepper.
//! The plain digest is among them until you call
//! [`without_plain_digests`](crate::secret::Peppers::without_plain_digests), because tokens stored
//! without a pepper are found by it. A change sends the digest as it is stored. A server that logs
//! bind parameters, such as PostgreSQL with `log_statement` or `log_min_duration_statement`, has
//! all these digests in its log.
//!
//! A plain digest is not a credential: the layer hashes what is presented, so that a presented
//! digest is refused like any other text. It lets a reader of the log check a guess of the token,
//! which is of no use against 200 random bits, but is against a weak token that was issued
//! elsewhere; and it shows which requests presented the same token. A peppered digest does not
//! even let them check a guess.
//!
//! Turn off the logging of parameters (`log_parameter_max_length = 0` and
//! `log_parameter_max_length_on_error = 0` keep the statements), or use peppers and call
//! `without_plain_digests`.
//!
//! # Changing the pepper
//!
//! 1. Give every node both peppers, with the old one current:
//!    `Peppers::new("2025", …)?.with_other("2026", …)?`. A node that does not know a pepper answers
//!    503 for a key stored under it. A *token* stored under it cannot be found, and is answered
//!    like an unknown one, 401.
//! 2. Give every node both peppers, with the new one current. From here on new digests are
//!    computed with it.
//! 3. Digests are rehashed when their credentials are used, with [`LastUse`](crate::LastUse) in
//!    the layers. This includes adding your first pepper: digests without one are rehashed in the
//!    same way.
//! 4. Count what is left. In PostgreSQL the table is `tower_api_key.credentials`:
//!
//!    ```sql
//!    SELECT kind, pepper, count(*)
//!    FROM tower_api_key_credentials
//!    WHERE status <> 'deleted' AND coalesce(pepper, '') NOT LIKE '.%'
//!    GROUP BY kind, pepper;
//!    ```
//!
//!    What begins with a dot is the salt of a [salted digest](super::moving#salted-digests), to
//!    which no pepper is applied.
//!
//! 5. Remove the old pepper once no credential under it is left or still needed. Call
//!    [`without_plain_digests`](crate::secret::Peppers::without_plain_digests) once no digest
//!    without a pepper is left. Delete the remaining credentials first, so that they are answered
//!    401 and not 503. Deleted credentials are never rehashed and need no pepper: they are refused
//!    whatever is presented.
//!
//! # Cost
//!
//! One HMAC for each request that presents a well-formed credential. Known and unknown
//! credentials, with and without a pepper, do the same work. A token lookup in the database costs
//! one more HMAC for each pepper, and one for its row; the lookup is still one statement.

//! Peppers: keys kept outside the database, without which its digests are useless.
//!
//! A peppered digest is the HMAC-SHA-256 (RFC 2104, FIPS 198-1) of a token's SHA-256 digest, not of
//! the token. A store therefore needs no plain text, and another system's digests can be peppered
//! too.
//!
//! Without the feature `peppers` the types are there, and nothing can create a pepper.

#[cfg(feature = "peppers")]
mod create;
#[cfg(feature = "peppers")]
mod hmac;
#[cfg(not(feature = "peppers"))]
mod none;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

#[cfg(feature = "peppers")]
use self::hmac::Key;
#[cfg(not(feature = "peppers"))]
use self::none::Key;
use super::{Digest, work};

/// A key for digests, identified by its name. `Debug` shows only the name.
#[derive(Clone)]
pub struct Pepper {
    name: Box<str>,
    key: Key,
}

impl Pepper {
    /// Returns the name, which is stored with each digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the peppered digest of a token with the plain digest `plain`.
    #[must_use]
    pub fn digest(&self, plain: &Digest) -> Digest {
        work::peppered();
        self.key.digest(plain)
    }
}

impl PartialEq for Pepper {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Pepper {}

impl Hash for Pepper {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pepper").field(&self.name).finish()
    }
}

/// The peppers of a store: the current one, with which digests are computed, and older ones with
/// which stored digests may still have been computed.
///
/// Pass them to `SqliteStore::with_peppers` or `PostgresStore::with_peppers`; a
/// [`MemoryStore`](crate::store::MemoryStore) stores nothing that could be copied at rest. Keep the
/// secrets outside the database. The [guide](crate::guide::peppers) explains what peppers protect
/// from and how to replace one.
///
/// Creating them needs the feature `peppers`.
///
/// ```
/// # #[cfg(feature = "peppers")] {
/// use tower_api_key::secret::Peppers;
///
/// # let (this_year, last_year) = ([b't'; 32], [b's'; 32]);
/// let peppers = Peppers::new("2026", &this_year)?.with_other("2025", &last_year)?;
/// # }
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Peppers {
    current: Arc<Pepper>,
    older: Vec<Arc<Pepper>>,
    plain: bool,
}

impl Peppers {
    /// Stops accepting digests without a pepper, which are accepted by default.
    ///
    /// Call this once no plain digest is left; until then anyone who can write to the database can
    /// insert the digest of a token they chose.
    #[must_use]
    pub fn without_plain_digests(self) -> Self {
        Self {
            plain: false,
            ..self
        }
    }

    /// Returns the pepper with which digests are computed.
    #[must_use]
    pub fn current(&self) -> &Pepper {
        &self.current
    }

    /// Returns whether digests without a pepper are accepted.
    #[must_use]
    pub fn accepts_plain(&self) -> bool {
        self.plain
    }

    /// Returns the pepper with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Pepper>> {
        self.all().find(|pepper| pepper.name() == name)
    }

    /// Returns all peppers, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Pepper>> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

//! What a store keeps of a digest, with and without peppers.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::{
    secret::{Digest, Pepper, Peppers},
    store::{Record, Status, StoreError},
};

/// How a store keeps the digests of tokens: as they are, or under its [`Peppers`].
///
/// ```
/// use tower_api_key::{secret::{Digest, Peppers}, store::backend::DigestPolicy};
///
/// # let secret = [b't'; 32];
/// let peppers = Peppers::new("2026", &secret)?;
/// let policy = DigestPolicy::new(Some(&peppers));
/// let token = Digest::of(b"pat_example");
///
/// let stored = policy.store(&token); // two columns: the digest, and the pepper's name
/// assert_eq!(stored.pepper, Some("2026"));
/// // A token is looked up by each digest that it may be stored under, in one query:
/// assert_eq!(policy.candidates(&token).len(), 2); // under the pepper, and without one
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DigestPolicy<'p>(Option<&'p Peppers>);

/// A digest as it is stored, in two columns of a row.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredDigest<'p> {
    /// The token's digest, under the pepper if there is one.
    pub digest: Digest,
    /// The name of the pepper.
    pub pepper: Option<&'p str>,
}

impl<'p> DigestPolicy<'p> {
    /// Creates the policy of a store with these peppers, or without any.
    #[must_use]
    pub fn new(peppers: Option<&'p Peppers>) -> Self {
        Self(peppers)
    }

    /// Returns what to store for a credential with the plain digest `plain`.
    #[must_use]
    pub fn store(self, plain: &Digest) -> StoredDigest<'p> {
        match self.0.map(Peppers::current) {
            Some(pepper) => StoredDigest {
                digest: pepper.digest(plain),
                pepper: Some(pepper.name()),
            },
            None => StoredDigest {
                digest: plain.clone(),
                pepper: None,
            },
        }
    }

    /// Returns every digest under which a credential with the plain digest `plain` may be stored,
    /// likeliest first.
    #[must_use]
    pub fn candidates(self, plain: &Digest) -> Vec<Digest> {
        let peppered = self.0.into_iter().flat_map(Peppers::all);
        let peppered = peppered.map(|pepper| pepper.digest(plain));
        let plain = self.accepts_plain().then(|| plain.clone());
        peppered.chain(plain).collect()
    }

    /// Returns whether a stored digest belongs to the token with the plain digest `presented`,
    /// given the name of the pepper that is stored with it.
    ///
    /// # Errors
    /// [`StoreError::UnknownPepper`], [`StoreError::PlainDigest`].
    pub fn verifies(
        self,
        stored: &Digest,
        pepper: Option<&str>,
        presented: &Digest,
    ) -> Result<bool, StoreError> {
        let pepper = self.named(pepper)?;
        let shown = pepper.map_or_else(|| presented.clone(), |pepper| pepper.digest(presented));
        Ok(shown.ct_eq(stored).into())
    }

    /// Returns whether a digest stored under `pepper` was computed differently than it would be
    /// now.
    #[must_use]
    pub fn is_outdated(self, pepper: Option<&str>) -> bool {
        self.0
            .is_some_and(|peppers| pepper != Some(peppers.current().name()))
    }

    /// Returns the record of a key whose digest is stored under `pepper`. A deleted key's pepper
    /// need not be known, since the key is refused anyway: it never moves to another pepper.
    ///
    /// # Errors
    /// [`StoreError::UnknownPepper`], [`StoreError::PlainDigest`].
    pub fn stored_under(self, key: Record, pepper: Option<&str>) -> Result<Record, StoreError> {
        let found = match self.named(pepper) {
            Err(_) if key.status() == Status::Deleted => None,
            found => found?,
        };
        Ok(key
            .with_pepper(found)
            .with_outdated(self.is_outdated(pepper)))
    }

    /// Returns whether digests without a pepper are accepted.
    fn accepts_plain(self) -> bool {
        self.0.is_none_or(Peppers::accepts_plain)
    }

    /// Returns the pepper that a row names, if the store accepts it.
    fn named(self, name: Option<&str>) -> Result<Option<Arc<Pepper>>, StoreError> {
        match name {
            None if self.accepts_plain() => Ok(None),
            None => Err(StoreError::PlainDigest),
            Some(name) => {
                let pepper = self.0.and_then(|peppers| peppers.named(name)).cloned();
                pepper
                    .map(Some)
                    .ok_or_else(|| StoreError::UnknownPepper(name.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digests_are_accepted_until_the_peppers_exclude_them() {
        let plain = Digest::of(b"ak_test.not-a-real-secret");
        let mixed = Peppers::new("now", &[7; 32]).unwrap();
        let strict = mixed.clone().without_plain_digests();
        let peppered = mixed.current().digest(&plain).to_hex();
        let both = vec![peppered.clone(), plain.to_hex()];
        for (name, peppers, candidates) in [
            ("no peppers", None, vec![plain.to_hex()]),
            ("mixed", Some(&mixed), both),
            ("strict", Some(&strict), vec![peppered]),
        ] {
            let policy = DigestPolicy::new(peppers);
            let found = policy.candidates(&plain);
            let found: Vec<_> = found.iter().map(Digest::to_hex).collect();
            assert_eq!(found, candidates, "{name}");
            let accepted = policy.verifies(&plain, None, &plain).ok();
            let wanted = candidates.contains(&plain.to_hex()).then_some(true);
            assert_eq!(accepted, wanted, "{name}");
            let other = Digest::of(b"ak_test.another-secret");
            let accepted = policy.verifies(&other, None, &plain).ok();
            assert_eq!(accepted, wanted.map(|_| false), "{name}");
        }
    }

    #[test]
    fn a_plain_digest_and_an_unknown_pepper_are_told_apart_by_their_texts() {
        let peppers = Peppers::new("now", &[7; 32])
            .unwrap()
            .without_plain_digests();
        for (name, wanted) in [
            (
                None,
                "the digest was made without a pepper, which the store does not accept",
            ),
            (
                Some("before"),
                "the digest was made under the pepper \"before\", which the store does not accept",
            ),
        ] {
            let refused = DigestPolicy::new(Some(&peppers)).named(name).unwrap_err();
            assert_eq!(
                (refused.to_string().as_str(), refused.code()),
                (wanted, "unknown_pepper"),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_token_is_verified_under_the_pepper_that_is_stored_with_its_digest() {
        let peppers = Peppers::new("now", &[7; 32])
            .and_then(|peppers| peppers.with_other("before", &[8; 32]))
            .unwrap();
        let policy = DigestPolicy::new(Some(&peppers));
        let (token, other) = (Digest::of(b"pat_test"), Digest::of(b"pat_other"));
        let under = |name| peppers.named(name).unwrap().digest(&token);
        for (name, pepper, stored) in [
            ("plain", None, token.clone()),
            ("current", Some("now"), under("now")),
            ("older", Some("before"), under("before")),
        ] {
            assert!(policy.verifies(&stored, pepper, &token).unwrap(), "{name}");
            assert!(!policy.verifies(&stored, pepper, &other).unwrap(), "{name}");
        }
        let mislabelled = policy.verifies(&under("now"), Some("before"), &token);
        assert!(!mislabelled.unwrap());
    }

    #[test]
    fn every_digest_but_that_under_the_current_pepper_is_outdated() {
        let peppers = Peppers::new("now", &[7; 32]).unwrap();
        let policy = DigestPolicy::new(Some(&peppers));
        for (pepper, outdated) in [(Some("now"), false), (Some("before"), true), (None, true)] {
            assert_eq!(policy.is_outdated(pepper), outdated, "{pepper:?}");
        }
        assert!(
            !DigestPolicy::new(None).is_outdated(None),
            "without peppers"
        );
    }

    #[test]
    fn a_deleted_key_is_readable_under_a_pepper_that_is_gone() {
        let peppers = Peppers::new("now", &[7; 32])
            .unwrap()
            .without_plain_digests();
        let policy = DigestPolicy::new(Some(&peppers));
        let key = |status| Record::org_key("k1", Digest::of(b"test"), "org_1").with_status(status);
        for gone in [Some("before"), None] {
            let deleted = policy.stored_under(key(Status::Deleted), gone).unwrap();
            assert!(deleted.pepper().is_none(), "{gone:?}");
            let refused = policy.stored_under(key(Status::Disabled), gone);
            assert_eq!(refused.unwrap_err().code(), "unknown_pepper", "{gone:?}");
        }
        let active = policy.stored_under(key(Status::Active), Some("now"));
        assert_eq!(active.unwrap().pepper().map(Pepper::name), Some("now"));
    }
}

//! What a store keeps of a digest, with and without peppers, and with a salt.

use std::{borrow::Cow, sync::Arc};

use subtle::ConstantTimeEq;

use super::{
    NewCredential,
    salt_text::{self, is_salt},
};
use crate::{
    credential::Kind,
    secret::{Digest, Peppers, SaltedDigests},
    store::{DigestForm, Record, Status, StoreError, WriteError},
};

/// How a store keeps the digests of tokens: as they are, under its [`Peppers`], or, of imported
/// keys, as [salted digests](crate::secret::SaltedDigest).
///
/// A digest is in two columns. The second one, `pepper`, is NULL for a digest that is as it is,
/// has the name of the pepper, or begins with a dot, and then has the name and the salt of a salted
/// digest.
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
/// assert_eq!(stored.pepper.as_deref(), Some("2026"));
/// // A token is looked up by each digest that it may be stored under, in one query:
/// assert_eq!(policy.candidates(&token).len(), 2); // under the pepper, and without one
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DigestPolicy<'p> {
    peppers: Option<&'p Peppers>,
    salted: Option<&'p SaltedDigests>,
}

/// A digest as it is stored, in two columns of a row.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredDigest<'p> {
    /// The token's digest, under the pepper if there is one.
    pub digest: Digest,
    /// The name of the pepper; for a salted digest its name and the salt, in up to 64 characters
    /// of those that the name of a pepper may have.
    pub pepper: Option<Cow<'p, str>>,
}

impl<'p> DigestPolicy<'p> {
    /// Creates the policy of a store with these peppers, or without any.
    #[must_use]
    pub fn new(peppers: Option<&'p Peppers>) -> Self {
        let salted = None;
        Self { peppers, salted }
    }

    /// Accepts these salted digests too.
    #[must_use]
    pub fn with_salted_digests(self, salted: Option<&'p SaltedDigests>) -> Self {
        Self { salted, ..self }
    }

    /// Returns what to store for a new credential: a salted digest as it is, since no pepper is
    /// applied to it, and any other one as [`store`](Self::store) returns it.
    ///
    /// # Errors
    /// [`WriteError::SaltOnToken`]; [`WriteError::Store`] for a salt that the store could not read
    /// afterwards, with [`StoreError::UnknownSaltedDigest`] or [`StoreError::PlainDigest`].
    pub fn store_new(self, new: &NewCredential) -> Result<StoredDigest<'p>, WriteError> {
        let Some(salt) = &new.salt else {
            return Ok(self.store(&new.digest));
        };
        if new.info.kind() == Kind::PersonalToken {
            return Err(WriteError::SaltOnToken);
        }
        let column = salt_text::write(salt);
        self.form(Some(&column))?;
        Ok(StoredDigest {
            digest: new.digest.clone(),
            pepper: Some(column.into()),
        })
    }

    /// Returns what to store for a credential with the plain digest `plain`.
    #[must_use]
    pub fn store(self, plain: &Digest) -> StoredDigest<'p> {
        match self.peppers.map(Peppers::current) {
            Some(pepper) => StoredDigest {
                digest: pepper.digest(plain),
                pepper: Some(pepper.name().into()),
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
        let peppered = self.peppers.into_iter().flat_map(Peppers::all);
        let peppered = peppered.map(|pepper| pepper.digest(plain));
        let plain = self.accepts_plain().then(|| plain.clone());
        peppered.chain(plain).collect()
    }

    /// Returns whether a stored digest belongs to the token with the plain digest `presented`,
    /// given the name of the pepper that is stored with it. A salted digest belongs to none: a
    /// plain digest does not tell.
    ///
    /// # Errors
    /// [`StoreError::UnknownPepper`], [`StoreError::PlainDigest`],
    /// [`StoreError::UnknownSaltedDigest`], [`StoreError::Corrupt`].
    pub fn verifies(
        self,
        stored: &Digest,
        pepper: Option<&str>,
        presented: &Digest,
    ) -> Result<bool, StoreError> {
        let same = match self.form(pepper)? {
            DigestForm::Plain => presented.ct_eq(stored),
            DigestForm::Peppered(pepper) => pepper.digest(presented).ct_eq(stored),
            DigestForm::Salted(_) => return Ok(false),
        };
        Ok(same.into())
    }

    /// Returns whether a digest stored under `pepper` was computed differently than it would be
    /// now. A salted digest stays as it is, and is not outdated.
    #[must_use]
    pub fn is_outdated(self, pepper: Option<&str>) -> bool {
        self.peppers.is_some_and(|peppers| {
            pepper != Some(peppers.current().name()) && !pepper.is_some_and(is_salt)
        })
    }

    /// Returns the record of a key whose digest is stored under `pepper`. A deleted key's pepper or
    /// salt need not be known, since the key is refused anyway: it never moves to another pepper.
    ///
    /// # Errors
    /// [`StoreError::UnknownPepper`], [`StoreError::PlainDigest`],
    /// [`StoreError::UnknownSaltedDigest`], [`StoreError::Corrupt`] for a salt that cannot be read.
    pub fn stored_under(self, key: Record, pepper: Option<&str>) -> Result<Record, StoreError> {
        let found = match self.form(pepper) {
            Err(_) if key.status() == Status::Deleted => DigestForm::Plain,
            found => found?,
        };
        Ok(key
            .with_digest_form(found)
            .with_outdated(self.is_outdated(pepper)))
    }

    /// Returns whether digests without a pepper are accepted.
    fn accepts_plain(self) -> bool {
        self.peppers.is_none_or(Peppers::accepts_plain)
    }

    /// Returns how a row's digest was computed, if the store accepts that. A salted digest is one
    /// without a pepper: whoever can write to the database can insert one.
    fn form(self, column: Option<&str>) -> Result<DigestForm, StoreError> {
        match column {
            Some(name) if !is_salt(name) => {
                let pepper = self.peppers.and_then(|peppers| peppers.named(name));
                pepper
                    .map(|pepper| DigestForm::Peppered(Arc::clone(pepper)))
                    .ok_or_else(|| StoreError::UnknownPepper(name.into()))
            }
            _ if !self.accepts_plain() => Err(StoreError::PlainDigest),
            Some(salt) => salt_text::read(salt, self.salted).map(DigestForm::Salted),
            None => Ok(DigestForm::Plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::UnixMillis,
        secret::{Pepper, Salt, SaltedSha256},
        store::{CredentialInfo, Owner},
    };

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
            let refused = DigestPolicy::new(Some(&peppers)).form(name).unwrap_err();
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

    /// Salted digests, a salt, and the column that it is stored in.
    fn salted() -> (SaltedDigests, Salt, &'static str) {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst).unwrap();
        let salt = salted.salt("sha256-prefix", b"test-salt").unwrap();
        (salted, salt, ".sha256-prefix.dGVzdC1zYWx0")
    }

    fn new_key(kind: Kind, salt: Option<Salt>) -> NewCredential {
        NewCredential {
            info: CredentialInfo::new("k1", Owner::of(kind, "org_1"), UnixMillis(0)),
            digest: Digest::of(b"as imported"),
            salt,
            idempotency: None,
        }
    }

    #[test]
    fn a_salted_digest_is_stored_as_it_is_and_read_back_with_its_salt() {
        let (salted, salt, column) = salted();
        let peppers = Peppers::new("now", &[7; 32]).unwrap();
        for peppers in [None, Some(&peppers)] {
            let policy = DigestPolicy::new(peppers).with_salted_digests(Some(&salted));
            let new = new_key(Kind::OrgKey, Some(salt.clone()));
            let stored = policy.store_new(&new).unwrap();
            assert_eq!(stored.pepper.as_deref(), Some(column));
            assert_eq!(stored.digest.to_hex(), new.digest.to_hex());
            let key = Record::org_key("k1", stored.digest, "org_1");
            let read = policy.stored_under(key, Some(column)).unwrap();
            assert_eq!(read.salt(), Some(&salt));
            assert!(!read.is_outdated() && !policy.is_outdated(Some(column)));
            let of_the_digest = policy.verifies(&new.digest, Some(column), &new.digest);
            assert!(
                !of_the_digest.unwrap(),
                "a plain digest is not what was salted"
            );
        }
    }

    #[test]
    fn only_a_salt_that_can_be_read_afterwards_is_stored() {
        let (salted, salt, _) = salted();
        let peppers = Peppers::new("now", &[7; 32]).unwrap();
        let strict = peppers.clone().without_plain_digests();
        let with = |peppers, salted| DigestPolicy::new(peppers).with_salted_digests(salted);
        let (key, token) = (Kind::OrgKey, Kind::PersonalToken);
        for (name, policy, kind, wanted) in [
            ("known", with(Some(&peppers), Some(&salted)), key, "stored"),
            ("unknown", with(None, None), key, "unknown_salted_digest"),
            (
                "strict",
                with(Some(&strict), Some(&salted)),
                key,
                "unknown_pepper",
            ),
            ("a token", with(None, Some(&salted)), token, "salt on token"),
        ] {
            let stored = policy.store_new(&new_key(kind, Some(salt.clone())));
            let outcome = match stored {
                Ok(_) => "stored",
                Err(WriteError::SaltOnToken) => "salt on token",
                Err(WriteError::Store(error)) => error.code(),
                Err(other) => panic!("{name}: {other}"),
            };
            assert_eq!(outcome, wanted, "{name}");
        }
    }

    #[test]
    fn a_salt_that_is_unknown_or_damaged_is_an_outage_unless_the_key_is_deleted() {
        let (salted, _, column) = salted();
        let strict = Peppers::new("now", &[7; 32])
            .unwrap()
            .without_plain_digests();
        let known = DigestPolicy::new(None).with_salted_digests(Some(&salted));
        let strict = DigestPolicy::new(Some(&strict)).with_salted_digests(Some(&salted));
        for (name, policy, column, code) in [
            (
                "unknown",
                DigestPolicy::new(None),
                column,
                "unknown_salted_digest",
            ),
            ("damaged", known, ".sha256-prefix.!", "record_corrupt"),
            ("excluded", strict, column, "unknown_pepper"),
        ] {
            let key = |status| Record::org_key("k1", Digest::of(b"a"), "org_1").with_status(status);
            let refused = policy.stored_under(key(Status::Active), Some(column));
            assert_eq!(refused.unwrap_err().code(), code, "{name}");
            let deleted = policy.stored_under(key(Status::Deleted), Some(column));
            assert!(deleted.unwrap().salt().is_none(), "{name}");
            let verified = policy.verifies(&Digest::of(b"a"), Some(column), &Digest::of(b"a"));
            assert_eq!(verified.unwrap_err().code(), code, "{name}");
        }
    }
}

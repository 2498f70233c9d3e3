//! Compares the secret with the stored digest: the only module that can create a [`Verified`].

use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq};

use super::{
    Presented,
    shown::{self, SaltedOf},
};
use crate::{
    credential::Kind,
    rejection::{Cause, Denial},
    secret::Digest,
    store::{Decoys, DigestForm, Record, StoreFault},
};

/// A record whose secret the caller has presented. It is not yet known to be live.
#[derive(Debug)]
pub(crate) struct Verified(Arc<Record>);

impl Verified {
    /// Returns the record, for the next check and for revocation by the bearer.
    pub(crate) fn into_record(self) -> Arc<Record> {
        self.0
    }
}

/// Compares the presented credential with the stored record.
///
/// Without a record it compares with a decoy, so that an unknown id and a wrong secret do the same
/// work. If there are peppers or salted digests (`decoys`), it computes these in any case.
///
/// `with_secret` passes what the digest is computed of, in plain text: only a salted digest needs
/// it.
#[inline]
pub(crate) fn check(
    presented: &Presented<'_>,
    found: Option<Arc<Record>>,
    decoys: Option<&Decoys<'_>>,
    with_secret: impl FnOnce(SaltedOf<'_>) -> Result<Option<Digest>, Cause>,
) -> Result<Verified, Denial> {
    let record = found.as_deref();
    let is_plain = record.is_none_or(|record| record.digest_form().is_plain());
    let same = if is_plain && decoys.is_none() {
        matches(presented.digest(), record)
    } else {
        matches_computed(presented, record, decoys, with_secret)?
    };
    match found {
        None => Err(Denial::from(Cause::UnknownCredential)),
        Some(record) if !asked_for(presented, &record) => {
            Err(Denial::about(StoreFault::mismatched().into(), record))
        }
        Some(record) if bool::from(same) => Ok(Verified(record)),
        Some(record) if record.kind() == Kind::PersonalToken => {
            // A token is found by its digest, so the store has answered for another one.
            Err(Denial::about(StoreFault::mismatched().into(), record))
        }
        Some(record) => Err(Denial::about(Cause::WrongSecret, record)),
    }
}

/// Compares like [`matches()`], after the digests with peppers and salts were computed.
#[inline(never)] // most stores have plain digests alone
fn matches_computed(
    presented: &Presented<'_>,
    found: Option<&Record>,
    decoys: Option<&Decoys<'_>>,
    with_secret: impl FnOnce(SaltedOf<'_>) -> Result<Option<Digest>, Cause>,
) -> Result<Choice, Cause> {
    let form = found.map_or(&DigestForm::Plain, Record::digest_form);
    let computed = shown::digest(
        presented,
        form,
        decoys.copied().unwrap_or_default(),
        with_secret,
    )?;
    let shown = computed.as_ref().unwrap_or(presented.digest());
    Ok(matches(shown, found))
}

/// Compares in constant time, with a decoy if there is no record, which never matches.
#[inline]
fn matches(shown: &Digest, found: Option<&Record>) -> Choice {
    let stored = found.map_or(&Digest::DECOY, Record::digest);
    shown.ct_eq(stored) & Choice::from(u8::from(found.is_some()))
}

/// Returns whether the record is the one that was looked up. A store that returns another
/// credential is broken, and its answer is not used.
#[inline]
fn asked_for(presented: &Presented<'_>, record: &Record) -> bool {
    record.kind() == presented.kind()
        && match presented.kind() {
            Kind::OrgKey => record.id().as_bytes() == presented.id(),
            Kind::PersonalToken => true, // asked for by its digest, which `check` compares
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{SystemClock, UnixMillis},
        credential::TokenFormat,
        secret::{
            Salt, SaltedDigest, SaltedDigests, SaltedSha256,
            work::{self, Work},
        },
        store::Status,
    };

    const TOKEN: &[u8] = b"ak_known.test-secret";

    /// A record of the token that is presented, and one of another.
    fn records() -> [Record; 2] {
        [TOKEN, b"ak_known.test-other"]
            .map(|token| Record::org_key("known", Digest::of(token), "org_test"))
    }

    /// Returns what refusing the token costs.
    fn refusing(found: Option<Record>, decoys: Option<&Decoys<'_>>) -> Work {
        let found = found.map(Arc::new);
        work::take();
        let token = TokenFormat::default().classify(TOKEN).unwrap();
        let presented = Presented::new(&token);
        let verdict = check(&presented, found, decoys, |salted| Ok(salted(token.hashed)));
        assert!(
            verdict
                .and_then(|verified| verified.live(&SystemClock))
                .is_err()
        );
        work::take()
    }

    const ONCE: Work = Work {
        hashed: 1,
        compared: 1,
        peppered: 0,
        salted: 0,
    };

    #[test]
    fn every_refusal_costs_one_digest_and_one_comparison() {
        let [own, other] = records();
        for (name, found) in [
            ("unknown", None),
            ("wrong secret", Some(other)),
            ("deleted", Some(own.clone().with_status(Status::Deleted))),
            ("disabled", Some(own.clone().with_status(Status::Disabled))),
            ("expired", Some(own.expiring_at(UnixMillis(1)))),
        ] {
            assert_eq!(refusing(found, None), ONCE, "{name}");
        }
    }

    #[cfg(feature = "peppers")]
    #[test]
    fn with_a_pepper_every_refusal_computes_one_peppered_digest_too() {
        let peppers = crate::secret::Peppers::new("test", &[b't'; 32]).unwrap();
        let pepper = peppers.current();
        let [own, other] = records();
        let peppered = Record::org_key("known", pepper.digest(other.digest()), "org_test")
            .with_pepper(peppers.named("test").cloned());
        let once = Work {
            peppered: 1,
            ..ONCE
        };
        let decoys = Decoys {
            pepper: Some(pepper),
            salted: None,
        };
        for (name, found) in [
            ("unknown", None),
            ("wrong secret", Some(peppered)),
            ("wrong secret, plain digest", Some(other)),
            ("deleted", Some(own.with_status(Status::Deleted))),
        ] {
            assert_eq!(refusing(found, Some(&decoys)), once, "{name}");
        }
    }

    /// Two salted digests, and a salt of each.
    fn salted() -> (SaltedDigests, [Salt; 2]) {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst)
            .and_then(|salted| salted.with(SaltedSha256::SaltLast))
            .unwrap();
        let salts = ["sha256-prefix", "sha256-suffix"];
        let salts = salts.map(|name| salted.salt(name, b"test-salt").unwrap());
        (salted, salts)
    }

    /// A key of another token with this salt.
    fn other_salted(salt: &Salt) -> Record {
        let digest = salt.digest(b"ak_known.test-other");
        Record::org_key("known", digest, "org_test").with_salt(salt.clone())
    }

    #[test]
    fn with_salts_every_refusal_computes_each_salted_digest_once_too() {
        let (salted, [first, last]) = salted();
        let [own, other] = records();
        let deleted = Record::org_key("known", first.digest(TOKEN), "org_test");
        let deleted = deleted.with_salt(first.clone());
        let deleted = deleted.with_status(Status::Deleted);
        let decoys = Decoys {
            pepper: None,
            salted: Some(&salted),
        };
        let each = Work { salted: 2, ..ONCE };
        for (name, found) in [
            ("unknown", None),
            ("wrong secret, the first", Some(other_salted(&first))),
            ("wrong secret, the last", Some(other_salted(&last))),
            ("wrong secret, plain digest", Some(other)),
            ("deleted", Some(deleted)),
            ("deleted, plain", Some(own.with_status(Status::Deleted))),
        ] {
            assert_eq!(refusing(found, Some(&decoys)), each, "{name}");
        }
    }

    #[cfg(feature = "peppers")]
    #[test]
    fn with_peppers_and_salts_every_refusal_computes_both() {
        let peppers = crate::secret::Peppers::new("test", &[b't'; 32]).unwrap();
        let pepper = peppers.current();
        let (salted, [first, _]) = salted();
        let [_, other] = records();
        let peppered = Record::org_key("known", pepper.digest(other.digest()), "org_test")
            .with_pepper(peppers.named("test").cloned());
        let decoys = Decoys {
            pepper: Some(pepper),
            salted: Some(&salted),
        };
        let both = Work {
            peppered: 1,
            salted: 2,
            ..ONCE
        };
        for (name, found) in [
            ("unknown", None),
            ("wrong secret, salted", Some(other_salted(&first))),
            ("wrong secret, peppered", Some(peppered)),
            ("wrong secret, plain", Some(other)),
        ] {
            assert_eq!(refusing(found, Some(&decoys)), both, "{name}");
        }
    }

    #[test]
    fn a_salted_digest_is_accepted_only_with_its_salt_and_its_order() {
        let (salted, [first, last]) = salted();
        let other_salt = salted.salt("sha256-prefix", b"other-salt").unwrap();
        let (plain, stored) = (Digest::of(TOKEN), first.digest(TOKEN));
        let token = TokenFormat::default().classify(TOKEN).unwrap();
        let presented = Presented::new(&token);
        let with = |salt: &Salt| {
            Record::org_key("known", stored.clone(), "org_test").with_salt(salt.clone())
        };
        for (name, record, accepted) in [
            ("as it was imported", with(&first), true),
            ("in another order", with(&last), false),
            ("with another salt", with(&other_salt), false),
            (
                "without its salt",
                Record::org_key("known", stored.clone(), "org_test"),
                false,
            ),
            (
                "a plain digest that claims a salt",
                Record::org_key("known", plain, "org_test").with_salt(first.clone()),
                false,
            ),
        ] {
            // A store that forgets its decoys still verifies.
            for decoys in [None, Some(&salted)] {
                let decoys = Decoys {
                    pepper: None,
                    salted: decoys,
                };
                let found = Some(Arc::new(record.clone()));
                let verdict = check(&presented, found, Some(&decoys), |of| Ok(of(token.hashed)));
                assert_eq!(verdict.is_ok(), accepted, "{name}, {decoys:?}");
            }
        }
    }

    #[test]
    fn a_personal_token_costs_no_salted_digest() {
        let (salted, _) = salted();
        let decoys = Decoys {
            pepper: None,
            salted: Some(&salted),
        };
        let token = TokenFormat::default().classify(b"pat_test").unwrap();
        let presented = Presented::new(&token);
        work::take();
        let verdict = check(&presented, None, Some(&decoys), |of| Ok(of(token.hashed)));
        assert!(verdict.is_err());
        assert_eq!(work::take().salted, 0);
    }

    #[test]
    fn a_salted_digest_that_panics_is_an_outage_for_its_own_keys_alone() {
        #[derive(Debug)]
        struct Panics;

        impl SaltedDigest for Panics {
            fn name(&self) -> &str {
                "panics"
            }

            fn digest(&self, _: &[u8], _: &[u8]) -> Digest {
                panic!("a bug")
            }
        }

        let salted = SaltedDigests::new(Panics).unwrap();
        let decoys = Decoys {
            pepper: None,
            salted: Some(&salted),
        };
        let token = TokenFormat::default().classify(TOKEN).unwrap();
        let presented = Presented::new(&token);
        let verdict = |found: Option<Record>| {
            let found = found.map(Arc::new);
            check(&presented, found, Some(&decoys), |of| Ok(of(token.hashed)))
        };
        let [own, _] = records();
        let salted = own
            .clone()
            .with_salt(salted.salt("panics", b"salt").unwrap());
        assert_eq!(
            verdict(Some(salted)).unwrap_err().cause.code(),
            "store_panicked"
        );
        assert_eq!(
            verdict(None).unwrap_err().cause.code(),
            "unknown_credential"
        );
        assert!(verdict(Some(own)).is_ok());
    }
}

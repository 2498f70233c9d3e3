//! Compares the secret with the stored digest: the only module that can create a [`Verified`].

use std::{hint::black_box, sync::Arc};

use subtle::{Choice, ConstantTimeEq};

use super::Presented;
use crate::{
    credential::Kind,
    rejection::{Cause, Denial},
    secret::{Digest, Pepper},
    store::{Record, StoreFault},
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
/// work. If there are peppers (`decoy` is one), it computes a digest with one in any case.
#[inline]
pub(crate) fn check(
    presented: &Presented<'_>,
    found: Option<Arc<Record>>,
    decoy: Option<&Pepper>,
) -> Result<Verified, Denial> {
    let own = found.as_ref().and_then(|record| record.pepper());
    let same = match own.or(decoy) {
        None => matches(presented.digest(), found.as_deref()),
        Some(pepper) => {
            let peppered = black_box(pepper.digest(presented.digest()));
            matches(
                if own.is_some() {
                    &peppered
                } else {
                    presented.digest()
                },
                found.as_deref(),
            )
        }
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
        secret::work::{self, Work},
        store::Status,
    };

    const TOKEN: &[u8] = b"ak_known.test-secret";

    /// A record of the token that is presented, and one of another.
    fn records() -> [Record; 2] {
        [TOKEN, b"ak_known.test-other"]
            .map(|token| Record::org_key("known", Digest::of(token), "org_test"))
    }

    /// Returns what refusing the token costs.
    fn refusing(found: Option<Record>, decoy: Option<&Pepper>) -> Work {
        let found = found.map(Arc::new);
        work::take();
        let token = TokenFormat::default().classify(TOKEN).unwrap();
        let presented = Presented::new(&token);
        let verdict = check(&presented, found, decoy);
        assert!(
            verdict
                .and_then(|verified| verified.live(&SystemClock))
                .is_err()
        );
        work::take()
    }

    #[test]
    fn every_refusal_costs_one_digest_and_one_comparison() {
        let [own, other] = records();
        let once = Work {
            hashed: 1,
            compared: 1,
            peppered: 0,
        };
        for (name, found) in [
            ("unknown", None),
            ("wrong secret", Some(other)),
            ("deleted", Some(own.clone().with_status(Status::Deleted))),
            ("disabled", Some(own.clone().with_status(Status::Disabled))),
            ("expired", Some(own.expiring_at(UnixMillis(1)))),
        ] {
            assert_eq!(refusing(found, None), once, "{name}");
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
            hashed: 1,
            compared: 1,
            peppered: 1,
        };
        for (name, found) in [
            ("unknown", None),
            ("wrong secret", Some(peppered)),
            ("wrong secret, plain digest", Some(other)),
            ("deleted", Some(own.with_status(Status::Deleted))),
        ] {
            assert_eq!(refusing(found, Some(pepper)), once, "{name}");
        }
    }
}

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

//! What a presented token is compared by, if digests have peppers or salts.
//!
//! A request computes one digest under a pepper if the store has peppers, and each of the store's
//! salted digests once, whatever it finds: which of them counts is decided afterwards.

use std::hint::black_box;

use super::Presented;
use crate::{
    credential::Kind,
    panics::catch,
    rejection::Cause,
    secret::{Digest, Salt, SaltedDigests, work},
    store::{Decoys, DigestForm, StoreFault},
};

/// The salt of keys that are unknown, or have no salt of this kind: of the usual length.
const DECOY_SALT: [u8; 16] = [0; 16];

/// Computes salted digests of what is hashed of a token, in plain text, and returns the record's.
pub(crate) type SaltedOf<'f> = &'f dyn Fn(&[u8]) -> Option<Digest>;

/// Returns the digest that a record of this form is to be compared with; `None` for the plain one.
///
/// # Errors
/// If a salted digest panics.
pub(super) fn digest(
    presented: &Presented<'_>,
    form: &DigestForm,
    decoys: Decoys<'_>,
    with_secret: impl FnOnce(SaltedOf<'_>) -> Result<Option<Digest>, Cause>,
) -> Result<Option<Digest>, Cause> {
    let pepper = form.pepper().or(decoys.pepper);
    let peppered = pepper.map(|pepper| black_box(pepper.digest(presented.digest())));
    let peppered = peppered.filter(|_| form.pepper().is_some());
    // A personal token has no salt, known or not.
    let decoys = decoys.salted.filter(|_| presented.kind() == Kind::OrgKey);
    if form.salt().is_none() && decoys.is_none() {
        return Ok(peppered);
    }
    let salted = catch(|| with_secret(&|secret| salted(secret, form.salt(), decoys)));
    let salted = salted.ok_or_else(|| Cause::from(StoreFault::panicked()))??;
    Ok(salted.or(peppered))
}

/// Computes the salted digest of the record, and each other one of the store with a decoy.
fn salted(secret: &[u8], own: Option<&Salt>, decoys: Option<&SaltedDigests>) -> Option<Digest> {
    for other in decoys.into_iter().flat_map(SaltedDigests::all) {
        if own.is_none_or(|salt| salt.name() != other.name()) {
            work::salted();
            // A panic about this salt says nothing about the key.
            catch(|| black_box(other.digest(&DECOY_SALT, secret)));
        }
    }
    own.map(|salt| {
        work::salted();
        salt.digest(secret)
    })
}

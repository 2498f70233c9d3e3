//! What the databases store of a digest, with and without peppers.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{Record, Status, StoreError};
use crate::secret::{Digest, Pepper, Peppers};

impl Peppers {
    /// Returns what is stored for a credential with the digest `plain`: its digest under the
    /// current pepper, and that pepper's name.
    pub(super) fn keep<'p>(peppers: Option<&'p Self>, plain: &Digest) -> (Digest, Option<&'p str>) {
        match peppers.map(Self::current) {
            Some(pepper) => (pepper.digest(plain), Some(pepper.name())),
            None => (plain.clone(), None),
        }
    }

    /// Returns every digest under which a credential with the digest `plain` may be stored,
    /// likeliest first.
    pub(super) fn candidates(peppers: Option<&Self>, plain: &Digest) -> Vec<Digest> {
        let peppered = peppers
            .into_iter()
            .flat_map(Self::all)
            .map(|pepper| pepper.digest(plain));
        peppered
            .chain(
                peppers
                    .is_none_or(Self::accepts_plain)
                    .then(|| plain.clone()),
            )
            .collect()
    }

    /// Returns the pepper that a row names.
    pub(super) fn of_row(
        peppers: Option<&Self>,
        name: Option<&str>,
    ) -> Result<Option<Arc<Pepper>>, StoreError> {
        match name {
            None if peppers.is_none_or(Self::accepts_plain) => Ok(None),
            None => Err(StoreError::PlainDigest),
            Some(name) => {
                let pepper = peppers.and_then(|peppers| peppers.named(name)).cloned();
                pepper
                    .map(Some)
                    .ok_or_else(|| StoreError::UnknownPepper(name.into()))
            }
        }
    }

    /// Refuses a token that was found by its digest but is not stored under the pepper that its row
    /// names.
    pub(super) fn confirm(
        peppers: Option<&Self>,
        stored: &Digest,
        name: Option<&str>,
        presented: &Digest,
    ) -> Result<(), StoreError> {
        match Self::verifies(peppers, stored, name, presented)? {
            true => Ok(()),
            false => Err(StoreError::corrupt(
                "the digest was not made under the pepper that the row names",
            )),
        }
    }

    /// Returns whether a row's digest, computed with the pepper that it names, belongs to the token
    /// with the digest `presented`.
    pub(super) fn verifies(
        peppers: Option<&Self>,
        stored: &Digest,
        name: Option<&str>,
        presented: &Digest,
    ) -> Result<bool, StoreError> {
        let pepper = Self::of_row(peppers, name)?;
        let shown = pepper.map_or_else(|| presented.clone(), |pepper| pepper.digest(presented));
        Ok(shown.ct_eq(stored).into())
    }

    /// Returns whether a row's digest was computed differently than it would be now.
    pub(super) fn is_outdated(peppers: Option<&Self>, name: Option<&str>) -> bool {
        peppers.is_some_and(|peppers| name != Some(peppers.current().name()))
    }
}

impl Record {
    /// Sets the pepper that a key's digest is stored under. A deleted key's pepper need not be
    /// known, since the key is refused anyway: it never moves to another pepper.
    pub(super) fn kept_under(
        self,
        peppers: Option<&Peppers>,
        name: Option<&str>,
    ) -> Result<Self, StoreError> {
        let pepper = match Peppers::of_row(peppers, name) {
            Err(_) if self.standing() == Status::Deleted => None,
            pepper => pepper?,
        };
        Ok(self
            .under(pepper)
            .outdated(Peppers::is_outdated(peppers, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_digest_and_an_unknown_pepper_are_told_apart_by_their_texts() {
        let peppers = Peppers::new("now", &[7; 32]).unwrap().refusing_plain();
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
            let refused = Peppers::of_row(Some(&peppers), name).unwrap_err();
            assert_eq!(
                (refused.to_string().as_str(), refused.code()),
                (wanted, "unknown_pepper"),
                "{name:?}"
            );
        }
    }
}

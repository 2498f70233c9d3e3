//! What a store computes for credentials that it does not know.

use super::CredentialStore;
use crate::secret::{Pepper, SaltedDigests};

/// The pepper and the salted digests of a store, with which unknown credentials cost what known
/// ones do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decoys<'s> {
    pub(crate) pepper: Option<&'s Pepper>,
    pub(crate) salted: Option<&'s SaltedDigests>,
}

impl<'s> Decoys<'s> {
    /// Returns those of a store; `None` if it has plain digests alone.
    #[inline]
    pub(crate) fn of(store: &'s (impl CredentialStore + ?Sized)) -> Option<Self> {
        let (pepper, salted) = (store.decoy_pepper(), store.salted_digests());
        let any = pepper.is_some() || salted.is_some();
        any.then_some(Self { pepper, salted })
    }
}

//! The key of a pepper: HMAC-SHA-256.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Digest;

#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(secret).ok().map(Self)
    }

    pub(super) fn digest(&self, plain: &Digest) -> Digest {
        let mut mac = self.0.clone();
        mac.update(&plain.to_bytes());
        Digest::from_bytes(mac.finalize().into_bytes().into())
    }
}

//! The key of a pepper, of which there is none without the feature `peppers`.

use crate::secret::Digest;

#[derive(Clone)]
pub(super) enum Key {}

impl Key {
    pub(super) fn digest(&self, _: &Digest) -> Digest {
        match *self {}
    }
}

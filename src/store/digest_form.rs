//! How the digest of a record was computed.

use std::sync::Arc;

use crate::secret::{Pepper, Salt};

/// What a digest is, given the SHA-256 of what its token is hashed by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum DigestForm {
    /// That SHA-256 itself.
    #[default]
    Plain,
    /// Its HMAC under a pepper.
    Peppered(Arc<Pepper>),
    /// Another digest, of a salt and the token.
    Salted(Salt),
}

impl DigestForm {
    /// Returns whether it is the SHA-256 itself.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Returns the pepper, if it has one.
    #[inline]
    pub(crate) fn pepper(&self) -> Option<&Pepper> {
        match self {
            Self::Peppered(pepper) => Some(pepper),
            Self::Plain | Self::Salted(_) => None,
        }
    }

    /// Returns the salt, if it has one.
    #[inline]
    pub(crate) fn salt(&self) -> Option<&Salt> {
        match self {
            Self::Salted(salt) => Some(salt),
            Self::Plain | Self::Peppered(_) => None,
        }
    }
}

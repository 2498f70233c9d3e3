//! The credential that a request presents, without its plain text.

use std::borrow::Cow;

use crate::{
    credential::{Kind, Token},
    secret::Digest,
    store::{Lookup, RawKey},
};

/// A well-formed credential: its id and its digest.
#[derive(Debug)]
pub(crate) struct Presented<'h> {
    kind: Kind,
    id: Cow<'h, [u8]>, // empty for a personal token, which is found by its digest
    digest: Digest,
}

impl<'h> Presented<'h> {
    /// Computes the digest of a token. From here on the plain text is not needed.
    #[inline]
    pub(crate) fn new(token: &Token<'h>) -> Self {
        let digest = Digest::of(token.hashed);
        Self {
            kind: token.kind,
            id: token.lookup_id(&digest),
            digest,
        }
    }

    /// Returns the kind of credential, as its prefix shows.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the id of a key, as it was sent or computed; empty for a token.
    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    /// Returns the digest of the whole token.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the lookup for the store. A key carries its organization, so `organization` is
    /// passed only for tokens.
    #[inline]
    pub(crate) fn lookup<'a>(
        &'a self,
        organization: impl FnOnce() -> Option<&'a str>,
    ) -> Lookup<'a> {
        match self.kind {
            Kind::OrgKey => Lookup::by(RawKey::Id(&self.id), None),
            Kind::PersonalToken => Lookup::by(RawKey::Digest(&self.digest), organization()),
        }
    }

    /// Detaches the credential from the request, for a lookup that takes a while.
    pub(crate) fn into_owned(self) -> Presented<'static> {
        Presented {
            kind: self.kind,
            id: Cow::Owned(self.id.into_owned()),
            digest: self.digest,
        }
    }
}

//! What a request presents: exactly one bearer token, told apart by its prefix, and perhaps an organization.
//!
//! Only the `Authorization` header and the organization header are read. A token in the query, a cookie, the body, the
//! trailers or `Proxy-Authorization` is never looked at (RFC 9700, section 4.3.2; RFC 6750, sections 2.2 and 2.3, are
//! not supported).

pub(crate) mod bearer;
mod classify;
pub(crate) mod org_header;
mod parsed;

use std::borrow::Cow;

pub use classify::TokenFormat;
pub(crate) use classify::{Token, is_key_id};
pub use parsed::{ParsedToken, TokenError};

use crate::{
    secret::Digest,
    store::{Key, Lookup},
};

/// The two kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third kind has to be a compile error in every store"
)]
pub enum Kind {
    /// `ak_<id>.<secret>`: belongs to one organization and carries it.
    OrgKey,
    /// `pat_…`: belongs to a person; the organization comes with each request.
    PersonalToken,
}

impl Kind {
    /// Returns `org_key` or `pat`, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrgKey => "org_key",
            Self::PersonalToken => "pat",
        }
    }
}

/// A well-formed credential: its id and its digest, the plain text left behind.
#[derive(Debug)]
pub(crate) struct Presented<'h> {
    kind: Kind,
    id: Cow<'h, [u8]>, // empty for a personal token, which is found by its digest
    digest: Digest,
}

impl<'h> Presented<'h> {
    #[inline]
    pub(crate) fn new(token: &Token<'h>) -> Self {
        Self {
            kind: token.kind,
            id: Cow::Borrowed(token.id),
            digest: Digest::of(token.whole),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The question to the store. A key carries its organization, so that `organization` is asked for tokens alone.
    #[inline]
    pub(crate) fn lookup<'a>(
        &'a self,
        organization: impl FnOnce() -> Option<&'a str>,
    ) -> Lookup<'a> {
        match self.kind {
            Kind::OrgKey => Lookup::by(Key::Id(&self.id), None),
            Kind::PersonalToken => Lookup::by(Key::Digest(&self.digest), organization()),
        }
    }

    /// Detaches the credential from the request, for a look-up that takes a while.
    pub(crate) fn into_owned(self) -> Presented<'static> {
        Presented {
            kind: self.kind,
            id: Cow::Owned(self.id.into_owned()),
            digest: self.digest,
        }
    }
}

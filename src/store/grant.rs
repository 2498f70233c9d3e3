//! Grants: the part of records that many of them have alike, and share.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    panic::RefUnwindSafe,
    sync::Arc,
};

use super::{Attributes, DigestForm, Restrictions};
use crate::{
    id::{OrgId, UserId},
    scope::ScopeSet,
};

/// What a credential may do, where and for whom, and how its digest was computed. Records share it
/// when all of it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    pub(super) organization: Option<OrgId>,
    pub(super) user: Option<UserId>,
    pub(super) role: Option<Arc<str>>,
    /// Whether the scopes are those of the role.
    pub(super) by_role: bool,
    pub(super) scopes: ScopeSet,
    /// What the scopes are resolved from, in a store that keeps records.
    pub(super) stored: Option<StoredRights>,
    /// What it may do at most; the scopes are restricted already.
    pub(super) restrictions: Option<Arc<Restrictions>>,
    /// `None` if it has none.
    pub(super) attributes: Option<Arc<Attributes>>,
    /// How the digest was computed. Records with a salt share their grant with no other.
    pub(super) digest_form: DigestForm,
    /// Whether to rehash the digest when the token is next presented.
    pub(super) outdated: bool,
    pub(super) data: Option<Data>,
}

/// What a store keeps of the rights of a credential, besides its role and its organizations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StoredRights {
    /// The scopes of a key, if they are not its role's; the only ones that a token may have.
    pub(super) own: Option<ScopeSet>,
}

/// What a store adds to its records. Two are equal only if they are the same value in memory, so
/// records with other data never share a grant.
#[derive(Clone)]
pub(super) struct Data(pub(super) Arc<dyn Any + Send + Sync>);

impl Grant {
    /// Sets the scopes, without those that the restrictions do not allow.
    pub(super) fn hold(&mut self, scopes: ScopeSet) {
        let allowed = self.restrictions.as_deref().and_then(Restrictions::scopes);
        self.scopes = allowed.map_or(scopes.clone(), |allowed| scopes.intersection(allowed));
    }

    /// Returns whether its scopes are those that their catalogue now says.
    #[inline]
    pub(super) fn is_current(&self) -> bool {
        let allowed = self.restrictions.as_deref().and_then(Restrictions::scopes);
        self.scopes.is_current() && allowed.is_none_or(ScopeSet::is_current)
    }

    /// Sets the only scopes that are allowed, instead of others. They apply to what is held
    /// afterwards.
    pub(super) fn allow_only(&mut self, scopes: ScopeSet) {
        let earlier = self.restrictions.as_deref().cloned().unwrap_or_default();
        self.restrictions = Some(Arc::new(earlier.with_scopes(scopes)));
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Data {}

impl Hash for Data {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

// The crate never looks at the value, and hands out shared references only: a `Principal` stays as
// usable across `catch_unwind` as it is without data.
impl RefUnwindSafe for Data {}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Data(..)")
    }
}

//! Records: what a store knows about a credential.

use std::{any::Any, sync::Arc};

use super::grant::{Data, Grant};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    error::ConfigError,
    id::{CredentialId, OrgId, UserId},
    scope::{Catalogue, ScopeSet, Tables},
    secret::{Digest, Pepper, Salt},
    store::{Attributes, Conditions, DigestForm, Restrictions, Status},
};

/// A credential as a store knows it, without its secret.
///
/// A store creates it with one of the two constructors and the setters that apply. It grants
/// nothing until it has a role or scopes.
///
/// ```
/// use tower_api_key::{scope::Catalogue, secret::Digest, store::Record};
///
/// let digest = Digest::of(b"ak_example.test-secret");
/// let key = Record::org_key("example", digest, "org_1")
///     .with_role("viewer", &Catalogue::anyreach())?;
/// assert!(key.scopes().contains("agents:read"));
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Record {
    id: Box<str>,
    digest: Digest,
    // Two fields, because they are eight bytes smaller than an `Option`; stores keep millions of
    // records.
    expires_at: UnixMillis,
    can_expire: bool,
    rotated: bool,
    kind: Kind,
    status: Status,
    grant: Arc<Grant>,
}

impl Record {
    /// Creates the record of an organization key: its id (between prefix and dot), the digest of
    /// the whole token, and the organization that owns it.
    pub fn org_key(
        id: impl Into<CredentialId>,
        digest: Digest,
        organization: impl Into<OrgId>,
    ) -> Self {
        Self::new(
            Kind::OrgKey,
            &id.into(),
            digest,
            Some(organization.into()),
            None,
        )
    }

    /// Creates the record of a personal access token: a public id for logs and lists, the digest of
    /// the whole token, and the user who owns it.
    ///
    /// To insert it into a store, leave it as it is. To answer a lookup, add what the user may do
    /// in the organization that the lookup names:
    ///
    /// ```
    /// use tower_api_key::{scope::Catalogue, secret::Digest, store::Record};
    ///
    /// let token = Record::personal_token("t1", Digest::of(b"pat_test"), "alice");
    /// let seen_from_org_1 = token
    ///     .in_organization("org_1")
    ///     .with_role("viewer", &Catalogue::anyreach())?;
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    pub fn personal_token(
        id: impl Into<CredentialId>,
        digest: Digest,
        user: impl Into<UserId>,
    ) -> Self {
        Self::new(
            Kind::PersonalToken,
            &id.into(),
            digest,
            None,
            Some(user.into()),
        )
    }

    fn new(
        kind: Kind,
        id: &CredentialId,
        digest: Digest,
        organization: Option<OrgId>,
        user: Option<UserId>,
    ) -> Self {
        Self {
            id: id.as_str().into(),
            digest,
            expires_at: UnixMillis(0),
            can_expire: false,
            rotated: false,
            kind,
            status: Status::Active,
            grant: Arc::new(Grant {
                organization,
                user,
                role: None,
                by_role: false,
                scopes: ScopeSet::empty(),
                stored: None,
                restrictions: None,
                attributes: None,
                digest_form: DigestForm::Plain,
                outdated: false,
                data: None,
            }),
        }
    }

    /// Sets the organization that the lookup named, of which the user is a member.
    pub fn in_organization(self, organization: impl Into<OrgId>) -> Self {
        self.regrant(|grant| grant.organization = Some(organization.into()))
    }

    /// Grants what `role` may do, and stores the role's name.
    ///
    /// # Errors
    /// [`ConfigError::UnknownRole`] if the catalogue has no such role.
    pub fn with_role(self, role: &str, catalogue: &Catalogue) -> Result<Self, ConfigError> {
        self.with_role_of(&catalogue.tables(), role)
    }

    /// Grants what `role` may do according to these tables.
    pub(crate) fn with_role_of(self, tables: &Tables, role: &str) -> Result<Self, ConfigError> {
        let (role, scopes) = tables.role(role)?;
        Ok(self.regrant(|grant| {
            grant.role = Some(Arc::clone(role));
            grant.by_role = true;
            grant.hold(scopes.clone());
        }))
    }

    /// Grants exactly `scopes`. A store derives them from stored scopes with [`Catalogue::expand`],
    /// which adds what they imply and drops what the catalogue does not have.
    pub fn with_scopes(self, scopes: ScopeSet) -> Self {
        self.regrant(|grant| {
            grant.by_role = false;
            grant.hold(scopes);
        })
    }

    /// Restricts what the credential may do, whatever its role, its scopes and its organization
    /// are. What an earlier call took away stays away. It makes no difference whether the
    /// restrictions or the role and scopes are set first.
    pub fn restricted_to(self, restrictions: Restrictions) -> Self {
        if restrictions.is_empty() {
            return self;
        }
        self.regrant(|grant| {
            let all = match &grant.restrictions {
                Some(earlier) => earlier.and(&restrictions),
                None => restrictions,
            };
            grant.restrictions = Some(Arc::new(all));
            let held = grant.scopes.clone();
            grant.hold(held);
        })
    }

    /// Returns what the credential may do at most, if that is restricted.
    #[must_use]
    pub fn restrictions(&self) -> Option<&Restrictions> {
        self.grant.restrictions.as_deref()
    }

    /// Returns whether its restrictions allow it to act in `organization`.
    pub(crate) fn may_act_in(&self, organization: &OrgId) -> bool {
        self.restrictions()
            .is_none_or(|restrictions| restrictions.allow(organization))
    }

    /// Sets the attributes. Records whose attributes are equal share them, if a store that shares
    /// what they grant keeps them.
    pub fn with_attributes(self, attributes: Attributes) -> Self {
        if attributes.is_empty() && self.grant.attributes.is_none() {
            return self;
        }
        let attributes = Some(attributes).filter(|attributes| !attributes.is_empty());
        self.regrant(|grant| grant.attributes = attributes.map(Arc::new))
    }

    /// Returns the attributes; `None` if it has none.
    #[must_use]
    pub fn attributes(&self) -> Option<&Attributes> {
        self.grant.attributes.as_deref()
    }

    /// Returns the conditions under which it is accepted; `None` if there are none.
    pub(crate) fn conditions(&self) -> Option<&Conditions> {
        let conditions = self.attributes().map(|attributes| &attributes.conditions);
        conditions.filter(|conditions| !conditions.is_empty())
    }

    /// Returns whether the catalogue that its scopes come from still says the same: false once
    /// [`Catalogue::replace`] has replaced it.
    ///
    /// The stores of this project and a [`Cached`](super::Cached) return no record that is not
    /// current when they answer. In a store of your own that keeps records, ask before you return
    /// one, and make it anew otherwise.
    ///
    /// It does not know of scopes that you collected yourself, such as a filtered list.
    #[inline]
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.grant.is_current()
    }

    /// Changes the grant, which is copied if other records share it.
    pub(super) fn regrant(mut self, change: impl FnOnce(&mut Grant)) -> Self {
        change(Arc::make_mut(&mut self.grant));
        self
    }

    /// Sets the pepper the digest was computed with, instead of a salt. Without both, the digest is
    /// the token's SHA-256 digest.
    pub fn with_pepper(self, pepper: Option<Arc<Pepper>>) -> Self {
        if pepper.is_none() && self.pepper().is_none() {
            self
        } else {
            self.with_digest_form(pepper.map_or(DigestForm::Plain, DigestForm::Peppered))
        }
    }

    /// Sets the salt with which another system computed the digest of a key, instead of a pepper.
    ///
    /// For keys that are found by an id. A store over tables of your own sets it in each record that
    /// it returns, and returns its [`SaltedDigests`](crate::secret::SaltedDigests) from
    /// [`salted_digests`](crate::CredentialStore::salted_digests):
    ///
    /// ```
    /// use tower_api_key::{secret::*, store::{Record, StoreError}};
    ///
    /// # struct Row { organization: String, salt: Vec<u8>, sha256: [u8; 32] }
    /// fn record(id: &str, row: &Row, salted: &SaltedDigests) -> Result<Record, StoreError> {
    ///     let salt = salted.salt("sha256-prefix", &row.salt)?;
    ///     let digest = Digest::from_bytes(row.sha256);
    ///     Ok(Record::org_key(id, digest, row.organization.as_str()).with_salt(salt))
    /// }
    /// ```
    pub fn with_salt(self, salt: Salt) -> Self {
        self.with_digest_form(DigestForm::Salted(salt))
    }

    /// Sets how the digest was computed.
    pub(crate) fn with_digest_form(self, form: DigestForm) -> Self {
        if form.is_plain() && self.digest_form().is_plain() {
            self
        } else {
            self.regrant(|grant| grant.digest_form = form)
        }
    }

    /// Marks the digest for rehashing on next use, which a [`Manager`](crate::manage::Manager) does
    /// when it records the uses. Without one leave it unset: each marked digest that is used would
    /// stay in [`LastUse`](crate::LastUse).
    pub fn with_outdated(self, outdated: bool) -> Self {
        if outdated == self.grant.outdated {
            self
        } else {
            self.regrant(|grant| grant.outdated = outdated)
        }
    }

    /// Adds a value of the store's own, such as the customer's plan, for handlers to read with
    /// [`Principal::data`](crate::Principal::data). Replaces the value set before, whatever its
    /// type.
    ///
    /// For stores over tables of your own: they set it in each record that they return. Clone one
    /// `Arc` into all records with the same value. A [`Cached`](super::Cached) keeps the value with
    /// the record, so it is as old as the record; report changes to it through the
    /// [feed](super::Feed). Of the stores of this crate only [`MemoryStore`](super::MemoryStore)
    /// keeps the value of an inserted record; the others do not store it.
    ///
    /// It decides nothing, and `Debug` does not print it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_api_key::{secret::Digest, store::Record};
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Plan {
    ///     requests_per_minute: u32,
    /// }
    ///
    /// let digest = Digest::of(b"ak_example.test-secret");
    /// let plan = Arc::new(Plan { requests_per_minute: 600 });
    /// let key = Record::org_key("example", digest, "org_1").with_data(plan);
    /// assert_eq!(key.data(), Some(&Plan { requests_per_minute: 600 }));
    /// assert_eq!(key.data::<String>(), None);
    /// ```
    ///
    /// The value may be dropped on any thread, also while a cache holds its lock: its `Drop` must
    /// not call the cache, block or panic.
    pub fn with_data<T: Any + Send + Sync>(self, data: Arc<T>) -> Self {
        self.regrant(|grant| grant.data = Some(Data(data)))
    }

    /// Returns the value that [`with_data`](Self::with_data) added, if it is a `T`.
    #[must_use]
    pub fn data<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.grant.data.as_ref()?.0.downcast_ref()
    }

    /// Returns whether it has an organization, a role or scopes.
    pub(crate) fn has_grant(&self) -> bool {
        self.organization().is_some() || self.role().is_some() || !self.scopes().is_empty()
    }

    /// Returns how the digest was computed.
    #[inline]
    pub(crate) fn digest_form(&self) -> &DigestForm {
        &self.grant.digest_form
    }

    /// Returns the pepper the digest was computed with.
    pub(crate) fn pepper(&self) -> Option<&Pepper> {
        self.digest_form().pepper()
    }

    /// Returns the salt the digest was computed with.
    pub(crate) fn salt(&self) -> Option<&Salt> {
        self.digest_form().salt()
    }

    /// Returns whether to rehash the digest.
    pub(crate) fn is_outdated(&self) -> bool {
        self.grant.outdated
    }

    /// Replaces the grant with an equal one, to share it.
    pub(crate) fn sharing(self, grant: &Arc<Grant>) -> Self {
        Self {
            grant: Arc::clone(grant),
            ..self
        }
    }

    /// Returns the grant, for stores that share equal ones.
    pub(crate) fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// Sets when the credential expires; `None`, the default, means never.
    pub fn expiring_at(self, moment: impl Into<Option<UnixMillis>>) -> Self {
        let moment = moment.into();
        Self {
            can_expire: moment.is_some(),
            expires_at: moment.unwrap_or(UnixMillis(0)),
            ..self
        }
    }

    /// Sets whether a successor was issued. The credential is valid until it expires; its uses are
    /// reported to the audit trail.
    pub fn with_rotated(self, rotated: bool) -> Self {
        Self { rotated, ..self }
    }

    /// Returns whether a successor was issued.
    pub(crate) fn is_rotated(&self) -> bool {
        self.rotated
    }

    /// Sets the status; [`Status::Active`] by default.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// Returns the kind of credential.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the public id, safe to log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the digest of the whole token; for a key from a store with
    /// [peppers](crate::secret::Peppers), the digest under its pepper; for one with a
    /// [salt](crate::secret::Salt), the salted digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns when the credential expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.can_expire.then_some(self.expires_at)
    }

    /// Returns the key's organization, or the one of which the token's owner is a member.
    #[must_use]
    pub fn organization(&self) -> Option<&OrgId> {
        self.grant.organization.as_ref()
    }

    /// Returns the user who owns a token.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.grant.user.as_ref()
    }

    /// Returns the role, if the scopes come from one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.grant.role.as_deref()
    }

    /// Returns the scopes that the credential has in its organization: what its role or its scopes
    /// grant and its restrictions allow.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.grant.scopes
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        hash::{BuildHasher, RandomState},
        panic::RefUnwindSafe,
        sync::Arc,
    };

    use super::*;
    use crate::secret::{Peppers, SaltedDigests, SaltedSha256};

    #[test]
    fn the_last_setter_counts() {
        let peppers = Peppers::new("test", &[1; 32]).unwrap();
        let record = key()
            .with_pepper(peppers.named("test").cloned())
            .with_pepper(None)
            .with_outdated(true)
            .with_outdated(false);
        assert!(record.pepper().is_none() && !record.is_outdated());
        assert!(record.with_outdated(true).is_outdated());
        let pepper = || peppers.named("test").cloned();
        let salted = key().with_pepper(pepper()).with_salt(salt(b"a"));
        assert!(salted.salt().is_some() && salted.pepper().is_none());
        let unpeppered = salted.clone().with_pepper(None);
        assert!(unpeppered.salt().is_some(), "it has no pepper to take away");
        let peppered = salted.with_pepper(pepper());
        assert!(peppered.salt().is_none() && peppered.pepper().is_some());
    }

    fn salt(bytes: &[u8]) -> Salt {
        let salted = SaltedDigests::new(SaltedSha256::SaltFirst).unwrap();
        salted.salt("sha256-prefix", bytes).unwrap()
    }

    fn key() -> Record {
        Record::org_key("id", Digest::of(b""), "org_1")
    }

    #[test]
    fn grants_are_shared_only_by_records_with_the_same_data() {
        let (plan, equal_plan) = (Arc::new(7), Arc::new(7));
        let records = [
            key(),
            key(),
            key().with_data(Arc::clone(&plan)),
            key().with_data(Arc::clone(&plan)),
            key().with_data(equal_plan),
            key().with_data(Arc::new(())),
            key().with_data(Arc::new(())),
        ];
        #[expect(
            clippy::mutable_key_type,
            reason = "what changes is neither compared nor hashed"
        )]
        let grants: HashSet<_> = records.iter().map(Record::grant).collect();
        assert_eq!(
            grants.len(),
            5,
            "none, `plan`, and three values of their own"
        );
        let hasher = RandomState::new();
        let hashes: HashSet<_> = grants.iter().map(|grant| hasher.hash_one(grant)).collect();
        assert_eq!(hashes.len(), 5, "a table of many values stays fast");
        let [_, _, plan, _, equal_plan, ..] = &records;
        assert_ne!(plan.grant(), equal_plan.grant());
    }

    #[test]
    fn grants_are_shared_only_by_records_with_the_same_rights() {
        let peppers = Peppers::new("now", &[1; 32])
            .and_then(|peppers| peppers.with_other("before", &[2; 32]))
            .unwrap();
        let catalogue = Catalogue::anyreach();
        let different = || {
            [
                key(),
                Record::org_key("id", Digest::of(b""), "org_2"),
                Record::personal_token("id", Digest::of(b""), "alice"),
                Record::personal_token("id", Digest::of(b""), "bob"),
                key().with_role("admin", &catalogue).unwrap(),
                key().with_role("viewer", &catalogue).unwrap(),
                key().with_scopes(ScopeSet::from_iter(["a"])),
                key().with_scopes(ScopeSet::from_iter(["b"])),
                key().with_pepper(peppers.named("now").cloned()),
                key().with_pepper(peppers.named("before").cloned()),
                key().with_salt(salt(b"a")),
                key().with_salt(salt(b"b")),
                key().with_outdated(true),
            ]
        };
        for (i, one) in different().iter().enumerate() {
            for (j, other) in different().iter().enumerate() {
                assert_eq!(one.grant() == other.grant(), i == j, "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn data_changes_only_the_record_that_it_is_added_to() {
        let bare = key();
        let first = bare.clone().with_data(Arc::new("first"));
        let second = first.clone().with_data(Arc::new("second"));
        let data = [&bare, &first, &second].map(|record| record.data::<&str>().copied());
        assert_eq!(data, [None, Some("first"), Some("second")]);
    }

    #[test]
    fn a_principal_may_cross_catch_unwind() {
        fn crosses<T: std::panic::UnwindSafe + RefUnwindSafe>() {}
        crosses::<crate::Principal>();
    }

    #[test]
    fn debug_does_not_print_the_data() {
        let record = key().with_data(Arc::new("planted".to_owned()));
        let text = format!("{record:?}");
        assert!(
            text.contains("Data(..)") && !text.contains("planted"),
            "{text}"
        );
    }

    #[test]
    fn a_record_takes_72_bytes_whatever_its_digest_was_made_under() {
        if cfg!(target_pointer_width = "64") {
            assert_eq!(
                size_of::<Record>(),
                72,
                "a store in memory keeps millions of them"
            );
        }
    }
}

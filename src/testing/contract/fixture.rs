//! What every claim works with: a store, a manager over it, and a clock that is moved by hand.

use std::sync::Arc;

use super::{Contract, Feature};
use crate::{
    authenticate::{Presented, verify},
    clock::{Clock, UnixMillis},
    credential::{Kind, MintError, TokenFormat},
    id::{OrgId, UserId},
    manage::{ManageError, Manager},
    scope::{Catalogue, ScopeSet},
    secret::{Digest, Secret},
    store::{
        CredentialStore, Decoys, Directory, Lookup, LookupKey, ManageStore, Owner, Peek, Record,
        Status, StoreError, WriteError,
    },
    testing::ManualClock,
};

pub(super) const ORG: &str = "org_test";
pub(super) const OTHER_ORG: &str = "org_other_test";
pub(super) const USER: &str = "user_test";
pub(super) const OTHER_USER: &str = "user_other_test";

/// 2026-01-01, when the clock of each claim starts.
pub(super) const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// What is wrong with the store, in words.
#[derive(Debug)]
pub(super) struct Violation(pub(super) String);

pub(super) type Outcome = Result<(), Violation>;

/// A store under test.
pub(super) struct Fixture<S> {
    pub(super) contract: Contract,
    pub(super) store: Arc<S>,
    pub(super) manager: Manager<Arc<S>>,
    pub(super) clock: ManualClock,
}

/// A store that is only read, which holds [`Contract::records`].
pub(super) struct Reading<'c, P> {
    pub(super) contract: &'c Contract,
    pub(super) store: P,
}

impl<S: ManageStore + Directory> Fixture<S> {
    pub(super) fn empty(store: S, contract: &Contract) -> Self {
        let (store, clock) = (Arc::new(store), ManualClock::at(NOW));
        let manager = Manager::new(Arc::clone(&store)).with_clock(clock.clone());
        Self {
            contract: contract.clone(),
            store,
            manager,
            clock,
        }
    }

    pub(super) fn supports(&self, feature: Feature) -> bool {
        self.contract.supports(&[feature])
    }

    /// Returns the kinds of credentials that the store supports.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let tokens = self.supports(Feature::PersonalTokens);
        let tokens = tokens.then_some(Kind::PersonalToken);
        [Kind::OrgKey].into_iter().chain(tokens).collect()
    }

    /// Creates the two organizations and, if the store has any, the two users.
    pub(super) async fn seed_owners(&self) -> Outcome {
        self.store.create_organization(ORG, None).await?;
        self.store.create_organization(OTHER_ORG, None).await?;
        self.seed_users(&[USER, OTHER_USER]).await
    }

    /// Creates users, if the store has any.
    pub(super) async fn seed_users(&self, users: &[&str]) -> Outcome {
        if self.supports(Feature::PersonalTokens) || self.supports(Feature::Memberships) {
            for user in users {
                self.store.create_user(user).await?;
            }
        }
        Ok(())
    }

    /// Creates two organizations, a user who is a viewer in the first, and a key and a token that
    /// are both named `id`; of these, what the store supports.
    pub(super) async fn seed(&self, id: &str) -> Outcome {
        let store = &self.store;
        store.create_organization(ORG, None).await?;
        let parent = Some(ORG).filter(|_| self.supports(Feature::Directory));
        store.create_organization(OTHER_ORG, parent).await?;
        self.seed_users(&[USER]).await?;
        if self.supports(Feature::Memberships) {
            store.set_member(USER, ORG, "viewer").await?;
        }
        for kind in self.kinds() {
            store.insert(self.record(kind, id)).await?;
        }
        Ok(())
    }

    /// Stores the records for the claims about lookups.
    pub(super) async fn store_records(&self) -> Outcome {
        self.store.create_organization(ORG, None).await?;
        for record in self.contract.records() {
            let id = record.id().to_owned();
            let stored = self.store.insert(record).await;
            stored.map_err(|error| Violation(format!("{id:?} was refused: {error}")))?;
        }
        Ok(())
    }

    /// Returns a key of [`ORG`] that may read, or a token of [`USER`]; its digest is that of `id`.
    pub(super) fn record(&self, kind: Kind, id: &str) -> Record {
        match kind {
            Kind::OrgKey => self
                .contract
                .granting(Record::org_key(id, digest(id), ORG), "viewer"),
            Kind::PersonalToken => Record::personal_token(id, digest(id), USER),
        }
    }

    pub(super) async fn key(&self, id: &str) -> Found {
        key_of(&self.store, id).await
    }

    pub(super) async fn token(&self, id: &str, organization: Option<&str>) -> Found {
        token_of(&self.store, id, organization).await
    }

    /// Looks up what [`record`](Self::record) returned, a token in [`ORG`].
    pub(super) async fn find(&self, kind: Kind, id: &str) -> Found {
        match kind {
            Kind::OrgKey => self.key(id).await,
            Kind::PersonalToken => self.token(id, Some(ORG)).await,
        }
    }

    /// Returns whether a layer would accept the credential now, in any organization.
    pub(super) async fn accepts(&self, secret: &Secret) -> Result<bool, Violation> {
        let format = TokenFormat::default();
        let token = format
            .classify(secret.expose_secret().as_bytes())
            .map_err(|cause| Violation(cause.to_string()))?;
        let presented = Presented::new(&token);
        let found = self.store.find(&presented.lookup(|| None)).await?;
        let decoys = Decoys::of(&self.store);
        let verified = verify::check(&presented, found, decoys.as_ref(), |salted| {
            Ok(salted(token.hashed))
        });
        Ok(verified
            .and_then(|verified| verified.live(&self.clock))
            .is_ok())
    }

    /// Returns the moment `millis` from now: whole seconds, since a store's moments may be.
    pub(super) fn later(&self, millis: i64) -> UnixMillis {
        UnixMillis(self.clock.now().0 + millis)
    }

    /// Returns the moment `ticks` from now, in the store's resolution.
    pub(super) fn soon(&self, ticks: i64) -> UnixMillis {
        self.later(ticks * self.contract.resolution)
    }

    /// Moves the clock by `ticks` of the store's resolution.
    pub(super) fn wait(&self, ticks: i64) {
        self.clock.advance_millis(ticks * self.contract.resolution);
    }
}

impl Contract {
    /// Grants a key what `role` may do, by the role's name if keys have roles.
    pub(super) fn granting(&self, key: Record, role: &str) -> Record {
        let catalogue = Catalogue::anyreach();
        if self.supports(&[Feature::Roles]) {
            key.clone().with_role(role, &catalogue).unwrap_or(key)
        } else {
            key.with_scopes(scopes_of(role))
        }
    }
}

/// Returns what a role may do.
pub(super) fn scopes_of(role: &str) -> ScopeSet {
    let scopes = Catalogue::anyreach().scopes_of(role);
    scopes.unwrap_or_else(ScopeSet::empty)
}

/// Returns the owner of the credentials that [`Fixture::record`] returns.
pub(super) fn owner(kind: Kind) -> Owner {
    match kind {
        Kind::OrgKey => Owner::Organization(ORG.into()),
        Kind::PersonalToken => Owner::User(USER.into()),
    }
}

pub(super) fn digest(name: &str) -> Digest {
    Digest::of(format!("contract-test-{name}").as_bytes())
}

pub(super) fn ensure(holds: bool, otherwise: impl Into<String>) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(Violation(otherwise.into()))
    }
}

pub(super) type Found = Result<Option<Arc<Record>>, Violation>;

/// Looks a credential up, and compares what `peek` and `find` return.
async fn look_up(store: &impl CredentialStore, lookup: Lookup<'_>) -> Found {
    let peeked = store.peek(&lookup);
    let found = store.find(&lookup).await?;
    let agrees = match (&peeked, &found) {
        (Peek::Unknown, _) | (Peek::NotFound, None) => true,
        (Peek::Found(one), Some(other)) => same(one, other),
        (Peek::Found(_), None) | (Peek::NotFound, Some(_)) => false,
    };
    ensure(
        agrees,
        format!("for {lookup:?}, `peek` returns {peeked:?} and `find` returns {found:?}"),
    )?;
    Ok(found)
}

pub(super) async fn key_of(store: &impl CredentialStore, id: &str) -> Found {
    look_up(store, Lookup::new(LookupKey::OrgKey { id }, None)).await
}

pub(super) async fn token_of(
    store: &impl CredentialStore,
    id: &str,
    organization: Option<&str>,
) -> Found {
    let digest = digest(id);
    let token = LookupKey::PersonalToken { digest: &digest };
    look_up(store, Lookup::new(token, organization)).await
}

pub(super) fn is_active(record: &Option<Arc<Record>>) -> bool {
    record
        .as_ref()
        .is_some_and(|record| record.status() == Status::Active)
}

/// Returns the role of an active token in the organization that the lookup named.
pub(super) fn role_of(record: &Option<Arc<Record>>) -> Option<&str> {
    let record = record.as_ref().filter(|it| it.status() == Status::Active)?;
    record.organization().and_then(|_| record.role())
}

pub(super) fn same(one: &Record, other: &Record) -> bool {
    type Facts<'r> = (Kind, &'r str, Status, [u8; 32], Option<UnixMillis>);
    type Grant<'r> = (
        Option<&'r OrgId>,
        Option<&'r UserId>,
        Option<&'r str>,
        &'r ScopeSet,
    );
    fn facts(record: &Record) -> (Facts<'_>, Grant<'_>) {
        let (kind, id, status) = (record.kind(), record.id(), record.status());
        let digest = record.digest().to_bytes();
        let owners = (record.organization(), record.user());
        (
            (kind, id, status, digest, record.expires_at()),
            (owners.0, owners.1, record.role(), record.scopes()),
        )
    }
    facts(one) == facts(other)
}

impl From<WriteError> for Violation {
    fn from(error: WriteError) -> Self {
        Self(format!(
            "a change that must succeed was refused: {error} ({error:?})"
        ))
    }
}

impl From<MintError> for Violation {
    fn from(error: MintError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Violation {
    fn from(error: StoreError) -> Self {
        Self(format!("the store could not answer: {error} ({error:?})"))
    }
}

impl From<ManageError> for Violation {
    fn from(error: ManageError) -> Self {
        Self(format!(
            "a managed change that must succeed was refused: {error} ({error:?})"
        ))
    }
}

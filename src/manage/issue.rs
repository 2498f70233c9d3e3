//! Issuing credentials. The secret is returned in [`Issued`] and nowhere else.

use super::{
    Actor, MAX_ATTEMPTS, ManageError, Manager,
    fingerprint::fingerprint,
    rules::{check_expiry, check_grant, check_idempotency_key, check_name},
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    scope::Catalogue,
    secret::Secret,
    store::{
        AuditAction, CredentialInfo, EffectiveStatus, ManageStore, Owner, WriteError,
        backend::{Commit, EarlierIssue, Idempotency, NewCredential},
    },
};

/// An organization key to issue. Without a role and scopes it may do nothing; without an expiry it
/// never expires.
///
/// ```
/// use tower_api_key::{clock::UnixMillis, manage::NewKey};
///
/// let key = NewKey::named("ci")
///     .with_scopes(["agents:read"])
///     .expiring_at(UnixMillis(1_767_225_600_000))
///     .with_idempotency_key("3f9a2c"); // sent by the client, so that it may retry
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewKey(pub(super) IssueRequest);

/// A personal token to issue. Its rights follow from its owner's memberships; without an expiry it
/// never expires.
///
/// ```
/// use tower_api_key::manage::NewToken;
///
/// let token = NewToken::named("my laptop").expiring_at(None);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewToken(pub(super) IssueRequest);

/// A request to issue a credential.
#[derive(Clone, Debug)]
pub(super) struct IssueRequest {
    pub(super) name: Box<str>,
    pub(super) role: Option<Box<str>>,
    pub(super) scopes: Option<Box<[Box<str>]>>,
    pub(super) expires_at: Option<UnixMillis>,
    idempotency_key: Option<Box<str>>,
}

impl IssueRequest {
    fn named(name: &str, scopes: Option<Box<[Box<str>]>>) -> Self {
        Self {
            name: name.into(),
            role: None,
            scopes,
            expires_at: None,
            idempotency_key: None,
        }
    }
}

macro_rules! common {
    ($($new:ident)+) => {$(
        impl $new {
            /// Sets when the credential expires; `None`, the default, means never.
            pub fn expiring_at(mut self, moment: impl Into<Option<UnixMillis>>) -> Self {
                self.0.expires_at = moment.into();
                self
            }

            /// Makes it safe to repeat the request.
            ///
            /// While the credential that this request issued is active, the owner's next identical
            /// request with the same key returns it again, without its secret; after that,
            /// [`ManageError::IssuedInactive`]. Keys are remembered forever.
            pub fn with_idempotency_key(mut self, key: &str) -> Self {
                self.0.idempotency_key = Some(key.into());
                self
            }
        }
    )+};
}

common!(NewKey NewToken);

impl NewKey {
    /// Creates a request for a key with this name: 1 to 100 characters.
    pub fn named(name: &str) -> Self {
        Self(IssueRequest::named(name, Some(Box::default())))
    }

    /// Grants the key the rights of a role, following later changes of the catalogue. Replaces
    /// scopes set before.
    pub fn with_role(self, role: &str) -> Self {
        Self(IssueRequest {
            role: Some(role.into()),
            scopes: None,
            ..self.0
        })
    }

    /// Grants the key exactly these scopes and what they imply. Replaces a role set before.
    pub fn with_scopes<T: Into<Box<str>>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self(IssueRequest {
            role: None,
            scopes: Some(scopes),
            ..self.0
        })
    }
}

impl NewToken {
    /// Creates a request for a token with this name: 1 to 100 characters.
    pub fn named(name: &str) -> Self {
        Self(IssueRequest::named(name, None))
    }
}

/// A newly issued credential with its secret, which is available nowhere else. It has neither
/// `Clone` nor `Debug`, so that the secret is not kept or logged by accident.
///
/// ```
/// use tower_api_key::{manage::Issued, secret::Secret};
///
/// /// The body of the response that shows the key.
/// fn shown_once(issued: Issued) -> String {
///     let (info, secret) = issued.into_parts();
///     match secret.as_ref().map(Secret::expose_secret) {
///         Some(token) => format!("{}: {token}", info.name),
///         None => format!("{}: issued before, its secret cannot be shown again", info.name),
///     }
/// }
/// ```
///
/// ```compile_fail
/// fn keep(issued: &tower_api_key::manage::Issued) -> tower_api_key::manage::Issued {
///     issued.clone()
/// }
/// ```
///
/// ```compile_fail
/// fn log(issued: &tower_api_key::manage::Issued) {
///     println!("{issued:?}");
/// }
/// ```
#[expect(
    missing_debug_implementations,
    reason = "printing it would print a secret"
)]
pub struct Issued {
    info: CredentialInfo,
    secret: Option<Secret>,
}

impl Issued {
    /// Returns the credential's info.
    #[must_use]
    pub fn info(&self) -> &CredentialInfo {
        &self.info
    }

    /// Returns the secret, to be shown once; `None` in the response to a repeated request, whose
    /// secret was already returned.
    #[must_use]
    pub fn into_secret(self) -> Option<Secret> {
        self.secret
    }

    /// Returns both.
    #[must_use]
    pub fn into_parts(self) -> (CredentialInfo, Option<Secret>) {
        (self.info, self.secret)
    }
}

impl<S: ManageStore> Manager<S> {
    /// Issues a key for the actor's organization.
    ///
    /// ```
    /// use tower_api_key::{credential::Kind, manage::*, store::{ManageStore, Owner}};
    ///
    /// /// The first key of a new customer, from the job that sets the customer up.
    /// async fn first_key(
    ///     manager: &Manager<impl ManageStore>,
    ///     organization: &str,
    /// ) -> Result<Issued, ManageError> {
    ///     let owner = Owner::of(Kind::OrgKey, organization);
    ///     let new = NewKey::named("first key").with_role("admin");
    ///     manager.issue_key(&Actor::operator("setup", owner), new).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ManageError`]; for the key's rights [`UnknownRole`](ManageError::UnknownRole),
    /// [`UnknownScope`](ManageError::UnknownScope) and [`ScopeNotHeld`](ManageError::ScopeNotHeld).
    pub async fn issue_key(&self, actor: &Actor, new: NewKey) -> Result<Issued, ManageError> {
        self.within_deadline(self.issue(actor, Kind::OrgKey, new.0))
            .await
    }

    /// Issues a personal token for the actor: for the user who signed in, or the owner of the token
    /// that the request presents.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn issue_token(&self, actor: &Actor, new: NewToken) -> Result<Issued, ManageError> {
        self.within_deadline(self.issue(actor, Kind::PersonalToken, new.0))
            .await
    }

    async fn issue(
        &self,
        actor: &Actor,
        kind: Kind,
        request: IssueRequest,
    ) -> Result<Issued, ManageError> {
        let owner = self.owner(actor, kind)?;
        let idempotency = request.idempotency(kind)?;
        if let Some(issued) = self.issued_before(&owner, idempotency.as_ref()).await? {
            self.confirm(actor, &owner).await?;
            return Ok(issued);
        }
        let now = self.clock.now();
        self.check(actor, &request, now)?;
        for _ in 0..MAX_ATTEMPTS {
            let (insert, secret) = self.mint(&owner, &request, None, now)?;
            let insert = NewCredential {
                idempotency: idempotency.clone(),
                ..insert
            };
            let info = insert.info.clone();
            let commit = Commit {
                events: vec![actor.event(now, AuditAction::Issued, &info)],
                insert: Some(insert),
                cap: self.cap_of(now),
                ..Commit::new(owner.clone(), actor.authority(now))
            };
            let refusal = match self.commit(&commit).await {
                Ok(()) => return Ok(Issued::new(info, secret)),
                Err(error @ (WriteError::Taken(_) | WriteError::CapReached(_))) => error,
                Err(error) => return Err(error.into()),
            };
            // A concurrent request may have used the idempotency key, or have taken the last place
            // below the cap for it.
            if let Some(issued) = self.issued_before(&owner, idempotency.as_ref()).await? {
                self.confirm(actor, &owner).await?;
                return Ok(issued);
            }
            if let WriteError::CapReached(cap) = refusal {
                return Err(ManageError::CapReached(cap));
            }
        }
        Err(ManageError::Busy)
    }

    /// Refuses a request that breaks a rule, or asks for more than the actor may grant.
    fn check(
        &self,
        actor: &Actor,
        request: &IssueRequest,
        now: UnixMillis,
    ) -> Result<(), ManageError> {
        check_name(&request.name)?;
        check_expiry(actor, request.expires_at, now, self.max_life)?;
        check_grant(
            actor,
            request.role.as_deref(),
            request.scopes.as_deref(),
            self.store.catalogue(),
        )
    }

    /// Mints a credential as requested; the caller has checked the request.
    pub(super) fn mint(
        &self,
        owner: &Owner,
        request: &IssueRequest,
        rotated_from: Option<CredentialId>,
        now: UnixMillis,
    ) -> Result<(NewCredential, Secret), ManageError> {
        let minted = self.format.mint(owner.kind())?;
        let info = CredentialInfo {
            name: request.name.clone(),
            role: request.role.clone(),
            scopes: request.scopes.clone(),
            expires_at: request.expires_at,
            rotated_from,
            ..CredentialInfo::new(minted.id, owner.clone(), now)
        };
        Ok((
            NewCredential {
                info,
                digest: minted.digest,
                idempotency: None,
            },
            minted.secret,
        ))
    }

    /// Returns what an earlier request with the same idempotency key issued, if it is still valid.
    async fn issued_before(
        &self,
        owner: &Owner,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Issued>, ManageError> {
        let Some(Idempotency { key, fingerprint }) = idempotency else {
            return Ok(None);
        };
        match self.store.issued_under(owner, key).await? {
            Some(EarlierIssue {
                info,
                fingerprint: same,
            }) if same == *fingerprint => match info.effective_status(self.clock.now()) {
                EffectiveStatus::Active => Ok(Some(Issued { info, secret: None })),
                ended => Err(ManageError::IssuedInactive(ended)),
            },
            Some(_) => Err(ManageError::IdempotencyConflict),
            None => Ok(None),
        }
    }
}

impl IssueRequest {
    /// Returns the idempotency key, with the fingerprint of this request.
    fn idempotency(&self, kind: Kind) -> Result<Option<Idempotency>, ManageError> {
        let Some(key) = &self.idempotency_key else {
            return Ok(None);
        };
        check_idempotency_key(key)?;
        Ok(Some(Idempotency::new(key.clone(), fingerprint(kind, self))))
    }

    /// Creates a request for another credential like this one, with those of its scopes that the
    /// catalogue still has.
    pub(super) fn like(
        credential: &CredentialInfo,
        expires_at: Option<UnixMillis>,
        catalogue: &Catalogue,
    ) -> Self {
        let known = |scopes: &[Box<str>]| -> Box<[Box<str>]> {
            scopes
                .iter()
                .filter(|scope| catalogue.knows(scope))
                .cloned()
                .collect()
        };
        Self {
            name: credential.name.clone(),
            role: credential.role.clone(),
            scopes: credential.scopes.as_deref().map(known),
            expires_at,
            idempotency_key: None,
        }
    }
}

impl Issued {
    /// Creates the result of a rotation.
    pub(super) fn new(info: CredentialInfo, secret: Secret) -> Self {
        Self {
            info,
            secret: Some(secret),
        }
    }
}

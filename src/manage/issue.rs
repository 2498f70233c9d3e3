//! Issuing credentials. The secret is returned in [`Issued`] and nowhere else.

use super::{
    Actor, MAX_ATTEMPTS, ManageError, Manager, NewKey, NewToken,
    request::IssueRequest,
    rules::{check_expiry, check_name},
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    secret::Secret,
    store::{
        AuditAction, CredentialInfo, EffectiveStatus, ManageStore, Owner, WriteError,
        backend::{Commit, EarlierIssue, Idempotency, NewCredential},
    },
};

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
    /// [`UnknownScope`](ManageError::UnknownScope) and [`ScopeNotHeld`](ManageError::ScopeNotHeld);
    /// for its attributes [`InvalidAttributes`](ManageError::InvalidAttributes),
    /// [`ConditionsBeyondCreator`](ManageError::ConditionsBeyondCreator) and
    /// [`AttributesUnsupported`](ManageError::AttributesUnsupported).
    pub async fn issue_key(&self, actor: &Actor, new: NewKey) -> Result<Issued, ManageError> {
        self.within_deadline(self.issue(actor, Kind::OrgKey, new.0))
            .await
    }

    /// Issues a personal token for the actor: for the user who signed in, or the owner of the token
    /// that the request presents. A restricted token can issue only tokens that are restricted as
    /// much or more.
    ///
    /// # Errors
    /// As for [`issue_key`](Self::issue_key); for its restrictions
    /// [`UnknownScope`](ManageError::UnknownScope), [`InvalidId`](ManageError::InvalidId),
    /// [`TooManyOrganizations`](ManageError::TooManyOrganizations),
    /// [`ScopeNotHeld`](ManageError::ScopeNotHeld),
    /// [`RestrictionsBeyondCreator`](ManageError::RestrictionsBeyondCreator) and
    /// [`RestrictionsUnsupported`](ManageError::RestrictionsUnsupported).
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
        if let Some(issued) = self.replay(actor, &owner, idempotency.as_ref()).await? {
            return Ok(issued);
        }
        let now = self.clock.now();
        self.check(actor, kind, &request, now)?;
        for _ in 0..MAX_ATTEMPTS {
            let (insert, secret) = self.mint(actor, &owner, &request, None, now)?;
            let insert = NewCredential {
                idempotency: idempotency.clone(),
                ..insert
            };
            let info = insert.info.clone();
            let commit = Commit {
                events: vec![actor.event(now, AuditAction::Issued, &info)],
                insert: Some(insert),
                cap: self.cap_of(now),
                ..Commit::new(owner.clone(), self.authority(actor, now))
            };
            let refusal = match self.commit(&commit).await {
                Ok(()) => return Ok(Issued::new(info, secret)),
                Err(error @ (WriteError::Taken(_) | WriteError::CapReached(_))) => error,
                Err(error) => return Err(error.into()),
            };
            // A concurrent request may have used the idempotency key, or have taken the last place
            // below the cap for it.
            if let Some(issued) = self.replay(actor, &owner, idempotency.as_ref()).await? {
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
        kind: Kind,
        request: &IssueRequest,
        now: UnixMillis,
    ) -> Result<(), ManageError> {
        check_name(&request.name)?;
        check_expiry(actor, request.expires_at, now, self.max_life(kind))?;
        self.check_attributes(&request.attributes)?;
        self.check_grant(actor, request.rights(kind))
    }

    /// Mints a credential as requested; the caller has checked the request.
    pub(super) fn mint(
        &self,
        actor: &Actor,
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
            organizations: request.organizations.clone(),
            attributes: request.attributes.clone(),
            created_by: Some(actor.who.clone()),
            expires_at: request.expires_at,
            rotated_from,
            ..CredentialInfo::new(minted.id, owner.clone(), now)
        };
        Ok((
            NewCredential {
                info,
                digest: minted.digest,
                salt: None,
                idempotency: None,
            },
            minted.secret,
        ))
    }

    /// Returns what an earlier request issued, or why it cannot be repeated, to an actor that may
    /// still ask.
    pub(super) async fn replay(
        &self,
        actor: &Actor,
        owner: &Owner,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Issued>, ManageError> {
        let earlier = self.issued_before(owner, idempotency).await;
        if !matches!(earlier, Ok(None) | Err(ManageError::Unavailable(_))) {
            self.confirm(actor, owner).await?;
        }
        earlier
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

impl Issued {
    /// Creates the result of a rotation.
    pub(super) fn new(info: CredentialInfo, secret: Secret) -> Self {
        Self {
            info,
            secret: Some(secret),
        }
    }
}

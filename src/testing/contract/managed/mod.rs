//! Claims about management, with the store in the hands of a [`Manager`](crate::manage::Manager).

mod actors;
mod attributes;
mod audit;
mod authority;
mod conditions;
mod endings;
mod erasure;
mod expiry;
mod idempotency;
mod imports;
mod inputs;
mod interposed;
mod isolation;
mod issuing;
mod lifecycle;
mod limits;
mod listing;
mod overlap;
mod restrictions;
mod retention;
mod rotation;
mod scene;
mod storms;
mod unused;
mod uses;

use super::{
    Contract, Feature,
    fixture::{
        Fixture, NOW, ORG, OTHER_ORG, OTHER_USER, Outcome, USER, Violation, ensure, scopes_of,
    },
    roles::narrowed,
    run_claims,
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, TokenFormat},
    id::{OrgId, UserId},
    manage::{Actor, Issued, ManageError, NewKey, NewToken},
    secret::Secret,
    store::{
        AuditEvent, CredentialInfo, Directory, EffectiveStatus, Filter, ManageStore, Owner, Record,
    },
    testing::principal,
};

pub(super) async fn run<S, F>(contract: &Contract, chosen: Option<&str>, make: impl Fn() -> F)
where
    S: ManageStore + Directory,
    F: Future<Output = S>,
{
    let seeded = || async {
        let fixture = Fixture::empty(make().await, contract);
        fixture.seed_owners().await?;
        Ok(fixture)
    };
    __contract_claims! { [run_claims] managed of contract, chosen, seeded(); }
}

/// A credential with the actor who manages it.
struct Managed {
    actor: Actor,
    kind: Kind,
    info: CredentialInfo,
    secret: Secret,
}

/// All that a store knows of one owner's credentials.
type Known = (Vec<CredentialInfo>, Vec<AuditEvent>);

impl<S: ManageStore + Directory> Fixture<S> {
    /// Adds what `role` may do to a request, by the role's name if keys have roles.
    fn granted(&self, new: NewKey, role: &str) -> NewKey {
        if self.supports(Feature::Roles) {
            new.with_role(role)
        } else {
            new.with_scopes(scopes_of(role).iter())
        }
    }

    async fn issue(&self, kind: Kind, name: &str) -> Result<Issued, Violation> {
        Ok(match kind {
            Kind::OrgKey => {
                let new = self.granted(NewKey::named(name), "viewer");
                self.manager.issue_key(&org(ORG), new).await?
            }
            Kind::PersonalToken => {
                let new = NewToken::named(name);
                self.manager.issue_token(&user(USER), new).await?
            }
        })
    }

    /// Issues a credential of each kind that the store supports.
    async fn one_of_each(&self) -> Result<Vec<Managed>, Violation> {
        let mut issued = Vec::new();
        for kind in self.kinds() {
            let (info, secret) = into_pair(self.issue(kind, "name").await?)?;
            issued.push(Managed {
                actor: operator(kind),
                kind,
                info: self.as_kept(&info),
                secret,
            });
        }
        Ok(issued)
    }

    /// Returns the caller of a request with a key of [`ORG`], which is stored, holds `scopes` and
    /// expires at `expires_at`.
    async fn caller(
        &self,
        scopes: &[&str],
        expires_at: Option<UnixMillis>,
    ) -> Result<Actor, Violation> {
        let minted = TokenFormat::default().mint(Kind::OrgKey)?;
        let scopes = self.store.catalogue().expand(scopes.iter().copied());
        let record = Record::org_key(&minted.id, minted.digest, ORG)
            .with_scopes(scopes)
            .expiring_at(expires_at);
        self.store.insert(record.clone()).await?;
        Ok(Actor::from_principal(&principal(record)))
    }

    /// Returns the info as the store keeps it.
    fn as_kept(&self, info: &CredentialInfo) -> CredentialInfo {
        let creator = info.created_by.clone();
        CredentialInfo {
            created_by: creator.filter(|_| self.supports(Feature::Creator)),
            ..info.clone()
        }
    }

    /// Returns all that the store knows of the credentials of `owner`.
    async fn all(&self, owner: &Actor, kind: Kind) -> Result<Known, Violation> {
        let mut found = Vec::new();
        for state in [None, Some(EffectiveStatus::Deleted)] {
            let filter = Filter {
                state,
                ..Filter::default()
            };
            let page = self.manager.list(owner, kind, &filter, None, 200).await?;
            found.extend(page.items);
        }
        Ok((found, self.manager.events(owner, kind, None, 200).await?))
    }

    async fn everything(&self) -> Result<Vec<Known>, Violation> {
        let mut known = vec![
            self.all(&org(ORG), Kind::OrgKey).await?,
            self.all(&org(OTHER_ORG), Kind::OrgKey).await?,
        ];
        if self.supports(Feature::PersonalTokens) {
            known.push(self.all(&user(USER), Kind::PersonalToken).await?);
            known.push(self.all(&user(OTHER_USER), Kind::PersonalToken).await?);
        }
        Ok(known)
    }

    /// Ensures that `call` is refused with this code, and leaves no trace.
    async fn assert_refused<T>(
        &self,
        what: &str,
        code: &str,
        call: impl Future<Output = Result<T, ManageError>>,
    ) -> Outcome {
        let before = self.everything().await?;
        ensure_code(what, code, call.await)?;
        ensure(
            self.everything().await? == before,
            format!("{what}: the refusal left a trace"),
        )
    }
}

fn ensure_code<T>(what: &str, code: &str, outcome: Result<T, ManageError>) -> Outcome {
    let refused = outcome.err().map_or("nothing", |error| error.code());
    ensure(
        refused == code,
        format!("{what}: refused with {refused:?} instead of {code:?}"),
    )
}

fn org(id: &str) -> Actor {
    Actor::operator("test", Owner::Organization(OrgId::from(id)))
}

fn user(id: &str) -> Actor {
    Actor::operator("test", Owner::User(UserId::from(id)))
}

/// Returns the operator who manages the credentials of a kind that [`Fixture::issue`] issues.
fn operator(kind: Kind) -> Actor {
    match kind {
        Kind::OrgKey => org(ORG),
        Kind::PersonalToken => user(USER),
    }
}

fn into_pair(issued: Issued) -> Result<(CredentialInfo, Secret), Violation> {
    let (info, secret) = issued.into_parts();
    let secret = secret.ok_or_else(|| Violation("a new credential has no secret".into()))?;
    Ok((info, secret))
}

//! Claims about management, with the store in the hands of a [`Manager`](crate::manage::Manager).

mod actors;
mod audit;
mod authority;
mod endings;
mod erasure;
mod idempotency;
mod imports;
mod inputs;
mod interposed;
mod isolation;
mod issuing;
mod lifecycle;
mod limits;
mod listing;
mod rotation;
mod scene;
mod storms;
mod uses;

use super::{
    Contract, Feature,
    fixture::{
        Fixture, NOW, ORG, OTHER_ORG, OTHER_USER, Outcome, USER, Violation, ensure, scopes_of,
    },
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

pub(super) async fn run<S, F>(contract: &Contract, make: impl Fn() -> F)
where
    S: ManageStore + Directory,
    F: Future<Output = S>,
{
    let seeded = || async {
        let fixture = Fixture::empty(make().await, contract);
        fixture.seed_owners().await?;
        Ok(fixture)
    };
    run_claims! {
        contract, seeded();
        issuing::issued_credentials_are_accepted_and_match_the_request
        issuing::an_actor_cannot_grant_more_than_it_holds
        issuing::a_user_cannot_grant_more_than_their_role [Memberships]
        issuing::invalid_requests_give_the_reason_and_change_nothing
        issuing::a_lifetime_beyond_the_maximum_is_refused
        issuing::unknown_owners_get_no_credentials
        idempotency::a_repeated_request_returns_the_first_credential [Idempotency]
        idempotency::a_repeated_request_never_returns_an_inactive_credential [Idempotency]
        idempotency::a_repeated_request_during_an_overlap_returns_the_old_credential [Idempotency Rotation]
        idempotency::concurrent_requests_with_one_idempotency_key_issue_once [Idempotency]
        limits::concurrent_requests_respect_the_limit
        limits::the_limit_counts_usable_credentials [Rotation]
        imports::imported_digests_are_accepted_unchanged
        imports::invalid_imports_give_the_reason_and_change_nothing
        inputs::unreadable_names_are_refused
        inputs::expiries_in_the_wrong_unit_are_refused
        inputs::actors_with_unusable_ids_are_refused
        inputs::extreme_clocks_do_not_panic [Rotation]
        inputs::audit_texts_are_stored_without_invisible_characters [AuditTrail]
        listing::pages_list_each_credential_once_newest_first
        listing::filters_match_their_definition
        listing::a_cursor_works_only_for_its_list
        lifecycle::renaming_changes_only_the_name
        lifecycle::a_disabled_credential_is_refused_until_it_is_enabled
        lifecycle::enabling_does_not_restore_a_credential_whose_owner_is_gone
        endings::a_deleted_credential_is_refused_and_never_changes
        endings::only_a_bearer_of_the_whole_token_can_revoke_it
        lifecycle::a_commit_applies_only_to_what_was_read
        lifecycle::a_commit_refuses_unusable_ids
        endings::revoke_all_ends_every_credential_of_one_owner
        rotation::rotation_without_overlap_ends_the_old_credential_at_once [Rotation]
        rotation::rotation_with_overlap_ends_the_old_credential_on_time [Rotation]
        rotation::a_rotation_chain_has_at_most_two_active_credentials [Rotation]
        rotation::enabling_cannot_outlive_the_actor
        rotation::rotation_follows_the_rules_of_issuing [Rotation]
        authority::permitted_changes_are_made
        authority::an_actor_that_lost_its_rights_changes_nothing
        authority::an_expired_credential_changes_nothing
        storms::a_bearer_cannot_prevent_the_end_of_its_credential
        storms::revoke_all_ends_what_is_issued_meanwhile
        erasure::a_deleted_user_leaves_only_a_pseudonymous_audit_trail [PersonalTokens Memberships UserErasure AuditTrail LastUse]
        erasure::the_id_of_a_deleted_user_owns_nothing [PersonalTokens UserErasure]
        isolation::another_owners_credentials_are_unknown_and_untouched
        audit::each_change_records_who_made_it_and_from_where [AuditTrail]
        audit::audit_events_are_paged [AuditTrail]
        uses::a_use_is_recorded_at_most_once_a_minute [LastUse]
        uses::a_recorded_use_is_never_in_the_future [LastUse Rotation AuditTrail]
        uses::the_first_use_after_a_rotation_is_an_event [LastUse Rotation AuditTrail]
    }
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
                info,
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

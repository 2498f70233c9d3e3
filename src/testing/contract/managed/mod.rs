//! Claims about management, over the store that a service would give to a [`Manager`].

mod audit;
mod authority;
mod erasure;
mod inputs;
mod interposed;
mod issuing;
mod life;
mod listing;
mod rotation;
mod storms;
mod strangers;

use crate::{
    authenticate::{Presented, verify},
    clock::{Clock, UnixMillis},
    credential::{Kind, TokenFormat},
    id::{OrgId, UserId},
    manage::{Actor, Issued, ManageError, Manager, NewKey, NewToken},
    secret::Secret,
    store::{AuditEvent, CredentialInfo, EffectiveStatus, Filter, ManageStore, Owner, Record},
    testing::{ManualClock, contract::Directory, principal},
};
use std::sync::Arc;

use super::{Breach, Claim, ORG, OTHER_ORG, USER, claim, on_heap, report};

const OTHER_USER: &str = "user_other_test";

/// 2026-01-01, as the documentation writes it.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// Holds a store to every claim about management, each on a fresh, empty store that `make` returns.
///
/// The store has to know the [documented](crate::scope::Catalogue::anyreach) roles, and to keep to [`run`](super::run) too.
///
/// # Panics
/// When the store breaks a claim, with the claim's name.
pub async fn run_managed<S, F>(make: impl Fn() -> F)
where
    S: ManageStore + Directory,
    F: Future<Output = S>,
{
    macro_rules! claims {
        ($($room:ident :: $claim:ident)+) => {
            $(report(stringify!($claim), match on_heap(|| async { Site::furnish(make().await).await }).await {
                Ok(site) => on_heap(|| $room::$claim(&site)).await,
                Err(breach) => Err(breach),
            });)+
        };
    }
    claims! {
        issuing::what_is_issued_is_accepted_and_says_what_was_asked_for
        issuing::nobody_hands_out_more_than_they_hold
        issuing::a_bad_request_is_told_apart_and_leaves_no_trace
        issuing::an_idempotency_key_is_answered_with_what_it_has_made
        issuing::a_repeated_request_does_not_answer_with_what_has_ended
        issuing::of_many_under_one_idempotency_key_one_makes_a_credential
        issuing::the_cap_is_kept_among_many_at_once
        issuing::a_foreign_digest_is_accepted_as_it_is
        inputs::names_that_cannot_be_read_are_refused
        inputs::a_moment_in_another_unit_is_refused
        inputs::an_actor_whose_id_no_store_can_keep_is_refused
        inputs::extreme_moments_are_no_panic
        inputs::the_audit_trail_keeps_what_can_be_read
        listing::pages_show_each_credential_once_and_the_newest_first
        listing::filters_show_what_they_say
        listing::a_cursor_belongs_to_its_list
        life::a_name_changes_and_nothing_else
        life::a_disabled_credential_is_refused_until_it_is_enabled
        life::a_deleted_credential_is_refused_and_stays_as_it_is
        life::whoever_has_a_credential_can_end_it_and_nobody_else
        life::a_commit_changes_what_was_read_or_nothing
        life::a_commit_refuses_an_id_that_no_token_can_carry
        life::all_of_an_owner_is_revoked_and_nothing_of_another
        rotation::without_an_overlap_the_old_one_ends_at_once
        rotation::with_an_overlap_the_old_one_ends_at_its_moment
        rotation::a_line_has_two_that_count_at_most
        rotation::the_cap_counts_what_is_accepted
        rotation::nothing_is_enabled_beyond_its_enabler
        rotation::a_rotation_is_refused_like_an_issue
        authority::what_is_decided_for_an_actor_in_good_standing_is_done
        authority::nothing_is_written_for_an_actor_who_lost_their_standing
        authority::nothing_is_written_for_a_credential_that_has_expired
        storms::an_end_does_not_depend_on_what_the_holder_does
        storms::what_revoked_callers_issue_at_the_same_time_ends_too
        erasure::a_removed_user_leaves_the_audit_trail_and_nothing_else
        erasure::the_id_of_a_removed_user_names_no_owner
        erasure::a_use_is_never_later_than_the_stores_clock
        strangers::another_owners_ids_are_unknown_and_untouched
        audit::each_change_is_one_event_that_says_who_and_from_where
        audit::events_are_read_by_page
        audit::a_use_is_written_at_most_once_a_minute
        audit::the_first_use_after_a_rotation_is_an_event
    }
}

/// Two organizations, two people, and a manager whose clock is moved by hand.
struct Site<S> {
    store: Arc<S>,
    manager: Manager<Arc<S>>,
    clock: ManualClock,
}

impl<S: ManageStore + Directory> Site<S> {
    async fn furnish(store: S) -> Result<Self, Breach> {
        store.create_organization(ORG, None).await?;
        store.create_organization(OTHER_ORG, None).await?;
        for user in [USER, OTHER_USER] {
            store.create_user(user).await?;
        }
        let (store, clock) = (Arc::new(store), ManualClock::at(NOW));
        let manager = Manager::new(Arc::clone(&store)).with_clock(clock.clone());
        Ok(Self {
            store,
            manager,
            clock,
        })
    }

    async fn key(&self, name: &str) -> Result<Issued, Breach> {
        Ok(self
            .manager
            .issue_key(&org(ORG), NewKey::named(name).with_role("viewer"))
            .await?)
    }

    async fn token(&self, name: &str) -> Result<Issued, Breach> {
        Ok(self
            .manager
            .issue_token(&user(USER), NewToken::named(name))
            .await?)
    }

    /// A credential of each kind, with an actor who manages it.
    async fn one_of_each(&self) -> Result<[(Actor, Kind, CredentialInfo, Secret); 2], Breach> {
        let (key, key_secret) = both(self.key("key").await?)?;
        let (token, token_secret) = both(self.token("token").await?)?;
        Ok([
            (org(ORG), Kind::OrgKey, key, key_secret),
            (user(USER), Kind::PersonalToken, token, token_secret),
        ])
    }

    /// The caller of a request with a key of [`ORG`], which exists, holds `scopes` and ends at `expires_at`.
    async fn caller(
        &self,
        scopes: &[&str],
        expires_at: Option<UnixMillis>,
    ) -> Result<Actor, Breach> {
        let minted = TokenFormat::default()
            .mint(Kind::OrgKey)
            .map_err(|error| Breach(error.to_string()))?;
        let scopes = self.store.catalogue().expand(scopes.iter().copied());
        let record = Record::org_key(&minted.id, minted.digest, ORG)
            .with_scopes(scopes)
            .expiring_at(expires_at);
        self.store.insert(record.clone()).await?;
        Ok(Actor::from_principal(&principal(record)))
    }

    /// Whether a layer would let the credential pass now, wherever it may act.
    async fn accepts(&self, secret: &Secret) -> Result<bool, Breach> {
        let format = TokenFormat::default();
        let token = format
            .classify(secret.expose_secret().as_bytes())
            .map_err(|cause| Breach(cause.to_string()))?;
        let presented = Presented::new(&token);
        let found = self.store.find(&presented.lookup(|| None)).await?;
        Ok(verify::check(&presented, found, self.store.decoy_pepper())
            .and_then(|verified| verified.live(&self.clock))
            .is_ok())
    }

    /// Everything that the store knows of the credentials of `owner`.
    async fn all(
        &self,
        owner: &Actor,
        kind: Kind,
    ) -> Result<(Vec<CredentialInfo>, Vec<AuditEvent>), Breach> {
        let mut found = Vec::new();
        for state in [None, Some(EffectiveStatus::Deleted)] {
            let filter = Filter {
                state,
                ..Filter::default()
            };
            found.extend(
                self.manager
                    .list(owner, kind, &filter, None, 200)
                    .await?
                    .items,
            );
        }
        Ok((found, self.manager.events(owner, kind, None, 200).await?))
    }

    async fn everything(&self) -> Result<Vec<(Vec<CredentialInfo>, Vec<AuditEvent>)>, Breach> {
        Ok(vec![
            self.all(&org(ORG), Kind::OrgKey).await?,
            self.all(&org(OTHER_ORG), Kind::OrgKey).await?,
            self.all(&user(USER), Kind::PersonalToken).await?,
            self.all(&user(OTHER_USER), Kind::PersonalToken).await?,
        ])
    }

    /// Takes a refusal of this code for granted, and that it leaves no trace.
    async fn refuses<T>(
        &self,
        what: &str,
        code: &str,
        call: impl Future<Output = Result<T, ManageError>>,
    ) -> Claim {
        let before = self.everything().await?;
        let told = call.await.err().map_or("nothing", |error| error.code());
        claim(
            told == code,
            format!("{what}: refused with {told:?}, and it has to be {code:?}"),
        )?;
        claim(
            self.everything().await? == before,
            format!("{what}: the refusal has left a trace"),
        )
    }

    fn later(&self, millis: i64) -> UnixMillis {
        UnixMillis(self.clock.now().0 + millis)
    }
}

fn org(id: &str) -> Actor {
    Actor::operator("test", Owner::Organization(OrgId::from(id)))
}

fn user(id: &str) -> Actor {
    Actor::operator("test", Owner::User(UserId::from(id)))
}

fn both(issued: Issued) -> Result<(CredentialInfo, Secret), Breach> {
    let (info, secret) = issued.into_parts();
    Ok((
        info,
        secret.ok_or_else(|| Breach("a new credential came without its secret".into()))?,
    ))
}

impl From<ManageError> for Breach {
    fn from(error: ManageError) -> Self {
        Self(format!(
            "management refused what it has to do: {error} ({error:?})"
        ))
    }
}

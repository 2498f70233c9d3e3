//! The contract of stores, as claims that a store is held to.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use tower_api_key::{store::MemoryStore, testing::contract};
//!
//! contract::run(|| async { MemoryStore::new() }).await; // in a test: #[tokio::test(flavor = "multi_thread")]
//! # }
//! ```
//!
//! A broken claim is a panic that names it. A multi-threaded runtime finds more, since some claims race.

mod changes;
mod lookups;
mod managed;
mod races;
mod refusals;
mod tree;

use crate::{
    credential::Kind,
    id::{OrgId, UserId},
    scope::Catalogue,
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Peek, Record, Status,
        StoreError, WriteError,
    },
};
use std::{pin::Pin, sync::Arc};

pub use lookups::records;
pub use managed::run_managed;

/// What is wrong with the store, in words.
#[derive(Debug)]
struct Breach(String);

type Claim = Result<(), Breach>;

/// Holds a store to every claim of the contract, each on a fresh, empty store that `make` returns.
///
/// The store has to know the [documented](Catalogue::anyreach) roles.
///
/// # Panics
/// When the store breaks a claim, with the claim's name.
pub async fn run<S, F>(make: impl Fn() -> F)
where
    S: ManageStore + Directory,
    F: Future<Output = S>,
{
    let filled = make().await;
    for record in records() {
        let id = record.id().to_owned();
        if filled
            .create_organization(ORG, None)
            .await
            .is_err_and(|error| !matches!(error, WriteError::Taken(_)))
        {
            report(
                "an_organization_can_be_created",
                Err(Breach("it was refused".into())),
            );
        }
        let stored = filled
            .insert(record)
            .await
            .map_err(|error| Breach(format!("{id:?} was refused: {error}")));
        report("every_id_of_token68_can_be_stored", stored);
    }
    run_reading(&filled).await;

    macro_rules! claims {
        ($($room:ident :: $claim:ident)+) => {
            $(
                let store = Arc::new(make().await);
                report(stringify!($claim), on_heap(|| $room::$claim(&store)).await);
            )+
        };
    }
    claims! {
        lookups::a_token_says_what_its_owner_may_do_where_it_is_asked
        lookups::names_of_organizations_and_people_have_no_aliases
        lookups::what_was_stored_as_dead_does_not_count
        changes::a_deleted_credential_does_not_count_from_the_next_look_up_on
        changes::a_person_is_switched_off_and_on_again
        changes::a_membership_begins_changes_and_ends_with_the_next_look_up
        changes::memberships_of_one_person_are_apart
        changes::a_deleted_organization_takes_its_keys_and_memberships_along
        refusals::an_id_is_given_once_even_after_deletion
        refusals::a_tokens_digest_is_taken_once_even_after_deletion
        refusals::a_key_and_a_token_may_have_the_same_id
        refusals::every_refusal_is_told_apart_and_changes_nothing
        refusals::an_id_that_no_request_can_name_is_refused
        races::of_many_who_insert_one_id_exactly_one_wins
        races::a_look_up_during_changes_never_sees_a_half_made_record
        races::a_credential_deleted_during_look_ups_stays_dead
    }
}

/// Holds a [`Directory`] to the claims about who is below whom, each on a fresh, empty store that `make`
/// returns.
///
/// # Panics
/// When the store breaks a claim, with the claim's name.
pub async fn run_tree<S, F>(make: impl Fn() -> F)
where
    S: ManageStore + Directory,
    F: Future<Output = S>,
{
    macro_rules! claims {
        ($($claim:ident)+) => { $(report(stringify!($claim), tree::$claim(&Arc::new(make().await)).await);)+ };
    }
    claims! {
        an_organization_is_below_those_above_it_and_no_others
        nothing_is_reached_through_a_deleted_organization
    }
}

/// Holds a store that only answers to the claims about answers.
///
/// The store has to hold exactly [`records`], and to know the [documented](Catalogue::anyreach) roles. One of the records
/// has a scope that no catalogue knows: the store must leave it out, as [`Catalogue::expand`] does.
///
/// # Panics
/// When the store breaks a claim, with the claim's name.
pub async fn run_reading(store: &impl CredentialStore) {
    macro_rules! claims {
        ($($claim:ident)+) => { $(report(stringify!($claim), lookups::$claim(store).await);)+ };
    }
    claims! {
        what_does_not_exist_is_not_found
        a_key_comes_back_as_it_was_stored
        what_the_catalogue_does_not_know_grants_nothing
        ids_of_keys_have_no_aliases
    }
}

/// Makes the future of a claim where it does not count towards the stack of the test: without optimization, all claims of a
/// suite would have their place there at once.
fn on_heap<F: Future>(claim: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(claim())
}

#[expect(clippy::panic, reason = "how a test says that it failed")]
fn report(claim: &str, outcome: Claim) {
    if let Err(Breach(what)) = outcome {
        panic!("the store breaks the contract: {claim}: {what}");
    }
}

const ORG: &str = "org_test";
const OTHER_ORG: &str = "org_other_test";
const USER: &str = "user_test";

impl From<WriteError> for Breach {
    fn from(error: WriteError) -> Self {
        Self(format!(
            "a change that has to succeed was refused: {error} ({error:?})"
        ))
    }
}

impl From<crate::credential::MintError> for Breach {
    fn from(error: crate::credential::MintError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Breach {
    fn from(error: StoreError) -> Self {
        Self(format!("the store could not tell: {error} ({error:?})"))
    }
}

fn claim(holds: bool, otherwise: impl Into<String>) -> Claim {
    if holds {
        Ok(())
    } else {
        Err(Breach(otherwise.into()))
    }
}

/// The owner of the credentials of a kind that [`furnish`] makes.
fn owner(kind: Kind) -> Owner {
    match kind {
        Kind::OrgKey => Owner::Organization(ORG.into()),
        Kind::PersonalToken => Owner::User(USER.into()),
    }
}

fn digest(name: &str) -> Digest {
    Digest::of(format!("contract-test-{name}").as_bytes())
}

/// A key of [`ORG`] that may read.
fn key(id: &str) -> Result<Record, Breach> {
    Record::org_key(id, digest(id), ORG)
        .with_role("viewer", &Catalogue::anyreach())
        .map_err(|error| Breach(error.to_string()))
}

/// A token of [`USER`], named `id`, whose digest is that of `id`.
fn token(id: &str) -> Record {
    Record::personal_token(id, digest(id), USER)
}

/// An organization, a key in it, a person who may read there, and a token of theirs, named as the key is.
async fn furnish(store: &(impl ManageStore + Directory), id: &str) -> Claim {
    store.create_organization(ORG, None).await?;
    store.create_organization(OTHER_ORG, Some(ORG)).await?;
    store.create_user(USER).await?;
    store.set_member(USER, ORG, "viewer").await?;
    store.insert(key(id)?).await?;
    store.insert(token(id)).await?;
    Ok(())
}

/// Looks up, and holds what the store says at once against what it says after a wait.
async fn look_up(
    store: &impl CredentialStore,
    lookup: Lookup<'_>,
) -> Result<Option<Arc<Record>>, Breach> {
    let at_once = store.peek(&lookup);
    let found = store.find(&lookup).await?;
    let agrees = match (&at_once, &found) {
        (Peek::Unknown, _) | (Peek::NotFound, None) => true,
        (Peek::Found(one), Some(other)) => same(one, other),
        (Peek::Found(_), None) | (Peek::NotFound, Some(_)) => false,
    };
    claim(
        agrees,
        format!("for {lookup:?}, `peek` says {at_once:?} and `find` says {found:?}"),
    )?;
    Ok(found)
}

async fn key_of(store: &impl CredentialStore, id: &str) -> Result<Option<Arc<Record>>, Breach> {
    look_up(store, Lookup::new(LookupKey::OrgKey { id }, None)).await
}

async fn token_of(
    store: &impl CredentialStore,
    id: &str,
    organization: Option<&str>,
) -> Result<Option<Arc<Record>>, Breach> {
    look_up(
        store,
        Lookup::new(
            LookupKey::PersonalToken {
                digest: &digest(id),
            },
            organization,
        ),
    )
    .await
}

fn counts(record: &Option<Arc<Record>>) -> bool {
    record
        .as_ref()
        .is_some_and(|record| record.status() == Status::Active)
}

/// The role that a token has where it was asked for, if it counts there.
fn role_of(record: &Option<Arc<Record>>) -> Option<&str> {
    let record = record
        .as_ref()
        .filter(|record| record.status() == Status::Active)?;
    record.organization().and_then(|_| record.role())
}

fn same(one: &Record, other: &Record) -> bool {
    fn facts(record: &Record) -> (Kind, &str, Status, [u8; 32], Option<i64>, Option<&str>) {
        let expires_at = record.expires_at().map(|moment| moment.0);
        let digest = record.digest().to_bytes();
        (
            record.kind(),
            record.id(),
            record.status(),
            digest,
            expires_at,
            record.role(),
        )
    }
    let owners = |record: &Record| (record.organization().cloned(), record.user().cloned());
    let same_owners = |(a, b): (Option<OrgId>, Option<UserId>), (c, d)| a == c && b == d;
    facts(one) == facts(other)
        && same_owners(owners(one), owners(other))
        && one.scopes() == other.scopes()
}

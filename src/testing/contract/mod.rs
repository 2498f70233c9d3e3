//! The contract of stores, as claims to test a store of your own against.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use tower_api_key::{store::MemoryStore, testing::contract::Contract};
//!
//! // In a test: #[tokio::test(flavor = "multi_thread")]
//! Contract::new().run(|| async { MemoryStore::new() }).await;
//! # }
//! ```
//!
//! A broken claim is a panic with the claim's name. A multi-threaded runtime finds more, because
//! some claims race.
//!
//! # A store over tables of your own
//!
//! Declare what the store does not support, and what its columns cannot hold. Everything else is
//! still required, and a change that needs a [`Feature`] the store lacks must be refused with
//! [`WriteError::Unsupported`]. For the test, implement [`Directory`] for the store, so that the
//! suite can create the organizations and users that it needs: its writers insert into your tables.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::time::Duration;
//! use tower_api_key::testing::contract::{Contract, Feature};
//! # use tower_api_key::store::MemoryStore;
//! # let make = || async { MemoryStore::new() };
//!
//! let contract = Contract::new()
//!     .without(Feature::Directory)
//!     .without(Feature::UserErasure)
//!     .with_resolution(Duration::from_secs(1)); // a column of seconds
//! contract.run(make).await;
//! contract.run_managed(make).await;
//! # }
//! ```

mod changes;
mod descendants;
mod directory;
mod feature;
mod fixture;
mod lookups;
mod managed;
mod races;
mod records;
mod refusals;
mod unsupported;

use std::{ops::RangeInclusive, pin::Pin, time::Duration};

pub use feature::Feature;
use fixture::{Fixture, Outcome, Violation};

use crate::{
    clock::UnixMillis,
    store::{CredentialStore, Directory, ManageStore, Record},
};
#[cfg(doc)]
use crate::{scope::Catalogue, store::WriteError};

/// What a store is tested against: every claim, except those about what you declare unsupported.
///
/// The store must use the [documented](Catalogue::anyreach) catalogue during the test. See the
/// [module](self) for examples.
#[derive(Clone, Debug)]
pub struct Contract {
    unsupported: Vec<Feature>,
    moments: RangeInclusive<i64>,
    resolution: i64,
}

impl Default for Contract {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs claims, each with a fresh fixture, unless they need a feature that the store lacks.
macro_rules! run_claims {
    ($contract:expr, $fixture:expr; $($room:ident::$claim:ident $([$($needs:ident)+])?)+) => {$(
        if $contract.supports(&[$($(crate::testing::contract::Feature::$needs),+)?]) {
            let outcome = match crate::testing::contract::on_heap(|| $fixture).await {
                Ok(fixture) => crate::testing::contract::on_heap(|| $room::$claim(&fixture)).await,
                Err(violation) => Err(violation),
            };
            crate::testing::contract::report(stringify!($claim), outcome);
        }
    )+};
}
use run_claims;

impl Contract {
    /// Creates the whole contract.
    #[must_use]
    pub fn new() -> Self {
        Self {
            unsupported: Vec::new(),
            moments: i64::MIN..=i64::MAX,
            resolution: 1,
        }
    }

    /// Declares that the store does not support `feature`.
    #[must_use]
    pub fn without(mut self, feature: Feature) -> Self {
        self.unsupported.push(feature);
        self
    }

    /// Declares the moments that the store can hold; by default all of them. They must include the
    /// years 2025 to 2027.
    #[must_use]
    pub fn with_moments(self, moments: RangeInclusive<UnixMillis>) -> Self {
        Self {
            moments: moments.start().0..=moments.end().0,
            ..self
        }
    }

    /// Declares the resolution of the store's moments: 1 ms by default, at most 1 s. What is
    /// written is then a multiple of it.
    #[must_use]
    pub fn with_resolution(self, resolution: Duration) -> Self {
        let millis = i64::try_from(resolution.as_millis()).unwrap_or(i64::MAX);
        Self {
            resolution: millis.clamp(1, 1000),
            ..self
        }
    }

    /// Tests lookups and the direct changes of a store. Each claim gets a fresh, empty store from
    /// `make`.
    ///
    /// # Panics
    /// If the store violates a claim; the message names it.
    pub async fn run<S, F>(&self, make: impl Fn() -> F)
    where
        S: ManageStore + Directory,
        F: Future<Output = S>,
    {
        let filled = Fixture::empty(make().await, self);
        let stored = on_heap(|| filled.store_records()).await;
        report("every_valid_id_can_be_stored", stored);
        self.run_reading(&filled.store).await;
        run_claims! {
            self, async { Ok(Fixture::empty(make().await, self)) };
            lookups::a_token_has_its_owners_role_in_the_named_organization [PersonalTokens Memberships]
            lookups::organization_ids_have_no_aliases [PersonalTokens Memberships]
            lookups::user_ids_have_no_aliases [Directory PersonalTokens Memberships UserDisabling]
            lookups::credentials_stored_as_inactive_stay_inactive
            changes::a_deleted_credential_is_inactive_from_the_next_lookup
            changes::a_disabled_users_tokens_are_inactive_until_the_user_is_enabled [PersonalTokens UserDisabling]
            changes::membership_changes_apply_from_the_next_lookup [PersonalTokens Memberships]
            changes::memberships_are_independent [PersonalTokens Memberships]
            changes::deleting_an_organization_ends_its_keys_and_memberships [OrganizationDeletion]
            refusals::an_id_is_never_reused
            refusals::a_token_digest_is_never_reused [PersonalTokens]
            refusals::a_key_and_a_token_may_have_the_same_id [PersonalTokens]
            refusals::refused_credentials_give_the_reason_and_change_nothing
            directory::owner_ids_are_never_reused [Directory PersonalTokens OrganizationDeletion]
            directory::refused_directory_changes_give_the_reason_and_change_nothing [Directory Memberships OrganizationDeletion UserDisabling]
            refusals::unusable_credential_ids_are_refused
            directory::unusable_directory_ids_are_refused [Directory Memberships OrganizationDeletion UserDisabling]
            directory::the_longest_ids_are_usable [Directory PersonalTokens Memberships]
            races::concurrent_inserts_of_one_id_have_one_winner
            races::concurrent_lookups_never_see_a_partial_record [PersonalTokens Memberships]
            races::a_credential_deleted_during_lookups_stays_inactive
            unsupported::a_store_refuses_what_it_does_not_support
        }
    }

    /// Tests a store together with a [`Manager`](crate::manage::Manager). Each claim gets a fresh,
    /// empty store from `make`, which must also pass [`run`](Self::run).
    ///
    /// # Panics
    /// If the store violates a claim; the message names it.
    pub async fn run_managed<S, F>(&self, make: impl Fn() -> F)
    where
        S: ManageStore + Directory,
        F: Future<Output = S>,
    {
        managed::run(self, make).await;
    }

    /// Tests which organizations are below which. Each claim gets a fresh, empty store from `make`.
    ///
    /// # Panics
    /// If the store violates a claim; the message names it.
    pub async fn run_tree<S, F>(&self, make: impl Fn() -> F)
    where
        S: ManageStore + Directory,
        F: Future<Output = S>,
    {
        run_claims! {
            self, async { Ok(Fixture::empty(make().await, self)) };
            descendants::an_organization_descends_from_its_ancestors_only
            descendants::a_deleted_organization_cuts_off_its_descendants [OrganizationDeletion]
        }
    }

    /// Tests lookups of a store that cannot be changed. It must hold exactly
    /// [`records`](Self::records).
    ///
    /// One of the records has a scope that is not in the catalogue: the store must leave it out, as
    /// [`Catalogue::expand`] does.
    ///
    /// # Panics
    /// If the store violates a claim; the message names it.
    pub async fn run_reading(&self, store: &impl CredentialStore) {
        macro_rules! claims {
            ($($claim:ident)+) => { $(report(stringify!($claim), lookups::$claim(self, store).await);)+ };
        }
        claims! {
            unknown_credentials_are_not_found
            keys_are_returned_as_stored
            scopes_outside_the_catalogue_grant_nothing
            key_ids_have_no_aliases
        }
    }

    /// Returns the keys that a store must hold for [`run_reading`](Self::run_reading): keys of one
    /// organization with all kinds of ids, expiries, digests and grants that the store supports.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        records::records(self)
    }

    /// Returns whether the store supports all of `features`.
    fn supports(&self, features: &[Feature]) -> bool {
        features
            .iter()
            .all(|feature| !self.unsupported.contains(feature))
    }

    /// Returns the nearest moment that the store can hold.
    fn fit(&self, millis: i64) -> UnixMillis {
        let millis = millis.clamp(*self.moments.start(), *self.moments.end());
        UnixMillis(millis - millis % self.resolution)
    }
}

/// Keeps a claim's future off the test's stack: without optimization, the futures of all claims
/// would have their own place there.
fn on_heap<F: Future>(claim: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(claim())
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn report(claim: &str, outcome: Outcome) {
    if let Err(Violation(what)) = outcome {
        panic!("the store breaks the contract: {claim}: {what}");
    }
}

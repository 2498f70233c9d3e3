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
//! some claims race. [`contract_tests!`](crate::contract_tests) makes a test of each claim instead,
//! so that a broken one does not hide the next:
//!
//! ```
//! mod my_store {
//!     use tower_api_key::{store::MemoryStore, testing::contract::Contract};
//!
//!     tower_api_key::contract_tests!(keeps);
//!
//!     #[tokio::main] // each test has a runtime of its own
//!     async fn keeps(claim: &str) {
//!         Contract::new().run_claim(claim, || async { MemoryStore::new() }).await;
//!     }
//! }
//! ```
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

#[macro_use]
mod claims;

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
mod roles;
mod unsupported;

use std::{ops::RangeInclusive, pin::Pin, time::Duration};

pub use feature::Feature;
use fixture::{Fixture, Outcome, Reading, Violation};

use crate::{
    clock::UnixMillis,
    store::{CredentialStore, Directory, ManageStore, Record},
};
#[cfg(doc)]
use crate::{scope::Catalogue, store::WriteError};

/// What a store is tested against: every claim, except those about what you declare unsupported.
///
/// The store must use the [documented](Catalogue::anyreach) catalogue during the test, one of its
/// own: some claims [replace](Catalogue::replace) it. See the [module](self) for examples.
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

/// Runs the claims of one group, each with a fresh fixture, unless they need a feature that the
/// store lacks or another claim is chosen.
macro_rules! run_claims {
    ($wanted:ident of $contract:expr, $chosen:expr, $fixture:expr; $($room:ident {
        $($group:ident $claim:ident $([$($needs:ident)+])?,)+
    })+) => {$($(
        crate::testing::contract::run_if! {
            $wanted $group ($contract, $chosen, $fixture) $room $claim [$($($needs)+)?]
        }
    )+)+};
}
use run_claims;

/// Runs a claim if it is of the wanted group.
macro_rules! run_if {
    (reading reading $($claim:tt)+) => { crate::testing::contract::run_one! { $($claim)+ } };
    (store store $($claim:tt)+) => { crate::testing::contract::run_one! { $($claim)+ } };
    (tree tree $($claim:tt)+) => { crate::testing::contract::run_one! { $($claim)+ } };
    (managed managed $($claim:tt)+) => { crate::testing::contract::run_one! { $($claim)+ } };
    ($wanted:ident $group:ident $($claim:tt)+) => {};
}
use run_if;

macro_rules! run_one {
    (
        ($contract:expr, $chosen:expr, $fixture:expr)
        $room:ident $claim:ident [$($needs:ident)*]
    ) => {
        let name = concat!(stringify!($room), "::", stringify!($claim));
        let chosen = $chosen.is_none_or(|chosen: &str| chosen == name);
        if chosen && $contract.supports(&[$(crate::testing::contract::Feature::$needs),*]) {
            let outcome = match crate::testing::contract::on_heap(|| $fixture).await {
                Ok(fixture) => crate::testing::contract::on_heap(|| $room::$claim(&fixture)).await,
                Err(violation) => Err(violation),
            };
            crate::testing::contract::report(name, outcome);
        }
    };
}
use run_one;

/// Lists the names of all claims.
macro_rules! names {
    ($($room:ident { $($group:ident $claim:ident $([$($needs:ident)+])?,)+ })+) => {
        [$($(concat!(stringify!($room), "::", stringify!($claim)),)+)+]
    };
}

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
        self.run_stored(None, make).await;
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
        managed::run(self, None, make).await;
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
        self.run_below(None, make).await;
    }

    /// Tests one claim of [`run`](Self::run), [`run_managed`](Self::run_managed) or
    /// [`run_tree`](Self::run_tree), by its name. It holds if the store does not support what it is
    /// about. [`contract_tests!`](crate::contract_tests) makes a test of each.
    ///
    /// # Panics
    /// If the store violates the claim, and if there is no claim with this name.
    pub async fn run_claim<S, F>(&self, name: &str, make: impl Fn() -> F)
    where
        S: ManageStore + Directory,
        F: Future<Output = S>,
    {
        let names = __contract_claims! { [names] };
        assert!(names.contains(&name), "there is no claim {name:?}");
        self.run_stored(Some(name), &make).await;
        managed::run(self, Some(name), &make).await;
        self.run_below(Some(name), &make).await;
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
        let (contract, chosen) = (self, None);
        let reading = || async { Ok(Reading { contract, store }) };
        __contract_claims! { [run_claims] reading of contract, chosen, reading(); }
    }

    /// Returns the keys that a store must hold for [`run_reading`](Self::run_reading): keys of one
    /// organization with all kinds of ids, expiries, digests and grants that the store supports.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        records::records(self)
    }

    async fn run_stored<S, F>(&self, chosen: Option<&str>, make: impl Fn() -> F)
    where
        S: ManageStore + Directory,
        F: Future<Output = S>,
    {
        let empty = || async { Ok(Fixture::empty(make().await, self)) };
        let filled = || async {
            let fixture = Fixture::empty(make().await, self);
            fixture.store_records().await?;
            let (contract, store) = (self, fixture.store);
            Ok(Reading { contract, store })
        };
        __contract_claims! { [run_claims] reading of self, chosen, filled(); }
        __contract_claims! { [run_claims] store of self, chosen, empty(); }
    }

    async fn run_below<S, F>(&self, chosen: Option<&str>, make: impl Fn() -> F)
    where
        S: ManageStore + Directory,
        F: Future<Output = S>,
    {
        let empty = || async { Ok(Fixture::empty(make().await, self)) };
        __contract_claims! { [run_claims] tree of self, chosen, empty(); }
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

//! For the tests of services that embed the crate: a caller made by hand, a clock moved by hand, and the
//! [`contract`] of stores for those who write one.
//!
//! Enable the feature in `[dev-dependencies]` only. Any code in a program that has it can forge a principal, so its use is
//! reported: see [`TESTING_ENABLED`](crate::TESTING_ENABLED) and [`observe`](mod@crate::observe).

pub mod contract;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::{
    clock::{Clock, UnixMillis},
    observe::{self, TestDouble},
    principal::Principal,
    store::Record,
};

/// Makes a principal that nothing was proven of, to put into the extensions of a test's request.
///
/// The first one of a process leaves an event at `WARN`, and each is counted
/// ([`metrics`](mod@crate::metrics)), so that it shows in production.
///
/// ```
/// use tower_api_key::{principal::Catalogue, secret::Digest, store::Record, testing};
///
/// let record = Record::personal_token("t1", Digest::of(b"unused"), "alice")
///     .in_organization("org_1")
///     .with_role("viewer", &Catalogue::anyreach())?;
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(testing::principal(record));
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[must_use]
pub fn principal(record: Record) -> Principal {
    observe::test_double_used(TestDouble::Principal);
    Principal::unproven(record)
}

/// A clock that stands still until it is moved. Clones share the moment.
///
/// The first one of a process leaves an event at `WARN`: a clock that stands still lets nothing expire.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Makes a clock that shows `moment`.
    #[must_use]
    pub fn at(moment: UnixMillis) -> Self {
        observe::test_double_used(TestDouble::Clock);
        Self(Arc::new(AtomicI64::new(moment.0)))
    }

    /// Moves the clock by `millis`, backwards when negative.
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

//! For the tests of services that embed the crate: a principal without a request, a clock that you
//! move, a description of the service's [`routes`], and the [`contract`] to test a store of your
//! own against.
//!
//! # Testing a handler without a layer
//!
//! A handler that is called directly takes its caller as an argument: [`principal()`], or `None`.
//!
//! In a router, put the caller where an [`AuthLayer`](crate::AuthLayer) would. For an anonymous
//! caller use a [`PublicLayer`](crate::PublicLayer): without any layer, extraction fails with 500,
//! so that you notice a route that you forgot to protect.
//!
//! ```
//! # #[cfg(not(feature = "axum"))]
//! # fn main() {}
//! # #[cfg(feature = "axum")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Extension, Router, body::Body, routing::get};
//! use http::{Request, StatusCode};
//! use tower::ServiceExt;
//! use tower_api_key::{Principal, PublicLayer, secret::Digest, store::Record, testing};
//!
//! async fn greet(caller: Option<Principal>) -> String {
//!     format!("hello {}", caller.as_ref().and_then(Principal::user).unwrap_or("nobody"))
//! }
//! let alice = testing::principal(Record::personal_token("t1", Digest::of(b"unused"), "alice"));
//! assert_eq!(greet(Some(alice.clone())).await, "hello alice");
//! assert_eq!(greet(None).await, "hello nobody");
//!
//! let app = Router::new().route("/", get(greet));
//! let request = || Request::new(Body::empty());
//! let answer = app.clone().layer(Extension(alice)).oneshot(request()).await?;
//! assert_eq!(answer.status(), StatusCode::OK); // hello alice
//! let answer = app.clone().layer(PublicLayer::new()).oneshot(request()).await?;
//! assert_eq!(answer.status(), StatusCode::OK); // hello nobody
//! let answer = app.oneshot(request()).await?;
//! assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR); // no layer decided
//! # Ok(())
//! # }
//! ```
//!
//! # Not in production
//!
//! Enable the feature in `[dev-dependencies]` only. Any code in a program that has it can forge a
//! principal, so its use is reported: see [`TESTING_ENABLED`](crate::TESTING_ENABLED) and
//! [`observe`](mod@crate::observe).

pub mod contract;
pub mod routes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::{Clock, UnixMillis},
    observe::{self, TestDouble},
    principal::Principal,
    store::Record,
};

/// Creates a principal without authentication, to put into the extensions of a test's request.
///
/// A [`Manager`](crate::manage::Manager) reads its actor from the store again: to let such a
/// principal manage credentials, insert its record into the store too.
///
/// The first one of a process emits an event at `WARN`, and each is counted
/// ([`observe`](mod@crate::observe)), so that you notice it in production.
///
/// ```
/// use tower_api_key::{scope::Catalogue, secret::Digest, store::Record, testing};
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

/// A clock that stands still until you move it. Clones share the time.
///
/// The first one of a process emits an event at `WARN`: while a clock stands still, nothing
/// expires.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Creates a clock that shows `moment`.
    #[must_use]
    pub fn at(moment: UnixMillis) -> Self {
        observe::test_double_used(TestDouble::Clock);
        Self(Arc::new(AtomicI64::new(moment.0)))
    }

    /// Moves the clock forward by `time`, in whole milliseconds, rounded down.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_api_key::{clock::{Clock, UnixMillis}, testing::ManualClock};
    ///
    /// let clock = ManualClock::at(UnixMillis(1_000));
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(clock.now(), UnixMillis(61_000));
    /// ```
    pub fn advance(&self, time: Duration) {
        self.advance_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
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

//! What the operator sees of each verdict: an event with its private cause, and never a secret.
//!
//! With the feature `tracing`, events go to the target `tower_api_key::verdict`: an accept at `DEBUG`, a refusal at
//! `INFO`, an exposed credential at `WARN`, an outage or a wiring mistake at `ERROR`. Fields, each left out when it is
//! not known:
//!
//! | field | |
//! |---|---|
//! | `outcome` | `accepted`, or the [code of the reason](crate::Reason::code) |
//! | `cause` | the [code of the cause](crate::rejection::Cause::code), for a refusal |
//! | `kind` | `org_key` or `pat` |
//! | `credential_id` | the public id, when the store has such a credential |
//! | `organization`, `user` | from the store's record, never from the request |
//! | `store_us` | how long the look-up took, in microseconds, when it was not answered from memory |
//! | `error` | what the store said, with its sources, for an outage |
//!
//! A request that passes without its credential being looked at (public, preflight, optional and without one) is no
//! verdict and leaves no event.
//!
//! When management fails and not because of what was asked for (a store that is down), there is an event of the target
//! `tower_api_key::manage` at `ERROR`, with the field `error`: where last uses could not be written, and where a
//! [`ManageError`] becomes a response. A hook that panics is one too, with the fields `action` and `credential_id` of the
//! event that it was called with.
//!
//! While the feed of a PostgreSQL store is lost, there is an event of the target
//! `tower_api_key::feed` at `WARN` for each reason, with the field `error`.
//!
//! With the feature `testing`, the target `tower_api_key::testing` has events at `WARN`, each once for a process: at the
//! first verdict, which says that the feature is compiled in, at the first forged principal and at the first manual
//! clock. They belong in tests; alarm on them in production.
//!
//! With the feature `testing`, the target `tower_api_key::testing` has events at `WARN`, each once for a process: at the
//! first verdict, which says that the feature is compiled in, at the first forged principal and at the first manual
//! clock. They belong in tests; alarm on them in production.
//!
//! Without the feature, all of it compiles to nothing. What can be counted is in [`metrics`](mod@crate::metrics).

#[cfg_attr(feature = "tracing", path = "emit.rs")]
#[cfg_attr(not(feature = "tracing"), path = "silent.rs")]
mod sink;

#[cfg(feature = "testing")]
mod test_double;

use std::time::Duration;

#[cfg(feature = "testing")]
pub(crate) use test_double::{TestDouble, used as test_double_used};

use crate::{Principal, Rejection, manage::ManageError, metrics, panics::catch, store::Event};

/// The target of the events about verdicts.
pub const TARGET: &str = "tower_api_key::verdict";

/// A feed of changes is lost, because of `error`.
#[cfg(feature = "postgres")]
pub(crate) fn feed_lost(error: &crate::store::StoreError) {
    sink::feed_lost(error);
}

/// A request was let pass. `latency` is that of the look-up, when there was one.
pub(crate) fn accepted(principal: &Principal, latency: Option<Duration>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| sink::accepted(principal, latency));
    shielded(|| metrics::accepted(principal, latency));
}

/// A request was refused.
pub(crate) fn refused(rejection: &Rejection, latency: Option<Duration>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| sink::refused(rejection, latency));
    shielded(|| metrics::refused(rejection, latency));
}

/// Management failed, for a reason that is not in what was asked for.
pub(crate) fn management_failed(error: &ManageError) {
    shielded(|| sink::management_failed(error));
}

/// The hook of a [`Manager`](crate::manage::Manager) has panicked.
pub(crate) fn hook_panicked(event: &Event) {
    shielded(|| sink::hook_panicked(event));
    shielded(metrics::hook_panicked);
}

/// Calls the service's subscriber or recorder. One that panics costs its event and nothing else.
fn shielded(report: impl FnOnce()) {
    let _ = catch(report);
}

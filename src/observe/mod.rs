//! What the operator sees of each verdict: an event with its private cause, and what can be
//! counted. Never a secret, a digest or a token.
//!
//! Each half has a feature of its own, `tracing` and `metrics`. Without it, that half compiles to
//! nothing.
//!
//! # Events
//!
//! With the feature `tracing`, events go to the target `tower_api_key::verdict`: an accept at
//! `DEBUG`, a refusal at `INFO`, an exposed credential at `WARN`, an outage or a wiring mistake at
//! `ERROR`. Fields, each left out when it is not known:
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
//! A request that passes without its credential being looked at (public, preflight, optional and
//! without one) is no verdict and leaves no event.
//!
//! When management fails and not because of what was asked for (a store that is down), there is an
//! event of the target `tower_api_key::manage` at `ERROR`, with the field `error`: where last uses
//! could not be written, and where a
//! [`ManageError`](crate::manage::ManageError) becomes a response. A hook that panics is one too, with the fields
//! `action` and `credential_id` of the event that it was called with.
//!
//! While the feed of a PostgreSQL store is lost, there is an event of the target
//! `tower_api_key::feed` at `WARN` for each reason, with the field `error`.
//!
//! With the feature `testing`, the target `tower_api_key::testing` has events at `WARN`, each once
//! for a process: at the first verdict, which says that the feature is compiled in, at the first
//! forged principal and at the first manual clock. They belong in tests; alarm on them in
//! production.
//!
//! # Counters
//!
//! Each label has few values, all of them fixed; none is an id.
//!
//! With the feature `metrics`, through the crate of that name and whatever recorder the service has
//! installed:
//!
//! | name | sort | labels | |
//! |---|---|---|---|
//! | `tower_api_key_accepted_total` | counter | `kind` | requests that a layer let pass with a principal |
//! | `tower_api_key_refused_total` | counter | `kind`, `cause` | refusals, with the [code of the cause](crate::rejection::Cause::code) |
//! | `tower_api_key_store_seconds` | histogram | | how long a request waited for its look-up, where `peek` did not answer |
//! | `tower_api_key_cache_hits_total` | counter | | acceptable answers from the cache |
//! | `tower_api_key_cache_negative_hits_total` | counter | | other answers from the cache |
//! | `tower_api_key_cache_misses_total` | counter | | questions that waited for the store |
//! | `tower_api_key_cache_kept_failures_total` | counter | | questions answered with a failure of a moment ago, without a call of the store |
//! | `tower_api_key_cache_limited_total` | counter | | questions refused by the limit of misses |
//! | `tower_api_key_cache_evictions_total` | counter | `table` | entries of use that had to go: `accepts` or `refusals` |
//! | `tower_api_key_cache_stale_total` | counter | | accepts served past their time because the store erred |
//! | `tower_api_key_cache_changes_total` | counter | `subject` | changes applied: `credential`, `user`, `organization`, `everything` |
//! | `tower_api_key_revocation_lag_seconds` | histogram | | from the writing of a change in a database to its being read from the change log |
//! | `tower_api_key_feed_up` | gauge | | 1 while the followed feed tells of every change, 0 while it is lost |
//! | `tower_api_key_hook_panics_total` | counter | | panics of a manager's event hook; the changes were made |
//! | `tower_api_key_forged_principals_total` | counter | | principals made with `testing::principal`; with the feature `testing` |
//!
//! `kind` is `org_key`, `pat`, or `none` when no well-formed credential was presented. An accept by
//! the layer may be followed by a refusal of a demand, such as a scope: it then counts in both.
//!
//! Call [`describe`] once, after the recorder is installed, to give it the unit and a text for each
//! name.

pub(crate) mod counters;
#[cfg(feature = "metrics")]
mod descriptions;
mod events;
#[cfg(feature = "testing")]
mod test_double;

use std::{error::Error, fmt, time::Duration};

#[cfg(feature = "testing")]
pub(crate) use test_double::{TestDouble, used as test_double_used};

use crate::{credential::Kind, panics::catch};

/// Gives the installed recorder a text and a unit for each metric of the table, which exporters show.
///
/// The macros of the crate `metrics` send a description to the recorder that is there at that moment,
/// so call this after you have installed it. A second call does no harm; without the feature
/// `metrics` it does nothing.
///
/// ```
/// // first: PrometheusBuilder::new().install()? or another recorder
/// tower_api_key::observe::describe();
/// ```
pub fn describe() {
    #[cfg(feature = "metrics")]
    descriptions::send();
}

/// The target of the events about verdicts.
pub const TARGET: &str = "tower_api_key::verdict";

/// A request that was let pass. `latency` is that of the look-up, when there was one.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "only events say all of it")
)]
pub(crate) struct Accepted<'a> {
    pub(crate) kind: Kind,
    pub(crate) credential_id: &'a str,
    pub(crate) organization: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) latency: Option<Duration>,
}

/// A request that was refused: the codes of its reason and its cause, and whose credential it
/// names.
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "only events say all of it")
)]
pub(crate) struct Refused<'a> {
    pub(crate) severity: Severity,
    pub(crate) reason: &'static str,
    pub(crate) cause: &'static str,
    /// The cause as a text.
    pub(crate) text: &'a dyn fmt::Display,
    /// What the store said, when it could not tell.
    pub(crate) error: Option<&'a (dyn Error + 'static)>,
    pub(crate) kind: Option<Kind>,
    pub(crate) credential_id: Option<&'a str>,
    pub(crate) organization: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) latency: Option<Duration>,
}

/// How much a refusal matters to the operator.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Severity {
    /// It is the client's affair.
    Expected,
    /// Somebody has a credential who must not have it.
    Exposed,
    /// An outage, or a service that is put together wrongly.
    Fault,
}

/// Reports a request that was let pass.
#[inline]
pub(crate) fn accepted(request: &Accepted<'_>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| events::accepted(request));
    shielded(|| counters::accepted(request.kind, request.latency));
}

/// Reports a request that was refused.
pub(crate) fn refused(request: &Refused<'_>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| events::refused(request));
    shielded(|| counters::refused(request.kind, request.cause, request.latency));
}

/// A feed of changes is lost, because of `error`.
#[cfg(feature = "postgres")]
pub(crate) fn feed_lost(error: &(dyn Error + 'static)) {
    events::feed_lost(error);
}

/// Management failed, for a reason that is not in what was asked for.
pub(crate) fn management_failed(error: &(dyn Error + 'static)) {
    shielded(|| events::management_failed(error));
}

/// The hook of a [`Manager`](crate::manage::Manager) has panicked, when it was called with an
/// `action` on `credential`.
pub(crate) fn hook_panicked(action: &'static str, credential: &str) {
    shielded(|| events::hook_panicked(action, credential));
    shielded(counters::hook_panicked);
}

/// Calls the service's subscriber or recorder. One that panics costs its event and nothing else.
#[inline]
fn shielded(report: impl FnOnce()) {
    let _ = catch(report);
}

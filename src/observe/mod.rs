//! Observability: an event for each verdict, with its private cause, and metrics. None contains a
//! secret, a digest or a token.
//!
//! Events and metrics each have their own feature, `tracing` and `metrics`. Without it, that half
//! compiles to nothing.
//!
//! Watch these first: `tower_api_key_refused_total` by cause, for customers whose keys have expired
//! and for clients that guess; events at `ERROR`, for an outage or a missing layer; with a feed,
//! `tower_api_key_feed_up` and `tower_api_key_revocation_lag_seconds`.
//!
//! # Events
//!
//! With the feature `tracing`, events are emitted with the target `tower_api_key::verdict`: an
//! accept at `DEBUG`, a refusal at `INFO`, an exposed credential at `WARN`, an outage or a wiring
//! mistake at `ERROR`. The fields, each omitted if it is not known:
//!
//! | field | |
//! |---|---|
//! | `outcome` | `accepted`, the [code of the reason](crate::Reason::code) for a refusal, or `would_refuse` |
//! | `cause` | the [code of the cause](crate::rejection::Cause::code), for a refusal |
//! | `accepted` | the scopes that an observed requirement accepts, any one of which is enough; between sets that all have to be met, ` & ` |
//! | `kind` | `org_key` or `pat` |
//! | `credential_id` | the public id, if the store has such a credential |
//! | `organization`, `user` | from the store's record, never from the request |
//! | `store_us` | how long the lookup took, in microseconds, if it was not answered from memory |
//! | `error` | the store's error with its sources, for an outage |
//!
//! An [observed requirement](crate::require#trying-a-requirement-first) lets the request pass. If
//! it would have refused it, it emits an event of its own, with the outcome `would_refuse` and the
//! level of a refusal.
//!
//! A request that passes without its credential being checked (on a public route, as a preflight,
//! without a credential where it is optional, or with one that
//! [another authenticator](crate::EitherAuthLayer) decides about) has no verdict and emits no
//! event.
//!
//! If management fails for a reason other than its input, such as a store that is down, an event
//! with the target `tower_api_key::manage` is emitted at `ERROR`, with the field `error`: where
//! last uses could not be written, and where a [`ManageError`](crate::manage::ManageError) becomes
//! a response. A hook that panics also emits one, with the fields `action` and `credential_id` of
//! the audit event that it was called with.
//!
//! While a PostgreSQL store's feed is lost, an event with the target `tower_api_key::feed` is
//! emitted at `WARN` for each reason, with the field `error`.
//!
//! If a credential, or the membership that it is used with, has a role that the
//! [catalogue](crate::scope::Catalogue) of this process does not have, an event with the target
//! `tower_api_key::roles` is emitted at `ERROR`, with the fields `role`, `kind` and
//! `credential_id`. The request gets a 503, whose verdict has the cause `record_corrupt`. The event
//! is emitted each time that a store has found such a credential, and not for what a cache keeps of
//! it.
//!
//! With the feature `testing`, events with the target `tower_api_key::testing` are emitted at
//! `WARN`, each once per process: at the first verdict, which reports that the feature is compiled
//! in, at the first forged principal, the first manual clock and the first probe of routes. They
//! belong in tests; alert on them in production.
//!
//! # Fields on a span
//!
//! With [`AuthLayer::with_span_fields`](crate::AuthLayer::with_span_fields), the caller of an
//! accepted request is recorded on the span that is current when it is accepted, so that all events
//! of the request name it. A span takes only the fields that it declares:
//!
//! | field | |
//! |---|---|
//! | `credential_id` | the public id |
//! | `organization` | the organization that the request acts in |
//! | `enduser.id` | the user who owns a personal token; a key has none |
//! | `enduser.role` | the role in that organization |
//! | `enduser.scope` | the scopes, separated by spaces |
//!
//! The names beginning with `enduser` are those of OpenTelemetry's semantic conventions, where
//! `enduser.id` is current (status: development), and the other two are deprecated: `enduser.role`
//! in favour of `user.roles`, an array, which a span of `tracing` cannot hold, and `enduser.scope`
//! without a replacement. Declare only what your traces need: a user's id is personal data.
//!
//! ```
//! # #[cfg(feature = "tracing")]
//! # fn layers() {
//! use http::Request;
//! use tower::ServiceBuilder;
//! use tower_api_key::{AuthLayer, store::MemoryStore};
//! use tower_http::trace::TraceLayer;
//! use tracing::field::Empty;
//!
//! let trace = TraceLayer::new_for_http().make_span_with(|request: &Request<String>| {
//!     tracing::info_span!(
//!         "request",
//!         method = %request.method(),
//!         credential_id = Empty, // filled by the layer further in
//!         organization = Empty,
//!         enduser.id = Empty,
//!     )
//! });
//! let auth = AuthLayer::new(MemoryStore::new()).with_span_fields();
//! let layers = ServiceBuilder::new().layer(trace).layer(auth);
//! # }
//! ```
//!
//! # Counters
//!
//! Each label has few values, all of them fixed; none is an id.
//!
//! With the feature `metrics`, these are recorded through the crate of that name, with whatever
//! recorder the service has installed:
//!
//! | name | type | labels | |
//! |---|---|---|---|
//! | `tower_api_key_accepted_total` | counter | `kind` | requests that a layer let pass with a principal |
//! | `tower_api_key_refused_total` | counter | `kind`, `cause` | refusals, with the [code of the cause](crate::rejection::Cause::code) |
//! | `tower_api_key_would_refuse_total` | counter | `kind`, `cause` | requests that passed an observed requirement, which would have refused them |
//! | `tower_api_key_store_seconds` | histogram | | how long a request waited for its lookup, where `peek` did not answer |
//! | `tower_api_key_cache_hits_total` | counter | | acceptable answers from the cache |
//! | `tower_api_key_cache_negative_hits_total` | counter | | other answers from the cache |
//! | `tower_api_key_cache_misses_total` | counter | | lookups that waited for the store |
//! | `tower_api_key_cache_kept_failures_total` | counter | | lookups answered with a recent failure, without a call to the store |
//! | `tower_api_key_cache_limited_total` | counter | | lookups refused by the miss rate limit |
//! | `tower_api_key_cache_evictions_total` | counter | `table` | entries in use that were evicted: `accepts` or `refusals` |
//! | `tower_api_key_cache_stale_total` | counter | | accepts served past their time because the store failed |
//! | `tower_api_key_cache_changes_total` | counter | `subject` | changes applied: `credential`, `user`, `organization`, `everything` |
//! | `tower_api_key_revocation_lag_seconds` | histogram | | time between the writing of a change in a database and its being read from the change log |
//! | `tower_api_key_feed_up` | gauge | | 1 while the followed feed delivers every change, 0 while it is lost |
//! | `tower_api_key_unknown_roles_total` | counter | | credentials that a store has found with a role which the catalogue does not have |
//! | `tower_api_key_hook_panics_total` | counter | | panics of a manager's event hook; the changes were made |
//! | `tower_api_key_forged_principals_total` | counter | | principals made with `testing::principal`; with the feature `testing` |
//!
//! `kind` is `org_key`, `pat`, or `none` if no well-formed credential was presented. A request that
//! the layer accepts may still be refused by an inner requirement, such as a scope: it then counts
//! in both.
//!
//! Call [`describe`] once, after installing the recorder, to give it the unit and description of
//! each metric.

pub(crate) mod counters;
#[cfg(feature = "metrics")]
mod descriptions;
mod events;
#[cfg(feature = "testing")]
mod test_double;

use std::{error::Error, fmt, time::Duration};

#[cfg(feature = "testing")]
pub(crate) use test_double::{TestDouble, used as test_double_used};

use crate::{
    credential::Kind,
    panics::catch,
    scope::{AcceptedScopes, ScopeSet},
};

/// Sends the unit and description of each metric in the table to the installed recorder, for
/// exporters to show.
///
/// The macros of the crate `metrics` send a description to the recorder that is installed at that
/// moment, so call this after you have installed it. Calling it again is harmless; without the
/// feature `metrics` it does nothing.
///
/// ```
/// // first: PrometheusBuilder::new().install()? or another recorder
/// tower_api_key::observe::describe();
/// ```
pub fn describe() {
    #[cfg(feature = "metrics")]
    descriptions::send();
}

/// The target of verdict events, for a subscriber's filter.
///
/// ```
/// use tower_api_key::observe::TARGET;
///
/// // Refusals and outages, without an event for each accepted request.
/// let directive = format!("warn,{TARGET}=info");
/// assert_eq!(directive, "warn,tower_api_key::verdict=info");
/// ```
pub const TARGET: &str = "tower_api_key::verdict";

/// An accepted request. `latency` is that of the lookup, if there was one.
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

/// A refused request: the codes of its reason and its cause, and the owner of the credential that
/// it names.
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
    /// The store's error, if it could not answer.
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
    /// The client's mistake.
    Expected,
    /// A credential is in the wrong hands.
    Exposed,
    /// An outage, or a service that is wired incorrectly.
    Fault,
}

/// Reports an accepted request.
#[inline]
pub(crate) fn accepted(request: &Accepted<'_>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| events::accepted(request));
    shielded(|| counters::accepted(request.kind, request.latency));
}

/// The caller of an accepted request, for a span.
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "only spans say it")
)]
pub(crate) struct SpanFields<'a> {
    pub(crate) credential_id: &'a str,
    pub(crate) organization: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) role: Option<&'a str>,
    pub(crate) scopes: &'a ScopeSet,
}

/// Records the caller on the current span.
pub(crate) fn record_on_span(caller: &SpanFields<'_>) {
    shielded(|| events::record_on_span(caller));
}

/// Reports a refused request.
pub(crate) fn refused(request: &Refused<'_>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| events::refused(request));
    shielded(|| counters::refused(request.kind, request.cause, request.latency));
}

/// Reports a request that passed an observed requirement, which would have refused it. `accepted`
/// is what the requirement accepts.
pub(crate) fn would_refuse(request: &Refused<'_>, accepted: Option<&AcceptedScopes>) {
    #[cfg(feature = "testing")]
    test_double::used(TestDouble::Feature);
    shielded(|| events::would_refuse(request, accepted));
    shielded(|| counters::would_refuse(request.kind, request.cause));
}

/// Reports that a feed of changes is lost because of `error`.
pub(crate) fn feed_lost(error: &(dyn Error + 'static)) {
    events::feed_lost(error);
}

/// Reports that a credential or its owner's membership has a role which the catalogue does not
/// have.
pub(crate) fn unknown_role(kind: Kind, credential: &str, role: &str) {
    shielded(|| events::unknown_role(kind, credential, role));
    shielded(counters::unknown_role);
}

/// Reports that management failed for a reason other than its input.
pub(crate) fn management_failed(error: &(dyn Error + 'static)) {
    shielded(|| events::management_failed(error));
}

/// Reports that a [`Manager`](crate::manage::Manager)'s hook panicked when called with an `action`
/// on `credential`.
pub(crate) fn hook_panicked(action: &'static str, credential: &str) {
    shielded(|| events::hook_panicked(action, credential));
    shielded(counters::hook_panicked);
}

/// Calls the service's subscriber or recorder. If it panics, only its event is lost.
#[inline]
fn shielded(report: impl FnOnce()) {
    let _ = catch(report);
}

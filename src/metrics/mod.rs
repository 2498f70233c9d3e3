//! What the operator counts. Never labelled with a secret, a digest or an id: each label has few values, all of them fixed.
//!
//! With the feature `metrics`, through the crate of that name and whatever recorder the service has installed:
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
//! `kind` is `org_key`, `pat`, or `none` when no well-formed credential was presented. An accept by the layer may be
//! followed by a refusal of a demand, such as a scope: it then counts in both.
//!
//! Call [`describe`] once, after the recorder is installed, to give it a unit and a text for each
//! name.
//!
//! Without the feature, all of it compiles to nothing.

#[cfg_attr(feature = "metrics", path = "emit.rs")]
#[cfg_attr(not(feature = "metrics"), path = "silent.rs")]
mod sink;

#[cfg(feature = "metrics")]
mod descriptions;

/// Gives the installed recorder a text and a unit for each metric of the table, which exporters show.
///
/// The macros of the crate `metrics` send a description to the recorder that is there at that moment,
/// so call this after you have installed it. A second call does no harm; without the feature
/// `metrics` it does nothing.
///
/// ```
/// // first: PrometheusBuilder::new().install()? or another recorder
/// tower_api_key::metrics::describe();
/// ```
pub fn describe() {
    #[cfg(feature = "metrics")]
    descriptions::send();
}

#[cfg(feature = "testing")]
pub(crate) use sink::forged;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use sink::lagged;
pub(crate) use sink::{
    accepted, applied, evicted, feed, hit, hook_panicked, kept_failure, limited, miss, refused,
    stale,
};

//! The descriptions of the metrics, which exporters show.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

const COUNTERS: [(&str, &str); 14] = [
    (
        "tower_api_key_accepted_total",
        "Requests that a layer let pass with a principal",
    ),
    (
        "tower_api_key_refused_total",
        "Refusals, by the code of their cause",
    ),
    (
        "tower_api_key_would_refuse_total",
        "Requests that passed an observed requirement, by the code of the cause to refuse them",
    ),
    (
        "tower_api_key_cache_hits_total",
        "Acceptable answers from the cache",
    ),
    (
        "tower_api_key_cache_negative_hits_total",
        "Other answers from the cache",
    ),
    (
        "tower_api_key_cache_misses_total",
        "Lookups that waited for the store",
    ),
    (
        "tower_api_key_cache_kept_failures_total",
        "Lookups answered with a recent failure, without a call to the store",
    ),
    (
        "tower_api_key_cache_limited_total",
        "Lookups refused by the limit of misses",
    ),
    (
        "tower_api_key_cache_evictions_total",
        "Entries in use that were evicted, by table",
    ),
    (
        "tower_api_key_cache_stale_total",
        "Accepts served past their time because the store failed",
    ),
    (
        "tower_api_key_cache_changes_total",
        "Changes applied to the cache, by what they are about",
    ),
    (
        "tower_api_key_unknown_roles_total",
        "Credentials that a store has found with a role which the catalogue does not have",
    ),
    (
        "tower_api_key_hook_panics_total",
        "Panics of a manager's event hook",
    ),
    (
        "tower_api_key_forged_principals_total",
        "Principals made with testing::principal, which is for tests alone",
    ),
];

const SECONDS: [(&str, &str); 2] = [
    (
        "tower_api_key_store_seconds",
        "How long a request waited for its lookup, where it was not answered from memory",
    ),
    (
        "tower_api_key_revocation_lag_seconds",
        "Time from the writing of a change in a database to its being read from the change log",
    ),
];

pub(super) fn send() {
    for (name, text) in COUNTERS {
        describe_counter!(name, Unit::Count, text);
    }
    for (name, text) in SECONDS {
        describe_histogram!(name, Unit::Seconds, text);
    }
    describe_gauge!(
        "tower_api_key_feed_up",
        "1 while the followed feed tells of every change, 0 while it is lost"
    );
}

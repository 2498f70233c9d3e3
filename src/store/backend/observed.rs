//! What feeds and stores report to operators. Those of your own call these, so that their metrics
//! and events have the names that [`observe`](mod@crate::observe) documents.

use std::time::Duration;

use crate::{
    credential::Kind,
    observe::{self, counters},
    store::StoreError,
};

/// Records how long after its commit a change has reached this node, for the histogram of
/// revocation lags (feature `metrics`).
pub fn observe_revocation_lag(lag: Duration) {
    counters::revocation_lag(lag.as_secs_f64());
}

/// Reports that a feed lost its connection to the log, and why (feature `tracing`).
pub fn report_feed_lost(error: &StoreError) {
    observe::feed_lost(error);
}

/// Reports that the catalogue does not have the role of a credential, or of the membership that it
/// is looked up with (features `tracing` and `metrics`). [`RecordReader`](super::RecordReader) does
/// it by itself; call it where your own store gets [`UnknownRole`](crate::ConfigError::UnknownRole)
/// from [`Record::with_role`](crate::store::Record::with_role) in a lookup, which then fails.
pub fn report_unknown_role(kind: Kind, credential: &str, role: &str) {
    observe::unknown_role(kind, credential, role);
}

//! What feeds report to operators. A feed of your own calls these, so that its metrics and events
//! have the names that [`observe`](mod@crate::observe) documents.

use std::time::Duration;

use crate::{
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

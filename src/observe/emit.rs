//! Turns verdicts into `tracing` events.

use std::{error::Error, fmt, time::Duration};

use tracing::{Level, event, field};

use super::TARGET;
use crate::{
    Principal, Reason, Rejection, credential::Kind, manage::ManageError, rejection::Cause,
    store::Event,
};

pub(crate) fn accepted(principal: &Principal, latency: Option<Duration>) {
    event!(
        target: TARGET,
        Level::DEBUG,
        outcome = "accepted",
        kind = principal.kind().as_str(),
        credential_id = principal.credential_id(),
        organization = principal.organization(),
        user = principal.user(),
        store_us = latency.map(micros),
        "request accepted"
    );
}

/// One event with every field; a macro because the level of an event is part of its call site.
macro_rules! refused_at {
    ($level:expr, $rejection:expr, $latency:expr, $($message:tt)+) => {
        event!(
            target: TARGET,
            $level,
            outcome = $rejection.reason().code(),
            cause = $rejection.cause().code(),
            kind = $rejection.kind().map(Kind::as_str),
            credential_id = $rejection.credential_id(),
            organization = $rejection.organization(),
            user = $rejection.user(),
            store_us = $latency.map(micros),
            error = store_error($rejection.cause()).map(field::display),
            $($message)+
        )
    };
}

pub(crate) fn refused(rejection: &Rejection, latency: Option<Duration>) {
    match rejection.reason() {
        Reason::Unavailable | Reason::Misconfigured => {
            refused_at!(Level::ERROR, rejection, latency, "{}", rejection.cause());
        }
        Reason::ExposedCredential => {
            refused_at!(
                Level::WARN,
                rejection,
                latency,
                "credential exposed in a browser: revoke it"
            );
        }
        _ => refused_at!(Level::INFO, rejection, latency, "request refused"),
    }
}

#[cfg(feature = "testing")]
pub(crate) fn test_double_used(message: &str) {
    event!(target: "tower_api_key::testing", Level::WARN, "{message}");
}

pub(crate) fn management_failed(error: &ManageError) {
    event!(target: "tower_api_key::manage", Level::ERROR, error = %Chain(error), "management failed");
}

pub(crate) fn hook_panicked(of: &Event) {
    event!(
        target: "tower_api_key::manage",
        Level::ERROR,
        action = of.action.as_str(),
        credential_id = of.credential.as_str(),
        "the event hook panicked; the change was made"
    );
}

#[cfg(feature = "postgres")]
pub(crate) fn feed_lost(error: &crate::store::StoreError) {
    event!(target: "tower_api_key::feed", Level::WARN, error = %Chain(error), "the feed is lost");
}

fn store_error(cause: &Cause) -> Option<Chain<'_>> {
    match cause {
        Cause::Store(error) => Some(Chain(&**error)),
        _ => None,
    }
}

/// An error with its sources: what a formatter of events shows of an error by itself differs from one to the next.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

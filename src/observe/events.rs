//! Emits verdicts as events through the crate `tracing`; without the feature of that name, none.

pub(crate) use emitter::*;

#[cfg(feature = "tracing")]
mod emitter {
    use std::{error::Error, fmt, time::Duration};

    use tracing::{Level, Span, event, field};

    use crate::{
        credential::Kind,
        observe::{Accepted, Refused, Severity, SpanFields, TARGET},
        scope::{AcceptedScopes, ScopeSet},
    };

    pub(crate) fn accepted(request: &Accepted<'_>) {
        event!(
            target: TARGET,
            Level::DEBUG,
            outcome = "accepted",
            kind = request.kind.as_str(),
            credential_id = request.credential_id,
            organization = request.organization,
            user = request.user,
            store_us = request.latency.map(micros),
            "request accepted"
        );
    }

    /// Records the fields that the span declares; others are ignored, and so is a missing value.
    pub(crate) fn record_on_span(caller: &SpanFields<'_>) {
        let span = Span::current();
        span.record("credential_id", caller.credential_id)
            .record("organization", caller.organization)
            .record("enduser.id", caller.user)
            .record("enduser.role", caller.role);
        if span.has_field("enduser.scope") {
            let scopes: Vec<_> = caller.scopes.iter().collect();
            span.record("enduser.scope", scopes.join(" "));
        }
    }

    /// Emits one event with every field; a macro because an event's level is part of its call site.
    macro_rules! refused_at {
        ($level:expr, $request:expr, $($message:tt)+) => {
            event!(
                target: TARGET,
                $level,
                outcome = $request.reason,
                cause = $request.cause,
                kind = $request.kind.map(Kind::as_str),
                credential_id = $request.credential_id,
                organization = $request.organization,
                user = $request.user,
                store_us = $request.latency.map(micros),
                error = $request.error.map(|error| field::display(Chain(error))),
                $($message)+
            )
        };
    }

    pub(crate) fn refused(request: &Refused<'_>) {
        match request.severity {
            Severity::Fault => refused_at!(Level::ERROR, request, "{}", request.text),
            Severity::Exposed => {
                refused_at!(
                    Level::WARN,
                    request,
                    "credential exposed in a browser: revoke it"
                );
            }
            Severity::Expected => refused_at!(Level::INFO, request, "request refused"),
        }
    }

    macro_rules! would_refuse_at {
        ($level:expr, $request:expr, $accepted:expr) => {
            event!(
                target: TARGET,
                $level,
                outcome = "would_refuse",
                cause = $request.cause,
                accepted = $accepted.map(|accepted| field::display(Spaced(accepted))),
                kind = $request.kind.map(Kind::as_str),
                credential_id = $request.credential_id,
                organization = $request.organization,
                user = $request.user,
                error = $request.error.map(|error| field::display(Chain(error))),
                "an observed requirement would have refused the request: {}", $request.text
            )
        };
    }

    pub(crate) fn would_refuse(request: &Refused<'_>, accepted: Option<&AcceptedScopes>) {
        match request.severity {
            Severity::Fault => would_refuse_at!(Level::ERROR, request, accepted),
            _ => would_refuse_at!(Level::INFO, request, accepted),
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn test_double_used(message: &str) {
        event!(target: "tower_api_key::testing", Level::WARN, "{message}");
    }

    pub(crate) fn management_failed(error: &(dyn Error + 'static)) {
        event!(target: "tower_api_key::manage", Level::ERROR, error = %Chain(error), "management failed");
    }

    pub(crate) fn hook_panicked(action: &'static str, credential: &str) {
        event!(
            target: "tower_api_key::manage",
            Level::ERROR,
            action,
            credential_id = credential,
            "the event hook panicked; the change was made"
        );
    }

    pub(crate) fn unknown_role(kind: Kind, credential: &str, role: &str) {
        event!(
            target: "tower_api_key::roles",
            Level::ERROR,
            role,
            kind = kind.as_str(),
            credential_id = credential,
            "the catalogue of this process has no such role: add it, or assign another"
        );
    }

    pub(crate) fn feed_lost(error: &(dyn Error + 'static)) {
        event!(target: "tower_api_key::feed", Level::WARN, error = %Chain(error), "the feed is lost");
    }

    /// Displays scopes as the challenge of RFC 6750 does, with ` & ` between sets.
    struct Spaced<'a>(&'a AcceptedScopes);

    impl fmt::Display for Spaced<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let names = |set: &ScopeSet| set.iter().collect::<Vec<_>>().join(" ");
            let sets: Vec<_> = self.0.sets().map(names).collect();
            f.write_str(&sets.join(" & "))
        }
    }

    /// Displays an error with its sources: event formatters differ in what they show of an error.
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

    #[test]
    fn a_latency_is_in_microseconds() {
        assert_eq!(micros(Duration::from_millis(250)), 250_000);
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }
}

#[cfg(not(feature = "tracing"))]
mod emitter {
    use std::error::Error;

    use crate::{
        credential::Kind,
        observe::{Accepted, Refused, SpanFields},
        scope::AcceptedScopes,
    };

    #[inline]
    pub(crate) fn accepted(_: &Accepted<'_>) {}

    #[inline]
    pub(crate) fn record_on_span(_: &SpanFields<'_>) {}

    #[inline]
    pub(crate) fn refused(_: &Refused<'_>) {}

    #[inline]
    pub(crate) fn would_refuse(_: &Refused<'_>, _: Option<&AcceptedScopes>) {}

    #[cfg(feature = "testing")]
    #[inline]
    pub(crate) fn test_double_used(_: &str) {}

    #[inline]
    pub(crate) fn management_failed(_: &(dyn Error + 'static)) {}

    #[inline]
    pub(crate) fn hook_panicked(_: &'static str, _: &str) {}

    #[inline]
    pub(crate) fn unknown_role(_: Kind, _: &str, _: &str) {}

    #[inline]
    pub(crate) fn feed_lost(_: &(dyn Error + 'static)) {}
}

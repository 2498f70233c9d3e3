//! Metrics, recorded through the crate `metrics`; without the feature of that name, nothing is
//! recorded.
//!
//! A label is a literal or one of a few fixed words, so nothing that a client sends can become one.

pub(crate) use recorder::*;

#[cfg(feature = "metrics")]
mod recorder {
    use std::time::Duration;

    use metrics::{counter, gauge, histogram};

    use crate::credential::Kind;

    /// An accepted request, and how long its lookup took.
    pub(crate) fn accepted(kind: Kind, latency: Option<Duration>) {
        store_latency(latency);
        match kind {
            Kind::OrgKey => {
                counter!("tower_api_key_accepted_total", "kind" => "org_key").increment(1)
            }
            Kind::PersonalToken => {
                counter!("tower_api_key_accepted_total", "kind" => "pat").increment(1)
            }
        }
    }

    /// One counter per cause; a cause that is missing here would be counted as `other`.
    macro_rules! refusal {
        ($name:literal, $kind:literal, $cause:expr; $($known:literal)*) => {
            match $cause {
                $($known => counter!($name, "kind" => $kind, "cause" => $known),)*
                _ => counter!($name, "kind" => $kind, "cause" => "other"),
            }
            .increment(1)
        };
        ($name:literal, $kind:literal, $cause:expr) => {
            refusal!($name, $kind, $cause;
                "no_credential" "other_scheme" "empty_bearer" "several_credentials" "unknown_prefix"
                "malformed_token" "token_too_long" "wrong_checksum" "unknown_credential" "wrong_secret" "deleted"
                "disabled" "expired" "owner_gone" "organization_gone" "no_organization" "several_organizations"
                "malformed_organization" "not_a_member" "organization_not_allowed" "other_organization"
                "key_on_user_route" "address_not_allowed" "address_unknown" "other_environment"
                "condition_unchecked" "condition_not_met" "condition_panicked" "no_accepted_scope"
                "unlisted_route" "not_a_descendant" "sent_by_browser"
                "no_origin" "several_origins" "null_origin" "origin_not_listed" "anonymous" "other_caller" "no_auth_layer" "undecided"
                "no_other_caller" "store_unavailable" "record_corrupt"
                "store_timed_out" "unknown_pepper" "unknown_salted_digest" "store_panicked" "store_mismatched" "store_ended_nothing"
            )
        };
    }

    macro_rules! by_kind {
        ($name:literal, $kind:expr, $cause:expr) => {
            match $kind {
                Some(Kind::OrgKey) => refusal!($name, "org_key", $cause),
                Some(Kind::PersonalToken) => refusal!($name, "pat", $cause),
                None => refusal!($name, "none", $cause),
            }
        };
    }

    /// A refused request.
    pub(crate) fn refused(kind: Option<Kind>, cause: &'static str, latency: Option<Duration>) {
        store_latency(latency);
        by_kind!("tower_api_key_refused_total", kind, cause);
    }

    /// A request that passed an observed requirement, which would have refused it.
    pub(crate) fn would_refuse(kind: Option<Kind>, cause: &'static str) {
        by_kind!("tower_api_key_would_refuse_total", kind, cause);
    }

    fn store_latency(latency: Option<Duration>) {
        if let Some(latency) = latency {
            histogram!("tower_api_key_store_seconds").record(latency);
        }
    }

    pub(crate) fn cache_hit(acceptable: bool) {
        match acceptable {
            true => counter!("tower_api_key_cache_hits_total").increment(1),
            false => counter!("tower_api_key_cache_negative_hits_total").increment(1),
        }
    }

    pub(crate) fn cache_miss() {
        counter!("tower_api_key_cache_misses_total").increment(1);
    }

    pub(crate) fn kept_failure() {
        counter!("tower_api_key_cache_kept_failures_total").increment(1);
    }

    pub(crate) fn miss_limited() {
        counter!("tower_api_key_cache_limited_total").increment(1);
    }

    pub(crate) fn cache_eviction(acceptable: bool) {
        match acceptable {
            true => {
                counter!("tower_api_key_cache_evictions_total", "table" => "accepts").increment(1)
            }
            false => {
                counter!("tower_api_key_cache_evictions_total", "table" => "refusals").increment(1)
            }
        }
    }

    pub(crate) fn stale_accept() {
        counter!("tower_api_key_cache_stale_total").increment(1);
    }

    pub(crate) fn change_applied(subject: &'static str) {
        counter!("tower_api_key_cache_changes_total", "subject" => subject).increment(1);
    }

    pub(crate) fn unknown_role() {
        counter!("tower_api_key_unknown_roles_total").increment(1);
    }

    pub(crate) fn hook_panicked() {
        counter!("tower_api_key_hook_panics_total").increment(1);
    }

    /// If a clock was set back, the sample is zero rather than negative.
    pub(crate) fn revocation_lag(seconds: f64) {
        histogram!("tower_api_key_revocation_lag_seconds").record(seconds.max(0.0));
    }

    #[cfg(feature = "testing")]
    pub(crate) fn forged() {
        counter!("tower_api_key_forged_principals_total").increment(1);
    }

    pub(crate) fn feed_state(up: bool) {
        gauge!("tower_api_key_feed_up").set(if up { 1.0 } else { 0.0 });
    }
}

#[cfg(not(feature = "metrics"))]
mod recorder {
    use std::time::Duration;

    use crate::credential::Kind;

    #[inline]
    pub(crate) fn accepted(_: Kind, _: Option<Duration>) {}

    #[inline]
    pub(crate) fn refused(_: Option<Kind>, _: &'static str, _: Option<Duration>) {}

    #[inline]
    pub(crate) fn would_refuse(_: Option<Kind>, _: &'static str) {}

    #[inline]
    pub(crate) fn cache_hit(_: bool) {}

    #[inline]
    pub(crate) fn cache_miss() {}

    #[inline]
    pub(crate) fn kept_failure() {}

    #[inline]
    pub(crate) fn miss_limited() {}

    #[inline]
    pub(crate) fn cache_eviction(_: bool) {}

    #[inline]
    pub(crate) fn stale_accept() {}

    #[inline]
    pub(crate) fn change_applied(_: &'static str) {}

    #[inline]
    pub(crate) fn unknown_role() {}

    #[inline]
    pub(crate) fn hook_panicked() {}

    #[inline]
    pub(crate) fn revocation_lag(_: f64) {}

    #[cfg(feature = "testing")]
    #[inline]
    pub(crate) fn forged() {}

    #[inline]
    pub(crate) fn feed_state(_: bool) {}
}

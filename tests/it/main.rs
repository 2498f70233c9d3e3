//! The integration tests in one binary, with a module for each subject. Most of them share one
//! PostgreSQL cluster, which is started once, and the crate is linked once.
//!
//! Only tests that need a process of their own have another binary: `allocations`, `conformance`
//! and `loom`, whose docs give the reason.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first failure"
)]
#![allow(clippy::print_stdout, reason = "some tests print their counts")]

#[cfg_attr(
    not(all(
        feature = "axum",
        feature = "metrics",
        feature = "testing",
        feature = "tonic",
        feature = "tracing"
    )),
    allow(dead_code, reason = "its users may be behind a feature")
)]
mod support;

mod auth;
mod auth_forms;
mod auth_headers;
mod auth_memory;
mod auth_modes;
mod auth_store;
mod cached;
mod cached_clones;
mod cached_limit;
#[cfg(feature = "metrics")]
mod cached_metrics;
mod cached_outage;
#[cfg(feature = "peppers")]
mod cached_pepper;
mod cached_races;
mod cancellation;
mod claims;
mod conditions;
mod docs;
#[cfg(feature = "testing")]
mod end_notices;
#[cfg(feature = "axum")]
mod every_route;
#[cfg(feature = "testing")]
mod faults;
#[cfg(feature = "testing")]
mod faults_lies;
#[cfg(all(feature = "axum", unix))]
mod forward_auth;
#[cfg(all(feature = "axum", feature = "tonic", feature = "tracing"))]
mod frameworks;
#[cfg(all(feature = "axum", feature = "testing"))]
mod incidents;
#[cfg(feature = "testing")]
mod last_use;
#[cfg(feature = "tracing")]
mod leak;
#[cfg(feature = "testing")]
mod manage_background;
mod manage_endings;
#[cfg(feature = "testing")]
mod manage_escalation;
#[cfg(all(feature = "testing", feature = "metrics", feature = "tracing"))]
mod manage_hooks;
#[cfg(all(feature = "axum", feature = "testing"))]
mod manage_http;
#[cfg(feature = "testing")]
mod manage_mismatch;
#[cfg(feature = "testing")]
mod manage_outage;
mod manage_rehash;
mod manage_requests;
#[cfg(feature = "testing")]
mod manage_rotation;
mod oauth;
#[cfg(feature = "tracing")]
mod observe;
mod observed;
#[cfg(feature = "utoipa")]
mod openapi;
#[cfg(feature = "origins")]
mod origins;
mod other_authenticator;
mod other_majors;
#[cfg(feature = "axum")]
mod paths;
mod prelude;
mod readiness;
mod readiness_requirements;
mod readiness_types;
#[cfg(feature = "axum")]
mod recipes;
mod record_data;
mod regression;
mod regression_auth;
mod regression_cache;
mod regression_memory;
mod regression_rights;
#[cfg(all(
    feature = "metrics",
    feature = "serde",
    feature = "testing",
    feature = "tracing"
))]
mod replaced_catalogue;
mod require;
mod require_by_method;
#[cfg(feature = "axum")]
mod require_by_route;
mod require_descendant;
mod restricted_tokens;
mod rooms;
#[cfg(feature = "testing")]
mod rotation_state;
#[cfg(all(feature = "axum", feature = "testing"))]
mod routes;
mod salted_keys;
mod shapes;
mod sources;
#[cfg(feature = "tracing")]
mod span_fields;
#[cfg(all(feature = "axum", feature = "serde", feature = "testing"))]
mod static_store;
#[cfg(feature = "testing")]
mod store_contract;
mod store_debug;
mod store_defaults;
#[cfg(all(feature = "testing", feature = "tracing"))]
mod test_doubles;
#[cfg(feature = "tracing")]
mod tracing_outside;
mod values;
#[cfg(all(feature = "axum", feature = "serde", feature = "testing"))]
mod whoami;

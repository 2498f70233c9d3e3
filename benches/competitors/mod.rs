//! The competitors: what one would use in front of a service instead. Each accepts one caller and
//! inserts its identity into the request's extensions, as this crate does (except the static
//! bearer, which has no identity).
#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod checked;
mod durable;
pub(crate) mod jwt;
pub(crate) mod usual;

use axum::{body::Body, middleware::from_fn_with_state};
use http::{Request, Response};
use tower_api_key::AuthLayer;
use tower_http::auth::AsyncRequireAuthorizationLayer;
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{
    fixtures::{AsyncStore, bearing, bearing_for_organization, key, reads, store, token},
    service::{Echo, Extensions, Loop},
    slices::Arm,
};
use checked::{CheckedLayer, prefixed_api_key};
use durable::cached_sqlite;
use jwt::{Jwt, eddsa, hs256};

/// Every arm. The first two, the service alone and a key hit, are the baselines of the others.
pub(crate) fn arms() -> Vec<Arm> {
    let mut arms = ours();
    arms.extend(others());
    arms
}

/// The service alone, and this crate.
fn ours() -> Vec<Arm> {
    let auth = AuthLayer::new(store());
    let (key, token) = (key("live"), token("live"));
    let scoped = || auth.layer(reads().layer(Echo));
    let asking = AuthLayer::new(AsyncStore(store())).layer(Echo);
    vec![
        arm("no layer", Echo, bearing(&key)),
        arm("**key**", auth.layer(Echo), bearing(&key)),
        warm("key, warm", auth.layer(Echo), bearing(&key)),
        arm(
            "key that can expire: the clock is read",
            auth.layer(Echo),
            bearing(&self::key("mortal")),
        ),
        arm(
            "personal token",
            auth.layer(Echo),
            bearing_for_organization(&token),
        ),
        warm(
            "personal token, warm",
            auth.layer(Echo),
            bearing_for_organization(&token),
        ),
        arm("key, scopes required", scoped(), bearing(&key)),
        arm(
            "key, cached SQLite hit",
            AuthLayer::new(cached_sqlite()).layer(Echo),
            bearing(&key),
        ),
        arm("key, store asked (async)", asking, bearing(&key)),
    ]
}

fn others() -> Vec<Arm> {
    let key = key("live");
    let closure = AsyncRequireAuthorizationLayer::new(usual::closure(&key)).layer(Echo);
    let usual = from_fn_with_state(usual::known(&key), usual::from_fn_check);
    let (prefixed, check) = prefixed_api_key();
    let prefixed_layer = CheckedLayer::new(check);
    let Jwt {
        token: hs256_token,
        check: hs256,
    } = hs256();
    let Jwt {
        token: eddsa_token,
        check: eddsa,
    } = eddsa();
    vec![
        arm(
            "tower-http static bearer",
            static_bearer(&key),
            bearing(&key),
        ),
        arm(
            "tower-http `AsyncRequireAuthorization`",
            closure,
            bearing(&key),
        ),
        arm(
            "`prefixed-api-key` behind a small layer",
            prefixed_layer.layer(Echo),
            bearing(&prefixed),
        ),
        arm(
            "axum `from_fn`, the usual way",
            usual.layer(Echo),
            bearing(&key),
        ),
        arm(
            "JWT HS256 (`jsonwebtoken`)",
            CheckedLayer::new(hs256).layer(Echo),
            bearing(&hs256_token),
        ),
        arm(
            "JWT EdDSA (`jsonwebtoken`)",
            CheckedLayer::new(eddsa).layer(Echo),
            bearing(&eddsa_token),
        ),
    ]
}

#[expect(deprecated, reason = "the simplest layer still in use")]
fn static_bearer(token: &str) -> impl Service<Request<Body>, Response = Response<Body>> + use<> {
    tower_http::validate_request::ValidateRequestHeaderLayer::bearer(token).layer(Echo)
}

fn arm(
    name: &str,
    service: impl Service<Request<Body>, Response = Response<Body>> + 'static,
    request: Request<Body>,
) -> Arm {
    let mut calls = Loop::new(service, request, Extensions::Empty);
    Arm::new(name, move |times| calls.times(times))
}

fn warm(
    name: &str,
    service: impl Service<Request<Body>, Response = Response<Body>> + 'static,
    request: Request<Body>,
) -> Arm {
    let mut calls = Loop::new(service, request, Extensions::Warm);
    Arm::new(name, move |times| calls.times(times))
}

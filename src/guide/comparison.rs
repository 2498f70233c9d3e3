//! How this crate compares with the alternatives.
//!
//! The facts come from the sources and documentation of the releases named. Y: yes, p: partly, c:
//! left to the caller, –: no.
//!
//! | | opaque keys | store trait | constant time | scopes | organization | optional mode | challenge | own body | gRPC refusal | outage is not 401 | ready service called |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | **tower-api-key** | Y | Y | Y | Y | Y | Y | Y | Y | Y | Y | Y |
//! | tower-http 0.7 auth (deprecated there) | static | p | – | – | – | p | p | Y | – | c | Y |
//! | axum-login 0.18 | session | Y | Y | Y | – | Y | – | p | – | – | Y |
//! | jwt-authorizer 0.15 | JWT | – | n/a | p | – | p | Y | – | Y | Y | Y |
//! | tower-oauth2-resource-server 0.12 | JWT | – | n/a | – | Y | – | p | Y | – | p | – |
//! | axum-gate 1.1 / webgates-tonic | JWT, static | Y | Y | Y | p | Y | Y | – | p | p | – |
//! | tonic-middleware 0.4 | any | c | – | – | – | c | – | Y | Y | c | – |
//! | modo-rs apikey 0.11 | Y | Y | Y | exact | Y | p | – | p | – | Y | Y |
//! | apikeys-rs 0.1 | header | Y | – | p | – | – | – | p | – | Y | – |
//!
//! None of the others has a cache whose revocation is immediate, or rotation with an overlap
//! window.

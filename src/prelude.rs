//! The names that most services need: the layers, the caller, and what a refusal shows.
//!
//! ```
//! use tower_api_key::{prelude::*, store::MemoryStore};
//!
//! let auth = AuthLayer::new(MemoryStore::new());
//! let reads = RequireScopesLayer::any(["agents:read"])?.with_responses_of(&auth);
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```
//!
//! None of them is a name of axum, http, tonic or tower, so you can import those with `*` beside
//! it. Do not import the root of the crate with `*`: its modules `axum` and `tonic` would hide the
//! crates of these names.

#[doc(no_inline)]
pub use crate::{
    layer::AuthLayer,
    principal::Principal,
    public::PublicLayer,
    rejection::{Reason, Rejection},
    require::{RequireDescendantLayer, RequireOrganizationLayer, RequireScopesLayer},
    store::CredentialStore,
};

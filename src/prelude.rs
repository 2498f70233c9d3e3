//! The names that most services need, to be imported with `*`.
//!
//! ```
//! use tower_api_key::prelude::*;
//! ```
//!
//! None of them is a name of axum, http, tonic or tower, so their globs can stand beside it. Do not
//! import the root of the crate with `*`: its modules `axum` and `tonic` would hide the crates of
//! these names.

#[doc(no_inline)]
pub use crate::{
    layer::AuthLayer,
    principal::Principal,
    public::PublicLayer,
    rejection::{Reason, Rejection},
    require::{RequireDescendantLayer, RequireOrganizationLayer, RequireScopesLayer},
    store::CredentialStore,
};

//! API keys and personal access tokens for axum, tonic and any other Tower service.

mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
mod browser;
pub mod clock;
pub mod credential;
mod error;
pub mod future;
mod layer;
pub mod observe;
pub mod principal;
mod public;
pub mod rejection;
pub mod require;
pub mod secret;
mod service;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tonic")]
pub mod tonic;

pub use async_trait::async_trait;
pub use browser::ExposedCredential;
pub use error::ConfigError;
pub use layer::AuthLayer;
pub use principal::Principal;
pub use public::{PublicLayer, PublicService};
pub use rejection::{Messages, Reason, Rejection};
pub use require::{RequireDescendant, RequireOrg, RequireScopes};
pub use service::AuthService;
pub use store::CredentialStore;

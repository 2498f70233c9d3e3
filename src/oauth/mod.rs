//! What OAuth clients expect of a protected resource: further parameters of the challenge, and the
//! resource's metadata.
//!
//! You need this module if your clients are OAuth clients that get their tokens elsewhere, such as
//! those of the Model Context Protocol: they read from the 401 where the metadata is, and from the
//! metadata which authorization server issues tokens for your service. Clients with keys need none
//! of it, so all of it is off by default.
//!
//! The document belongs on a public route, at the [path](ProtectedResourceMetadata::path) that
//! clients derive from the resource's URL:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app() -> Result<axum::Router, tower_api_key::ConfigError> {
//! use axum::{Router, routing::get};
//! use tower_api_key::{
//!     AuthLayer, EveryRouteDecidesLayer, PublicLayer, oauth::ProtectedResourceMetadata,
//!     store::MemoryStore,
//! };
//!
//! let metadata = ProtectedResourceMetadata::new("https://api.example.com/mcp")?
//!     .with_authorization_server("https://login.example.com")?
//!     .with_scopes(["agents:read", "agents:manage"])?;
//! let auth = AuthLayer::new(MemoryStore::new())
//!     .with_resource_metadata(&metadata.url())?
//!     .with_error_description();
//!
//! let public = Router::new()
//!     .route(&metadata.path(), get(metadata)) // the document is a handler
//!     .layer(PublicLayer::new());
//! let private = Router::new()
//!     .route("/mcp", get(|| async {}))
//!     .layer(auth);
//! # Ok(public.merge(private).layer(EveryRouteDecidesLayer::new()))
//! # }
//! ```
//!
//! Tokens that the authorization server issues are not keys of this crate. To accept them beside
//! keys, see [`AuthLayer::with_other_authenticator`](crate::AuthLayer::with_other_authenticator).
//! Your authenticator writes its own challenges and has to add the parameter to them.

mod metadata;
mod url;

pub use metadata::ProtectedResourceMetadata;

use crate::{error::ConfigError, layer::AuthLayer};

impl<S, R> AuthLayer<S, R> {
    /// Adds `resource_metadata="<url>"` to the challenges (RFC 9728, section 5.1), so that OAuth
    /// clients find the [metadata](crate::oauth) of this service and in it the authorization
    /// server. Off by default.
    ///
    /// `url` is usually [`ProtectedResourceMetadata::url`]. The parameter is in the challenges of
    /// 401 and 403 of this layer, and of those that take their
    /// [responses](crate::RequireScopesLayer::with_responses_of) from it; a
    /// [`Principal`](crate::Principal) that is extracted where there is none answers without it.
    /// Refusals of gRPC calls have no challenge.
    ///
    /// ```
    /// use tower_api_key::{AuthLayer, ConfigError, store::MemoryStore};
    ///
    /// let url = "https://api.example.com/.well-known/oauth-protected-resource";
    /// let auth = AuthLayer::new(MemoryStore::new()).with_resource_metadata(url)?;
    ///
    /// let relative = auth.with_resource_metadata("/.well-known/oauth-protected-resource");
    /// assert!(matches!(relative, Err(ConfigError::InvalidUrl(_))));
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::InvalidUrl`] unless `url` is an absolute https URL without user information
    /// or fragment.
    pub fn with_resource_metadata(mut self, url: &str) -> Result<Self, ConfigError> {
        url::check(url)?;
        self.style = self.style.with_resource_metadata(url)?;
        Ok(self)
    }

    /// Adds `error_description="<text>"` to challenges that have an `error` (RFC 6750, section 3),
    /// for developers who see the header and not the body. Off by default.
    ///
    /// The text is the refusal's public text in [`Messages`](crate::Messages), the same as in the
    /// body, so it does not depend on the cause. A text with characters that the parameter does not
    /// allow, such as quotes or anything but ASCII, is left out.
    ///
    /// ```
    /// use tower_api_key::{AuthLayer, store::MemoryStore};
    ///
    /// let auth = AuthLayer::new(MemoryStore::new()).with_error_description();
    /// // Bearer realm="api", error="invalid_token", error_description="Invalid or expired token"
    /// ```
    pub fn with_error_description(mut self) -> Self {
        self.style.set_error_description();
        self
    }
}

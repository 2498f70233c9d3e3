//! Support for utoipa 6: the security scheme of the layer's tokens, and the requirements of an
//! operation from the scopes that its layer accepts, so that the OpenAPI document and the layers
//! agree.
//!
//! ```
//! use tower_api_key::{
//!     RequireScopesLayer,
//!     credential::TokenFormat,
//!     scope::AcceptedScopes,
//!     utoipa::{security_requirements, security_scheme},
//! };
//! use utoipa::openapi::{ComponentsBuilder, path::OperationBuilder};
//!
//! let accepted = AcceptedScopes::any(["agents:read", "agents:manage"])?;
//! let reads = RequireScopesLayer::new(accepted.clone());
//! let components = ComponentsBuilder::new()
//!     .security_scheme("key", security_scheme(&TokenFormat::default()))
//!     .build();
//! let operation = OperationBuilder::new()
//!     .securities(Some(security_requirements("key", &accepted)))
//!     .build();
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```

use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use crate::{authenticate::CredentialSource, credential::TokenFormat, scope::AcceptedScopes};

/// Returns the security scheme of tokens of this format: HTTP with the scheme `bearer`, and a
/// description that names the prefixes.
#[must_use]
pub fn security_scheme(format: &TokenFormat) -> SecurityScheme {
    let (key, token) = (format.org_key_prefix(), format.personal_token_prefix());
    let description =
        format!("An organization API key (`{key}…`) or a personal access token (`{token}…`).");
    SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(description))
            .build(),
    )
}

/// Returns the security scheme of a further source of the layer: an API key in a header, or HTTP
/// with the scheme `basic`.
#[must_use]
pub fn source_security_scheme(source: &CredentialSource) -> SecurityScheme {
    match source.header_name() {
        Some(name) => SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name.as_str()))),
        None => SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
    }
}

/// Returns the security requirements of an operation that accepts these scopes, under the name of
/// the scheme in the document's components.
///
/// Each of several accepted scopes is in a requirement of its own: the requirements of an operation
/// are alternatives, the scopes within one are not (OpenAPI, "Security Requirement Object"). For a
/// route without required scopes, use `SecurityRequirement::new(scheme, [""; 0])`.
#[must_use]
pub fn security_requirements(scheme: &str, accepted: &AcceptedScopes) -> Vec<SecurityRequirement> {
    let alternatives = accepted.alternatives().into_iter();
    alternatives
        .map(|scopes| SecurityRequirement::new(scheme, scopes))
        .collect()
}

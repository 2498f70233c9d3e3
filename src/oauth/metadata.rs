//! The metadata of a protected resource, as a value and as the document that clients fetch.

use super::url;
use crate::{error::ConfigError, rejection::push_string, scope::is_scope_token};

/// Where the document of a resource without a path is (RFC 9728, section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of a protected resource (RFC 9728, section 2): which authorization servers issue
/// tokens for your service, and which scopes it knows.
///
/// With the feature `axum` it is a handler for the route of its [path](Self::path); see the
/// [module](crate::oauth). Elsewhere answer with [`to_json`](Self::to_json) as `application/json`.
///
/// ```
/// use tower_api_key::oauth::ProtectedResourceMetadata;
///
/// let metadata = ProtectedResourceMetadata::new("https://api.example.com/mcp")?
///     .with_authorization_server("https://login.example.com")?
///     .with_name("Example API");
/// assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/mcp");
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ProtectedResourceMetadata {
    resource: Box<str>,
    authorization_servers: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
    name: Option<Box<str>>,
    documentation: Option<Box<str>>,
}

impl ProtectedResourceMetadata {
    /// Creates the metadata of the service at the URL `resource`. Write it as your clients do: they
    /// compare it with the URL that they called (section 3.3).
    ///
    /// # Errors
    /// [`ConfigError::InvalidUrl`] unless `resource` is an absolute https URL without user
    /// information or fragment; [`ConfigError::ResourceWithQuery`] if it has a query.
    pub fn new(resource: &str) -> Result<Self, ConfigError> {
        if url::check(resource)?.query().is_some() {
            return Err(ConfigError::ResourceWithQuery(resource.into()));
        }
        Ok(Self {
            resource: resource.into(),
            authorization_servers: Vec::new(),
            scopes: Vec::new(),
            name: None,
            documentation: None,
        })
    }

    /// Adds an authorization server, by its issuer identifier (RFC 8414, section 2).
    ///
    /// # Errors
    /// [`ConfigError::InvalidUrl`] unless `issuer` is an absolute https URL without user
    /// information or fragment.
    pub fn with_authorization_server(mut self, issuer: &str) -> Result<Self, ConfigError> {
        url::check(issuer)?;
        self.authorization_servers.push(issuer.into());
        Ok(self)
    }

    /// Sets the scopes that clients may ask for. The document is public, so leave out internal
    /// ones.
    ///
    /// # Errors
    /// [`ConfigError::InvalidScope`] for a name outside `scope-token` of RFC 6749, section 3.3.
    pub fn with_scopes<T: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        match self.scopes.iter().find(|name| !is_scope_token(name)) {
            Some(name) => Err(ConfigError::InvalidScope(name.clone())),
            None => Ok(self),
        }
    }

    /// Sets the name of the service, for people.
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the URL of the documentation for developers.
    ///
    /// # Errors
    /// [`ConfigError::InvalidUrl`] unless `url` is an absolute https URL without user information
    /// or fragment.
    pub fn with_documentation(mut self, url: &str) -> Result<Self, ConfigError> {
        url::check(url)?;
        self.documentation = Some(url.into());
        Ok(self)
    }

    /// Returns the path that the document has to be served at: the well-known one, before the path
    /// of the resource (RFC 9728, section 3.1).
    #[must_use]
    pub fn path(&self) -> String {
        let (_, path) = self.split();
        format!("{WELL_KNOWN}{path}")
    }

    /// Returns the URL of the document, for
    /// [`AuthLayer::with_resource_metadata`](crate::AuthLayer::with_resource_metadata).
    #[must_use]
    pub fn url(&self) -> String {
        let (origin, path) = self.split();
        format!("{origin}{WELL_KNOWN}{path}")
    }

    /// Splits the resource into its origin and its path, which is empty instead of `/`.
    fn split(&self) -> (&str, &str) {
        let host = "https://".len();
        let rest = self.resource.get(host..).unwrap_or_default();
        let at = rest.find('/').map_or(self.resource.len(), |at| at + host);
        match self.resource.split_at_checked(at) {
            Some((origin, "/")) => (origin, ""),
            Some(parts) => parts,
            None => (&self.resource, ""),
        }
    }

    /// Returns the document as JSON. Members without a value are left out (RFC 9728, section 3.2).
    /// Bearer tokens are read from the `Authorization` header alone (RFC 6750, section 2.1), so
    /// `bearer_methods_supported` is `["header"]`; other [sources](crate::CredentialSource) are not
    /// in the document.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::from(r#"{"resource":"#);
        push_string(&mut json, &self.resource);
        push_list(
            &mut json,
            "authorization_servers",
            &self.authorization_servers,
        );
        push_list(&mut json, "scopes_supported", &self.scopes);
        push_list(&mut json, "bearer_methods_supported", &["header".into()]);
        push_text(&mut json, "resource_name", self.name.as_deref());
        let documentation = self.documentation.as_deref();
        push_text(&mut json, "resource_documentation", documentation);
        json.push('}');
        json
    }
}

/// Appends a member with an array of strings, unless it is empty.
fn push_list(json: &mut String, name: &str, values: &[Box<str>]) {
    for (index, value) in values.iter().enumerate() {
        match index {
            0 => push_name(json, name, "["),
            _ => json.push(','),
        }
        push_string(json, value);
    }
    if !values.is_empty() {
        json.push(']');
    }
}

/// Appends a member with a string, if there is one.
fn push_text(json: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        push_name(json, name, "");
        push_string(json, value);
    }
}

/// Appends the name of a further member, and what its value opens with.
fn push_name(json: &mut String, name: &str, opening: &str) {
    json.push(',');
    push_string(json, name);
    json.push(':');
    json.push_str(opening);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(resource: &str) -> ProtectedResourceMetadata {
        ProtectedResourceMetadata::new(resource).unwrap()
    }

    #[test]
    fn the_document_is_at_the_well_known_path_before_that_of_the_resource() {
        for (resource, path) in [
            ("https://a.example", WELL_KNOWN.to_owned()),
            ("https://a.example/", WELL_KNOWN.to_owned()),
            ("https://a.example/r", format!("{WELL_KNOWN}/r")),
            ("https://a.example/r/s/", format!("{WELL_KNOWN}/r/s/")),
            ("https://a.example:8443/r", format!("{WELL_KNOWN}/r")),
        ] {
            let metadata = of(resource);
            assert_eq!(metadata.path(), path, "{resource}");
            let origin = &resource[..resource[8..].find('/').map_or(resource.len(), |at| at + 8)];
            assert_eq!(metadata.url(), format!("{origin}{path}"));
            assert!(url::check(&metadata.url()).is_ok());
        }
    }

    #[test]
    fn the_document_has_the_members_of_rfc_9728_that_are_set() {
        let json = |metadata: &ProtectedResourceMetadata| {
            serde_json::from_str::<serde_json::Value>(&metadata.to_json()).unwrap()
        };
        let bare = of("https://a.example/r");
        assert_eq!(
            json(&bare),
            serde_json::json!({
                "resource": "https://a.example/r",
                "bearer_methods_supported": ["header"],
            })
        );
        let full = bare
            .with_authorization_server("https://l.example")
            .and_then(|it| it.with_authorization_server("https://m.example"))
            .and_then(|it| it.with_scopes(["a:read", "b"]))
            .and_then(|it| it.with_documentation("https://d.example/?q=1"))
            .unwrap()
            .with_name("the \"API\"");
        assert_eq!(
            json(&full),
            serde_json::json!({
                "resource": "https://a.example/r",
                "authorization_servers": ["https://l.example", "https://m.example"],
                "scopes_supported": ["a:read", "b"],
                "bearer_methods_supported": ["header"],
                "resource_name": "the \"API\"",
                "resource_documentation": "https://d.example/?q=1",
            })
        );
    }

    #[test]
    fn values_outside_the_standard_are_refused() {
        let query = "https://a.example/r?x";
        assert_eq!(
            ProtectedResourceMetadata::new(query),
            Err(ConfigError::ResourceWithQuery(query.into()))
        );
        let metadata = of("https://a.example");
        let http = "http://a.example";
        let invalid = Err(ConfigError::InvalidUrl(http.into()));
        assert_eq!(metadata.clone().with_authorization_server(http), invalid);
        assert_eq!(metadata.clone().with_documentation(http), invalid);
        assert_eq!(ProtectedResourceMetadata::new(http), invalid);
        assert_eq!(
            metadata.with_scopes(["a b"]),
            Err(ConfigError::InvalidScope("a b".into()))
        );
    }
}

//! [`Admin`]: what the endpoints need, and their settings.

use std::{fmt, sync::Arc};

use http::HeaderName;
use tower_api_key::{ConfigError, condition::RequestHead, credential::Kind, manage::Manager};

/// Names where a request came from, for the audit trail.
pub(crate) type Origin = dyn Fn(&RequestHead<'_>) -> Option<String> + Send + Sync;

/// Makes the routers of the management endpoints, and their OpenAPI documents. See the
/// [crate].
///
/// Give the manager the store of the layers, including its cache, so that a revocation takes effect
/// at once.
///
/// ```
/// use tower_api_key::{credential::Kind, manage::Manager, store::MemoryStore};
/// use tower_api_key_admin::Admin;
///
/// let admin = Admin::new(Manager::new(MemoryStore::new()))
///     .with_path(Kind::PersonalToken, "/tokens")?;
/// let routes: axum::Router = admin.personal_routes();
/// # Ok::<(), tower_api_key_admin::InvalidPath>(())
/// ```
#[must_use]
pub struct Admin<S> {
    pub(crate) manager: Arc<Manager<S>>,
    /// The same, under the scopes for reading.
    pub(crate) reader: Arc<Manager<S>>,
    /// The same, under the scopes for reading events.
    pub(crate) auditor: Arc<Manager<S>>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) organization_header: HeaderName,
    paths: Paths,
}

impl<S> Admin<S> {
    /// Creates the endpoints of what `manager` manages.
    ///
    /// Defaults: the paths `/organization-pats` (organizations/api-keys-and-tokens) and
    /// `/personal-tokens`, no origin in the audit trail.
    pub fn new(manager: Manager<S>) -> Self {
        let manager = Arc::new(manager);
        Self {
            reader: Arc::clone(&manager),
            auditor: Arc::clone(&manager),
            manager,
            origin: Arc::new(|_| None),
            organization_header: HeaderName::from_static("x-anyreach-org"),
            paths: Paths::new("/organization-pats", "/personal-tokens"),
        }
    }

    /// Sets how the [origin](tower_api_key::manage::Actor::with_origin) of a change is read from the
    /// head of its request, such as the client's address or a request id. It is stored in the audit
    /// trail, up to 200 characters of it, and shown in the events. A header that the client sets
    /// proves nothing.
    ///
    /// ```
    /// use tower_api_key::{condition::ClientAddress, manage::Manager, store::MemoryStore};
    /// use tower_api_key_admin::Admin;
    ///
    /// /// `client` is also what `AuthLayer::with_client_address` gets.
    /// fn admin(client: ClientAddress) -> Admin<MemoryStore> {
    ///     Admin::new(Manager::new(MemoryStore::new()))
    ///         .with_origin(move |request| Some(client.find(request)?.to_string()))
    /// }
    /// ```
    pub fn with_origin(
        self,
        origin: impl Fn(&RequestHead<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let origin = Arc::new(origin);
        Self { origin, ..self }
    }

    /// Sets the scopes of which any one is required to read an organization's keys, the lists and
    /// the events. By default they are the manager's
    /// [management scopes](Manager::with_management_scopes), which changes require in any case.
    /// Include those, or whoever may change keys cannot list them.
    ///
    /// They also replace the management scopes where those are required of a restricted token for
    /// [its owner's tokens](tower_api_key::guide::organizations#restricted-tokens).
    ///
    /// ```
    /// use tower_api_key::{manage::Manager, store::MemoryStore};
    /// use tower_api_key_admin::Admin;
    ///
    /// let admin = Admin::new(Manager::new(MemoryStore::new()))
    ///     .with_read_scopes(["organizations:manage", "members:read"])?;
    /// # Ok::<(), tower_api_key::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`], [`ConfigError::InvalidScope`].
    pub fn with_read_scopes<T: Into<Box<str>>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError>
    where
        S: Clone,
    {
        let reader = Manager::clone(&self.manager).with_management_scopes(scopes)?;
        let reader = Arc::new(reader);
        Ok(Self {
            auditor: Arc::clone(&reader),
            reader,
            ..self
        })
    }

    /// Sets the scopes of which any one is required to read the events, which say who did what, and
    /// from where. By default they are those that [reading](Self::with_read_scopes) requires; set
    /// them after those.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`], [`ConfigError::InvalidScope`].
    pub fn with_event_scopes<T: Into<Box<str>>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError>
    where
        S: Clone,
    {
        let auditor = Manager::clone(&self.manager).with_management_scopes(scopes)?;
        let auditor = Arc::new(auditor);
        Ok(Self { auditor, ..self })
    }

    /// Sets the name of the organization header in the OpenAPI documents, `x-anyreach-org` by
    /// default. Give it the layer's.
    pub fn with_organization_header(self, name: HeaderName) -> Self {
        Self {
            organization_header: name,
            ..self
        }
    }

    /// Sets the path of the credentials of `kind`, below the path where the router is nested.
    ///
    /// # Errors
    /// [`InvalidPath`] if it is not one or more segments of letters, digits and `-._~`, each after a
    /// `/`, or begins with `/members`, which is the path of other endpoints. Those characters need
    /// no percent-encoding (RFC 3986, section 2.3).
    pub fn with_path(mut self, kind: Kind, path: &str) -> Result<Self, InvalidPath> {
        self.paths.set(kind, path)?;
        Ok(self)
    }

    /// Returns the path of the credentials of `kind`.
    pub(crate) fn path(&self, kind: Kind) -> &str {
        self.paths.of(kind)
    }
}

/// The path of the credentials of each kind.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    keys: Box<str>,
    tokens: Box<str>,
}

impl Paths {
    pub(crate) fn new(keys: &str, tokens: &str) -> Self {
        let (keys, tokens) = (keys.into(), tokens.into());
        Self { keys, tokens }
    }

    pub(crate) fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::OrgKey => &self.keys,
            Kind::PersonalToken => &self.tokens,
        }
    }

    pub(crate) fn set(&mut self, kind: Kind, path: &str) -> Result<(), InvalidPath> {
        if !is_path(path) {
            return Err(InvalidPath(path.into()));
        }
        match kind {
            Kind::OrgKey => self.keys = path.into(),
            Kind::PersonalToken => self.tokens = path.into(),
        }
        Ok(())
    }
}

fn is_path(path: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(unreserved);
    let mut segments = path.split('/');
    segments.next() == Some("")
        && segments.clone().next() != Some("members")
        && segments.clone().next().is_some()
        && segments.all(is_segment)
}

/// A text that cannot be the path of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid path {0:?}: use segments of letters, digits and `-._~`, each after a `/`, the first not `members`"
)]
pub struct InvalidPath(Box<str>);

// Written by hand: a derived impl would require `S: Clone`.
impl<S> Clone for Admin<S> {
    fn clone(&self) -> Self {
        Self {
            manager: Arc::clone(&self.manager),
            reader: Arc::clone(&self.reader),
            auditor: Arc::clone(&self.auditor),
            organization_header: self.organization_header.clone(),
            origin: Arc::clone(&self.origin),
            paths: self.paths.clone(),
        }
    }
}

impl<S> fmt::Debug for Admin<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_segments_that_need_no_encoding() {
        for path in [
            "/a",
            "/organization-pats",
            "/v1/keys",
            "/a.b~c_d",
            "/a/members",
            "/member",
        ] {
            assert!(is_path(path), "{path:?}");
        }
        for path in [
            "",
            "/",
            "a",
            "/a/",
            "//a",
            "/a//b",
            "/.",
            "/a/..",
            "/{id}",
            "/*",
            "/a b",
            "/\u{e9}",
            "/a?b",
            "/%41",
            "/members",
            "/members/me",
        ] {
            assert!(!is_path(path), "{path:?}");
        }
    }
}

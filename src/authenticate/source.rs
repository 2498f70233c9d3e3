//! [`CredentialSource`]: a further place of a request that may have its credential.

use http::HeaderName;

/// A place of a request, besides `Authorization: Bearer …`, that may have its credential.
///
/// Add it with [`AuthLayer::with_source`](crate::AuthLayer::with_source), so that clients of an
/// older API need not change:
///
/// | source | the request has |
/// |---|---|
/// | [`header`](Self::header) | `X-API-Key: <token>` |
/// | [`basic_username`](Self::basic_username) | `Authorization: Basic …`, as `curl -u <token>:` sends it |
/// | [`basic_password`](Self::basic_password) | `Authorization: Basic …`, as `curl -u x:<token>` sends it |
///
/// ```
/// use http::HeaderName;
/// use tower_api_key::{AuthLayer, CredentialSource, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new())
///     .with_source(CredentialSource::header(HeaderName::from_static("x-api-key")))?
///     .with_source(CredentialSource::basic_username())?;
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CredentialSource(pub(super) Place);

/// Where the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header(HeaderName),
    Basic(Half),
}

/// One of the two parts of the credentials of HTTP Basic (RFC 7617, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Username,
    Password,
}

impl CredentialSource {
    /// A header whose whole value is the token, without a scheme, such as `X-API-Key`. In gRPC it
    /// is the metadata of that name.
    pub fn header(name: HeaderName) -> Self {
        Self(Place::Header(name))
    }

    /// Returns the header whose whole value is the token; `None` for HTTP Basic.
    #[must_use]
    pub fn header_name(&self) -> Option<&HeaderName> {
        match &self.0 {
            Place::Header(name) => Some(name),
            Place::Basic(_) => None,
        }
    }

    /// The user name of HTTP Basic (RFC 7617, section 2). The password is ignored.
    pub fn basic_username() -> Self {
        Self(Place::Basic(Half::Username))
    }

    /// The password of HTTP Basic (RFC 7617, section 2). The user name is ignored.
    pub fn basic_password() -> Self {
        Self(Place::Basic(Half::Password))
    }
}

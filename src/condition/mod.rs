//! Conditions: what else must be true for a good credential to be accepted.
//!
//! A condition is checked after everything else that an [`AuthLayer`](crate::AuthLayer) checks, for
//! a request that would be accepted, and can only refuse it. There are three kinds:
//!
//! | condition | kept with the credential as | checked by a layer with |
//! |---|---|---|
//! | the client's address lies in one of its networks | [`Conditions::networks`] | [`AuthLayer::with_client_address`] |
//! | the service is of its environment | [`Conditions::environment`] | [`AuthLayer::with_environment`] |
//! | one of your own | [`Metadata`], if anything | [`AuthLayer::with_condition`] |
//!
//! A layer that cannot check a condition that is kept with a credential refuses the credential: a
//! service that was forgotten when networks were introduced must not accept what all others refuse.
//!
//! Whoever may manage a credential may change its metadata, so a condition of your own that relies
//! on metadata binds only callers who may not. Networks and environments bind the others too: a
//! caller who has them must give them, or narrower ones, to what it issues.
//!
//! In a rolling deployment, set the first networks or environment when no node runs a version that
//! does not know them: such a node would accept the credential everywhere.
//!
//! The client sees the 403 of a denied organization, or the 401 of an unknown credential if a
//! condition of your own chooses it; the cause is in the event (feature `tracing`). No condition
//! keeps a bearer from [revoking](crate::manage::Manager::revoke_presented) a credential.
//!
//! [`AuthLayer::with_client_address`]: crate::AuthLayer::with_client_address
//! [`AuthLayer::with_environment`]: crate::AuthLayer::with_environment
//! [`AuthLayer::with_condition`]: crate::AuthLayer::with_condition
//! [`Conditions::networks`]: crate::store::Conditions::networks
//! [`Conditions::environment`]: crate::store::Conditions::environment
//! [`Metadata`]: crate::store::Metadata

mod client_address;

use std::fmt;

pub use client_address::{ClientAddress, ProxyHeader};
use http::{Extensions, HeaderMap, Method, Request, Uri, Version, request::Parts};

use crate::principal::Principal;
#[doc(no_inline)]
pub use crate::rejection::Unmet;

/// A condition of your own: may this caller make this request?
///
/// Implemented for closures. It runs during the request, so it must not block; what takes longer
/// belongs in a layer of its own behind the [`AuthLayer`](crate::AuthLayer).
///
/// ```
/// use http::Method;
/// use tower_api_key::{AuthLayer, Principal, condition::{RequestHead, Unmet}, store::MemoryStore};
///
/// // Keys with `mode` = `read-only` in their metadata.
/// fn is_allowed(caller: &Principal, request: &RequestHead<'_>) -> Result<(), Unmet> {
///     let read_only = caller.metadata("mode") == Some("read-only");
///     match read_only && *request.method != Method::GET {
///         true => Err(Unmet::forbidden("read_only")),
///         false => Ok(()),
///     }
/// }
/// let auth = AuthLayer::new(MemoryStore::new()).with_condition(is_allowed);
/// ```
pub trait Condition: Send + Sync + 'static {
    /// Returns whether the request may pass.
    ///
    /// # Errors
    /// [`Unmet`] if it may not. A panic is caught, and the request is answered with a 503.
    fn check(&self, caller: &Principal, request: &RequestHead<'_>) -> Result<(), Unmet>;
}

impl<F> Condition for F
where
    F: Fn(&Principal, &RequestHead<'_>) -> Result<(), Unmet> + Send + Sync + 'static,
{
    fn check(&self, caller: &Principal, request: &RequestHead<'_>) -> Result<(), Unmet> {
        self(caller, request)
    }
}

/// A request without its body. The principal is not in the extensions yet.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'r> {
    /// The method.
    pub method: &'r Method,
    /// The target, as the layer sees it: a router may have removed the prefix of a nested service.
    pub uri: &'r Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The header fields, with the credential.
    pub headers: &'r HeaderMap,
    /// The extensions.
    pub extensions: &'r Extensions,
}

impl<'r> RequestHead<'r> {
    /// Creates the head of a request, to test a condition.
    #[inline]
    pub fn of<B>(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl<'r> From<&'r Parts> for RequestHead<'r> {
    fn from(parts: &'r Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }
}

impl fmt::Debug for RequestHead<'_> {
    /// Leaves out what may contain a secret: the query, the headers and the extensions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .field("path", &self.uri.path())
            .finish_non_exhaustive()
    }
}

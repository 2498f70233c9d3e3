//! Configuration errors, returned before any request is served.

use std::time::Duration;

/// Why a setting was refused.
///
/// Builders that can fail return it while the service starts, so that no mistake of the set-up
/// shows only when a request arrives. Return it from `main`: its text names the value and
/// what would be right.
///
/// ```
/// use tower_api_key::{ConfigError, RequireScopesLayer};
///
/// let mistaken = RequireScopesLayer::any(["agents:read agents:manage"]).unwrap_err();
/// assert_eq!(mistaken, ConfigError::InvalidScope("agents:read agents:manage".into()));
/// ```
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A route accepts no scope at all, so no request could ever pass.
    #[error("at least one scope is required; to deny everyone, remove the route")]
    NoScopes,
    /// A scope name that RFC 6749, section 3.3 does not allow.
    #[error(
        "invalid scope {0:?}: use one or more printable ASCII characters except space, `\"` and `\\`"
    )]
    InvalidScope(Box<str>),
    /// A path of a table of scopes that no router can have.
    #[error(
        "invalid path {0:?}: begin it with `/`, and write it as in the router, a parameter as \
         `{{id}}` or `{{*rest}}`"
    )]
    InvalidRoute(Box<str>),
    /// A route was given twice in a table of scopes.
    #[error("the table already has an entry for {0:?}")]
    DuplicateRoute(Box<str>),
    /// A name of a gRPC service or method that cannot be part of a path.
    #[error(
        "invalid gRPC name {0:?}: use the name in the .proto file, a service's with its package"
    )]
    InvalidGrpcName(Box<str>),
    /// An entry for a method that the gRPC service does not have.
    #[error("the gRPC service has no method {0:?}")]
    UnknownGrpcMethod(Box<str>),
    /// A method of the gRPC service without an entry.
    #[error("the table has no entry for {0:?}: state its scopes, or deny it")]
    UnlistedGrpcMethod(Box<str>),
    /// A gRPC service that the descriptor set does not have.
    #[error("the descriptor set has no service {0:?}")]
    UnknownGrpcService(Box<str>),
    /// Bytes that are not a descriptor set.
    #[error("invalid descriptor set: use the bytes of an encoded FileDescriptorSet")]
    InvalidDescriptorSet,
    /// A role that the catalogue does not have.
    #[error("the catalogue has no role {0:?}")]
    UnknownRole(Box<str>),
    /// A role's name that is empty or has control characters.
    #[error("invalid role name {0:?}: use at least one character, without control characters")]
    InvalidRole(Box<str>),
    /// A role was given twice.
    #[error("the catalogue already has a role {0:?}")]
    DuplicateRole(Box<str>),
    /// A token prefix that cannot be distinguished from a token's body or from another prefix.
    #[error(
        "invalid token prefix {0:?}: use letters, digits, `-` or `_`; no prefix may start with another"
    )]
    InvalidPrefix(Box<str>),
    /// A separator between id and secret that no token can have.
    #[error("invalid separator {0:?}: use `-`, `.`, `_`, `~`, `+` or `/`")]
    InvalidSeparator(char),
    /// A header that cannot be a source of credentials.
    #[error(
        "invalid source {0:?}: use a header of its own, other than Authorization, \
         Proxy-Authorization, Cookie and the organization header"
    )]
    InvalidSource(Box<str>),
    /// A source of credentials was given twice, or both halves of HTTP Basic.
    #[error("there already is a source {0:?}")]
    DuplicateSource(Box<str>),
    /// A realm with control characters, which no header can carry.
    #[error("invalid realm {0:?}: leave out control characters")]
    InvalidRealm(Box<str>),
    /// The name of an environment that no credential can have.
    #[error("invalid environment {0:?}: use 1 to 64 letters, digits, `-`, `.` or `_`")]
    InvalidEnvironment(Box<str>),
    /// A URL that is not absolute, has another scheme than https, or does not belong into public
    /// metadata.
    #[error("invalid URL {0:?}: use an absolute https URL without user information or fragment")]
    InvalidUrl(Box<str>),
    /// A resource's URL with a query, which a route cannot distinguish.
    #[error("invalid resource {0:?}: leave out the query")]
    ResourceWithQuery(Box<str>),
    /// A pepper's name that cannot be stored beside its digests.
    #[error(
        "invalid pepper name {0:?}: use 1 to 64 letters, digits, `-`, `_` or `.`, no `.` first"
    )]
    InvalidPepperName(Box<str>),
    /// A pepper whose secret has too few bytes.
    #[error("the pepper's secret has {0} bytes: use at least 32")]
    PepperTooShort(usize),
    /// A pepper's name was given twice.
    #[error("there already is a pepper {0:?}")]
    DuplicatePepper(Box<str>),
    /// A name of a salted digest that cannot be stored beside the salt.
    #[error("invalid name of a salted digest {0:?}: use 1 to 14 letters, digits, `-` or `_`")]
    InvalidSaltedDigestName(Box<str>),
    /// The name of a salted digest was given twice.
    #[error("there already is a salted digest {0:?}")]
    DuplicateSaltedDigest(Box<str>),
    /// A length cap below the tokens that the crate mints.
    #[error("invalid length cap {0}: use at least 55 bytes, the length of a minted token")]
    LengthCapTooSmall(usize),
    /// A time between recorded uses that would write too many rows.
    #[error("invalid granularity {0:?}: use at least 1 s, or the adaptive one")]
    GranularityTooFine(Duration),
    /// A threshold of [`ExpiryWatch::before`](crate::store::ExpiryWatch::before) is below a
    /// millisecond or above ten years.
    #[error("a threshold of {0:?} is below a millisecond or above ten years")]
    InvalidThreshold(Duration),
}

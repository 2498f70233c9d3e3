//! Configuration errors, returned before any request is served.

/// Why a setting was refused.
///
/// Builders that can fail return it while the service starts, so that no mistake of the set-up
/// shows only when a request arrives. Return it from `main`: its text names the value and says what
/// would be right.
///
/// ```
/// use tower_api_key::{ConfigError, RequireScopesLayer};
///
/// let mistaken = RequireScopesLayer::any(["agents:read agents:manage"]).unwrap_err();
/// assert_eq!(mistaken, ConfigError::InvalidScope("agents:read agents:manage".into()));
/// ```
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
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
    /// A role that the catalogue does not have.
    #[error("the catalogue has no role {0:?}")]
    UnknownRole(Box<str>),
    /// A role's name that is empty or has control characters.
    #[error("invalid role name {0:?}: use at least one character, without control characters")]
    InvalidRole(Box<str>),
    /// A role was given twice.
    #[error("the catalogue already has a role {0:?}")]
    DuplicateRole(Box<str>),
    /// A token prefix that cannot be distinguished from a token's body or from the other prefix.
    #[error(
        "invalid token prefix {0:?}: use letters, digits, `-` or `_`; neither prefix may start with the other"
    )]
    InvalidPrefix(Box<str>),
    /// A realm with control characters, which no header can carry.
    #[error("invalid realm {0:?}: leave out control characters")]
    InvalidRealm(Box<str>),
    /// A pepper's name that cannot be stored beside its digests.
    #[error("invalid pepper name {0:?}: use 1 to 64 letters, digits, `-`, `_` or `.`")]
    InvalidPepperName(Box<str>),
    /// A pepper whose secret has too few bytes.
    #[error("the pepper's secret has {0} bytes: use at least 32")]
    PepperTooShort(usize),
    /// A pepper's name was given twice.
    #[error("there already is a pepper {0:?}")]
    DuplicatePepper(Box<str>),
    /// A length cap below the tokens that the crate mints.
    #[error("invalid length cap {0}: use at least 55 bytes, the length of a minted token")]
    LengthCapTooSmall(usize),
}

//! Mistakes of set-up, told before any request is served.

/// Why a setting was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A route accepts no scope at all, so that nobody could ever pass.
    #[error("a route has to accept at least one scope; to deny everybody, remove the route")]
    NoScopes,
    /// A scope name that RFC 6749, section 3.3 does not allow.
    #[error(
        "invalid scope {0:?}: use at least one character of printable ASCII, without spaces, \
         quotes and backslashes"
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
    /// A token prefix that cannot be told from a token's body, or from the other prefix.
    #[error(
        "invalid prefix {0:?}: use letters, digits, `-` and `_`; neither prefix may begin with the \
         other"
    )]
    InvalidPrefix(Box<str>),
    /// A realm with control characters, which no header can carry.
    #[error("invalid realm {0:?}: leave out control characters")]
    InvalidRealm(Box<str>),
    /// A pepper's name that could not stand beside its digests.
    #[error("invalid pepper name {0:?}: use 1 to 64 letters, digits, `-`, `_` and `.`")]
    InvalidPepperName(Box<str>),
    /// A pepper with a secret of so few bytes.
    #[error("a pepper needs a secret of at least 32 bytes, and this one has {0}")]
    PepperTooShort(usize),
    /// A pepper's name was given twice.
    #[error("there already is a pepper {0:?}")]
    DuplicatePepper(Box<str>),
    /// A length cap below the tokens that the crate mints.
    #[error("invalid length cap {0}: use at least 55 bytes, the length of a minted token")]
    LengthCapTooSmall(usize),
}

//! Why a text is not an origin.

/// A text that is not an origin, and what is wrong with it.
///
/// Its text is for the person who typed the entry: it names the entry and says what would be right.
///
/// ```
/// use tower_api_key::origins::{AllowedOrigins, OriginFault};
///
/// let error = AllowedOrigins::new(["example.com", "example.com/shop"]).unwrap_err();
/// assert_eq!((error.entry(), error.fault()), ("example.com/shop", OriginFault::Path));
/// assert_eq!(error.to_string(), r#"invalid origin "example.com/shop": leave out the path"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid origin {entry:?}: {fault}")]
pub struct InvalidOrigin {
    entry: Box<str>,
    fault: OriginFault,
}

/// The longest part of an entry that an error repeats, in characters: what a list may contain.
const SHOWN: usize = 300;

impl InvalidOrigin {
    pub(super) fn new(entry: &str, fault: OriginFault) -> Self {
        Self {
            entry: entry.chars().take(SHOWN).collect::<String>().into(),
            fault,
        }
    }

    /// Returns the entry as it was typed, or its first 300 characters.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// Returns what is wrong with it.
    #[must_use]
    pub fn fault(&self) -> OriginFault {
        self.fault
    }
}

/// What is wrong with a text that is not an origin. Displayed, it says what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OriginFault {
    /// There is no host.
    #[error("name a host, such as example.com")]
    EmptyHost,
    /// The text has more than 1024 bytes, or the host has more than 253 characters, as no domain
    /// name has (RFC 1035, section 2.3.4).
    #[error("use a host with up to 253 characters")]
    TooLong,
    /// There is a space, a tab, a line break or a control character, also at the start or the end.
    #[error("leave out spaces, line breaks and control characters")]
    Whitespace,
    /// There is a `*`. Each origin has an entry of its own.
    #[error("list each origin by itself, without *")]
    Wildcard,
    /// The text is `null`, which stands for every page without an origin (RFC 6454, section 7.1).
    #[error("name a site; null stands for all pages without one")]
    Null,
    /// The scheme is neither `http` nor `https`.
    #[error("begin with https:// or http://, or with the host alone for https://")]
    Scheme,
    /// There is a user name or a password before the host.
    #[error("leave out what stands before the @")]
    UserInfo,
    /// There is a path other than `/`.
    #[error("leave out the path")]
    Path,
    /// There is a query.
    #[error("leave out the query")]
    Query,
    /// There is a fragment.
    #[error("leave out the fragment")]
    Fragment,
    /// The port is not a number from 1 to 65535.
    #[error("use a port from 1 to 65535")]
    Port,
    /// The host is neither a domain name nor an address (URL, "host parsing").
    #[error("use a domain name or an IP address, an IPv6 address in brackets")]
    Host,
}

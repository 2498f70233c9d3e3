//! Credentials: their two kinds, the format of their tokens, and minting.
//!
//! You need this module to give tokens prefixes of your own ([`TokenFormat`]), to name a kind in
//! calls of a [`Manager`](crate::manage::Manager) ([`Kind`]), and to mint keys without one
//! ([`TokenFormat::mint`]).
//!
//! ```text
//! ak_<id>.<secret>    an organization key: the id is public, and finds the key in the store
//! pat_<secret>        a personal access token: found by the digest of the whole token
//! ```
//!
//! Tokens of other systems can be accepted beside them, in other [shapes](TokenShape):
//! [`moving`](crate::guide::moving).
//!
//! A request presents exactly one bearer token, whose kind its prefix shows, and optionally an
//! organization. Only the `Authorization` header, the organization header and further
//! [sources](crate::CredentialSource) that you set are read. A token in
//! the query, a cookie, the body, the trailers or `Proxy-Authorization` is never read (RFC 9700,
//! section 4.3.2; RFC 6750, sections 2.2 and 2.3, are not supported).

mod crc;
mod format;
mod mint;
mod parsed;
mod shape;

pub use format::TokenFormat;
use format::is_key_id;
pub(crate) use format::{FormatError, Token};
pub use mint::{MintError, Minted};

pub use parsed::{ParsedToken, TokenError};
pub use shape::{TokenShape, key_id_of_digest};

use crate::id::{InvalidId, check_visible};

/// The two kinds of credential.
///
/// The guide compares them: [`organizations`](crate::guide::organizations).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third kind has to be a compile error in every store"
)]
pub enum Kind {
    /// `ak_<id>.<secret>`: belongs to one organization and acts in it.
    OrgKey,
    /// `pat_…`: belongs to a user; each request names the organization.
    PersonalToken,
}

impl Kind {
    /// Returns `org_key` or `pat`, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrgKey => "org_key",
            Self::PersonalToken => "pat",
        }
    }
}

/// Checks the public id of a new credential: 1 to 256 bytes of visible ASCII, and for a key only
/// what can be between its prefix and its dot (`token68` of RFC 9110, section 11.2, without `.` and
/// `=`).
///
/// Stores call it before they insert a credential.
///
/// ```
/// use tower_api_key::credential::{Kind, check_credential_id};
///
/// assert!(check_credential_id(Kind::OrgKey, "billing-export").is_ok());
/// assert!(check_credential_id(Kind::OrgKey, "billing.export").is_err()); // the dot ends the id
/// ```
///
/// # Errors
/// [`InvalidId`].
pub fn check_credential_id(kind: Kind, id: &str) -> Result<(), InvalidId> {
    if kind == Kind::OrgKey && !is_key_id(id) {
        return Err(id.into());
    }
    check_visible(id)
}

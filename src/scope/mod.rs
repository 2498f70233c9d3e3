//! Scopes: what a credential [holds](ScopeSet), what a route [accepts](AcceptedScopes), and the
//! [`Catalogue`] of roles, each a name for a set of scopes.
//!
//! A service with scopes of its own builds a catalogue once and gives it to its store. Everything
//! else follows: roles become scopes when the store answers, and routes name the scopes that they
//! accept. [`Catalogue::replace`] changes the roles of a running service.
//!
//! ```
//! use tower_api_key::{RequireScopesLayer, scope::Catalogue, store::MemoryStore};
//!
//! let catalogue = Catalogue::builder()
//!     .role("owner", ["notes:write"])
//!     .role("guest", ["notes:read"])
//!     .implies("notes:write", "notes:read")
//!     .build()?;
//! let store = MemoryStore::with_catalogue(catalogue);
//! let reads = RequireScopesLayer::any(["notes:read"])?; // owners pass, too
//! # Ok::<(), tower_api_key::ConfigError>(())
//! ```

mod accepted;
mod any_of;
mod catalogue;
mod set;
mod tables;

pub use accepted::AcceptedScopes;
pub use catalogue::{Catalogue, CatalogueBuilder};
pub use set::ScopeSet;
pub(crate) use tables::Tables;

/// Returns whether `name` is a `scope-token` of RFC 6749, section 3.3: one or more printable ASCII
/// characters except space, `"` and `\`.
///
/// For stores that keep scopes in a table of their own: refuse a row with any other text.
///
/// ```
/// use tower_api_key::scope::is_scope_token;
///
/// assert!(is_scope_token("notes:read"));
/// assert!(!is_scope_token("notes:read notes:write")); // two of them
/// ```
#[must_use]
pub fn is_scope_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

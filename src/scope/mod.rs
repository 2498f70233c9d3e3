//! Scopes: what a credential [holds](ScopeSet), what a route [accepts](AcceptedScopes), and the
//! [`Catalogue`] of roles, each a name for a set of scopes.

mod accepted;
mod catalogue;
mod set;

pub use accepted::AcceptedScopes;
pub use catalogue::{Catalogue, CatalogueBuilder};
pub use set::ScopeSet;

/// `scope-token` of RFC 6749, section 3.3: printable ASCII without space, `"` and `\`.
pub(crate) fn is_scope_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

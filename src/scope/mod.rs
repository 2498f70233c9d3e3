//! Scopes: what a credential [holds](ScopeSet), what a route [accepts](AcceptedScopes), and the
//! [`Catalogue`] of roles, each a name for a set of scopes.

mod accepted;
mod catalogue;
mod set;

pub use accepted::AcceptedScopes;
pub use catalogue::{Catalogue, CatalogueBuilder};
pub use set::ScopeSet;

/// Returns whether `name` is a `scope-token` of RFC 6749, section 3.3: one or more printable ASCII
/// characters except space, `"` and `\`.
#[must_use]
pub fn is_scope_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

//! [`RequireScopesLayer`]: limits a route to callers who hold one of the accepted scopes.

use std::sync::Arc;

use super::{Require, service::Demand};
use crate::{
    error::ConfigError,
    principal::Principal,
    rejection::{Cause, JsonResponder},
    scope::AcceptedScopes,
};

/// Lets callers through who hold at least one of the accepted scopes
/// (organizations/roles-and-permissions). Answers others 403 with `error="insufficient_scope"` (RFC
/// 6750, section 3.1).
pub type RequireScopesLayer<R = JsonResponder> = Require<HoldsAny, R>;

/// The requirement of [`RequireScopesLayer`].
#[derive(Clone, Debug)]
pub struct HoldsAny(Arc<AcceptedScopes>);

impl RequireScopesLayer {
    /// Creates a layer that accepts any of `scopes`.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`] for an empty set, [`ConfigError::InvalidScope`] for an invalid
    /// scope name.
    pub fn any<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::demanding(HoldsAny(Arc::new(AcceptedScopes::any(
            scopes,
        )?))))
    }
}

impl Demand for HoldsAny {
    fn check(&self, principal: &Principal) -> Result<(), Cause> {
        if self.0.met_by(principal.scopes()) {
            Ok(())
        } else {
            Err(Cause::NoAcceptedScope)
        }
    }

    fn accepted(&self) -> Option<&Arc<AcceptedScopes>> {
        Some(&self.0)
    }
}

//! [`RequireOrganizationLayer`]: limits a route to callers who act in an organization.

use super::{Require, service::Demand};
use crate::{
    principal::Principal,
    rejection::{Cause, JsonResponder},
};

/// Lets callers through who act in an organization; for routes behind a user-scoped or an optional
/// layer. Other callers get the 401 of a missing organization, unauthenticated ones that of a
/// missing credential.
pub type RequireOrganizationLayer<R = JsonResponder> = Require<HasOrganization, R>;

/// The requirement of [`RequireOrganizationLayer`].
#[derive(Clone, Copy, Debug)]
pub struct HasOrganization(());

impl RequireOrganizationLayer {
    /// Creates a layer that requires an organization.
    #[must_use]
    pub fn new() -> Self {
        Self::demanding(HasOrganization(()))
    }
}

impl Default for RequireOrganizationLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl Demand for HasOrganization {
    fn check(&self, principal: &Principal) -> Result<(), Cause> {
        if principal.organization().is_some() {
            Ok(())
        } else {
            Err(Cause::NoOrganization)
        }
    }
}

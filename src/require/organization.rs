//! [`RequireOrganizationLayer`]: limits a route to callers who act in an organization.

use std::{convert::Infallible, fmt, sync::Arc};

use http::Request;

use super::requirement::{Requirement, require_layer};
use crate::{
    layer::AuthLayer,
    principal::Principal,
    rejection::{Cause, JsonResponder, RefusalStyle},
};

/// Lets callers through who act in an organization. For routes behind an optional layer: behind any
/// other `AuthLayer` that is not user-scoped, every caller acts in one. Callers without an
/// organization get the 401 of a missing organization, unauthenticated ones that of a missing
/// credential.
///
/// ```
/// use tower_api_key::{AuthLayer, RequireOrganizationLayer, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new()).optional();
/// let members = RequireOrganizationLayer::new().with_responses_of(&auth);
/// ```
#[must_use]
pub struct RequireOrganizationLayer<R = JsonResponder> {
    /// Whether it only reports what it would refuse.
    observed: bool,
    style: Arc<RefusalStyle<R>>,
}

impl RequireOrganizationLayer {
    /// Creates a layer that requires an organization.
    pub fn new() -> Self {
        Self {
            observed: false,
            style: Arc::default(),
        }
    }
}

impl Default for RequireOrganizationLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> RequireOrganizationLayer<R> {}

require_layer!(RequireOrganizationLayer {});

impl<R> Requirement for RequireOrganizationLayer<R> {
    type Responder = R;
    type Question = Infallible;

    fn style(&self) -> &RefusalStyle<R> {
        &self.style
    }

    fn is_observed(&self) -> bool {
        self.observed
    }

    fn kind<B>(&self, _: &Request<B>) -> &'static str {
        "organization"
    }

    fn check<B>(&self, principal: &Principal, _: &Request<B>) -> Result<(), Cause> {
        if principal.organization().is_some() {
            Ok(())
        } else {
            Err(Cause::NoOrganization)
        }
    }
}

impl<R> fmt::Debug for RequireOrganizationLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireOrganizationLayer")
            .field("observed", &self.observed)
            .finish_non_exhaustive()
    }
}

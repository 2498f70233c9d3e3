//! [`RequireScopesLayer`]: limits a route to callers who hold one of the accepted scopes.

use std::{convert::Infallible, fmt, sync::Arc};

use super::requirement::{Requirement, require_layer};
use crate::{
    error::ConfigError,
    layer::AuthLayer,
    principal::Principal,
    rejection::{Cause, JsonResponder, RefusalStyle},
    scope::AcceptedScopes,
};

/// Lets callers through who hold at least one of the accepted scopes
/// (organizations/roles-and-permissions). Answers others 403 with `error="insufficient_scope"` (RFC
/// 6750, section 3.1).
///
/// Give each route, or each method of it, a layer of its own. To require two scopes at once, stack
/// two layers. For what differs within one response, ask
/// [`Principal::has`](crate::Principal::has) in the handler.
///
/// ```
/// use tower_api_key::{AuthLayer, RequireScopesLayer, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new());
/// let reads = RequireScopesLayer::any(["agents:read", "agents:manage"])?;
/// let reads = reads.with_responses_of(&auth);
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
#[must_use]
pub struct RequireScopesLayer<R = JsonResponder> {
    accepted: Arc<AcceptedScopes>,
    /// Whether it only reports what it would refuse.
    observed: bool,
    style: Arc<RefusalStyle<R>>,
}

impl RequireScopesLayer {
    /// Creates a layer that accepts any of `scopes`. They are not looked up in a catalogue: with a
    /// misspelled scope the layer refuses everyone.
    ///
    /// # Errors
    /// [`ConfigError::NoScopes`] for an empty set, [`ConfigError::InvalidScope`] for an invalid
    /// scope name.
    pub fn any<T: Into<Box<str>>>(
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            accepted: Arc::new(AcceptedScopes::any(scopes)?),
            observed: false,
            style: Arc::default(),
        })
    }
}

require_layer!(RequireScopesLayer { accepted });

impl<R> Requirement for RequireScopesLayer<R> {
    type Responder = R;
    type Question = Infallible;

    const KIND: &'static str = "scopes";

    fn style(&self) -> &RefusalStyle<R> {
        &self.style
    }

    fn is_observed(&self) -> bool {
        self.observed
    }

    fn accepted(&self) -> Option<&Arc<AcceptedScopes>> {
        Some(&self.accepted)
    }

    fn check(&self, principal: &Principal) -> Result<(), Cause> {
        if self.accepted.met_by(principal.scopes()) {
            Ok(())
        } else {
            Err(Cause::NoAcceptedScope)
        }
    }
}

impl<R> fmt::Debug for RequireScopesLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireScopesLayer")
            .field("accepted", &self.accepted)
            .field("observed", &self.observed)
            .finish_non_exhaustive()
    }
}

//! The mark that shows an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer) that another
//! layer has decided about a request.

use std::sync::Arc;

use http::Extensions;

/// Asks for the mark. In the request's extensions, from the outermost layer to the one that
/// decides.
#[derive(Clone, Debug)]
pub(crate) struct DecisionRequired(Arc<()>);

/// The mark. In the response's extensions, where no client, no proxied service and no handler can
/// put it.
///
/// It belongs to one request, so that a response kept from an earlier one, by a cache for example,
/// does not carry it over.
#[derive(Clone, Debug)]
pub(crate) struct Decided(Arc<()>);

impl Decided {
    /// Returns the mark for the response to a request, if one is asked for.
    #[inline]
    pub(crate) fn asked_for(request: &Extensions) -> Option<Self> {
        request
            .get::<DecisionRequired>()
            .map(|required| Self(Arc::clone(&required.0)))
    }
}

impl DecisionRequired {
    /// Creates the requirement of one request.
    pub(crate) fn new() -> Self {
        Self(Arc::new(()))
    }

    /// Returns the mark that meets this requirement.
    pub(crate) fn decided(self) -> Decided {
        Decided(self.0)
    }

    /// Returns whether a response has the mark of this very request.
    pub(crate) fn met_by(&self, response: &Extensions) -> bool {
        response
            .get::<Decided>()
            .is_some_and(|decided| Arc::ptr_eq(&decided.0, &self.0))
    }
}

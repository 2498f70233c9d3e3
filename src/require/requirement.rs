//! What the layers of this module have in common, so that one service serves them all.

use std::{convert::Infallible, future::Future, sync::Arc};

use http::Request;

use crate::{
    principal::Principal,
    rejection::{Cause, Denial, RefusalStyle},
    scope::AcceptedScopes,
};

/// A layer's requirement: what is checked at once, and what has to be asked.
pub(crate) trait Requirement {
    /// Builds the HTTP form of refusals.
    type Responder;
    /// What may have to be asked about a caller who passes [`check`](Self::check).
    type Question: Question;

    /// Returns the form of refusals.
    fn style(&self) -> &RefusalStyle<Self::Responder>;

    /// Returns the scopes of which any one is enough, for the challenge.
    fn accepted(&self) -> Option<&Arc<AcceptedScopes>> {
        None
    }

    /// Checks what can be decided from the caller's record alone.
    fn check(&self, principal: &Principal) -> Result<(), Cause>;

    /// Returns what has to be asked about the request, if anything, and the request unchanged.
    #[inline]
    fn question<B>(&self, request: Request<B>) -> (Request<B>, Asked<Self::Question>) {
        (request, Ok(None))
    }
}

/// What has to be asked, or a refusal where nothing can be.
pub(crate) type Asked<Q> = Result<Option<Q>, Denial>;

/// A question that is answered later.
pub(crate) trait Question: Send + 'static {
    /// Asks. Holds nothing of the request, and nothing of the inner service.
    fn ask(self) -> impl Future<Output = Result<(), Denial>> + Send;
}

/// For requirements that are decided at once.
impl Question for Infallible {
    async fn ask(self) -> Result<(), Denial> {
        match self {}
    }
}

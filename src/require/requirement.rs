//! What the layers of this module have in common, so that one service serves them all.

use std::{convert::Infallible, future::Future, sync::Arc};

use http::Request;

use crate::{
    principal::Principal,
    rejection::{Cause, Denial, RefusalStyle},
    scope::AcceptedScopes,
};

/// Writes what all layers of this module have in common; `$field` are those besides the style.
macro_rules! require_layer {
    ($layer:ident { $($field:ident)? }) => {
        impl<R> $layer<R> {
            /// Builds refusals as `auth` does: with its texts, its realm and its responder.
            pub fn with_responses_of<S, R2>(self, auth: &AuthLayer<S, R2>) -> $layer<R2> {
                $layer {
                    $($field: self.$field,)?
                    observed: self.observed,
                    style: auth.style(),
                }
            }

            /// Declares that the services behind this layer speak gRPC; see
            /// [`AuthLayer::with_grpc`]. [`with_responses_of`](Self::with_responses_of) copies this
            /// setting from the other layer.
            pub fn with_grpc(mut self) -> Self {
                Arc::make_mut(&mut self.style).set_grpc();
                self
            }

            /// Lets every request pass and reports those that this layer would have refused, so
            /// that you can try a new requirement on live traffic first
            /// ([`require`](crate::require#trying-a-requirement-first)).
            pub fn observed(mut self) -> Self {
                self.observed = true;
                self
            }
        }

        impl<R, Inner> tower_layer::Layer<Inner> for $layer<R> {
            type Service = super::RequireService<Inner, Self>;

            fn layer(&self, inner: Inner) -> Self::Service {
                super::RequireService::new(inner, self.clone())
            }
        }

        // Written by hand: a derived impl would require `R: Clone`.
        impl<R> Clone for $layer<R> {
            fn clone(&self) -> Self {
                Self {
                    $($field: self.$field.clone(),)?
                    observed: self.observed,
                    style: Arc::clone(&self.style),
                }
            }
        }
    };
}

pub(super) use require_layer;

/// A layer's requirement: what is checked at once, and what has to be asked.
pub(crate) trait Requirement {
    /// Builds the HTTP form of refusals.
    type Responder;
    /// What may have to be asked about a caller who passes [`check`](Self::check).
    type Question: Question;

    /// Returns the form of refusals.
    fn style(&self) -> &RefusalStyle<Self::Responder>;

    /// Returns whether it only reports what it would refuse.
    fn is_observed(&self) -> bool;

    /// Returns what the request requires, as the description of its route calls it.
    fn kind<B>(&self, request: &Request<B>) -> &'static str;

    /// Returns the scopes that are accepted for the request, for the challenge.
    fn accepted<B>(&self, _request: &Request<B>) -> Option<&Arc<AcceptedScopes>> {
        None
    }

    /// Checks what can be decided from the caller's record and the request's route.
    fn check<B>(&self, principal: &Principal, request: &Request<B>) -> Result<(), Cause>;

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

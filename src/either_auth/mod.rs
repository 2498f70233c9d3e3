//! [`EitherAuthLayer`]: accepts credentials of another kind beside keys, through an authenticator
//! of your own.

mod caller;
mod service;

use std::{fmt, marker::PhantomData};

pub use caller::CallerRequired;
pub use service::{EitherAuth, EitherAuthFuture};
use tower_layer::Layer;

use crate::{layer::AuthLayer, service::AuthService};

/// Authenticates requests with a credential of this crate through an [`AuthLayer`], and gives those
/// with another one to another authenticator, such as a layer of yours that verifies JWTs. Created
/// by [`AuthLayer::with_other_authenticator`].
///
/// | the request has | who decides |
/// |---|---|
/// | one `Authorization` header, and no part of its value begins with a prefix of the layer's tokens | the other authenticator, once, and without an event of this crate |
/// | a token with one of the prefixes, good or bad | this crate |
/// | no `Authorization` header, several, or `Bearer` without a token | this crate |
///
/// With [further sources](crate::CredentialSource), their headers count like `Authorization`. If
/// HTTP Basic is one of them, its credentials are decoded first: those that have a part of this
/// crate's, or cannot be decoded, are this crate's to refuse. If it is none, they go to the other
/// authenticator as they are, even with a token of this crate in them.
///
/// So a key that is expired, revoked or malformed is refused, and the other authenticator never
/// sees it. Neither does a request without a credential become the other's: it gets the usual 401,
/// or passes anonymously behind [`optional`](AuthLayer::optional).
///
/// `C` is what the other authenticator adds to the extensions of a request that it accepts, such as
/// the verified claims. If it calls the inner service without having added one, the inner service
/// is not called, and the answer is 500 ([`Cause::NoOtherCaller`](crate::rejection::Cause)). A
/// layer that authenticates nothing, or only if it likes to, therefore opens no route.
///
/// The [`Principal`](crate::Principal) stays that of keys. For a request of the other authenticator
/// there is none: extracting it, and every [`require`](crate::require) layer, answers 401.
/// `Option<Principal>` is `None`, so a handler for both kinds of caller takes
/// `Option<Principal>` and `Option<Extension<C>>`, and uses whichever is present.
///
/// A complete example is in the [guide](crate::guide::recipes#jwts-beside-keys).
#[must_use]
pub struct EitherAuthLayer<S, R, C, L> {
    auth: AuthLayer<S, R>,
    other: L,
    caller: PhantomData<fn() -> C>,
}

impl<S, R> AuthLayer<S, R> {
    /// Gives requests whose credential is not one of this layer's to `other`, which adds a `C` to
    /// the extensions of each request that it accepts and refuses all others itself.
    /// [`EitherAuthLayer`] defines which requests these are.
    ///
    /// It is the last setting; layers that take their
    /// [responses](crate::RequireScopesLayer::with_responses_of) from this one take a clone.
    /// `other` is a layer around the same inner service, and answers with the same response body.
    /// The settings of this layer, such as
    /// [`with_authorization_removed`](Self::with_authorization_removed), do not apply to its
    /// requests.
    ///
    /// ```
    /// # #[cfg(feature = "axum")]
    /// # fn app() -> axum::Router {
    /// use axum::{
    ///     Router, extract::Request, http::StatusCode, middleware::{Next, from_fn},
    ///     response::{IntoResponse, Response}, routing::get,
    /// };
    /// use tower_api_key::{AuthLayer, store::MemoryStore};
    ///
    /// #[derive(Clone)]
    /// struct Employee(String);
    ///
    /// # fn verified(_: &Request) -> Option<Employee> { None }
    /// async fn employees(mut request: Request, next: Next) -> Response {
    ///     match verified(&request) {
    ///         Some(employee) => {
    ///             request.extensions_mut().insert(employee);
    ///             next.run(request).await
    ///         }
    ///         None => StatusCode::UNAUTHORIZED.into_response(),
    ///     }
    /// }
    ///
    /// let auth = AuthLayer::new(MemoryStore::new())
    ///     .with_other_authenticator::<Employee, _>(from_fn(employees));
    /// Router::new().route("/", get(|| async {})).layer(auth)
    /// # }
    /// ```
    pub fn with_other_authenticator<C, L>(self, other: L) -> EitherAuthLayer<S, R, C, L> {
        EitherAuthLayer {
            auth: self,
            other,
            caller: PhantomData,
        }
    }
}

impl<S, R, C, L, Inner> Layer<Inner> for EitherAuthLayer<S, R, C, L>
where
    L: Layer<CallerRequired<Inner, C, R>>,
    Inner: Clone,
{
    type Service = EitherAuth<AuthService<Inner, S, R>, L::Service, C>;

    fn layer(&self, inner: Inner) -> Self::Service {
        let caller_required = CallerRequired::new(inner.clone(), self.auth.style());
        EitherAuth::new(self.auth.layer(inner), self.other.layer(caller_required))
    }
}

// Written by hand: a derived impl would require `S: Clone`.
impl<S, R, C, L: Clone> Clone for EitherAuthLayer<S, R, C, L> {
    fn clone(&self) -> Self {
        Self {
            auth: self.auth.clone(),
            other: self.other.clone(),
            caller: PhantomData,
        }
    }
}

impl<S, R, C, L: fmt::Debug> fmt::Debug for EitherAuthLayer<S, R, C, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EitherAuthLayer")
            .field("auth", &self.auth)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

//! For tonic 0.14: a service behind a layer keeps its name, and a request tells its [`Principal`].

use tonic::{Code, Request, Status, body::Body, server::NamedService};

use crate::{
    Messages, Principal, Rejection,
    authenticate::Denial,
    observe,
    public::PublicService,
    rejection::RefusalBody,
    require::{RequireDescendantService, RequireService},
    service::AuthService,
};

impl RefusalBody for Body {
    fn from_text(text: String) -> Self {
        Self::new(http_body_util::Full::<bytes::Bytes>::from(text))
    }
}

impl<Inner: NamedService, S, R> NamedService for AuthService<Inner, S, R> {
    const NAME: &'static str = Inner::NAME;
}

impl<Inner: NamedService> NamedService for PublicService<Inner> {
    const NAME: &'static str = Inner::NAME;
}

impl<Inner: NamedService, D, R> NamedService for RequireService<Inner, D, R> {
    const NAME: &'static str = Inner::NAME;
}

impl<Inner: NamedService, R> NamedService for RequireDescendantService<Inner, R> {
    const NAME: &'static str = Inner::NAME;
}

/// Tells who is calling, from a handler's request.
pub trait RequestExt {
    /// Returns the caller.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` behind an optional or public layer when nobody is signed in, `INTERNAL` when there is no
    /// [`AuthLayer`](crate::AuthLayer) around the service; the fix is logged.
    fn principal(&self) -> Result<&Principal, Status>;
}

impl<T> RequestExt for Request<T> {
    fn principal(&self) -> Result<&Principal, Status> {
        Principal::of(self.extensions()).map_err(|cause| {
            let rejection = Rejection::new(Denial::from(cause), &Messages::default());
            observe::refused(&rejection, None);
            rejection.into()
        })
    }
}

/// The reason's code and text; the cause stays behind.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        Self::new(Code::from(i32::from(rejection.reason().grpc_code())), rejection.detail())
    }
}

//! Prepares a request that is let through for the inner service.

use http::{Request, header::AUTHORIZATION};

use crate::principal::{Anonymous, Principal};

/// Lets a request through unauthenticated: no identity that was put into its extensions before
/// survives.
pub(crate) fn pass<ReqB>(request: &mut Request<ReqB>) {
    mark_sensitive(request);
    request.extensions_mut().remove::<Principal>();
    request.extensions_mut().insert(Anonymous);
}

/// Marks every credential as sensitive, however many there are, so that inner layers do not log
/// them.
pub(crate) fn mark_sensitive<ReqB>(request: &mut Request<ReqB>) {
    let credentials = request
        .headers_mut()
        .iter_mut()
        .filter(|(name, _)| *name == AUTHORIZATION);
    credentials.for_each(|(_, value)| value.set_sensitive(true));
}

/// Keeps the credential from services that the inner service forwards requests to.
#[cold]
pub(crate) fn remove_credential<ReqB>(request: &mut Request<ReqB>) {
    request.headers_mut().remove(AUTHORIZATION);
}

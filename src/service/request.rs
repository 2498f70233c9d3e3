//! Prepares a request that is let through for the inner service.

use http::{Request, header::AUTHORIZATION};

use crate::{
    authenticate::Sources,
    principal::{Principal, WithoutPrincipal},
};

/// Lets a request through without a principal: none that was put into its extensions before
/// survives.
pub(crate) fn pass<ReqB>(
    request: &mut Request<ReqB>,
    sources: &Sources,
    without: WithoutPrincipal,
) {
    mark_sensitive(request, sources);
    request.extensions_mut().remove::<Principal>();
    request.extensions_mut().insert(without);
}

/// Marks every credential as sensitive, however many there are, so that inner layers do not log
/// them.
pub(crate) fn mark_sensitive<ReqB>(request: &mut Request<ReqB>, sources: &Sources) {
    let credentials = request
        .headers_mut()
        .iter_mut()
        .filter(|(name, _)| sources.include(name));
    credentials.for_each(|(_, value)| value.set_sensitive(true));
}

/// Keeps the credential from services that the inner service forwards requests to.
#[cold]
pub(crate) fn remove_credential<ReqB>(request: &mut Request<ReqB>, sources: &Sources) {
    let headers = request.headers_mut();
    headers.remove(AUTHORIZATION);
    for name in sources.headers() {
        headers.remove(name);
    }
}

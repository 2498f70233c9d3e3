//! What a layer adds to the responses that it lets out.

use http::{HeaderValue, Response, header::VARY};

use crate::{decided::Decided, end_notices::Fields};

/// What a layer adds to every response that it lets out.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    /// The mark for an [`EveryRouteDecidesLayer`](crate::EveryRouteDecidesLayer).
    pub(crate) decided: Option<Decided>,
    /// The value of `Vary`, on optional routes and those for listed origins.
    pub(crate) vary: Option<HeaderValue>,
    /// Headers about the caller's credential, if the request is accepted.
    pub(crate) fields: Fields,
}

/// Returns the response with what the layer adds.
pub(super) fn added<B>(
    mut response: Response<B>,
    additions: Option<Box<Additions>>,
) -> Response<B> {
    let Some(additions) = additions else {
        return response;
    };
    if let Some(decided) = additions.decided {
        response.extensions_mut().insert(decided);
    }
    for (name, value) in additions.fields {
        response.headers_mut().insert(name, value);
    }
    if let Some(vary) = additions.vary {
        response.headers_mut().append(VARY, vary);
    }
    response
}

/// Adds fields for an accepted caller.
#[cold]
pub(crate) fn with_fields(
    additions: Option<Box<Additions>>,
    fields: Fields,
) -> Option<Box<Additions>> {
    if fields.is_empty() {
        return additions;
    }
    let mut additions = additions.unwrap_or_default();
    additions.fields = fields;
    Some(additions)
}

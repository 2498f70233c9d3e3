//! Refusals: the public reason, the private cause, and their HTTP and gRPC forms. All texts are in
//! one table, [`Messages`].
//!
//! You need this module to change how refusals look ([`JsonResponder`], [`ProblemResponder`], or a
//! closure as a [`Responder`]), and to act on them in a layer outside of this crate's. Every
//! refused response has its [`Rejection`] in the extensions:
//!
//! ```
//! use http::Response;
//! use tower_api_key::{Reason, Rejection};
//!
//! /// Counts clients that guess: call it with every response, in your own middleware.
//! fn is_guess<B>(response: &Response<B>) -> bool {
//!     let refused = response.extensions().get::<Rejection>();
//!     refused.is_some_and(|rejection| rejection.reason() == Reason::InvalidToken)
//! }
//! # assert!(!is_guess(&Response::new(())));
//! ```
//!
//! The guide's chapter [`refusals`](crate::guide::refusals) shows each way to change them.

#[cfg(feature = "http-body-util")]
mod bodies;
mod cause;
mod challenge;
mod denial;
mod grpc;
mod json;
mod messages;
mod problem;
mod responder;
mod style;
mod unmet;

use std::{error::Error, fmt, sync::Arc, time::Duration};

pub use cause::Cause;
pub(crate) use denial::Denial;
use http::StatusCode;
pub use json::JsonResponder;
pub(crate) use json::push_string;
pub use messages::Messages;
pub use problem::ProblemResponder;
pub use responder::{RefusalBody, Responder};
pub(crate) use style::RefusalStyle;
pub use unmet::Unmet;

use crate::{
    credential::Kind,
    id::{OrgId, UserId},
    observe::{self, Refused, Severity},
    scope::AcceptedScopes,
    store::Record,
};

/// The reason for a refusal, as far as the client may know.
///
/// Match on it, or on its [`code`](Self::code), where your own code reacts to a refusal. Many
/// [causes](Cause) share one reason, so that a client cannot learn which ids exist.
///
/// ```
/// use tower_api_key::Reason;
///
/// let reason = Reason::Unavailable;
/// assert_eq!((reason.status().as_u16(), reason.grpc_code()), (503, 14));
/// assert_eq!(reason.code(), "unavailable");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No bearer credential was presented.
    MissingCredential,
    /// The bearer value is neither kind of credential.
    UnrecognizedToken,
    /// The credential is not valid: unknown, wrong, malformed, expired, deleted, or its owner is
    /// gone. The client never learns which.
    InvalidToken,
    /// The personal token is good, but the request names no organization where one is needed.
    MissingOrganization,
    /// The credential is good, but may not act in the organization named. The client does not learn
    /// whether that organization exists.
    OrganizationDenied,
    /// The credential is good, but does not hold the accepted scopes.
    InsufficientScope,
    /// The credential is good, but came from a browser, where it must never be.
    ExposedCredential,
    /// The request does not come from a page whose origin the route allows.
    OriginDenied,
    /// The service could not determine whether the credential is valid.
    Unavailable,
    /// The service is set up incorrectly.
    Misconfigured,
}

impl Reason {
    /// All reasons, in the order in which they are checked.
    pub const ALL: [Self; 10] = [
        Self::MissingCredential,
        Self::UnrecognizedToken,
        Self::InvalidToken,
        Self::MissingOrganization,
        Self::OrganizationDenied,
        Self::InsufficientScope,
        Self::ExposedCredential,
        Self::OriginDenied,
        Self::Unavailable,
        Self::Misconfigured,
    ];

    /// Returns the HTTP status (RFC 9110, sections 15.5.2, 15.5.4, 15.6.1 and 15.6.4).
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::MissingCredential
            | Self::UnrecognizedToken
            | Self::InvalidToken
            | Self::MissingOrganization => StatusCode::UNAUTHORIZED,
            Self::OrganizationDenied
            | Self::InsufficientScope
            | Self::ExposedCredential
            | Self::OriginDenied => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the gRPC status code: 16 unauthenticated, 7 permission denied, 14 unavailable,
    /// 13 internal (gRPC, "Status codes and their use").
    #[must_use]
    pub fn grpc_code(self) -> u8 {
        match self.status() {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::SERVICE_UNAVAILABLE => 14,
            _ => 13,
        }
    }

    /// Returns a fixed identifier, for programs: for metrics, or as the error code in a body of
    /// your own.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingCredential => "missing_credential",
            Self::UnrecognizedToken => "unrecognized_token",
            Self::InvalidToken => "invalid_token",
            Self::MissingOrganization => "missing_organization",
            Self::OrganizationDenied => "organization_denied",
            Self::InsufficientScope => "insufficient_scope",
            Self::ExposedCredential => "exposed_credential",
            Self::OriginDenied => "origin_denied",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// A refusal. A responder receives it, and the extensions of the refused response hold it.
///
/// `Display` and [`detail`](Self::detail) are what the client sees. [`cause`](Self::cause) and the
/// ids are for the operator: do not send them.
///
/// ```
/// use http::Response;
/// use tower_api_key::{AuthLayer, Rejection, store::MemoryStore};
///
/// let auth = AuthLayer::new(MemoryStore::new()).with_responder(|rejection: &Rejection| {
///     let (code, text) = (rejection.reason().code(), rejection.detail());
///     Response::new(format!("{code}: {text}"))
/// });
/// ```
#[derive(Clone)]
pub struct Rejection {
    reason: Reason,
    cause: Cause,
    /// The layer's texts, shared instead of copied.
    messages: Arc<Messages>,
    accepted: Option<Arc<AcceptedScopes>>,
    kind: Option<Kind>,
    /// The record that was found, if any.
    record: Option<Arc<Record>>,
}

impl Rejection {
    /// Gives a denial its reason and its text.
    pub(crate) fn new(denial: Denial, messages: &Arc<Messages>) -> Self {
        Self {
            reason: denial.cause.reason(),
            cause: denial.cause,
            messages: Arc::clone(messages),
            accepted: None,
            kind: denial.kind,
            record: denial.record,
        }
    }

    /// Adds the scopes that would have been accepted, for the challenge.
    pub(crate) fn accepting(self, accepted: Arc<AcceptedScopes>) -> Self {
        Self {
            accepted: Some(accepted),
            ..self
        }
    }

    /// Reports the refusal to the operator. `latency` is that of the lookup, if there was one.
    pub(crate) fn report(&self, latency: Option<Duration>) {
        observe::refused(&self.refused(latency));
    }

    /// Reports that an observed requirement would have refused the request.
    pub(crate) fn report_observed(&self, accepted: Option<&AcceptedScopes>) {
        observe::would_refuse(&self.refused(None), accepted);
    }

    fn refused(&self, latency: Option<Duration>) -> Refused<'_> {
        Refused {
            severity: match self.reason {
                Reason::Unavailable | Reason::Misconfigured => Severity::Fault,
                Reason::ExposedCredential => Severity::Exposed,
                _ => Severity::Expected,
            },
            reason: self.reason.code(),
            cause: self.cause.code(),
            text: &self.cause,
            error: match &self.cause {
                Cause::Store(error) => Some(&**error),
                Cause::StoreFault(fault) => Some(fault),
                _ => None,
            },
            kind: self.kind,
            credential_id: self.credential_id(),
            organization: self.organization(),
            user: self.user(),
            latency,
        }
    }

    /// Returns the reason, as far as the client may know.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reason.status()
    }

    /// Returns the text for the client, from the layer's [`Messages`].
    #[must_use]
    pub fn detail(&self) -> &str {
        self.messages.of(self.reason)
    }

    /// Returns the actual cause, for the operator.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Returns the accepted scopes for [`Reason::InsufficientScope`], unless the route accepts none
    /// ([`Cause::UnlistedRoute`]).
    #[must_use]
    pub fn accepted_scopes(&self) -> Option<&AcceptedScopes> {
        self.accepted.as_deref()
    }

    /// Returns the kind of credential that was presented, if it was well-formed.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Returns the public id of the credential that was named, if it exists. Its secret may not
    /// have been presented: see [`cause`](Self::cause).
    #[must_use]
    pub fn credential_id(&self) -> Option<&str> {
        self.record.as_deref().map(Record::id)
    }

    /// Returns the organization of the named credential, if it has one.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.record
            .as_deref()
            .and_then(Record::organization)
            .map(OrgId::as_str)
    }

    /// Returns the person of the named credential, if it has one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.record
            .as_deref()
            .and_then(Record::user)
            .map(UserId::as_str)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("reason", &self.reason)
            .field("cause", &self.cause)
            .field("credential_id", &self.credential_id())
            .finish_non_exhaustive()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

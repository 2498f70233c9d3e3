//! How "no" is said: the public reason apart from the private cause, every text in one table, one form per protocol.

mod cause;
mod denial;
mod grpc;
mod json;
mod messages;
mod problem;
pub(crate) mod respond;

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

pub use cause::Cause;
pub(crate) use denial::Denial;
use http::StatusCode;
pub use json::JsonResponder;
pub use messages::Messages;
pub use problem::ProblemResponder;
pub use respond::{Presentation, RefusalBody, Responder};

use crate::{
    credential::Kind,
    id::{OrgId, UserId},
    observe::{self, Refused, Severity},
    scope::AcceptedScopes,
    store::Record,
};

/// Why a request was refused, as far as the client may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No bearer credential was presented.
    MissingCredential,
    /// A bearer value that is neither kind of credential.
    UnrecognizedToken,
    /// A credential that does not count: unknown, wrong, broken, expired, deleted, its owner gone. Never said which.
    InvalidToken,
    /// A good personal token that names no organization where one is needed.
    MissingOrganization,
    /// A good credential that may not act in the organization named. Whether that exists is not said.
    OrganizationDenied,
    /// A good credential that holds none of the accepted scopes.
    InsufficientScope,
    /// A good credential that came from a browser, where it must never be.
    ExposedCredential,
    /// It could not be told whether the credential counts.
    Unavailable,
    /// The service is put together wrongly.
    Misconfigured,
}

impl Reason {
    /// Every reason, in the order in which they are checked.
    pub const ALL: [Self; 9] = [
        Self::MissingCredential,
        Self::UnrecognizedToken,
        Self::InvalidToken,
        Self::MissingOrganization,
        Self::OrganizationDenied,
        Self::InsufficientScope,
        Self::ExposedCredential,
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
            Self::OrganizationDenied | Self::InsufficientScope | Self::ExposedCredential => {
                StatusCode::FORBIDDEN
            }
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the gRPC status code: 16 not identified, 7 not allowed, 14 outage, 13 internal (gRPC, "Status codes and
    /// their use").
    #[must_use]
    pub fn grpc_code(self) -> u8 {
        match self.status() {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::SERVICE_UNAVAILABLE => 14,
            _ => 13,
        }
    }

    /// Returns a fixed word, for programs.
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
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// A refusal. Also found in the extensions of the response that carries it.
///
/// `Display` and [`detail`](Self::detail) are what the client sees. [`cause`](Self::cause) and the ids are for the
/// operator: do not send them.
#[derive(Clone)]
pub struct Rejection {
    reason: Reason,
    cause: Cause,
    detail: Cow<'static, str>,
    accepted: Option<Arc<AcceptedScopes>>,
    kind: Option<Kind>,
    record: Option<Arc<Record>>,
}

impl Rejection {
    pub(crate) fn new(denial: Denial, messages: &Messages) -> Self {
        let reason = denial.cause.reason();
        let detail = messages.of(reason).clone();
        Self {
            reason,
            cause: denial.cause,
            detail,
            accepted: None,
            kind: denial.kind,
            record: denial.record,
        }
    }

    pub(crate) fn accepting(self, accepted: Arc<AcceptedScopes>) -> Self {
        Self {
            accepted: Some(accepted),
            ..self
        }
    }

    /// Tells the operator. `latency` is that of the look-up, when there was one.
    pub(crate) fn report(&self, latency: Option<Duration>) {
        observe::refused(&Refused {
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
                _ => None,
            },
            kind: self.kind,
            credential_id: self.credential_id(),
            organization: self.organization(),
            user: self.user(),
            latency,
        });
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

    /// Returns the text for the client, from the [`Messages`] of the layer.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns what really happened, for the operator.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Returns the scopes of which one would have been enough, for [`Reason::InsufficientScope`].
    #[must_use]
    pub fn accepted_scopes(&self) -> Option<&AcceptedScopes> {
        self.accepted.as_deref()
    }

    /// Returns the kind of credential that was presented, if it was well-formed.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Returns the public id of the credential that was named, if there is such a one. Its secret need not have been
    /// shown: see [`cause`](Self::cause).
    #[must_use]
    pub fn credential_id(&self) -> Option<&str> {
        self.record.as_deref().map(Record::id)
    }

    /// Returns the organization of the credential that was named, if it has one.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.record
            .as_deref()
            .and_then(Record::organization)
            .map(OrgId::as_str)
    }

    /// Returns the person of the credential that was named, if it has one.
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
        f.write_str(&self.detail)
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

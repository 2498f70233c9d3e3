//! What really happened: one line per way to be refused, with the reason that the client is given for it.

use std::sync::Arc;

use super::Reason;
use crate::{credential::FormatError, store::StoreError};

/// What really happened, for logs and metrics. Never sent to a client.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// No `Authorization` header.
    #[error("no Authorization header")]
    NoCredential,
    /// An `Authorization` header with another scheme than Bearer, or without one.
    #[error("the Authorization header is not Bearer")]
    OtherScheme,
    /// `Bearer` and nothing behind it.
    #[error("Bearer without a token")]
    EmptyBearer,
    /// More than one `Authorization` header.
    #[error("several Authorization headers")]
    SeveralCredentials,
    /// A bearer value with neither prefix.
    #[error("the token has an unknown prefix")]
    UnknownPrefix,
    /// A known prefix, and a body that is no token68 or lacks a part.
    #[error("the token is malformed")]
    MalformedToken,
    /// A token over the length cap.
    #[error("the token is too long")]
    TokenTooLong,
    /// A token whose checksum does not hold, where one is required.
    #[error("the token's checksum does not hold")]
    WrongChecksum,
    /// The store has no such credential.
    #[error("the credential is unknown")]
    UnknownCredential,
    /// The id is known and the secret is not the right one.
    #[error("the secret is wrong")]
    WrongSecret,
    /// Deleted.
    #[error("the credential is deleted")]
    Deleted,
    /// Switched off.
    #[error("the credential is disabled")]
    Disabled,
    /// Past its expiry.
    #[error("the credential is expired")]
    Expired,
    /// The person that it belongs to is gone or disabled.
    #[error("the credential's owner is gone")]
    OwnerGone,
    /// The organization that it belongs to is gone.
    #[error("the credential's organization is gone")]
    OrganizationGone,
    /// A personal token without the organization header, or with an empty one.
    #[error("no organization is named")]
    NoOrganization,
    /// A personal token with more than one organization header.
    #[error("several organization headers")]
    SeveralOrganizations,
    /// A personal token with an organization header that cannot be an id.
    #[error("the organization header is malformed")]
    MalformedOrganization,
    /// A personal token whose owner is not a member of the organization, or whose organization does not exist.
    #[error("the owner is not a member of the organization")]
    NotAMember,
    /// A key together with another organization than its own.
    #[error("the organization header names another organization than the key's")]
    OtherOrganization,
    /// A key on a route that needs a person.
    #[error("a key on a user-scoped route")]
    KeyOnUserRoute,
    /// None of the accepted scopes is held.
    #[error("none of the accepted scopes is held")]
    NoAcceptedScope,
    /// The target is neither the acting organization nor below it.
    #[error("the target organization is neither the acting one nor a descendant of it")]
    NotADescendant,
    /// A credential that came from a browser.
    #[error("the credential was sent by a browser")]
    SentByBrowser,
    /// A request without a credential on a route that requires one.
    #[error("no credential on a route that requires one")]
    Anonymous,
    /// The store could not answer.
    #[error("the store could not answer")]
    Store(#[source] Arc<StoreError>),
    /// A `Require…` layer without an `AuthLayer` around it.
    #[error("no AuthLayer wraps this route: add `.layer(AuthLayer::new(store))` around it")]
    NoAuthLayer,
    /// A response that neither an `AuthLayer` nor a `PublicLayer` decided, under an `EveryRouteDecidesLayer`.
    #[error("no layer decided this request: put an AuthLayer or a PublicLayer around its route")]
    Undecided,
}

impl Cause {
    /// Returns what the client is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoCredential | Self::OtherScheme | Self::EmptyBearer | Self::Anonymous => {
                Reason::MissingCredential
            }
            Self::UnknownPrefix => Reason::UnrecognizedToken,
            Self::SeveralCredentials
            | Self::MalformedToken
            | Self::TokenTooLong
            | Self::WrongChecksum
            | Self::UnknownCredential
            | Self::WrongSecret
            | Self::Deleted
            | Self::Disabled
            | Self::Expired
            | Self::OwnerGone
            | Self::OrganizationGone => Reason::InvalidToken,
            Self::NoOrganization | Self::SeveralOrganizations => Reason::MissingOrganization,
            Self::MalformedOrganization
            | Self::NotAMember
            | Self::OtherOrganization
            | Self::KeyOnUserRoute
            | Self::NotADescendant => Reason::OrganizationDenied,
            Self::NoAcceptedScope => Reason::InsufficientScope,
            Self::SentByBrowser => Reason::ExposedCredential,
            Self::Store(_) => Reason::Unavailable,
            Self::NoAuthLayer | Self::Undecided => Reason::Misconfigured,
        }
    }

    /// Returns a fixed word for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::OtherScheme => "other_scheme",
            Self::EmptyBearer => "empty_bearer",
            Self::SeveralCredentials => "several_credentials",
            Self::UnknownPrefix => "unknown_prefix",
            Self::MalformedToken => "malformed_token",
            Self::TokenTooLong => "token_too_long",
            Self::WrongChecksum => "wrong_checksum",
            Self::UnknownCredential => "unknown_credential",
            Self::WrongSecret => "wrong_secret",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::OwnerGone => "owner_gone",
            Self::OrganizationGone => "organization_gone",
            Self::NoOrganization => "no_organization",
            Self::SeveralOrganizations => "several_organizations",
            Self::MalformedOrganization => "malformed_organization",
            Self::NotAMember => "not_a_member",
            Self::OtherOrganization => "other_organization",
            Self::KeyOnUserRoute => "key_on_user_route",
            Self::NoAcceptedScope => "no_accepted_scope",
            Self::NotADescendant => "not_a_descendant",
            Self::SentByBrowser => "sent_by_browser",
            Self::Anonymous => "anonymous",
            Self::Store(error) => error.code(),
            Self::NoAuthLayer => "no_auth_layer",
            Self::Undecided => "undecided",
        }
    }
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<FormatError> for Cause {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::UnknownPrefix => Self::UnknownPrefix,
            FormatError::TooLong => Self::TokenTooLong,
            FormatError::Malformed => Self::MalformedToken,
            FormatError::WrongChecksum => Self::WrongChecksum,
        }
    }
}

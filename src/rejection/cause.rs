//! Causes: why a request was really refused, and the reason that the client sees for each.

use std::sync::Arc;

use super::{Reason, Unmet};
use crate::{
    credential::FormatError,
    store::{StoreError, StoreFault},
};

/// The actual cause of a refusal, for logs and metrics. No responder of this crate sends it to a
/// client.
///
/// The events and counters of [`observe`](mod@crate::observe) carry its [`code`](Self::code). What
/// the codes usually mean when a customer reports that a key does not work:
///
/// | code | look for |
/// |---|---|
/// | `no_credential`, `other_scheme`, `empty_bearer` | a client without the header, or a proxy that removes it |
/// | `several_credentials` | a proxy that adds a second `Authorization` header, or a client that sends the key in two places |
/// | `unknown_prefix` | a key of another product or environment, or a JWT |
/// | `malformed_token`, `wrong_checksum`, `token_too_long` | a key that was cut off, quoted, or pasted with a line break |
/// | `unknown_credential` | a key of another environment, or one that was never issued here |
/// | `wrong_secret` | a key that was mixed up from two, or a client that guesses |
/// | `deleted`, `disabled`, `expired` | the key in the list, and its audit events |
/// | `owner_gone`, `organization_gone` | the user or the organization, which was deleted or disabled |
/// | `no_organization`, `several_organizations`, `malformed_organization` | the organization header of a personal token |
/// | `organization_not_allowed` | the list of organizations to which the personal token is restricted |
/// | `not_a_member`, `other_organization`, `not_a_descendant` | which organization the request names |
/// | `key_on_user_route` | a key where a personal token is needed |
/// | `address_not_allowed`, `address_unknown` | the networks of the key, and the proxies that the layer knows |
/// | `other_environment` | a key for tests on a live service, or the other way round |
/// | `condition_unchecked` | a layer without the client's address or the environment, which the key's conditions need |
/// | `condition_not_met` | the event's `error`, which names the condition |
/// | `condition_panicked` | a bug in a condition of yours |
/// | `no_accepted_scope` | the role or the scopes of the key, and what the route accepts |
/// | `unlisted_route` | the table of scopes, which has no entry for the route, or denies it |
/// | `sent_by_browser` | a page that contains the key: revoke it |
/// | `origin_not_listed` | the site that embeds the page, and its list: the scheme, `www.` and the port count |
/// | `null_origin` | a page in a sandboxed frame or in a file, or a form on a page with `Referrer-Policy: no-referrer` |
/// | `no_origin`, `several_origins` | a client that is not a browser, a GET request without CORS, or a proxy that changes the header |
/// | `anonymous` | a route behind an optional layer that needs a credential after all |
/// | `other_caller` | a route that needs a key, called with a credential of the [other authenticator](crate::EitherAuthLayer) |
/// | `store_unavailable`, `store_timed_out`, `store_panicked` | the database, and the event's `error` |
/// | `record_corrupt`, `unknown_pepper`, `unknown_salted_digest`, `store_mismatched` | the row of that credential, the peppers or salted digests of the store, or a bug of it |
/// | `no_auth_layer`, `undecided` | a route of yours without a layer |
/// | `no_other_caller` | the other authenticator, which lets requests pass that it does not accept |
///
/// In code, the cause is in the [`Rejection`](super::Rejection):
///
/// ```
/// use http::Response;
/// use tower_api_key::{Rejection, rejection::Cause};
///
/// /// Whether to remind the owner to replace a key.
/// fn has_expired<B>(response: &Response<B>) -> bool {
///     let refused = response.extensions().get::<Rejection>();
///     matches!(refused.map(Rejection::cause), Some(Cause::Expired))
/// }
/// # assert!(!has_expired(&Response::new(())));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The request has no `Authorization` header, and none of the layer's further
    /// [sources](crate::CredentialSource).
    #[error("no Authorization header")]
    NoCredential,
    /// The `Authorization` header has another scheme than Bearer, or none. HTTP Basic is another
    /// one unless it is a [source](crate::CredentialSource) of the layer.
    #[error("the Authorization header is not Bearer")]
    OtherScheme,
    /// The header is `Bearer` with nothing after it, or a further source has an empty token.
    #[error("Bearer, or a further source, without a token")]
    EmptyBearer,
    /// The request has more than one `Authorization` header, or more than one header of all
    /// sources.
    #[error("several Authorization headers, or headers of further sources")]
    SeveralCredentials,
    /// The bearer value has none of the prefixes.
    #[error("the token has an unknown prefix")]
    UnknownPrefix,
    /// The token has a known prefix, but its body is not token68 or lacks a part; or the value of
    /// HTTP Basic, as a source, is not padded Base64 of text with a colon (RFC 7617, section 2).
    #[error("the token is malformed")]
    MalformedToken,
    /// The token exceeds the length limit.
    #[error("the token is too long")]
    TokenTooLong,
    /// The token's checksum is wrong, on a layer that requires one.
    #[error("the token's checksum does not hold")]
    WrongChecksum,
    /// The store has no such credential.
    #[error("the credential is unknown")]
    UnknownCredential,
    /// The id is known, but the secret is wrong.
    #[error("the secret is wrong")]
    WrongSecret,
    /// The credential is deleted.
    #[error("the credential is deleted")]
    Deleted,
    /// The credential is disabled.
    #[error("the credential is disabled")]
    Disabled,
    /// The credential has expired.
    #[error("the credential is expired")]
    Expired,
    /// The person who owns the credential is gone or disabled.
    #[error("the credential's owner is gone")]
    OwnerGone,
    /// The organization that owns the credential is gone.
    #[error("the credential's organization is gone")]
    OrganizationGone,
    /// A personal token came without the organization header, or with an empty one.
    #[error("no organization is named")]
    NoOrganization,
    /// A personal token came with more than one organization header.
    #[error("several organization headers")]
    SeveralOrganizations,
    /// A personal token came with an organization header that cannot be an id.
    #[error("the organization header is malformed")]
    MalformedOrganization,
    /// The personal token's owner is not a member of the organization, or the organization does not
    /// exist.
    #[error("the owner is not a member of the organization")]
    NotAMember,
    /// The personal token is restricted to other organizations.
    #[error("the token is restricted to other organizations")]
    OrganizationNotAllowed,
    /// A key came with another organization than its own.
    #[error("the organization header names another organization than the key's")]
    OtherOrganization,
    /// A key was used on a route that needs a person.
    #[error("a key on a user-scoped route")]
    KeyOnUserRoute,
    /// The client's address lies in none of the networks of the credential.
    #[error("the client's address is in none of the credential's networks")]
    AddressNotAllowed,
    /// The credential has networks, and the client's address is not known.
    #[error("the credential has networks, and the client's address is not known")]
    AddressUnknown,
    /// The credential is of another environment than the service.
    #[error("the credential is of another environment")]
    OtherEnvironment,
    /// The credential has a condition that the layer cannot check.
    #[error(
        "the credential has a condition that this layer cannot check: see `with_client_address` \
         and `with_environment`"
    )]
    ConditionUnchecked,
    /// A condition of the service is not met.
    #[error("the condition {:?} is not met", .0.name())]
    ConditionNotMet(Unmet),
    /// A condition of the service panicked.
    #[error("a condition panicked")]
    ConditionPanicked,
    /// The caller does not hold the accepted scopes: none of several, or not all that are needed.
    #[error("the accepted scopes are not held")]
    NoAcceptedScope,
    /// The table of a `RequireScopesLayer` does not list the route, or denies it to everyone.
    #[error("the table of scopes does not list the route")]
    UnlistedRoute,
    /// The target is neither the acting organization nor below it.
    #[error("the target organization is neither the acting one nor a descendant of it")]
    NotADescendant,
    /// The credential came from a browser.
    #[error("the credential was sent by a browser")]
    SentByBrowser,
    /// The request has no `Origin` header, on a route for the pages of some origins.
    #[error("no Origin header")]
    NoOrigin,
    /// The request has more than one `Origin` header.
    #[error("several Origin headers")]
    SeveralOrigins,
    /// The `Origin` header is `null`: the page has no origin, or its browser does not state it (RFC
    /// 6454, section 7.3; Fetch, "append a request `Origin` header").
    #[error("the Origin header is null")]
    NullOrigin,
    /// The origin is not on the route's list.
    #[error("the origin is not listed")]
    OriginNotListed,
    /// The request has no credential, on a route that requires one.
    #[error("no credential on a route that requires one")]
    Anonymous,
    /// The caller was authenticated by another authenticator, on a route that requires a credential
    /// of this crate.
    #[error("the caller was authenticated by another authenticator")]
    OtherCaller,
    /// The store could not answer.
    #[error("the store could not answer")]
    Store(#[source] Arc<StoreError>),
    /// The store did not answer in time, panicked, or answered for another credential or
    /// organization.
    #[error("the store could not answer")]
    StoreFault(#[source] StoreFault),
    /// No `AuthLayer` wraps a `Require…` layer.
    #[error("no AuthLayer wraps this route: add `.layer(AuthLayer::new(store))` around it")]
    NoAuthLayer,
    /// Neither an `AuthLayer` nor a `PublicLayer` decided the response, under an
    /// `EveryRouteDecidesLayer`.
    #[error("no layer decided this request: put an AuthLayer or a PublicLayer around its route")]
    Undecided,
    /// The other authenticator of an `EitherAuthLayer` let a request pass without adding its
    /// caller.
    #[error(
        "the other authenticator added no caller: let it refuse what it does not accept, and add \
         the type that `with_other_authenticator` names"
    )]
    NoOtherCaller,
}

impl Cause {
    /// Returns the reason that the client sees.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoCredential
            | Self::OtherScheme
            | Self::EmptyBearer
            | Self::Anonymous
            | Self::OtherCaller => Reason::MissingCredential,
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
            | Self::OrganizationNotAllowed
            | Self::OtherOrganization
            | Self::KeyOnUserRoute
            | Self::NotADescendant
            | Self::AddressNotAllowed
            | Self::AddressUnknown
            | Self::OtherEnvironment
            | Self::ConditionUnchecked => Reason::OrganizationDenied,
            Self::ConditionNotMet(unmet) if unmet.is_unauthorized() => Reason::InvalidToken,
            Self::ConditionNotMet(_) => Reason::OrganizationDenied,
            Self::NoAcceptedScope | Self::UnlistedRoute => Reason::InsufficientScope,
            Self::SentByBrowser => Reason::ExposedCredential,
            Self::NoOrigin | Self::SeveralOrigins | Self::NullOrigin | Self::OriginNotListed => {
                Reason::OriginDenied
            }
            Self::Store(_) | Self::StoreFault(_) | Self::ConditionPanicked => Reason::Unavailable,
            Self::NoAuthLayer | Self::Undecided | Self::NoOtherCaller => Reason::Misconfigured,
        }
    }

    /// Returns a fixed identifier for logs and metrics.
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
            Self::OrganizationNotAllowed => "organization_not_allowed",
            Self::OtherOrganization => "other_organization",
            Self::KeyOnUserRoute => "key_on_user_route",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::AddressUnknown => "address_unknown",
            Self::OtherEnvironment => "other_environment",
            Self::ConditionUnchecked => "condition_unchecked",
            Self::ConditionNotMet(_) => "condition_not_met",
            Self::ConditionPanicked => "condition_panicked",
            Self::NoAcceptedScope => "no_accepted_scope",
            Self::UnlistedRoute => "unlisted_route",
            Self::NotADescendant => "not_a_descendant",
            Self::SentByBrowser => "sent_by_browser",
            Self::NoOrigin => "no_origin",
            Self::SeveralOrigins => "several_origins",
            Self::NullOrigin => "null_origin",
            Self::OriginNotListed => "origin_not_listed",
            Self::Anonymous => "anonymous",
            Self::OtherCaller => "other_caller",
            Self::Store(error) => error.code(),
            Self::StoreFault(fault) => fault.code(),
            Self::NoAuthLayer => "no_auth_layer",
            Self::Undecided => "undecided",
            Self::NoOtherCaller => "no_other_caller",
        }
    }
}

impl From<StoreError> for Cause {
    /// A cache around the store returns what it found as a [`StoreError`]: to the operator it is
    /// the same as what the layer finds itself.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(source) => match source.downcast() {
                Ok(fault) => Self::StoreFault(*fault),
                Err(source) => Self::Store(Arc::new(StoreError::Unavailable(source))),
            },
            error => Self::Store(Arc::new(error)),
        }
    }
}

impl From<StoreFault> for Cause {
    fn from(fault: StoreFault) -> Self {
        Self::StoreFault(fault)
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

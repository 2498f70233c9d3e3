//! The texts that clients can see, in one table.

use std::borrow::Cow;

use super::Reason;
use crate::{anyreach, credential::TokenFormat};

/// The texts of refusals. The defaults are the documented texts, and this crate's own where the
/// documentation has none.
///
/// Pass them to [`AuthLayer::with_messages`](crate::AuthLayer::with_messages). Keep one text per
/// reason: a text that depended on the cause would tell a client which ids exist.
///
/// ```
/// use tower_api_key::Messages;
///
/// let mut messages = Messages::default();
/// messages.missing_credential = "Please sign in".into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Messages {
    /// The text for [`Reason::MissingCredential`] (documented: mcp/connecting-a-client).
    pub missing_credential: Cow<'static, str>,
    /// The text for [`Reason::UnrecognizedToken`] (documented: mcp/connecting-a-client). The
    /// default names the prefixes of the layer's [`TokenFormat`].
    pub unrecognized_token: Cow<'static, str>,
    /// The text for [`Reason::InvalidToken`].
    pub invalid_token: Cow<'static, str>,
    /// The text for [`Reason::MissingOrganization`] (documented: api-reference/errors).
    pub missing_organization: Cow<'static, str>,
    /// The text for [`Reason::OrganizationDenied`].
    pub organization_denied: Cow<'static, str>,
    /// The text for [`Reason::InsufficientScope`].
    pub insufficient_scope: Cow<'static, str>,
    /// The text for [`Reason::ExposedCredential`].
    pub exposed_credential: Cow<'static, str>,
    /// The text for [`Reason::OriginDenied`].
    pub origin_denied: Cow<'static, str>,
    /// The text for [`Reason::Unavailable`].
    pub unavailable: Cow<'static, str>,
    /// The text for [`Reason::Misconfigured`].
    pub misconfigured: Cow<'static, str>,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            missing_credential: anyreach::MISSING_CREDENTIAL.into(),
            unrecognized_token: anyreach::UNRECOGNIZED_TOKEN.into(),
            invalid_token: "Invalid or expired token".into(),
            missing_organization: anyreach::MISSING_ORGANIZATION.into(),
            organization_denied: "Token does not grant access to this organization".into(),
            insufficient_scope: "Token does not grant access to this action".into(),
            exposed_credential: "Tokens must not be sent from a browser".into(),
            origin_denied: "Origin is not allowed".into(),
            unavailable: "Authentication is temporarily unavailable".into(),
            misconfigured: "Internal server error".into(),
        }
    }
}

impl Messages {
    /// Replaces the default text for the prefixes of `before` with that for `after`; keeps any
    /// other text.
    pub(crate) fn follow_prefixes(&mut self, before: &TokenFormat, after: &TokenFormat) {
        let text = |format: &TokenFormat| {
            anyreach::unrecognized_token(format.personal_token_prefix(), format.org_key_prefix())
        };
        if self.unrecognized_token == text(before) {
            self.unrecognized_token = text(after);
        }
    }

    /// Returns the text for `reason`.
    #[must_use]
    pub fn of(&self, reason: Reason) -> &Cow<'static, str> {
        match reason {
            Reason::MissingCredential => &self.missing_credential,
            Reason::UnrecognizedToken => &self.unrecognized_token,
            Reason::InvalidToken => &self.invalid_token,
            Reason::MissingOrganization => &self.missing_organization,
            Reason::OrganizationDenied => &self.organization_denied,
            Reason::InsufficientScope => &self.insufficient_scope,
            Reason::ExposedCredential => &self.exposed_credential,
            Reason::OriginDenied => &self.origin_denied,
            Reason::Unavailable => &self.unavailable,
            Reason::Misconfigured => &self.misconfigured,
        }
    }
}

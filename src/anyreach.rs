//! Every literal of the documented product, Anyreach: header, prefixes, texts, scopes and roles.
//!
//! The names in brackets are pages of the Anyreach documentation.
//! [`AuthLayer::new`](crate::AuthLayer::new), [`TokenFormat`](crate::credential::TokenFormat) and
//! [`Messages`](crate::Messages) take their defaults from here. Another product writes a file like
//! this one: see `examples/another_product.rs`.

use std::borrow::Cow;

use http::HeaderName;

/// Names the organization of a personal token [getting-started/authentication].
pub(crate) const ORGANIZATION_HEADER: HeaderName = HeaderName::from_static("x-anyreach-org");

/// Begins an organization key [organizations/api-keys-and-tokens].
pub(crate) const ORG_KEY_PREFIX: &str = "ak_";
/// Begins a personal access token [organizations/api-keys-and-tokens].
pub(crate) const PERSONAL_TOKEN_PREFIX: &str = "pat_";

/// The key of the text in the body of an error [api-reference/errors].
pub(crate) const BODY_KEY: &str = "detail";

/// [mcp/connecting-a-client].
pub(crate) const MISSING_CREDENTIAL: &str = "Missing Bearer token";
/// [mcp/connecting-a-client]. Names both prefixes.
pub(crate) const UNRECOGNIZED_TOKEN: &str = "Unrecognized token format. Expected a personal access \
     token (pat_...) or organization API key (ak_...).";

/// Returns [`UNRECOGNIZED_TOKEN`] with other prefixes in it.
pub(crate) fn unrecognized_token(personal_token: &str, org_key: &str) -> Cow<'static, str> {
    let parts = UNRECOGNIZED_TOKEN
        .split_once(PERSONAL_TOKEN_PREFIX)
        .and_then(|(start, rest)| Some((start, rest.split_once(ORG_KEY_PREFIX)?)));
    match parts {
        Some((start, (middle, end))) => [start, personal_token, middle, org_key, end]
            .concat()
            .into(),
        None => UNRECOGNIZED_TOKEN.into(),
    }
}

/// [api-reference/errors].
pub(crate) const MISSING_ORGANIZATION: &str = "Token is missing organization claim.";

/// The scopes that are named [organizations/roles-and-permissions,
/// conversations/permissions-and-data-access].
///
/// `conversations:dial` is left out: it is documented as internal, so no person's role has it.
pub(crate) const SCOPES: [&str; 22] = [
    "agents:manage",
    "agents:read",
    "billing:manage",
    "campaigns:manage",
    "campaigns:read",
    "child_organizations:manage",
    "concurrency:manage",
    "concurrency:read",
    "conversations:manage",
    "conversations:read",
    "conversations:read_sensitive",
    "managed_accounts:manage",
    "members:manage",
    "members:read",
    "organizations:manage",
    "phone_numbers:manage",
    "phone_numbers:read",
    "resources:manage",
    "trunks:manage",
    "trunks:read",
    "web_widgets:manage",
    "web_widgets:read",
];

/// The role with every scope, and the one with those that end in `:read`
/// [organizations/roles-and-permissions].
pub(crate) const ROLES: [&str; 2] = ["admin", "viewer"];

/// What holding a scope implies [organizations/roles-and-permissions,
/// conversations/permissions-and-data-access]. Nothing else is implied.
pub(crate) const IMPLICATIONS: [(&str, &str); 2] = [
    ("members:manage", "members:read"),
    ("conversations:read_sensitive", "conversations:read"),
];

//! Every literal of the documented product, Anyreach: header, prefixes, texts, scopes and roles.
//!
//! The names in brackets are pages of the Anyreach documentation.
//! [`AuthLayer::new`](crate::AuthLayer::new), [`TokenFormat`](crate::credential::TokenFormat) and
//! [`Messages`](crate::Messages) take their defaults from here. Another product writes a file like
//! this one: see `examples/another_product.rs`.

use std::borrow::Cow;

use http::HeaderName;

use crate::principal::Catalogue;

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
    if (personal_token, org_key) == (PERSONAL_TOKEN_PREFIX, ORG_KEY_PREFIX) {
        return UNRECOGNIZED_TOKEN.into(); // without an allocation for each refusal
    }
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
const SCOPES: [&str; 22] = [
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

impl Catalogue {
    /// Returns the catalogue that Anyreach documents, which is the default of the stores.
    ///
    /// The role `admin` has every scope, `viewer` those that end in `:read`. `members:manage`
    /// implies `members:read` (organizations/roles-and-permissions), and
    /// `conversations:read_sensitive` implies `conversations:read`
    /// (conversations/permissions-and-data-access). Nothing else is implied.
    ///
    /// For another product, make one with [`builder`](Self::builder).
    #[must_use]
    pub fn anyreach() -> Self {
        let viewer = SCOPES.into_iter().filter(|scope| scope.ends_with(":read"));
        Self::builder()
            .role("admin", SCOPES)
            .role("viewer", viewer)
            .implies("members:manage", "members:read")
            .implies("conversations:read_sensitive", "conversations:read")
            .build_unchecked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_implications_and_no_more() {
        let catalogue = Catalogue::anyreach();
        let implied = [
            ("members:manage", vec!["members:manage", "members:read"]),
            (
                "conversations:read_sensitive",
                vec!["conversations:read", "conversations:read_sensitive"],
            ),
        ];
        for scope in SCOPES {
            let held = implied
                .iter()
                .find(|(from, _)| *from == scope)
                .map_or(vec![scope], |(_, held)| held.clone());
            assert_eq!(catalogue.expand([scope]).iter().collect::<Vec<_>>(), held);
        }
    }

    #[test]
    fn viewer_reads_and_admin_has_everything() {
        let catalogue = Catalogue::anyreach();
        let viewer = catalogue.scopes_of("viewer").unwrap();
        assert!(viewer.contains("agents:read") && !viewer.contains("agents:manage"));
        assert!(!viewer.contains("conversations:read_sensitive"));
        let admin = catalogue.scopes_of("admin").unwrap();
        assert!(SCOPES.iter().all(|scope| admin.contains(scope)));
        assert!(!admin.contains("conversations:dial"));
        assert!(catalogue.scopes_of("Admin").is_none());
    }
}

//! The roles and scopes that the product documents, as a table of the model's own.

use std::collections::BTreeSet;

/// Every scope that a role can have.
pub const SCOPES: [&str; 22] = [
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

/// The roles.
pub const ROLES: [&str; 2] = ["admin", "viewer"];

/// Returns the scopes of a role: all of them for `admin`, those that read for `viewer`.
#[must_use]
pub fn of_role(role: &str) -> BTreeSet<String> {
    let holds = |scope: &&&str| role == "admin" || (role == "viewer" && scope.ends_with(":read"));
    SCOPES
        .iter()
        .filter(holds)
        .map(ToString::to_string)
        .collect()
}

/// Returns whether the catalogue has the scope.
#[must_use]
pub fn knows(scope: &str) -> bool {
    SCOPES.contains(&scope)
}

/// Returns the known ones of `scopes`, and what they imply.
#[must_use]
pub fn expand<'s>(scopes: impl IntoIterator<Item = &'s String>) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for scope in scopes.into_iter().filter(|scope| knows(scope)) {
        held.insert(scope.clone());
        match scope.as_str() {
            "members:manage" => held.insert("members:read".into()),
            "conversations:read_sensitive" => held.insert("conversations:read".into()),
            _ => false,
        };
    }
    held
}

#[cfg(test)]
mod tests {
    use tower_api_key::scope::Catalogue;

    use super::*;

    fn texts(set: &tower_api_key::scope::ScopeSet) -> BTreeSet<String> {
        set.iter().map(Into::into).collect()
    }

    #[test]
    fn the_table_of_the_model_is_the_catalogue_of_the_crate() {
        let catalogue = Catalogue::anyreach();
        for role in ROLES {
            assert_eq!(texts(&catalogue.scopes_of(role).unwrap()), of_role(role));
        }
        assert!(catalogue.scopes_of("owner").is_none() && of_role("owner").is_empty());
        for scope in SCOPES {
            let given = [scope.to_owned()];
            assert_eq!(texts(&catalogue.expand([scope])), expand(&given), "{scope}");
        }
        for unknown in ["", "agents", "conversations:dial", "admin"] {
            assert!(!catalogue.knows(unknown) && !knows(unknown), "{unknown}");
        }
    }
}

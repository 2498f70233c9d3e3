//! An edit as somebody fills it in.

use tower_api_key::{manage::Edit, store::CredentialInfo};

use super::lines;
use crate::pages::fields::{Fields, Query};

/// What is filled in for an edit.
#[derive(Clone, Debug)]
pub(in crate::pages) struct EditDraft {
    pub(in crate::pages) name: String,
    pub(in crate::pages) description: String,
}

impl EditDraft {
    /// Reads what is filled in; what is absent is as it was.
    pub(in crate::pages) fn read(fields: &Fields, before: &CredentialInfo) -> Self {
        let described = before.attributes.description.as_deref();
        let described = described.unwrap_or_default();
        Self {
            name: fields.get("name").unwrap_or(&before.name).to_owned(),
            description: lines(fields.get("description").unwrap_or(described)),
        }
    }

    /// Adds it to a query: the form at that URL is filled in.
    pub(in crate::pages) fn add_to(&self, query: Query) -> Query {
        query
            .with_typed("name", &self.name)
            .with_typed("description", &self.description)
    }

    /// Returns what the manager is asked for: what differs.
    pub(in crate::pages) fn request(&self, before: &CredentialInfo) -> Edit {
        let mut edit = Edit::default();
        if *self.name != *before.name {
            edit = edit.with_name(self.name.as_str());
        }
        match (self.description.as_str(), &before.attributes.description) {
            ("", None) => edit,
            ("", Some(_)) => edit.without_description(),
            (text, Some(before)) if text == &**before => edit,
            (text, _) => edit.with_description(text),
        }
    }
}

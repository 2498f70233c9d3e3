//! A new credential as somebody fills it in.

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{NewKey, NewToken},
    store::Attributes,
};

use super::{ExpiryDraft, InputError, Offer, RightsDraft, Stamp, expiry::Expiry, lines};
use crate::pages::fields::{Fields, Query};

/// What is filled in for a new credential.
#[derive(Clone, Debug)]
pub(in crate::pages) struct Draft {
    pub(in crate::pages) name: String,
    pub(in crate::pages) description: String,
    pub(in crate::pages) rights: RightsDraft,
    pub(in crate::pages) expiry: ExpiryDraft,
}

/// What the manager is asked for.
#[derive(Debug)]
pub(in crate::pages) enum NewCredential {
    Key(NewKey),
    Token(NewToken),
}

impl Draft {
    /// Reads what is filled in; without fields, the form as it is when it is opened.
    pub(in crate::pages) fn read(fields: &Fields) -> Self {
        Self {
            name: fields.text("name"),
            description: lines(&fields.text("description")),
            rights: RightsDraft::read(fields),
            expiry: ExpiryDraft::read_new(fields),
        }
    }

    /// Adds it to a query: the form at that URL is filled in.
    pub(in crate::pages) fn add_to(&self, query: Query) -> Query {
        let query = query
            .with_typed("name", &self.name)
            .with_typed("description", &self.description);
        self.expiry.add_to(self.rights.add_to(query))
    }

    /// Returns what the manager is asked for.
    ///
    /// # Errors
    /// [`InputError`] if that does not follow from what is filled in.
    pub(in crate::pages) fn request(
        &self,
        kind: Kind,
        offer: &Offer,
        stamp: &Stamp,
        now: UnixMillis,
    ) -> Result<NewCredential, InputError> {
        let expiry = self.expiry.expiry(stamp.opened_at(), now)?;
        let Expiry::At(expires_at) = expiry else {
            return Err(InputError::InvalidExpiry); // there is nothing before it
        };
        let scopes = self.rights.scopes(offer)?;
        Ok(match kind {
            Kind::OrgKey => {
                let new = NewKey::named(&self.name)
                    .expiring_at(expires_at)
                    .with_attributes(self.attributes())
                    .with_idempotency_key(stamp.as_str());
                NewCredential::Key(match (scopes, &offer.role) {
                    (Some(scopes), _) => new.with_scopes(scopes.iter().map(String::as_str)),
                    (None, Some(role)) => new.with_role(role),
                    (None, None) => new.with_scopes(offer.all_scopes()),
                })
            }
            Kind::PersonalToken => {
                let mut new = NewToken::named(&self.name)
                    .expiring_at(expires_at)
                    .with_attributes(self.attributes())
                    .with_idempotency_key(stamp.as_str());
                if let Some(scopes) = scopes {
                    new = new.with_scopes(scopes.iter().map(String::as_str));
                }
                if let Some(organizations) = self.rights.organizations(offer)? {
                    new = new.with_organizations(organizations.iter().map(String::as_str));
                }
                NewCredential::Token(new)
            }
        })
    }

    fn attributes(&self) -> Attributes {
        match self.description.as_str() {
            "" => Attributes::default(),
            text => Attributes::default().with_description(text),
        }
    }
}

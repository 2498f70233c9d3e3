//! Organizations, users and memberships. These changes have no rules and no audit trail.

use super::{Attributes, By, Organization, Owner, Rejected, User, World, catalogue, names};

/// A change of organizations, users or memberships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// Creates an organization, at the top or below a parent.
    CreateOrganization(String, Option<String>),
    /// Deletes an organization for ever.
    DeleteOrganization(String),
    /// Creates a user.
    CreateUser(String),
    /// Enables or disables a user.
    SetUserEnabled(String, bool),
    /// Deletes a user with everything that is stored about them.
    DeleteUser(String),
    /// Makes a user a member, or changes their role.
    SetMember(String, String, String),
    /// Removes a membership, if there is one.
    RemoveMember(String, String),
}

/// What replaces an erased user in the audit trail: a random text in a store.
const ERASED: &str = "erased";

impl World {
    /// Makes the change, or returns why not.
    ///
    /// # Errors
    /// What is unknown, taken or invalid. Nothing was changed.
    pub fn arrange(&mut self, change: &Arrangement) -> Result<(), Rejected> {
        match change {
            Arrangement::CreateOrganization(id, parent) => self.found(id, parent.as_deref()),
            Arrangement::DeleteOrganization(id) => match self.organizations.get_mut(id) {
                Some(found) if !found.deleted => {
                    found.deleted = true;
                    Ok(())
                }
                _ => Err("unknown_organization"),
            },
            Arrangement::CreateUser(id) if !names::is_id(id) => Err("invalid_id"),
            Arrangement::CreateUser(id) if self.users.contains_key(id) => Err("taken"),
            Arrangement::CreateUser(id) => {
                self.users.insert(id.clone(), User::default());
                Ok(())
            }
            Arrangement::SetUserEnabled(id, enabled) => {
                self.user(id)?.disabled = !enabled;
                Ok(())
            }
            Arrangement::DeleteUser(id) => self.erase(id),
            Arrangement::SetMember(user, organization, role) => {
                if !catalogue::ROLES.contains(&role.as_str()) {
                    return Err("unknown_role");
                }
                if !self.has_organization(organization) {
                    return Err("unknown_organization");
                }
                self.user(user)?
                    .roles
                    .insert(organization.clone(), role.clone());
                Ok(())
            }
            Arrangement::RemoveMember(user, organization) => {
                self.user(user)?.roles.remove(organization);
                Ok(())
            }
        }
    }

    /// Returns whether an organization is below another, with all between them, both included,
    /// live.
    #[must_use]
    pub fn is_descendant(&self, organization: &str, ancestor: &str) -> bool {
        let mut at = organization;
        while self.has_organization(at) {
            match self
                .organizations
                .get(at)
                .and_then(|found| found.parent.as_deref())
            {
                Some(parent) if parent == ancestor => return self.has_organization(parent),
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }

    fn found(&mut self, id: &str, parent: Option<&str>) -> Result<(), Rejected> {
        if !names::is_id(id) {
            return Err("invalid_id");
        }
        if parent.is_some_and(|parent| !self.has_organization(parent)) {
            return Err("unknown_organization");
        }
        if self.organizations.contains_key(id) {
            return Err("taken");
        }
        let new = Organization {
            parent: parent.map(Into::into),
            deleted: false,
        };
        self.organizations.insert(id.into(), new);
        Ok(())
    }

    fn user(&mut self, id: &str) -> Result<&mut User, Rejected> {
        self.users.get_mut(id).ok_or("unknown_user")
    }

    /// The trail stays, under another name.
    fn erase(&mut self, id: &str) -> Result<(), Rejected> {
        self.users.remove(id).ok_or("unknown_user")?;
        let owner = Owner::User(id.into());
        self.by_token.retain(|_, (kind, token)| {
            let found = self.credentials.get(&(*kind, token.clone()));
            found.is_some_and(|stored| stored.shown.owner != owner)
        });
        self.credentials
            .retain(|_, stored| stored.shown.owner != owner);
        self.repeats.retain(|(of, _), _| *of != owner);
        for event in &mut self.trail {
            if event.owner == owner {
                event.owner = Owner::User(ERASED.into());
                event.attributes = Attributes::default();
            }
        }
        let by = self.trail.iter_mut().map(|event| &mut event.by);
        let stored = self.credentials.values_mut();
        let creators = stored.filter_map(|stored| stored.shown.created_by.as_mut());
        for by in by.chain(creators) {
            match by {
                By::Token(_, user) | By::User(user) if user == id => *user = ERASED.into(),
                _ => {}
            }
        }
        Ok(())
    }
}

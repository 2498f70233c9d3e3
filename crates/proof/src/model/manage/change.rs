//! What changes credentials, or ends them.

use std::collections::BTreeSet;

use super::{
    Result,
    checks::{check_attributes, check_held, check_name},
};
use crate::model::{
    Actor, Attributes, By, Conditions, Credential, Edit, Kind, Millis, Outcome, State, Status,
    World,
};

impl World {
    pub(super) fn rename(
        &mut self,
        now: Millis,
        actor: &Actor,
        kind: Kind,
        id: &str,
        name: &str,
    ) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        check_name(name)?;
        let before = self.not_deleted(&owner, id)?;
        self.check_actor(now, actor)?;
        let after = Credential {
            name: name.into(),
            ..before.clone()
        };
        if after != before {
            self.note(now, actor, "renamed", &after, None);
            self.set(after.clone());
        }
        Ok(Outcome::Info(after))
    }

    /// Conditions that allow something that the old ones did not are granted again.
    pub(super) fn edit(
        &mut self,
        now: Millis,
        actor: &Actor,
        kind: Kind,
        id: &str,
        edit: &Edit,
    ) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        if let Some(name) = &edit.name {
            check_name(name)?;
        }
        let before = self.not_deleted(&owner, id)?;
        let after = edited(&before, edit);
        check_attributes(&after.attributes)?;
        let old = &before.attributes.conditions;
        if !old.cover(&after.attributes.conditions) {
            check_regrant(actor, &after)?;
        }
        self.check_actor(now, actor)?;
        if after != before {
            self.note(now, actor, "edited", &after, None);
            self.set(after.clone());
        }
        Ok(Outcome::Info(after))
    }

    /// Enabling is granting again.
    pub(super) fn enable(&mut self, now: Millis, actor: &Actor, kind: Kind, id: &str) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        let before = self.not_deleted(&owner, id)?;
        check_regrant(actor, &before)?;
        self.check_actor(now, actor)?;
        let after = Credential {
            status: Status::Active,
            ..before.clone()
        };
        if after != before {
            if after.state(now) == State::Active {
                self.check_cap(now, &owner, |one| one.id != after.id, &[&after])?;
            }
            self.note(now, actor, "enabled", &after, None);
            self.set(after.clone());
        }
        Ok(Outcome::Info(after))
    }

    /// Disables or deletes, whatever the credential is.
    pub(super) fn end(
        &mut self,
        now: Millis,
        actor: &Actor,
        kind: Kind,
        id: &str,
        to: Status,
    ) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        self.check_actor(now, actor)?;
        let before = self.not_deleted(&owner, id)?;
        let after = match to {
            Status::Deleted => before.clone().deleted(now),
            _ => Credential {
                status: to,
                ..before.clone()
            },
        };
        if after != before {
            let action = if to == Status::Deleted {
                "deleted"
            } else {
                "disabled"
            };
            self.note(now, actor, action, &after, None);
            self.set(after.clone());
        }
        Ok(Outcome::Info(after))
    }

    /// Whoever bears a credential may end it, and needs no other right.
    pub(super) fn revoke_presented(&mut self, now: Millis, token: &str) -> Result {
        let name = self.by_token.get(token).ok_or("unknown_credential")?;
        let stored = self.credentials.get(name).ok_or("unknown_credential")?;
        if stored.shown.status == Status::Deleted {
            return Err("deleted");
        }
        let after = stored.shown.clone().deleted(now);
        self.push(now, By::Bearer, "revoked", &after, None);
        self.set(after.clone());
        Ok(Outcome::Info(after))
    }

    pub(super) fn revoke_all(&mut self, now: Millis, actor: &Actor, kind: Kind) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        self.check_actor(now, actor)?;
        let all = self
            .all_of(&owner)
            .filter(|one| one.status != Status::Deleted);
        let all: Vec<Credential> = all.cloned().collect();
        let mut ended = BTreeSet::new();
        for one in all {
            self.note(now, actor, "deleted", &one, None);
            ended.insert(one.id.clone());
            self.set(one.deleted(now));
        }
        Ok(Outcome::Ended(ended))
    }
}

fn check_regrant(actor: &Actor, credential: &Credential) -> Result<()> {
    check_held(actor, &credential.again())?;
    if actor.outlives(credential.expires_at) {
        Ok(())
    } else {
        Err("expiry_beyond_creator")
    }
}

fn edited(before: &Credential, edit: &Edit) -> Credential {
    let Attributes {
        description,
        metadata,
        conditions,
    } = before.attributes.clone();
    Credential {
        name: edit.name.clone().unwrap_or_else(|| before.name.clone()),
        attributes: Attributes {
            description: edit.description.clone().unwrap_or(description),
            metadata: edit.metadata.clone().unwrap_or(metadata),
            conditions: Conditions {
                networks: edit.networks.clone().unwrap_or(conditions.networks),
                environment: edit.environment.clone().unwrap_or(conditions.environment),
            },
        },
        ..before.clone()
    }
}

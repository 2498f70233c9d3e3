//! Management: who may do what to which credential, and what changes.

use std::collections::BTreeSet;

use super::{
    Actor, By, CAP, Call, Credential, Event, Grant, Issue, Kind, LATEST_EXPIRY, MAX_OVERLAP,
    Millis, Minted, Outcome, Owner, Principal, Rejected, Request, Route, State, Status, Stored,
    World, answer::Answer, catalogue, has_passed, names,
};

type Result<T = Outcome> = std::result::Result<T, Rejected>;

impl World {
    /// Makes a call at `now`. `minted` is what the call issued, if it issued something: ids and
    /// tokens are random. A rejected call changes nothing.
    pub fn manage(
        &mut self,
        now: Millis,
        actor: &Actor,
        call: &Call,
        minted: Option<&Minted>,
    ) -> Outcome {
        self.changes += 1;
        let outcome = match call {
            Call::Issue(issue, repeat) => self.issue(now, actor, issue, repeat.as_deref(), minted),
            Call::Rotate {
                target: (kind, id),
                overlap,
                expires_at,
            } => self.rotate(now, actor, *kind, id, *overlap, *expires_at, minted),
            Call::Rename(kind, id, name) => self.rename(now, actor, *kind, id, name),
            Call::Enable(kind, id) => self.enable(now, actor, *kind, id),
            Call::Disable(kind, id) => self.end(now, actor, *kind, id, Status::Disabled),
            Call::Delete(kind, id) => self.end(now, actor, *kind, id, Status::Deleted),
            Call::RevokePresented(token) => self.revoke_presented(now, token),
            Call::RevokeAll(kind) => self.revoke_all(now, actor, *kind),
            Call::Import(issue, minted, at) => self.import(now, actor, issue, minted, *at),
            Call::Get(kind, id) => self.get(actor, *kind, id),
            Call::List(kind, filter) => self.list(now, actor, *kind, filter),
            Call::Events(kind) => self.events(actor, *kind),
        };
        outcome.unwrap_or_else(Outcome::Rejected)
    }

    fn issue(
        &mut self,
        now: Millis,
        actor: &Actor,
        issue: &Issue,
        repeat: Option<&str>,
        minted: Option<&Minted>,
    ) -> Result {
        let owner = actor.manages(issue.kind).ok_or("not_allowed")?;
        if repeat.is_some_and(|key| !names::is_idempotency_key(key)) {
            return Err("invalid_idempotency_key");
        }
        let repeat = repeat.map(|key| (owner.clone(), key.to_owned()));
        if let Some(earlier) = repeat.as_ref().and_then(|key| self.repeats.get(key)) {
            return self.repeat(now, actor, issue, earlier);
        }
        check_name(&issue.name)?;
        check_expiry(now, actor, issue.expires_at)?;
        check_known(&issue.grant)?;
        check_held(actor, &issue.grant)?;
        self.check_actor(now, actor)?;
        if !self.has_owner(&owner) {
            return Err("unknown_owner");
        }
        let new = fresh(minted, &owner, issue, now);
        self.check_cap(now, &owner, |_| true, &[&new])?;
        self.note(now, actor, "issued", &new, None);
        self.add(new.clone(), minted);
        if let Some(key) = repeat {
            self.repeats.insert(key, (issue.clone(), new.id.clone()));
        }
        Ok(Outcome::Issued(new, true))
    }

    /// The same request again returns the same credential, while that is active.
    fn repeat(
        &self,
        now: Millis,
        actor: &Actor,
        issue: &Issue,
        earlier: &(Issue, String),
    ) -> Result {
        let (before, id) = earlier;
        if before != issue {
            return Err("idempotency_conflict");
        }
        match self.credential(issue.kind, id) {
            Some(found) if found.state(now) == State::Active => {
                self.check_actor(now, actor)?;
                Ok(Outcome::Issued(found.clone(), false))
            }
            _ => Err("issued_inactive"),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one for each part of the call")]
    fn rotate(
        &mut self,
        now: Millis,
        actor: &Actor,
        kind: Kind,
        id: &str,
        overlap: Millis,
        expires_at: Option<Option<Millis>>,
        minted: Option<&Minted>,
    ) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        if overlap > MAX_OVERLAP {
            return Err("overlap_too_long");
        }
        let old = self.owned(&owner, id)?;
        match old.status {
            Status::Active if old.rotated_to.is_some() => return Err("already_rotated"),
            Status::Active => {}
            Status::Disabled => return Err("disabled"),
            Status::Deleted => return Err("deleted"),
        }
        let expires_at = expires_at.unwrap_or(old.expires_at);
        check_held(actor, &old.grant)?;
        check_expiry(now, actor, expires_at)?;
        self.check_actor(now, actor)?;
        if !self.has_owner(&owner) {
            return Err("unknown_owner");
        }
        let issue = Issue {
            kind,
            name: old.name.clone(),
            grant: old.grant.clone(),
            expires_at,
        };
        let mut new = fresh(minted, &owner, &issue, now);
        new.rotated_from = Some(old.id.clone());
        let replaced = replaced(&old, &new.id, overlap, now);
        let before = old
            .rotated_from
            .as_ref()
            .and_then(|id| self.owned(&owner, id).ok());
        let before =
            before.filter(|one| one.status != Status::Deleted && !has_passed(one.expires_at, now));
        // Without an overlap the new one takes the place of the old one.
        if overlap > 0 || old.state(now) != State::Active {
            let others = |one: &Credential| {
                one.id != old.id && before.as_ref().is_none_or(|before| before.id != one.id)
            };
            self.check_cap(now, &owner, others, &[&replaced, &new])?;
        }
        self.note(now, actor, "rotated", &old, Some(&new.id));
        self.note(now, actor, "issued", &new, Some(&old.id));
        self.set(replaced);
        self.add(new.clone(), minted);
        if let Some(before) = before {
            self.note(now, actor, "deleted", &before, None);
            self.set(Credential {
                status: Status::Deleted,
                ..before
            });
        }
        Ok(Outcome::Issued(new, true))
    }

    fn rename(&mut self, now: Millis, actor: &Actor, kind: Kind, id: &str, name: &str) -> Result {
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

    /// Enabling is granting again.
    fn enable(&mut self, now: Millis, actor: &Actor, kind: Kind, id: &str) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        let before = self.not_deleted(&owner, id)?;
        check_held(actor, &before.grant)?;
        if !actor.outlives(before.expires_at) {
            return Err("expiry_beyond_creator");
        }
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
    fn end(&mut self, now: Millis, actor: &Actor, kind: Kind, id: &str, to: Status) -> Result {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        self.check_actor(now, actor)?;
        let before = self.not_deleted(&owner, id)?;
        let after = Credential {
            status: to,
            ..before.clone()
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
    fn revoke_presented(&mut self, now: Millis, token: &str) -> Result {
        let name = self.by_token.get(token).ok_or("unknown_credential")?;
        let stored = self.credentials.get(name).ok_or("unknown_credential")?;
        if stored.shown.status == Status::Deleted {
            return Err("deleted");
        }
        let after = Credential {
            status: Status::Deleted,
            ..stored.shown.clone()
        };
        self.push(now, By::Bearer, "revoked", &after, None);
        self.set(after.clone());
        Ok(Outcome::Info(after))
    }

    fn revoke_all(&mut self, now: Millis, actor: &Actor, kind: Kind) -> Result {
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
            self.set(Credential {
                status: Status::Deleted,
                ..one
            });
        }
        Ok(Outcome::Ended(ended))
    }

    /// For operators only; neither the cap nor the past is a limit.
    fn import(
        &mut self,
        now: Millis,
        actor: &Actor,
        issue: &Issue,
        minted: &Minted,
        created_at: Option<Millis>,
    ) -> Result {
        let owner = actor.manages(issue.kind).ok_or("not_allowed")?;
        if !matches!(actor, Actor::Operator(_)) {
            return Err("not_allowed");
        }
        check_name(&issue.name)?;
        check_unit(issue.expires_at)?;
        check_known(&issue.grant)?;
        check_held(actor, &issue.grant)?;
        if !self.has_owner(&owner) {
            return Err("unknown_owner");
        }
        let same_id = self
            .credentials
            .contains_key(&(issue.kind, minted.id.clone()));
        let same_token = issue.kind == Kind::Token && self.by_token.contains_key(&minted.token);
        if same_id || same_token {
            return Err("taken");
        }
        let new = fresh(Some(minted), &owner, issue, created_at.unwrap_or(now));
        self.note(now, actor, "imported", &new, None);
        self.add(new.clone(), Some(minted));
        Ok(Outcome::Info(new))
    }

    /// Returns the principal that the same request would have now.
    pub(super) fn principal_now(&self, was: &Principal, now: Millis) -> Option<Principal> {
        let stored = self.credentials.get(&(was.kind, was.id.clone()))?;
        let route = if was.organization.is_none() {
            Route::UserScoped
        } else {
            Route::Plain
        };
        let request = Request {
            authorization: vec![format!("Bearer {}", stored.token)],
            organization: was.organization.iter().cloned().collect(),
            route,
            target: String::new(),
        };
        match self.answer(now, &request) {
            Answer::Accepted(is) => Some(is),
            _ => None,
        }
    }

    fn check_actor(&self, now: Millis, actor: &Actor) -> Result<()> {
        if actor.stands(self, now) {
            Ok(())
        } else {
            Err("not_allowed")
        }
    }

    /// Refuses when more than the cap would be usable: those of the owner that `stay`, and `made`.
    fn check_cap(
        &self,
        now: Millis,
        owner: &Owner,
        stay: impl Fn(&Credential) -> bool,
        made: &[&Credential],
    ) -> Result<()> {
        let staying = self.all_of(owner).filter(|one| stay(one));
        let usable = staying
            .chain(made.iter().copied())
            .filter(|one| one.state(now) == State::Active);
        if usable.count() <= CAP {
            Ok(())
        } else {
            Err("cap_reached")
        }
    }

    /// Returns a credential of the owner. One of another owner is unknown.
    pub(super) fn owned(&self, owner: &Owner, id: &str) -> Result<Credential> {
        let found = self
            .credential(owner.kind(), id)
            .filter(|one| one.owner == *owner);
        found.cloned().ok_or("unknown_credential")
    }

    fn not_deleted(&self, owner: &Owner, id: &str) -> Result<Credential> {
        let found = self.owned(owner, id)?;
        if found.status == Status::Deleted {
            Err("deleted")
        } else {
            Ok(found)
        }
    }

    pub(super) fn all_of(&self, owner: &Owner) -> impl Iterator<Item = &Credential> {
        let all = self.credentials.values().map(|stored| &stored.shown);
        all.filter(move |one| one.owner == *owner)
    }

    fn add(&mut self, new: Credential, minted: Option<&Minted>) {
        let token = minted
            .map(|minted| minted.token.clone())
            .unwrap_or_default();
        let name = (new.owner.kind(), new.id.clone());
        self.by_token.insert(token.clone(), name.clone());
        self.credentials.insert(
            name,
            Stored {
                shown: new,
                token,
                reported: false,
            },
        );
    }

    fn set(&mut self, after: Credential) {
        if let Some(stored) = self
            .credentials
            .get_mut(&(after.owner.kind(), after.id.clone()))
        {
            stored.shown = after;
        }
    }

    fn note(
        &mut self,
        at: Millis,
        actor: &Actor,
        action: &'static str,
        what: &Credential,
        related: Option<&str>,
    ) {
        self.push(at, actor.by(), action, what, related);
    }

    pub(super) fn push(
        &mut self,
        at: Millis,
        by: By,
        action: &'static str,
        what: &Credential,
        related: Option<&str>,
    ) {
        self.trail.push(Event {
            group: self.changes,
            action,
            credential: what.id.clone(),
            owner: what.owner.clone(),
            at,
            related: related.map(Into::into),
            by,
        });
    }
}

/// A new credential.
fn fresh(minted: Option<&Minted>, owner: &Owner, issue: &Issue, now: Millis) -> Credential {
    Credential {
        id: minted.map(|minted| minted.id.clone()).unwrap_or_default(),
        owner: owner.clone(),
        name: issue.name.clone(),
        grant: issue.grant.clone(),
        status: Status::Active,
        created_at: now,
        expires_at: issue.expires_at,
        last_used_at: None,
        rotated_from: None,
        rotated_to: None,
        rotated_at: None,
    }
}

/// The old credential after its rotation: deleted, or valid until the overlap ends.
fn replaced(old: &Credential, new: &str, overlap: Millis, now: Millis) -> Credential {
    let end = (now + overlap).min(LATEST_EXPIRY);
    Credential {
        rotated_to: Some(new.into()),
        rotated_at: Some(now),
        status: if overlap == 0 {
            Status::Deleted
        } else {
            Status::Active
        },
        expires_at: match old.expires_at {
            own if overlap == 0 => own,
            Some(own) => Some(own.min(end)),
            None => Some(end),
        },
        ..old.clone()
    }
}

fn check_name(name: &str) -> Result<()> {
    if names::is_name(name) {
        Ok(())
    } else {
        Err("invalid_name")
    }
}

fn check_unit(expires_at: Option<Millis>) -> Result<()> {
    match expires_at {
        Some(end) if end > LATEST_EXPIRY => Err("expiry_too_far"),
        _ => Ok(()),
    }
}

/// Something new ends in the future, and not after the actor who makes it.
fn check_expiry(now: Millis, actor: &Actor, expires_at: Option<Millis>) -> Result<()> {
    check_unit(expires_at)?;
    if has_passed(expires_at, now) {
        Err("expiry_in_past")
    } else if actor.outlives(expires_at) {
        Ok(())
    } else {
        Err("expiry_beyond_creator")
    }
}

/// A role and scopes must exist.
fn check_known(grant: &Grant) -> Result<()> {
    match grant {
        Grant::Role(role) if !catalogue::ROLES.contains(&role.as_str()) => Err("unknown_role"),
        Grant::Scopes(scopes) if !scopes.iter().all(|scope| catalogue::knows(scope)) => {
            Err("unknown_scope")
        }
        _ => Ok(()),
    }
}

/// The actor must hold everything that it grants.
fn check_held(actor: &Actor, grant: &Grant) -> Result<()> {
    let given = match grant {
        Grant::Role(role) => catalogue::of_role(role),
        Grant::Scopes(scopes) => catalogue::expand(scopes),
        Grant::Nothing => BTreeSet::new(),
    };
    match actor.held() {
        Some(held) if !given.is_subset(&held) => Err("scope_not_held"),
        _ => Ok(()),
    }
}

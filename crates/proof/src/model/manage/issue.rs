//! What makes credentials: issuing, rotation, import.

use super::{
    Result,
    checks::{check_attributes, check_expiry, check_held, check_known, check_name, check_unit},
};
use crate::model::{
    Actor, Credential, Issue, Kind, LATEST_EXPIRY, MAX_OVERLAP, Millis, Minted, Origin, Outcome,
    Owner, Rejected, Repeatable, Rotate, State, Status, World, has_passed, names,
};

impl World {
    pub(super) fn issue(
        &mut self,
        now: Millis,
        actor: &Actor,
        issue: &Issue,
        repeat: Option<&str>,
        minted: Option<&Minted>,
    ) -> Result {
        let owner = actor.manages(issue.kind).ok_or("not_allowed")?;
        let asked = Repeatable::Issue(issue.clone());
        if let Some(earlier) = self.repeated(now, actor, &owner, &asked, repeat)? {
            return Ok(earlier);
        }
        check_name(&issue.name)?;
        check_expiry(now, actor, issue.expires_at)?;
        check_attributes(&issue.attributes)?;
        check_known(issue)?;
        check_held(actor, issue)?;
        self.check_actor(now, actor)?;
        if !self.has_owner(&owner) {
            return Err("unknown_owner");
        }
        let new = fresh(actor, minted, &owner, issue, now);
        self.check_cap(now, &owner, |_| true, &[&new])?;
        self.note(now, actor, "issued", &new, None);
        self.add(new.clone(), minted);
        self.remember(owner, repeat, asked, &new);
        Ok(Outcome::Issued(new, true))
    }

    /// The same request again returns the same credential, while that is active.
    fn repeated(
        &self,
        now: Millis,
        actor: &Actor,
        owner: &Owner,
        asked: &Repeatable,
        repeat: Option<&str>,
    ) -> std::result::Result<Option<Outcome>, Rejected> {
        let Some(key) = repeat else {
            return Ok(None);
        };
        if !names::is_idempotency_key(key) {
            return Err("invalid_idempotency_key");
        }
        let Some((before, id)) = self.repeats.get(&(owner.clone(), key.to_owned())) else {
            return Ok(None);
        };
        self.check_actor(now, actor)?;
        if before != asked {
            return Err("idempotency_conflict");
        }
        match self.credential(owner.kind(), id) {
            Some(found) if found.state(now) == State::Active => {
                Ok(Some(Outcome::Issued(found.clone(), false)))
            }
            _ => Err("issued_inactive"),
        }
    }

    fn remember(
        &mut self,
        owner: Owner,
        repeat: Option<&str>,
        asked: Repeatable,
        new: &Credential,
    ) {
        if let Some(key) = repeat {
            let issued = (asked, new.id.clone());
            self.repeats.insert((owner, key.to_owned()), issued);
        }
    }

    pub(super) fn rotate(
        &mut self,
        now: Millis,
        actor: &Actor,
        rotate: &Rotate,
        repeat: Option<&str>,
        minted: Option<&Minted>,
    ) -> Result {
        let ((kind, id), overlap) = (&rotate.target, rotate.overlap);
        let owner = actor.manages(*kind).ok_or("not_allowed")?;
        let asked = Repeatable::Rotate(rotate.clone());
        if let Some(earlier) = self.repeated(now, actor, &owner, &asked, repeat)? {
            return Ok(earlier);
        }
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
        let expires_at = rotate.expires_at.unwrap_or(old.expires_at);
        check_held(actor, &old.again())?;
        check_expiry(now, actor, expires_at)?;
        self.check_actor(now, actor)?;
        if !self.has_owner(&owner) {
            return Err("unknown_owner");
        }
        let issue = Issue {
            expires_at,
            ..old.again()
        };
        let mut new = fresh(actor, minted, &owner, &issue, now);
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
            self.set(before.deleted(now));
        }
        self.remember(owner, repeat, asked, &new);
        Ok(Outcome::Issued(new, true))
    }

    /// For operators only; neither the cap nor the past is a limit.
    pub(super) fn import(
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
        check_attributes(&issue.attributes)?;
        check_known(issue)?;
        check_held(actor, issue)?;
        if !self.has_owner(&owner) {
            return Err("unknown_owner");
        }
        let same_id = self
            .credentials
            .contains_key(&(issue.kind, minted.id.clone()));
        let same_token = issue.kind == Kind::Token && self.by_token.contains_key(&minted.token);
        let removed = (issue.kind, minted.id.clone());
        let same_token =
            same_token || issue.kind == Kind::Token && self.removed_tokens.contains(&minted.token);
        if same_id || same_token || self.tombstones.contains(&removed) {
            return Err("taken");
        }
        let new = fresh(
            actor,
            Some(minted),
            &owner,
            issue,
            created_at.unwrap_or(now),
        );
        self.note(now, actor, "imported", &new, None);
        self.add(new.clone(), Some(minted));
        Ok(Outcome::Info(new))
    }
}

/// A new credential.
fn fresh(
    actor: &Actor,
    minted: Option<&Minted>,
    owner: &Owner,
    issue: &Issue,
    now: Millis,
) -> Credential {
    Credential {
        id: minted.map(|minted| minted.id.clone()).unwrap_or_default(),
        owner: owner.clone(),
        name: issue.name.clone(),
        grant: issue.grant.clone(),
        organizations: issue.organizations.clone(),
        attributes: issue.attributes.clone(),
        status: Status::Active,
        created_by: Some(actor.by()),
        created_at: now,
        expires_at: issue.expires_at,
        first_used_at: None,
        last_used_at: None,
        last_origin: Origin::default(),
        rotated_from: None,
        rotated_to: None,
        rotated_at: None,
        deleted_at: None,
    }
}

/// The old credential after its rotation: deleted, or valid until the overlap ends.
fn replaced(old: &Credential, new: &str, overlap: Millis, now: Millis) -> Credential {
    let end = (now + overlap).min(LATEST_EXPIRY);
    let replaced = Credential {
        rotated_to: Some(new.into()),
        rotated_at: Some(now),
        expires_at: match old.expires_at {
            own if overlap == 0 => own,
            Some(own) => Some(own.min(end)),
            None => Some(end),
        },
        ..old.clone()
    };
    match overlap {
        0 => replaced.deleted(now),
        _ => replaced,
    }
}

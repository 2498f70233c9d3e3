//! Reading: one credential, a list, the audit trail. Reading needs no more than the actor itself.

use super::{Actor, Call, Credential, Filter, Kind, Millis, Outcome, Rejected, State, World};

impl World {
    pub(super) fn get(&self, actor: &Actor, kind: Kind, id: &str) -> Result<Outcome, Rejected> {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        Ok(Outcome::Info(self.owned(&owner, id)?))
    }

    /// The newest first; of the same millisecond, the greatest id first.
    pub(super) fn list(
        &self,
        now: Millis,
        actor: &Actor,
        kind: Kind,
        filter: &Filter,
    ) -> Result<Outcome, Rejected> {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        let shown = self.all_of(&owner).filter(|one| filter.shows(one, now));
        let mut listed: Vec<Credential> = shown.cloned().collect();
        listed.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(Outcome::Listed(listed))
    }

    pub(super) fn events(&self, actor: &Actor, kind: Kind) -> Result<Outcome, Rejected> {
        let owner = actor.manages(kind).ok_or("not_allowed")?;
        let of_owner = self.trail.iter().rev().filter(|event| event.owner == owner);
        Ok(Outcome::Trail(of_owner.cloned().collect()))
    }
}

impl Filter {
    fn shows(&self, one: &Credential, now: Millis) -> bool {
        let state = one.state(now);
        let used = one
            .last_used_at
            .map_or(one.created_at, |used| used.max(one.created_at));
        let of_state = match self.state {
            Some(wanted) => state == wanted,
            None => state != State::Deleted,
        };
        of_state
            && self
                .expiring_before
                .is_none_or(|then| one.expires_at.is_some_and(|end| end < then))
            && self.unused_since.is_none_or(|then| used < then)
            && self.name.as_ref().is_none_or(|text| {
                one.name
                    .to_ascii_lowercase()
                    .contains(&text.to_ascii_lowercase())
            })
            && self
                .metadata
                .as_ref()
                .is_none_or(|(key, value)| one.attributes.metadata.get(key) == Some(value))
    }
}

impl Call {
    /// Returns whether the call can change something.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Get(..) | Self::List(..) | Self::Events(_))
    }
}

//! Management: who may do what to which credential, and what changes.

mod change;
mod checks;
mod issue;

use super::{
    Actor, Attributes, By, CAP, Call, Credential, Event, Millis, Minted, Outcome, Owner, Principal,
    Rejected, Request, Route, Stage, State, Status, Stored, Surroundings, World,
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
            Call::Rotate(rotate, repeat) => {
                self.rotate(now, actor, rotate, repeat.as_deref(), minted)
            }
            Call::Rename(kind, id, name) => self.rename(now, actor, *kind, id, name),
            Call::Edit(kind, id, edit) => self.edit(now, actor, *kind, id, edit),
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

    /// Returns the principal that the same request would have now, wherever it comes from.
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
            address: None,
            user_agent: None,
            at: Surroundings {
                environment: None,
                finds_addresses: false,
            },
        };
        self.principal(now, &request)
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
                stage: Stage::default(),
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

    pub(in crate::model) fn push(
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
            attributes: match action {
                "issued" | "imported" | "edited" => what.attributes.clone(),
                _ => Attributes::default(),
            },
        });
    }
}

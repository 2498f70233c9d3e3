//! Calls of management, and changes of what stands around it.

use tower_api_key::{manage::Actor as RealActor, scope::ScopeSet, store::Owner as RealOwner};

use super::{Changed, Checked, Run, Site, same::is_same};
use crate::{
    history::{
        node::real_owner,
        step::{ArrangeStep, CallStep},
    },
    model::{Actor, Arrangement, Call, Minted, Outcome},
};

impl<S: Site> Run<'_, S> {
    /// The crate's actor for the model's.
    pub(super) fn real(&self, actor: &Actor, held: Option<usize>) -> RealActor {
        let caller = held.and_then(|at| self.callers.get(at));
        match (actor, caller) {
            (_, Some(caller)) => RealActor::from_principal(caller),
            (Actor::Operator(owner), None) => RealActor::operator("model", real_owner(owner)),
            (Actor::Session(user, None), None) => RealActor::user(user.as_str()),
            (Actor::Session(user, Some((organization, scopes))), None) => {
                let scopes: ScopeSet = scopes.iter().map(String::as_str).collect();
                RealActor::user(user.as_str()).acting_in(organization.as_str(), scopes)
            }
            (Actor::Held(_), None) => {
                RealActor::operator("nobody", RealOwner::Organization("nobody".into()))
            }
        }
    }

    pub(super) async fn call(&mut self, step: &CallStep) -> Checked {
        let at = self.number(step.node);
        let now = self.now(at);
        let (actor, held, call) = self.scene.call(now, step);
        self.make(at, actor, held, call).await
    }

    pub(super) async fn make(
        &mut self,
        at: usize,
        actor: Actor,
        held: Option<usize>,
        call: Call,
    ) -> Checked {
        let now = self.now(at);
        let real = self.real(&actor, held);
        let (got, minted) = self.node(at)?.call(&real, &call).await;
        let events = self.world.trail().len();
        let expected = self.world.manage(now, &actor, &call, minted.as_ref());
        if !is_same(&expected, &got) {
            return Err(format!(
                "node {at} at {now}\n{actor:?}\n{call:?}\nmodel: {expected:?}\nstore: {got:?}"
            ));
        }
        self.learn(&expected, &call, minted);
        if call.changes() {
            let changed = self.world.trail().iter().skip(events);
            let changed = changed.map(|event| event.credential.clone()).collect();
            self.changed(at, &Changed::Ids(changed));
        }
        Ok(())
    }

    /// Remembers what was issued, and counts.
    pub(super) fn learn(&mut self, outcome: &Outcome, call: &Call, minted: Option<Minted>) {
        match (outcome, call, minted) {
            (Outcome::Rejected(_), ..) => self.counts.rejected += 1,
            (Outcome::Issued(new, _), _, Some(minted)) => {
                self.scene.issued.push((new.owner.clone(), minted));
                self.counts.changed += 1;
            }
            (Outcome::Info(new), Call::Import(_, minted, _), _) => {
                self.scene.issued.push((new.owner.clone(), minted.clone()));
                self.counts.changed += 1;
            }
            (_, call, _) => self.counts.changed += u64::from(call.changes()),
        }
    }

    pub(super) async fn arrangement(&mut self, at: usize, change: ArrangeStep) -> Checked {
        match self.scene.arrangement(change) {
            Ok(change) => self.arrange(at, &change).await,
            Err((organization, ancestor)) => {
                let expected = self.world.is_descendant(&organization, &ancestor);
                match self.node(at)?.is_descendant(&organization, &ancestor).await {
                    Some(got) if got == expected => Ok(()),
                    got => Err(format!(
                        "{organization} below {ancestor}: {expected}, {got:?}"
                    )),
                }
            }
        }
    }

    pub(super) async fn arrange(&mut self, at: usize, change: &Arrangement) -> Checked {
        let got = self.node(at)?.arrange(change).await;
        let expected = self.world.arrange(change);
        if got != expected {
            return Err(format!("{change:?}\nmodel: {expected:?}\nstore: {got:?}"));
        }
        let subject = match change {
            Arrangement::CreateOrganization(id, _) | Arrangement::DeleteOrganization(id) => id,
            Arrangement::CreateUser(id)
            | Arrangement::SetUserEnabled(id, _)
            | Arrangement::DeleteUser(id)
            | Arrangement::SetMember(id, ..)
            | Arrangement::RemoveMember(id, _) => id,
        };
        self.changed(at, &Changed::Ids(vec![subject.clone()]));
        Ok(())
    }
}

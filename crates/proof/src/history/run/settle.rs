//! Calls whose outcome is one of several: two at once, and one whose node crashes.

use std::{future::poll_fn, pin::pin, task::Poll};

use super::{
    Changed, Checked, Run, Site,
    same::{is_alike, is_same},
};
use crate::{
    history::step::CallStep,
    model::{Actor, Call, Filter, Kind, Minted, Outcome, Owner, State, World},
};

impl<S: Site> Run<'_, S> {
    /// Two calls at once: their outcomes and what they leave are those of one order.
    pub(super) async fn both(&mut self, one: &CallStep, other: &CallStep) -> Checked {
        let (a, b) = (self.number(one.node), self.number(other.node));
        let (now_a, now_b) = (self.now(a), self.now(b));
        let (actor_a, held_a, call_a) = self.scene.call(now_a, one);
        let (actor_b, held_b, call_b) = self.scene.call(now_b, other);
        if !call_a.changes() || !call_b.changes() {
            return Ok(());
        }
        // PostgreSQL reads the actor of an ending without a lock, and not again if it has ended
        // itself: two endings by the credential that they end may both be made, and an ending
        // beside a change that takes something from its actor.
        let (ends_a, ends_b) = (
            ends_itself(&actor_a, &call_a),
            ends_itself(&actor_b, &call_b),
        );
        let is_beside = |ends: bool, actor: &Actor, call: &Call| ends && takes_from(call, actor);
        if ends_a && ends_b
            || is_beside(ends_a, &actor_a, &call_b)
            || is_beside(ends_b, &actor_b, &call_a)
        {
            return Ok(());
        }
        let (real_a, real_b) = (self.real(&actor_a, held_a), self.real(&actor_b, held_b));
        let ((got_a, minted_a), (got_b, minted_b)) = tokio::join!(
            self.node(a)?.call(&real_a, &call_a),
            self.node(b)?.call(&real_b, &call_b)
        );
        // Ending all may take two transactions, and the other call's may come between them. The actor
        // of any ending is read without a lock, so the trail may have the actor's own end before what
        // the actor has ended at the same time.
        let is_mixed = is_order_open(&actor_a, &call_a) || is_order_open(&actor_b, &call_b);
        let mut candidates = Vec::new();
        for a_first in [true, false] {
            let mut world = self.world.clone();
            let first = |world: &mut World| {
                let expected = world.manage(now_a, &actor_a, &call_a, minted_a.as_ref());
                is_alike(&expected, &got_a)
            };
            let second = |world: &mut World| {
                let expected = world.manage(now_b, &actor_b, &call_b, minted_b.as_ref());
                is_alike(&expected, &got_b)
            };
            let fits = match a_first {
                true => first(&mut world) && second(&mut world),
                false => second(&mut world) && first(&mut world),
            };
            if !fits {
                continue;
            }
            if is_mixed {
                world.stored_at_once(self.world.trail().len());
            }
            candidates.push(world);
        }
        let owners = self.owners(&[(&actor_a, &call_a), (&actor_b, &call_b)]);
        let told = format!(
            "at once: {actor_a:?}\n{call_a:?}: {got_a:?}\nand {actor_b:?}\n{call_b:?}: {got_b:?}"
        );
        self.settle(a, candidates, &owners)
            .await
            .map_err(|why| format!("{told}\n{why}"))?;
        self.learn(&got_a, &call_a, minted_a);
        self.learn(&got_b, &call_b, minted_b);
        self.changed(a, &Changed::Anything);
        self.changed(b, &Changed::Anything);
        Ok(())
    }

    /// A call is dropped half-way, and its node crashes: all of it happened, or nothing. What was
    /// issued is then found by reading: its secret is lost.
    pub(super) async fn crash(&mut self, step: &CallStep, polls: u8) -> Checked {
        let at = self.number(step.node);
        let now = self.now(at);
        let (actor, held, call) = self.scene.call(now, step);
        if !call.changes() {
            return Ok(());
        }
        let real = self.real(&actor, held);
        let done = poll_at_most(self.node(at)?.call(&real, &call), polls).await;
        self.restart(at).await;
        let owners = self.owners(&[(&actor, &call)]);
        let minted = match &done {
            Some((_, minted)) => minted.clone(),
            None => self.unheard_of(at, &owners).await?,
        };
        let before = self.world.clone();
        let mut after = before.clone();
        let expected = after.manage(now, &actor, &call, minted.as_ref());
        let candidates = match &done {
            Some((got, _)) if is_same(&expected, got) => vec![after],
            Some((got, _)) => return Err(format!("{call:?}\nmodel: {expected:?}\nstore: {got:?}")),
            None => vec![after, before],
        };
        let chosen = self.settle(at, candidates, &owners).await;
        match chosen.map_err(|why| format!("{call:?}\n{why}"))? {
            0 if done.is_none() => {
                let lost = |minted| call_kinds(&call).first().map(|kind| lost(*kind, minted));
                self.learn(&expected, &call, minted.and_then(lost));
            }
            0 => self.learn(&expected, &call, minted),
            _ => {}
        }
        self.changed(at, &Changed::Anything);
        Ok(())
    }

    /// Returns the credential of these owners that the store has and the model has not. The model
    /// gives it a text that no client can present.
    async fn unheard_of(&self, at: usize, owners: &[Owner]) -> Checked<Option<Minted>> {
        let mut found = Vec::new();
        for owner in owners {
            let actor = Actor::Operator(owner.clone());
            let real = self.real(&actor, None);
            for list in lists(owner.kind()) {
                let (got, _) = self.node(at)?.call(&real, &list).await;
                let Outcome::Listed(listed) = got else {
                    return Err(format!("{list:?}: {got:?}"));
                };
                let is_new = |id: &str| self.world.credential(owner.kind(), id).is_none();
                found.extend(listed.into_iter().filter(|one| is_new(&one.id)));
            }
        }
        match &found[..] {
            [] => Ok(None),
            [one] => Ok(Some(Minted {
                id: one.id.clone(),
                token: format!("lost {}", one.id),
            })),
            more => Err(format!("one call has issued {more:?}")),
        }
    }

    /// Returns whose credentials these calls can change.
    fn owners(&self, calls: &[(&Actor, &Call)]) -> Vec<Owner> {
        let mut owners = Vec::new();
        for (actor, call) in calls {
            let kinds = call_kinds(call);
            owners.extend(kinds.iter().filter_map(|kind| actor.manages(*kind)));
            if let Call::RevokePresented(token) = call {
                let named = self.world.named_by(token);
                let found = named.and_then(|(kind, id)| self.world.credential(*kind, id));
                owners.extend(found.map(|found| found.owner.clone()));
            }
        }
        owners.sort();
        owners.dedup();
        owners
    }

    /// Finds the candidate that the store is now like, continues from it, and returns its number.
    pub(super) async fn settle(
        &mut self,
        at: usize,
        candidates: Vec<World>,
        owners: &[Owner],
    ) -> Checked<usize> {
        let mut why = format!("none of {} outcomes fits", candidates.len());
        for (number, mut world) in candidates.into_iter().enumerate() {
            match self.compare(at, &mut world, owners).await {
                Ok(()) => {
                    self.world = world;
                    return Ok(number);
                }
                Err(difference) => why = difference,
            }
        }
        Err(why)
    }

    /// Compares all credentials and all events of some owners.
    pub(super) async fn compare(&self, at: usize, world: &mut World, owners: &[Owner]) -> Checked {
        for owner in owners {
            let kind = owner.kind();
            let actor = Actor::Operator(owner.clone());
            let real = self.real(&actor, None);
            for call in lists(kind).into_iter().chain([Call::Events(kind)]) {
                let (got, _) = self.node(at)?.call(&real, &call).await;
                let expected = world.manage(self.now(at), &actor, &call, None);
                if !is_same(&expected, &got) {
                    return Err(format!("{call:?}\nmodel: {expected:?}\nstore: {got:?}"));
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a call may come between the parts of another one: it ends all credentials of an
/// owner, or a credential makes it to end one.
fn is_order_open(actor: &Actor, call: &Call) -> bool {
    match call {
        Call::RevokeAll(_) => true,
        Call::Disable(..) | Call::Delete(..) => matches!(actor, Actor::Held(_)),
        _ => false,
    }
}

/// Returns whether the credential that makes a call is the one that it ends.
fn ends_itself(actor: &Actor, call: &Call) -> bool {
    let Actor::Held(principal) = actor else {
        return false;
    };
    match call {
        Call::Disable(kind, id) | Call::Delete(kind, id) => {
            (*kind, id) == (principal.kind, &principal.id)
        }
        Call::RevokeAll(kind) => *kind == principal.kind,
        _ => false,
    }
}

/// Returns whether a call can make the credential of an actor less than it was, and leave it.
fn takes_from(call: &Call, actor: &Actor) -> bool {
    let Actor::Held(principal) = actor else {
        return false;
    };
    match call {
        Call::Edit(kind, id, _) => (*kind, id) == (principal.kind, &principal.id),
        Call::Rotate(rotate, _) => rotate.target == (principal.kind, principal.id.clone()),
        _ => false,
    }
}

/// The kinds of credential that a call can change.
fn call_kinds(call: &Call) -> Vec<Kind> {
    match call {
        Call::Issue(issue, _) | Call::Import(issue, ..) => vec![issue.kind],
        Call::Rotate(rotate, _) => vec![rotate.target.0],
        Call::Rename(kind, ..)
        | Call::Edit(kind, ..)
        | Call::Disable(kind, _)
        | Call::Enable(kind, _)
        | Call::Delete(kind, _)
        | Call::RevokeAll(kind) => vec![*kind],
        _ => vec![],
    }
}

/// The lists that have every credential of an owner once.
fn lists(kind: Kind) -> [Call; 4] {
    let states = [
        State::Active,
        State::Disabled,
        State::Expired,
        State::Deleted,
    ];
    states.map(|state| {
        let filter = Filter {
            state: Some(state),
            ..Filter::default()
        };
        Call::List(kind, filter)
    })
}

/// What a history can present of a credential whose secret is lost: its id, with another secret.
fn lost(kind: Kind, minted: Minted) -> Minted {
    let token = match kind {
        Kind::Key => format!("ak_{}.test-lost", minted.id),
        Kind::Token => format!("pat_{}-test-lost", minted.id),
    };
    Minted { token, ..minted }
}

/// Polls a future at most so often, and drops it.
async fn poll_at_most<T>(future: impl Future<Output = T>, mut polls: u8) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

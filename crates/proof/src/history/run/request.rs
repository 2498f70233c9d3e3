//! Requests, and what a node without a feed may answer.

use tower_api_key::Principal as Caller;

use super::{Checked, Run, Site, same::looks_like};
use crate::{
    history::{attributes::keeps, resolve::MOST_HELD, step::RequestStep},
    model::{Answer, Origin, Principal, Request, Route, World},
};

impl<S: Site> Run<'_, S> {
    pub(super) async fn request(&mut self, step: &RequestStep) -> Checked {
        let (at, request) = (
            self.number(step.node),
            self.scene.request(&self.world, step),
        );
        let about = self.about(&request);
        let now = self.now(at);
        let lost = self.beside(at)?.lost.is_some();
        let expected = self.world.answer(now, &request);
        // An answer that looks like the present one is not enough: the record behind it may be an
        // earlier one, with another expiry or without the mark of a rotation.
        if !lost && S::FEEDS && self.beside(at)?.behind.concerns(&about) {
            self.catch_up(at).await?;
        }
        let (mut got, mut caller) = self.node(at)?.request(&request, !lost).await;
        if !looks_like(&expected, &got) && self.is_early(at, &request, &got)? {
            self.counts.early += 1;
            self.pass_lookup_deadline(at)?;
            (got, caller) = self.node(at)?.request(&request, !lost).await;
        }
        self.note_early(at, &request)?;
        if !looks_like(&expected, &got) {
            return self.stale(at, now, &request, &expected, &got);
        }
        match caller {
            None => self.counts.refused += 1,
            Some(_) => self.counts.accepted += 1,
        }
        if lost {
            return Ok(());
        }
        if let Some((kind, id, rotated)) = self.world.used_by(now, &request) {
            let origin = Origin::of(&request, keeps(at, request.at));
            let uses = &mut self.beside(at)?.uses;
            uses.note(kind, &id, rotated, now, origin);
        }
        if let (Answer::Accepted(principal), Some(caller), true) = (expected, caller, step.holds())
        {
            self.hold(principal, caller);
        }
        Ok(())
    }

    /// A node without a feed may answer by a state since the loss, but not by one before its own
    /// last change of what the request is about.
    pub(super) fn stale(
        &mut self,
        at: usize,
        now: i64,
        request: &Request,
        expected: &Answer,
        got: &Answer,
    ) -> Checked {
        let about = self.about(request);
        let allowed = match &self.beside(at)?.lost {
            Some(lost) if !lost.past_bound => {
                let own = about.iter().filter_map(|subject| lost.own.get(subject));
                let from = own.max().copied().unwrap_or(0);
                let mut states = lost.states.iter().skip(from);
                states.any(|state| looks_like(&state.answer(now, request), got))
                    || (request.route == Route::Descendant
                        && lost.answers_with_another_tree(now, request, got))
            }
            _ => false,
        };
        if allowed {
            self.counts.stale += 1;
            return Ok(());
        }
        Err(format!(
            "node {at} at {now}\n{request:?}\nmodel: {expected:?}\nstore: {got:?}"
        ))
    }

    /// Returns whether this is the answer to a token that does not exist, for one that was
    /// presented before it did.
    pub(super) fn is_early(&mut self, at: usize, request: &Request, got: &Answer) -> Checked<bool> {
        let unknown = World::default().answer(self.now(at), request);
        let early = &self.beside(at)?.early;
        Ok(looks_like(&unknown, got) && tokens(request).any(|token| early.contains(token)))
    }

    /// Lets the deadline of a node's lookups pass. A node without a feed must answer by the present
    /// from then on: so much more time passes there that it may not trust its cache.
    pub(super) fn pass_lookup_deadline(&mut self, at: usize) -> Checked {
        if self.beside(at)?.lost.is_some() {
            return self.pass_bound(at);
        }
        self.site.pass_lookup_deadline(at);
        Ok(())
    }

    pub(super) fn note_early(&mut self, at: usize, request: &Request) -> Checked {
        for token in tokens(request).filter(|_| S::CACHED) {
            if token.starts_with("pat_") && self.world.named_by(token).is_none() {
                self.beside(at)?.early.insert(token.to_owned());
            }
        }
        Ok(())
    }

    /// Returns the ids of what a request is about. An organization that a request with a key names
    /// is only compared with the key's own. One that is named twice, or on a route of a person, is
    /// not looked up.
    pub(super) fn about(&self, request: &Request) -> Vec<String> {
        let has_key = tokens(request).any(|token| token.starts_with("ak_"));
        let has_one = request.organization.len() == 1 && request.route != Route::UserScoped;
        let is_looked_up = has_one && !has_key;
        let named = request.organization.iter().filter(|_| is_looked_up);
        let mut about: Vec<String> = named.map(|id| id.trim().to_owned()).collect();
        for token in tokens(request) {
            for (owner, minted) in &self.scene.issued {
                if minted.token == token {
                    about.extend([minted.id.clone(), owner.id().to_owned()]);
                }
            }
        }
        about
    }

    pub(super) fn hold(&mut self, principal: Principal, caller: Caller) {
        if self.callers.len() == MOST_HELD {
            self.callers.remove(0);
            self.scene.held.remove(0);
        }
        self.callers.push(caller);
        self.scene.held.push(principal);
    }
}

/// The texts of a request that may be tokens.
fn tokens(request: &Request) -> impl Iterator<Item = &str> {
    let lines = request.authorization.iter();
    lines.filter_map(|line| line.rsplit(' ').next())
}

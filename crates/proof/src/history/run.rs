//! Runs a history against the nodes of a site and against the model, and compares every answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    task::Poll,
};

use tower_api_key::{
    Principal as Caller, clock::Clock, manage::Actor as RealActor, scope::ScopeSet,
    store::Owner as RealOwner,
};

use super::{
    node::{Node, real_owner},
    resolve::{MOST_HELD, Scene},
    site::Site,
    step::{ArrangeStep, CallStep, RequestStep, Step},
};
use crate::model::{
    Actor, Answer, Arrangement, Call, Event, Filter, Grant, Issue, Kind, Minted, Outcome, Owner,
    Principal, Request, Route, State, Uses, World,
};

/// How many steps of each sort were made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// All steps.
    pub steps: u64,
    /// Requests that were accepted.
    pub accepted: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Calls that changed something.
    pub changed: u64,
    /// Calls that were rejected.
    pub rejected: u64,
    /// Answers of a node without a feed that were right earlier.
    pub stale: u64,
    /// Answers that a token does not exist which was presented before it did, and does now.
    pub early: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            steps: self.steps + more.steps,
            accepted: self.accepted + more.accepted,
            refused: self.refused + more.refused,
            changed: self.changed + more.changed,
            rejected: self.rejected + more.rejected,
            stale: self.stale + more.stale,
            early: self.early + more.early,
        }
    }
}

/// What a node that has lost its feed may still answer.
struct Lost {
    /// The states since the loss; the last one is the present.
    states: Vec<World>,
    /// What the node itself has changed, and the first state that it may answer by.
    own: BTreeMap<String, usize>,
    /// Whether the time of old answers is over.
    past_bound: bool,
}

impl Lost {
    /// Returns whether the answer is that of a credential at one time and of the tree of
    /// organizations at another: a cache keeps credentials, and no tree.
    fn answers_with_another_tree(&self, now: i64, request: &Request, got: &Answer) -> bool {
        self.states.iter().any(|credentials| {
            self.states.iter().any(|tree| {
                let mixed = World {
                    organizations: tree.organizations.clone(),
                    ..credentials.clone()
                };
                looks_like(&mixed.answer(now, request), got)
            })
        })
    }
}

/// What is known of a node beside the model's world.
#[derive(Default)]
struct Beside {
    uses: Uses,
    /// What other nodes have changed since this one was known to have heard of everything.
    behind: Behind,
    lost: Option<Lost>,
    /// Tokens that were presented before they were imported. A change of a token does not name what
    /// was presented, so a cache that found nothing twice may say so until the deadline of its
    /// lookups has passed, and no longer.
    early: BTreeSet<String>,
}

/// Changes that a node may not have heard of yet.
#[derive(Default)]
enum Behind {
    /// Those of these ids.
    Ids(BTreeSet<String>),
    /// Any.
    Anything,
    /// None.
    #[default]
    Nothing,
}

impl Behind {
    fn add(&mut self, what: &Changed) {
        match (&mut *self, what) {
            (Self::Anything, _) | (_, Changed::Anything) => *self = Self::Anything,
            (Self::Ids(ids), Changed::Ids(more)) => ids.extend(more.iter().cloned()),
            (Self::Nothing, Changed::Ids(ids)) => *self = Self::Ids(ids.iter().cloned().collect()),
        }
    }

    /// Returns whether one of these ids may have changed.
    fn concerns(&self, about: &[String]) -> bool {
        match self {
            Self::Ids(ids) => about.iter().any(|id| ids.contains(id)),
            Self::Anything => true,
            Self::Nothing => false,
        }
    }
}

/// What a step has changed.
enum Changed {
    /// The credentials, users and organizations with these ids.
    Ids(Vec<String>),
    /// One cannot tell.
    Anything,
}

/// A history that runs.
struct Run<'s, S: Site> {
    site: &'s mut S,
    nodes: Vec<Node<S::Store>>,
    beside: Vec<Beside>,
    world: World,
    scene: Scene,
    callers: Vec<Caller>,
    counts: Counts,
}

type Checked<T = ()> = Result<T, String>;

/// Runs a history. `number` makes its ids new in the store.
///
/// # Errors
/// The first difference between the store and the model, as text.
pub async fn run<S: Site>(site: &mut S, number: u64, history: &[Step]) -> Checked<Counts> {
    site.begin().await;
    let mut run = Run::new(site, number);
    run.set_up().await?;
    for (at, step) in history.iter().enumerate() {
        run.counts.steps += 1;
        run.step(*step)
            .await
            .map_err(|why| format!("step {at}, {step:?}\n{why}"))?;
    }
    Ok(run.counts)
}

impl<'s, S: Site> Run<'s, S> {
    fn new(site: &'s mut S, number: u64) -> Self {
        let nodes = (0..S::NODES)
            .map(|at| Node::new(site.store(at), site.clock(at)))
            .collect();
        Self {
            nodes,
            beside: (0..S::NODES).map(|_| Beside::default()).collect(),
            site,
            world: World::default(),
            scene: Scene {
                prefix: format!("h{number}"),
                ..Scene::default()
            },
            callers: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Two organizations, one below the other, two members, a key and a token.
    async fn set_up(&mut self) -> Checked {
        let (top, below) = (self.scene.organization(0), self.scene.organization(1));
        let (one, other) = (self.scene.user(0), self.scene.user(1));
        for change in [
            Arrangement::CreateOrganization(top.clone(), None),
            Arrangement::CreateOrganization(below, Some(top.clone())),
            Arrangement::CreateUser(one.clone()),
            Arrangement::CreateUser(other.clone()),
            Arrangement::SetMember(one.clone(), top.clone(), "admin".into()),
            Arrangement::SetMember(other, top.clone(), "viewer".into()),
        ] {
            self.arrange(0, &change).await?;
        }
        let admin = Grant::Role("admin".into());
        for (owner, grant) in [
            (Owner::Organization(top), admin),
            (Owner::User(one), Grant::Nothing),
        ] {
            let name = "first".into();
            let issue = Issue {
                kind: owner.kind(),
                name,
                grant,
                expires_at: None,
            };
            self.make(0, Actor::Operator(owner), None, Call::Issue(issue, None))
                .await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Checked {
        match step {
            Step::Request(request) => self.request(&request).await,
            Step::Call(call) => self.call(&call).await,
            Step::Both(one, other) => self.both(&one, &other).await,
            Step::Crash(call, polls) => self.crash(&call, polls).await,
            Step::Arrange(node, change) => self.arrangement(self.number(node), change).await,
            Step::Clock(by) => {
                (0..S::NODES).for_each(|node| self.site.clock(node).advance_millis(by));
                Ok(())
            }
            Step::WriteUses(node) => self.write_uses(self.number(node)).await,
            Step::Restart(node, gently) => {
                let node = self.number(node);
                if gently {
                    self.write_uses(node).await?;
                }
                self.restart(node).await;
                Ok(())
            }
            Step::Lose(node, stop) => self.lose(self.number(node), stop).await,
            Step::Restore(node) => self.restore(self.number(node)).await,
            Step::PassBound(node) => self.pass_bound(self.number(node)),
            Step::Prune => {
                self.site.prune().await;
                Ok(())
            }
        }
    }

    fn number(&self, node: u8) -> usize {
        usize::from(node) % S::NODES
    }

    fn node(&self, node: usize) -> Checked<&Node<S::Store>> {
        self.nodes.get(node).ok_or_else(|| "no such node".into())
    }

    fn beside(&mut self, node: usize) -> Checked<&mut Beside> {
        self.beside
            .get_mut(node)
            .ok_or_else(|| "no such node".into())
    }

    fn now(&self, node: usize) -> i64 {
        self.site.clock(node).now().0
    }

    async fn request(&mut self, step: &RequestStep) -> Checked {
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
            self.beside(at)?.uses.note(kind, &id, rotated, now);
        }
        if let (Answer::Accepted(principal), Some(caller), true) = (expected, caller, step.holds())
        {
            self.hold(principal, caller);
        }
        Ok(())
    }

    /// A node without a feed may answer by a state since the loss, but not by one before its own
    /// last change of what the request is about.
    fn stale(
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

    /// Returns whether this is the answer to a token that does not exist, for one that was presented
    /// before it did.
    fn is_early(&mut self, at: usize, request: &Request, got: &Answer) -> Checked<bool> {
        let unknown = World::default().answer(self.now(at), request);
        let early = &self.beside(at)?.early;
        Ok(looks_like(&unknown, got) && tokens(request).any(|token| early.contains(token)))
    }

    /// Lets the deadline of a node's lookups pass. A node without a feed must answer by the present
    /// from then on: so much more time passes there that it may not trust its cache.
    fn pass_lookup_deadline(&mut self, at: usize) -> Checked {
        if self.beside(at)?.lost.is_some() {
            return self.pass_bound(at);
        }
        self.site.pass_lookup_deadline(at);
        Ok(())
    }

    fn note_early(&mut self, at: usize, request: &Request) -> Checked {
        for token in tokens(request).filter(|_| S::CACHED) {
            if token.starts_with("pat_") && self.world.named_by(token).is_none() {
                self.beside(at)?.early.insert(token.to_owned());
            }
        }
        Ok(())
    }

    /// Returns the ids of what a request is about. An organization that a request with a key names is
    /// only compared with the key's own.
    fn about(&self, request: &Request) -> Vec<String> {
        let has_key = tokens(request).any(|token| token.starts_with("ak_"));
        let named = request.organization.iter().filter(|_| !has_key);
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

    fn hold(&mut self, principal: Principal, caller: Caller) {
        if self.callers.len() == MOST_HELD {
            self.callers.remove(0);
            self.scene.held.remove(0);
        }
        self.callers.push(caller);
        self.scene.held.push(principal);
    }

    /// The crate's actor for the model's.
    fn real(&self, actor: &Actor, held: Option<usize>) -> RealActor {
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

    async fn call(&mut self, step: &CallStep) -> Checked {
        let at = self.number(step.node);
        let now = self.now(at);
        let (actor, held, call) = self.scene.call(now, step);
        self.make(at, actor, held, call).await
    }

    async fn make(&mut self, at: usize, actor: Actor, held: Option<usize>, call: Call) -> Checked {
        let now = self.now(at);
        if matches!(call, Call::RevokePresented(_)) {
            if self.beside(at)?.lost.is_some() {
                return Ok(()); // it looks the credential up, as a request does
            }
            self.catch_up(at).await?;
        }
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
    fn learn(&mut self, outcome: &Outcome, call: &Call, minted: Option<Minted>) {
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

    async fn arrangement(&mut self, at: usize, change: ArrangeStep) -> Checked {
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

    async fn arrange(&mut self, at: usize, change: &Arrangement) -> Checked {
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

    /// A node has changed something: it answers by that at once, the others once they hear of it.
    fn changed(&mut self, by: usize, what: &Changed) {
        for (at, beside) in self.beside.iter_mut().enumerate() {
            if at != by {
                beside.behind.add(what);
            }
            if let Some(lost) = &mut beside.lost {
                lost.states.push(self.world.clone());
                if let (true, Changed::Ids(what)) = (at == by, what) {
                    let present = lost.states.len() - 1;
                    lost.own.extend(what.iter().map(|id| (id.clone(), present)));
                }
            }
        }
    }

    async fn catch_up(&mut self, at: usize) -> Checked {
        let beside = self.beside(at)?;
        if beside.lost.is_none() && !matches!(beside.behind, Behind::Nothing) {
            beside.behind = Behind::Nothing;
            self.site.catch_up(at).await;
        }
        Ok(())
    }

    async fn write_uses(&mut self, at: usize) -> Checked {
        let got = self.node(at)?.write_uses().await;
        let (world, beside) = (&mut self.world, self.beside.get_mut(at));
        let expected = beside.map(|beside| beside.uses.flush(world));
        if got == expected {
            Ok(())
        } else {
            Err(format!("uses written\nmodel: {expected:?}\nstore: {got:?}"))
        }
    }

    async fn restart(&mut self, at: usize) {
        self.site.restart(at).await;
        let node = Node::new(self.site.store(at), self.site.clock(at));
        if let (Some(old), Some(beside)) = (self.nodes.get_mut(at), self.beside.get_mut(at)) {
            *old = node;
            *beside = Beside::default();
        }
    }

    async fn lose(&mut self, at: usize, stop: bool) -> Checked {
        if !S::FEEDS || self.beside(at)?.lost.is_some() {
            return Ok(());
        }
        self.catch_up(at).await?;
        self.site.lose(at, stop).await;
        let states = vec![self.world.clone()];
        let lost = Lost {
            states,
            own: BTreeMap::new(),
            past_bound: false,
        };
        self.beside(at)?.lost = Some(lost);
        Ok(())
    }

    async fn restore(&mut self, at: usize) -> Checked {
        if self.beside(at)?.lost.take().is_some() {
            self.site.restore(at).await;
            self.beside(at)?.behind = Behind::Nothing;
        }
        Ok(())
    }

    fn pass_bound(&mut self, at: usize) -> Checked {
        let has_lost = match &mut self.beside(at)?.lost {
            Some(lost) => {
                lost.past_bound = true;
                true
            }
            None => false,
        };
        if has_lost {
            self.site.pass_bound(at);
        }
        Ok(())
    }

    /// Two calls at once: their outcomes and what they leave are those of one order.
    async fn both(&mut self, one: &CallStep, other: &CallStep) -> Checked {
        let (a, b) = (self.number(one.node), self.number(other.node));
        let (now_a, now_b) = (self.now(a), self.now(b));
        let (actor_a, held_a, call_a) = self.scene.call(now_a, one);
        let (actor_b, held_b, call_b) = self.scene.call(now_b, other);
        let looks_up = |call: &Call| !call.changes() || matches!(call, Call::RevokePresented(_));
        if looks_up(&call_a) || looks_up(&call_b) {
            return Ok(());
        }
        // PostgreSQL reads the actor of an ending without a lock, and not again if it has ended
        // itself: two endings by the credential that they end may both be made.
        if ends_itself(&actor_a, &call_a) && ends_itself(&actor_b, &call_b) {
            return Ok(());
        }
        let (real_a, real_b) = (self.real(&actor_a, held_a), self.real(&actor_b, held_b));
        let ((got_a, minted_a), (got_b, minted_b)) = tokio::join!(
            self.node(a)?.call(&real_a, &call_a),
            self.node(b)?.call(&real_b, &call_b)
        );
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
            candidates.extend(fits.then_some(world));
        }
        let kinds = [call_kinds(&call_a), call_kinds(&call_b)].concat();
        let owners = owners(&[&actor_a, &actor_b], &kinds);
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

    /// A call is dropped half-way, and its node crashes: all of it happened, or nothing.
    async fn crash(&mut self, step: &CallStep, polls: u8) -> Checked {
        let at = self.number(step.node);
        let now = self.now(at);
        let (actor, held, call) = self.scene.call(now, step);
        let mints = matches!(
            call,
            Call::Issue(..) | Call::Rotate { .. } | Call::Import(..)
        );
        if mints || !call.changes() || matches!(call, Call::RevokePresented(_)) {
            return Ok(());
        }
        let real = self.real(&actor, held);
        let done = poll_at_most(self.node(at)?.call(&real, &call), polls).await;
        let mut after = self.world.clone();
        let expected = after.manage(now, &actor, &call, None);
        let candidates = match done {
            Some((got, _)) if is_same(&expected, &got) => vec![after],
            Some((got, _)) => return Err(format!("{call:?}\nmodel: {expected:?}\nstore: {got:?}")),
            None => vec![after, self.world.clone()],
        };
        self.restart(at).await;
        let owners = owners(&[&actor], &call_kinds(&call));
        self.settle(at, candidates, &owners)
            .await
            .map_err(|why| format!("{call:?}\n{why}"))?;
        self.changed(at, &Changed::Anything);
        Ok(())
    }

    /// Finds the candidate that the store is now like, and goes on from it.
    async fn settle(&mut self, at: usize, candidates: Vec<World>, owners: &[Owner]) -> Checked {
        let mut why = format!("none of {} outcomes fits", candidates.len());
        for mut world in candidates {
            match self.compare(at, &mut world, owners).await {
                Ok(()) => {
                    self.world = world;
                    return Ok(());
                }
                Err(difference) => why = difference,
            }
        }
        Err(why)
    }

    /// Compares all credentials and all events of some owners.
    async fn compare(&self, at: usize, world: &mut World, owners: &[Owner]) -> Checked {
        let states = [
            State::Active,
            State::Disabled,
            State::Expired,
            State::Deleted,
        ];
        for owner in owners {
            let kind = owner.kind();
            let lists = states.map(|state| {
                Call::List(
                    kind,
                    Filter {
                        state: Some(state),
                        ..Filter::default()
                    },
                )
            });
            let actor = Actor::Operator(owner.clone());
            let real = self.real(&actor, None);
            for call in lists.into_iter().chain([Call::Events(kind)]) {
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

/// The kinds of credential that a call can change.
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

fn call_kinds(call: &Call) -> Vec<Kind> {
    match call {
        Call::Issue(issue, _) | Call::Import(issue, ..) => vec![issue.kind],
        Call::Rotate {
            target: (kind, _), ..
        }
        | Call::Rename(kind, ..)
        | Call::Disable(kind, _)
        | Call::Enable(kind, _)
        | Call::Delete(kind, _)
        | Call::RevokeAll(kind) => vec![*kind],
        _ => vec![],
    }
}

fn owners(actors: &[&Actor], kinds: &[Kind]) -> Vec<Owner> {
    let each = actors
        .iter()
        .flat_map(|actor| kinds.iter().map(|kind| actor.manages(*kind)));
    let mut owners: Vec<Owner> = each.flatten().collect();
    owners.sort();
    owners.dedup();
    owners
}

/// The texts of a request that may be tokens.
fn tokens(request: &Request) -> impl Iterator<Item = &str> {
    let lines = request.authorization.iter();
    lines.filter_map(|line| line.rsplit(' ').next())
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

/// Compares answers. A principal's expiry is not public.
fn looks_like(expected: &Answer, got: &Answer) -> bool {
    match (expected, got) {
        (Answer::Accepted(expected), Answer::Accepted(got)) => {
            let shown = Principal {
                expires_at: None,
                ..expected.clone()
            };
            shown == *got
        }
        _ => expected == got,
    }
}

/// Compares outcomes of calls that met. A call that has read before the other one and commits after
/// it may be rejected for another reason than in either order.
fn is_alike(expected: &Outcome, got: &Outcome) -> bool {
    let rejected = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(_));
    is_same(expected, got) || (rejected(expected) && rejected(got))
}

/// Compares outcomes. Events that were stored at once have no order.
fn is_same(expected: &Outcome, got: &Outcome) -> bool {
    let (Outcome::Trail(expected), Outcome::Trail(got)) = (expected, got) else {
        return expected == got;
    };
    let mut rest = got.as_slice();
    let groups = expected.chunk_by(|one, other| one.group == other.group);
    let fits = groups.into_iter().all(|group| {
        let Some((these, after)) = rest.split_at_checked(group.len()) else {
            return false;
        };
        rest = after;
        let sorted = |events: &[Event]| {
            let mut events: Vec<Event> = events
                .iter()
                .map(|event| Event {
                    group: 0,
                    ..event.clone()
                })
                .collect();
            events.sort();
            events
        };
        sorted(group) == sorted(these)
    });
    fits && rest.is_empty()
}

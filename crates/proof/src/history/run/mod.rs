//! Runs a history against the nodes of a site and against the model, and compares every answer.

mod background;
mod beside;
mod call;
mod counts;
mod nodes;
mod request;
mod same;
mod settle;

use beside::{Behind, Beside, Changed, Lost};
pub use counts::Counts;
use tower_api_key::{Principal as Caller, clock::Clock};

use super::{node::Node, resolve::Scene, site::Site, step::Step};
use crate::model::{Actor, Arrangement, Attributes, Call, Grant, Issue, Owner, World};

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
            .map(|at| Node::new(at, site.store(at), site.clock(at)))
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
                organizations: None,
                attributes: Attributes::default(),
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
            Step::WatchExpiry(node, thresholds) => {
                self.watch_expiry(self.number(node), thresholds).await
            }
            Step::ExpireUnused(node, kind, days) => {
                self.expire_unused(self.number(node), kind, days).await
            }
            Step::Sweep(node, hours) => self.sweep(self.number(node), hours).await,
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

    /// A node has changed something: it answers by that at once, the others once they receive it.
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
}

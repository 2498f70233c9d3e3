//! What happens to nodes.

use std::collections::BTreeMap;

use super::{Behind, Beside, Checked, Lost, Node, Run, Site};

impl<S: Site> Run<'_, S> {
    pub(super) async fn write_uses(&mut self, at: usize) -> Checked {
        let got = self.node(at)?.write_uses().await;
        let (world, beside) = (&mut self.world, self.beside.get_mut(at));
        let expected = beside.map(|beside| beside.uses.flush(world));
        if got == expected {
            Ok(())
        } else {
            Err(format!("uses written\nmodel: {expected:?}\nstore: {got:?}"))
        }
    }

    pub(super) async fn restart(&mut self, at: usize) {
        self.site.restart(at).await;
        let node = Node::new(at, self.site.store(at), self.site.clock(at));
        if let (Some(old), Some(beside)) = (self.nodes.get_mut(at), self.beside.get_mut(at)) {
            *old = node;
            *beside = Beside::default();
        }
    }

    pub(super) async fn lose(&mut self, at: usize, stop: bool) -> Checked {
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

    pub(super) async fn restore(&mut self, at: usize) -> Checked {
        if self.beside(at)?.lost.take().is_some() {
            self.site.restore(at).await;
            self.beside(at)?.behind = Behind::Nothing;
        }
        Ok(())
    }

    pub(super) fn pass_bound(&mut self, at: usize) -> Checked {
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
}

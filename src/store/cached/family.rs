//! The caches that come from one [`Cached::new`](super::Cached::new): clones, and those that were
//! set up anew after they were cloned.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{core::Core, fetch::SharedResult};
use crate::{observe::counters, store::Change};

type SharedCore = Core<SharedResult>;

/// A change made through one of these caches takes effect in all of them, so that setting up a
/// clone cannot separate it from the revocations that are made through the others.
pub(super) struct Family(Mutex<Vec<Weak<SharedCore>>>);

impl Family {
    pub(super) fn of(core: &Arc<SharedCore>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![Arc::downgrade(core)])))
    }

    pub(super) fn add(&self, core: &Arc<SharedCore>) {
        let mut cores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cores.retain(|core| core.strong_count() > 0);
        cores.push(Arc::downgrade(core));
    }

    pub(super) fn apply(&self, change: &Change) {
        let cores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for core in cores.iter().filter_map(Weak::upgrade) {
            core.apply(change);
        }
        drop(cores);
        counters::change_applied(change.subject());
    }
}

//! What is known of a node beside the model's world.

use std::collections::{BTreeMap, BTreeSet};

use super::same::looks_like;
use crate::model::{Answer, Request, Uses, World};

/// What a node that has lost its feed may still answer.
pub(super) struct Lost {
    /// The states since the loss; the last one is the present.
    pub(super) states: Vec<World>,
    /// What the node itself has changed, and the first state that it may answer by.
    pub(super) own: BTreeMap<String, usize>,
    /// Whether the time of old answers is over.
    pub(super) past_bound: bool,
}

impl Lost {
    /// Returns whether the answer is that of a credential at one time and of the tree of
    /// organizations at another: a cache keeps credentials, and no tree.
    pub(super) fn answers_with_another_tree(
        &self,
        now: i64,
        request: &Request,
        got: &Answer,
    ) -> bool {
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
pub(super) struct Beside {
    pub(super) uses: Uses,
    /// What other nodes have changed since this one was last known to be up to date.
    pub(super) behind: Behind,
    pub(super) lost: Option<Lost>,
    /// Tokens that were presented before they were imported. A change of a token does not name what
    /// was presented, so a cache that found nothing twice may say so until the deadline of its
    /// lookups has passed, and no longer.
    pub(super) early: BTreeSet<String>,
}

/// Changes that a node may not have received yet.
#[derive(Default)]
pub(super) enum Behind {
    /// Those of these ids.
    Ids(BTreeSet<String>),
    /// Any.
    Anything,
    /// None.
    #[default]
    Nothing,
}

impl Behind {
    pub(super) fn add(&mut self, what: &Changed) {
        match (&mut *self, what) {
            (Self::Anything, _) | (_, Changed::Anything) => *self = Self::Anything,
            (Self::Ids(ids), Changed::Ids(more)) => ids.extend(more.iter().cloned()),
            (Self::Nothing, Changed::Ids(ids)) => *self = Self::Ids(ids.iter().cloned().collect()),
        }
    }

    /// Returns whether one of these ids may have changed.
    pub(super) fn concerns(&self, about: &[String]) -> bool {
        match self {
            Self::Ids(ids) => about.iter().any(|id| ids.contains(id)),
            Self::Anything => true,
            Self::Nothing => false,
        }
    }
}

/// What a step has changed.
pub(super) enum Changed {
    /// The credentials, users and organizations with these ids.
    Ids(Vec<String>),
    /// One cannot tell.
    Anything,
}

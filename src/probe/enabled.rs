//! Probes, in programs with the feature `testing`.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Extensions, Request};
use tokio::sync::Notify;

use crate::{
    principal::{Principal, WithoutPrincipal},
    scope::AcceptedScopes,
};

thread_local! {
    /// How often a service of this crate was cloned on this thread.
    static CLONES: Cell<u64> = const { Cell::new(0) };
}

fn clones() -> u64 {
    CLONES.with(Cell::get)
}

/// A probe: what the layers noted, and how far it goes. Clones share the notes.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    notes: Arc<Mutex<Vec<Note>>>,
    held: Arc<Notify>,
    /// Whether it goes past the innermost layer that can be seen, too.
    through: bool,
}

/// What a layer notes about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Auth {
        optional: bool,
        needs_organization: bool,
    },
    Public,
    /// Other credentials go to another authenticator.
    Either,
    Requirement {
        kind: &'static str,
        scopes: Vec<String>,
        observed: bool,
    },
}

impl Probe {
    /// Creates a probe that ends at the innermost layer of this crate, or goes through to the
    /// handler.
    pub(crate) fn new(through: bool) -> Self {
        Self {
            notes: Arc::default(),
            held: Arc::default(),
            through,
        }
    }

    /// Returns the probe of a request, if it is one.
    pub(crate) fn of(request: &Extensions) -> Option<Self> {
        request.get().cloned()
    }

    pub(crate) fn meets_auth(&self, optional: bool, needs_organization: bool) {
        self.note(Note::Auth {
            optional,
            needs_organization,
        });
    }

    pub(crate) fn meets_public(&self) {
        self.note(Note::Public);
    }

    pub(crate) fn meets_either(&self) {
        self.note(Note::Either);
    }

    /// Notes a requirement; one for each set of which at least one scope has to be held.
    pub(crate) fn meets_requirement(
        &self,
        kind: &'static str,
        accepted: Option<&AcceptedScopes>,
        observed: bool,
    ) {
        let note = |scopes| {
            self.note(Note::Requirement {
                kind,
                scopes,
                observed,
            });
        };
        match accepted {
            Some(accepted) => accepted
                .sets()
                .for_each(|set| note(set.iter().map(str::to_owned).collect())),
            None => note(Vec::new()),
        }
    }

    fn note(&self, note: Note) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }

    /// Returns what the layers noted, from the outermost inwards.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.clone()
    }

    /// Returns whether the request is passed on to `inner`, with no caller. Otherwise it is held
    /// here.
    pub(crate) fn goes_past<S: Clone, B>(&self, inner: &S, request: &mut Request<B>) -> bool {
        let before = clones();
        drop(inner.clone());
        let goes = self.through || clones() > before;
        remove_caller(request);
        if !goes {
            self.hold();
        }
        goes
    }

    /// Calls a service that cannot be cloned. Its future, which did not start yet, is held unless
    /// the call reached or cloned another layer of this crate.
    pub(crate) fn call<B, F>(
        &self,
        mut request: Request<B>,
        service: impl FnOnce(Request<B>) -> F,
    ) -> (F, Held) {
        remove_caller(&mut request);
        let before = (clones(), self.notes().len());
        let future = service(request);
        let goes = self.through || (clones(), self.notes().len()) != before;
        if !goes {
            self.hold();
        }
        (future, Held(!goes))
    }

    fn hold(&self) {
        self.held.notify_one();
    }

    /// Waits until a layer holds the request.
    pub(crate) async fn held(&self) {
        self.held.notified().await;
    }
}

/// Makes sure that a handler that needs to know its caller refuses a probe.
fn remove_caller<B>(request: &mut Request<B>) {
    request.extensions_mut().remove::<Principal>();
    request.extensions_mut().remove::<WithoutPrincipal>();
}

/// Whether the response to a probe is held back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held(bool);

impl Held {
    /// The response to any other request.
    pub(crate) const NO: Self = Self(false);

    pub(crate) fn is_held(self) -> bool {
        self.0
    }
}

/// The part of a service that shows when it is cloned.
#[derive(Copy, Debug, Default)]
pub(crate) struct Tag;

#[allow(
    clippy::non_canonical_clone_impl,
    reason = "that a clone is counted is the point"
)]
impl Clone for Tag {
    fn clone(&self) -> Self {
        self.counted()
    }
}

impl Tag {
    /// Returns a clone, which is counted.
    pub(crate) fn counted(self) -> Self {
        CLONES.with(|clones| clones.set(clones.get() + 1));
        self
    }
}

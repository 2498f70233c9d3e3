//! Stands in for probes in programs that cannot have any.

use http::{Extensions, Request};

use crate::scope::AcceptedScopes;

/// A probe, of which there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {}

impl Probe {
    #[inline]
    pub(crate) fn of(_: &Extensions) -> Option<Self> {
        None
    }

    pub(crate) fn meets_auth(self, _optional: bool, _needs_organization: bool) {
        match self {}
    }

    pub(crate) fn meets_public(self) {
        match self {}
    }

    pub(crate) fn meets_either(self) {
        match self {}
    }

    pub(crate) fn meets_requirement(
        self,
        _kind: &'static str,
        _accepted: Option<&AcceptedScopes>,
        _observed: bool,
    ) {
        match self {}
    }

    pub(crate) fn goes_past<S: Clone, B>(self, _: &S, _: &mut Request<B>) -> bool {
        match self {}
    }

    pub(crate) fn call<B, F>(self, _: Request<B>, _: impl FnOnce(Request<B>) -> F) -> (F, Held) {
        match self {}
    }
}

/// Whether a response is held back, which it is not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held;

impl Held {
    pub(crate) const NO: Self = Self;

    #[inline]
    pub(crate) fn is_held(self) -> bool {
        false
    }
}

/// The part of a service that shows when it is cloned, which nothing looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tag;

impl Tag {
    #[inline]
    pub(crate) fn counted(self) -> Self {
        self
    }
}

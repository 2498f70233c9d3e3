//! Counts nothing.

use std::time::Duration;

use crate::{Principal, Rejection, store::Change};

pub(crate) fn accepted(_: &Principal, _: Option<Duration>) {}

pub(crate) fn refused(_: &Rejection, _: Option<Duration>) {}

pub(crate) fn hit(_: bool) {}

pub(crate) fn miss() {}

pub(crate) fn kept_failure() {}

pub(crate) fn limited() {}

pub(crate) fn evicted(_: bool) {}

pub(crate) fn stale() {}

pub(crate) fn applied(_: &Change) {}

pub(crate) fn hook_panicked() {}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn lagged(_: f64) {}

#[cfg(feature = "testing")]
pub(crate) fn forged() {}

pub(crate) fn feed(_: bool) {}

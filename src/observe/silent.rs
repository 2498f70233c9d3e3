//! Drops every verdict.

use std::time::Duration;

use crate::{Principal, Rejection, manage::ManageError, store::Event};

pub(crate) fn accepted(_: &Principal, _: Option<Duration>) {}

pub(crate) fn refused(_: &Rejection, _: Option<Duration>) {}

#[cfg(feature = "testing")]
pub(crate) fn test_double_used(_: &str) {}

pub(crate) fn management_failed(_: &ManageError) {}

pub(crate) fn hook_panicked(_: &Event) {}

#[cfg(feature = "postgres")]
pub(crate) fn feed_lost(_: &crate::store::StoreError) {}

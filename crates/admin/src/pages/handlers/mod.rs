//! The handlers, which keys and tokens share.

pub(super) mod change;
pub(super) mod create;
pub(super) mod end;
pub(super) mod list;
pub(super) mod rotate;

use axum::response::Response;

use super::fault::Fault;

/// A page, a redirect, or why there is neither.
type Answer = Result<Response, Fault>;

//! The life of a credential.

mod credential;
mod event;

pub use credential::{CredentialInfo, Filter, Owner, State};
pub use event::{Action, Event, Who};

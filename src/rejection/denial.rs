//! Denials: what a check returns. A denial has a cause; the layer that refuses adds the text.

use std::sync::Arc;

use super::Cause;
use crate::{
    credential::Kind,
    store::{Record, StoreError},
};

/// A refusal without its text, with the record that it concerns if one was found.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) cause: Cause,
    pub(crate) kind: Option<Kind>,
    pub(crate) record: Option<Arc<Record>>,
}

impl Denial {
    /// Creates the denial of a credential that was found.
    pub(crate) fn about(cause: Cause, record: Arc<Record>) -> Self {
        Self {
            cause,
            kind: Some(record.kind()),
            record: Some(record),
        }
    }
}

impl From<Cause> for Denial {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            kind: None,
            record: None,
        }
    }
}

impl From<StoreError> for Denial {
    fn from(error: StoreError) -> Self {
        Cause::from(error).into()
    }
}

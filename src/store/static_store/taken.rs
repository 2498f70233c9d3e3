//! The ids and digests that a list has used: each can be used once.

use std::collections::HashMap;

use super::error::StaticProblem;
use crate::{credential::Kind, id::CredentialId, store::Record};

/// Where each id and each digest is.
#[derive(Default)]
pub(super) struct Taken {
    ids: HashMap<(Kind, CredentialId), usize>,
    digests: HashMap<[u64; 4], (&'static str, usize)>,
}

impl Taken {
    /// Takes the id and the digest of a record. Keys and tokens have ids of their own.
    pub(super) fn claim(
        &mut self,
        record: &Record,
        list: &'static str,
        entry: usize,
    ) -> Result<(), StaticProblem> {
        let id = (record.kind(), record.id().into());
        if let Some(earlier) = self.ids.insert(id, entry) {
            return Err(StaticProblem::RepeatedId(earlier));
        }
        match self.digests.insert(record.digest().words(), (list, entry)) {
            Some((list, entry)) => Err(StaticProblem::RepeatedDigest { list, entry }),
            None => Ok(()),
        }
    }
}

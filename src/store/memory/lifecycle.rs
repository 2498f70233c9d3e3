//! Reporting credentials that expire, finding unused ones, and removing old ones. Each call looks at
//! all credentials.

use std::{collections::HashSet, sync::Arc};

use super::{MemoryStore, key::KeyId, state::State};
use crate::{
    clock::UnixMillis,
    store::{
        AuditEvent, CredentialInfo, Owner, Record, Status,
        backend::{ExpiryWatch, Sweep, SweptBatch, UnusedPage, UnusedQuery},
    },
};

impl MemoryStore {
    /// Reports all credentials in one call.
    pub(super) fn report_expiry(&self, watch: &ExpiryWatch, now: UnixMillis) -> Vec<AuditEvent> {
        let mut state = self.lock();
        let accepted = |record: &Record| record.status() == Status::Active;
        let mut ending: Vec<CredentialInfo> = self.every_info(&state, accepted);
        ending.sort_unstable_by(|one, other| place(one).cmp(&place(other)));
        let mut reported = Vec::new();
        for window in watch.windows(now) {
            let through = state.watched.get(&window.threshold).copied();
            let reached = through.max(Some(window.through));
            state
                .watched
                .extend(reached.map(|reached| (window.threshold, reached)));
            let is_new = |info: &&CredentialInfo| info.expires_at > through;
            for info in ending
                .iter()
                .filter(|info| window.includes(info))
                .filter(is_new)
            {
                let expires_at = info.expires_at.unwrap_or(now);
                let successor = info.rotated_to.clone();
                let event = window.event(now, info.owner.clone(), &info.id, expires_at, successor);
                reported.push(state.metadata.add_event(&event));
            }
        }
        reported
    }

    /// Looks through all credentials at once.
    pub(super) fn all_unused(&self, query: &UnusedQuery) -> UnusedPage {
        let state = self.lock();
        if !state.metadata.has_use_since(query.recorded_since) {
            return UnusedPage::default();
        }
        let mut unused = self.every_info(&state, |record| record.kind() == query.kind);
        unused.retain(|info| query.selects(info));
        UnusedPage::new(unused, None)
    }

    /// Removes everything at once.
    pub(super) fn sweep_now(&self, sweep: &Sweep) -> SweptBatch {
        let mut state = self.lock();
        let is_over = |moment: Option<UnixMillis>, last: Option<UnixMillis>| {
            moment
                .zip(last)
                .is_some_and(|(moment, last)| moment <= last)
        };
        let (mut removed, mut batch) = (HashSet::new(), SweptBatch::default());
        for mut info in self.every_info(&state, |_| true) {
            let is_deleted = info.status == Status::Deleted;
            if is_deleted && info.deleted_at.is_none() {
                info.deleted_at = Some(sweep.now); // stored as deleted: from now on
                state.metadata.keep(&info);
            }
            let is_over = match is_deleted {
                true => is_over(info.deleted_at, sweep.deleted),
                false => is_over(info.expires_at, sweep.expired),
            };
            if is_over {
                self.remove(&mut state, &info);
                let name = (info.kind(), info.id);
                batch.expired.extend((!is_deleted).then(|| name.clone()));
                removed.insert(name);
            }
        }
        batch.swept.credentials = removed.len() as u64;
        state.metadata.forget(&removed);
        state.tombstones.extend(removed);
        state.metadata.sweep(sweep, &mut batch.swept);
        batch
    }

    /// Removes the records of a credential.
    fn remove(&self, state: &mut State, info: &CredentialInfo) {
        match &info.owner {
            Owner::Organization(_) => {
                if let Some(key) = self.key(info.id.as_str()) {
                    self.shared.keys.remove(&KeyId::of(&key));
                }
            }
            Owner::User(user) => {
                if let Some(digest) = state.token_digests.remove(&info.id) {
                    self.shared.tokens.remove(&digest);
                    state.removed_tokens.insert(digest);
                    if let Some(user) = state.users.get_mut(user) {
                        user.tokens.retain(|own| *own != digest);
                    }
                }
            }
        }
    }

    /// Returns the info of every credential whose record is one of `these`, in no order.
    fn every_info(&self, state: &State, these: impl Fn(&Record) -> bool) -> Vec<CredentialInfo> {
        let mut records: Vec<Arc<Record>> = Vec::new();
        self.shared
            .keys
            .for_each(|_, key| records.push(Arc::clone(key)));
        let tokens = state.token_digests.values();
        records.extend(tokens.filter_map(|digest| self.token(digest)));
        records.retain(|record| these(record));
        let info = |record: &Arc<Record>| {
            let owner = Owner::of_record(record)?;
            self.info(state, &owner, record.id())
        };
        records.iter().filter_map(info).collect()
    }
}

/// Returns the place of a credential in the order in which stores report them.
fn place(info: &CredentialInfo) -> (Option<UnixMillis>, &str, &str) {
    (info.expires_at, info.kind().as_str(), info.id.as_str())
}

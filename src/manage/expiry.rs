//! Reports credentials before they expire, and expires those that are no longer used.

use std::time::Duration;

use super::{ManageError, Manager};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    observe,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, ExpiryWatch, ManageStore, WriteError,
        backend::{Authority, Commit, OPERATOR, UnusedQuery, Update},
    },
};

/// How often expiring credentials are searched for.
const ROUND: Duration = Duration::from_secs(60);

/// How many credentials one transaction reports, or one statement searches.
const BATCH: u32 = 1000;

/// The longest time by which an adaptive granularity lets recorded uses be behind the last one.
const DAY: i64 = 24 * 3_600_000;

/// For nodes that have not written their uses.
const HOUR: i64 = 3_600_000;

impl<S: ManageStore> Manager<S> {
    /// Reports credentials that expire soon and overlaps that have ended, once a minute, forever.
    /// Spawn it as a task, on one node or on all of them:
    ///
    /// ```no_run
    /// use tower_api_key::{manage::*, store::{ExpiryWatch, MemoryStore}};
    ///
    /// # async fn serve() {
    /// let manager = Manager::new(MemoryStore::new())
    ///     .on_event(|event| println!("{} {}", event.action.as_str(), event.credential));
    /// tokio::spawn(manager.run_expiry_watch(ExpiryWatch::default()));
    /// # }
    /// ```
    ///
    /// A failing store is reported to [`observe`](mod@crate::observe), and the next round catches
    /// up.
    pub async fn run_expiry_watch(self, watch: ExpiryWatch) {
        loop {
            if let Err(error) = self.watch_expiry(&watch).await {
                observe::management_failed(&error);
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Reports credentials that expire soon ([`ExpiresSoon`](AuditAction::ExpiresSoon)) and overlaps
    /// that have ended ([`OverlapEnded`](AuditAction::OverlapEnded)): stores an audit event for each,
    /// passes it to the [hook](Self::on_event), and returns how many there were.
    ///
    /// Each credential is reported once for each threshold, whichever node calls, by the store's own
    /// clock if this manager's is ahead. If several thresholds have passed since the last call, only
    /// the shortest is reported. A threshold that is longer than the whole lifetime of the credential
    /// is skipped, and so is one that passes while the credential is disabled or its owner is gone.
    /// The end of an overlap is reported a minute later, and within a week, unless the old credential
    /// was disabled or deleted before.
    ///
    /// To send messages, read [`expiry_events`](Self::expiry_events): the hook is only called in
    /// this process, and not if it ends at the wrong moment.
    ///
    /// # Errors
    /// [`ManageError::Unavailable`]; events that were stored stay stored.
    pub async fn watch_expiry(&self, watch: &ExpiryWatch) -> Result<usize, ManageError> {
        let mut reported = 0;
        loop {
            let now = self.clock.now();
            let report = async { Ok(self.store.watch_expiry(watch, now, BATCH).await?) };
            let events = self.within_deadline(report).await?;
            events.iter().for_each(|event| self.notify(event));
            reported += events.len();
            if events.len() < BATCH as usize {
                return Ok(reported); // no window has more
            }
        }
    }

    /// Lists the events of [`watch_expiry`](Self::watch_expiry) of all owners, oldest first: at most
    /// `limit` (at least 1, at most 1000) with a number above `after`.
    ///
    /// A store in memory keeps the last 1000 events of an owner. Other stores keep events until
    /// [`run_retention`](Self::run_retention) removes them.
    ///
    /// An outbox: keep the number of the last event that you have dealt with, and go on after it. No
    /// event is left out; if your process ends between a message and keeping its number, that
    /// message is sent again. This call is for the service itself: it asks for no actor.
    ///
    /// ```
    /// use tower_api_key::{manage::*, store::*};
    ///
    /// # async fn mail(_: &CredentialInfo, _: &AuditEvent) {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ManageError> {
    /// # let manager = Manager::new(MemoryStore::new());
    /// let mut done = None; // from a table of yours
    /// for event in manager.expiry_events(done, 100).await? {
    ///     let owner = Actor::operator("mailer", event.owner.clone());
    ///     let id = event.credential.as_str();
    ///     match manager.get(&owner, event.owner.kind(), id).await {
    ///         Ok(key) if event.action == AuditAction::ExpiresSoon => mail(&key, &event).await,
    ///         Ok(_) | Err(ManageError::UnknownCredential) => {} // removed since
    ///         Err(error) => return Err(error),
    ///     }
    ///     done = event.number; // into the table
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The time that was left is the event's [`expires_at`](AuditEvent::expires_at) minus its
    /// [`at`](AuditEvent::at).
    ///
    /// # Errors
    /// [`ManageError::Unavailable`].
    pub async fn expiry_events(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, ManageError> {
        let limit = limit.clamp(1, BATCH);
        let list = async { Ok(self.store.expiry_events(after, limit).await?) };
        self.within_deadline(list).await
    }

    /// Expires the credentials of `kind`, of all owners, that were last used longer than `unused_for`
    /// ago, and returns how many. Call it once a day, on one node.
    ///
    /// Each gets the audit event [`ExpiredUnused`](AuditAction::ExpiredUnused), and can be replaced
    /// by [rotating](Self::rotate) it with another expiry. One that was enabled again a moment ago
    /// counts from its last use as well.
    ///
    /// It relies on recorded uses, and errs on the side of keeping credentials:
    /// - A credential without a recorded use is kept: it may be new or imported. To find those, list
    ///   with [`Filter::with_unused_since`](crate::store::Filter::with_unused_since).
    /// - Recorded uses may be behind, so a day and an hour are added, or the
    ///   [granularity](Self::with_use_granularity) and an hour if that is longer.
    /// - If no use of any credential was recorded for as long as that, then nothing records
    ///   [uses](Self::run_usage_recorder) at present, and none expires.
    /// - The use is read again just before the change.
    ///
    /// # Errors
    /// [`ManageError::Unavailable`]; what has expired stays so.
    pub async fn expire_unused(
        &self,
        kind: Kind,
        unused_for: Duration,
    ) -> Result<usize, ManageError> {
        let apart = self.granularity.fixed_millis().unwrap_or(DAY).max(DAY);
        let behind = apart.saturating_add(HOUR);
        let age: i64 = unused_for.as_millis().try_into().unwrap_or(i64::MAX);
        let (mut expired, mut after) = (0, None);
        loop {
            let now = self.clock.now();
            let query = UnusedQuery {
                kind,
                before: UnixMillis(now.0.saturating_sub(age).saturating_sub(behind)),
                recorded_since: UnixMillis(now.0.saturating_sub(behind)),
                after,
                limit: BATCH,
                now,
            };
            let look = async { Ok(self.store.unused(&query).await?) };
            let page = self.within_deadline(look).await?;
            for unused in page.unused {
                let expire = self.expire(unused, now);
                expired += usize::from(self.within_deadline(expire).await?);
            }
            match page.through {
                Some(through) => after = Some(through),
                None => return Ok(expired),
            }
        }
    }

    /// Expires one credential now, unless it was used or changed since it was read.
    async fn expire(&self, before: CredentialInfo, now: UnixMillis) -> Result<bool, ManageError> {
        let present = self.store.credential(&before.owner, before.id.as_str());
        if present.await?.as_ref() != Some(&before) {
            return Ok(false);
        }
        let after = CredentialInfo {
            expires_at: Some(now),
            ..before.clone()
        };
        let event = AuditEvent {
            expires_at: Some(now),
            ..AuditEvent::new(
                now,
                AuditAction::ExpiredUnused,
                before.owner.clone(),
                &before.id,
                AuditActor::Operator(OPERATOR.into()),
            )
        };
        let commit = Commit {
            events: vec![event],
            ..Commit::new(before.owner.clone(), Authority::Unconditional)
        };
        let commit = Commit {
            changes: vec![Update { before, after }],
            ..commit
        };
        match self.commit(&commit).await {
            Ok(()) => Ok(true),
            Err(WriteError::Changed) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

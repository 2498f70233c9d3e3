//! How long a store keeps rows that are no longer needed, and what a sweep has removed.

use std::time::Duration;

use crate::{clock::UnixMillis, credential::Kind, id::CredentialId, store::StoreError};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a store keeps rows that are no longer needed. See
/// [`Manager::run_retention`](crate::manage::Manager::run_retention).
///
/// | what | kept by default |
/// |---|---|
/// | deleted credentials, since their deletion | 90 days |
/// | expired credentials, since their expiry | a year |
/// | [idempotency keys](crate::manage::NewKey::with_idempotency_key), since they issued something | 24 hours |
/// | audit events | two years |
/// | last uses that no newer one has replaced | 400 days |
/// | rows of the change log, where a store does not remove them itself | 7 days |
///
/// A credential that is removed leaves a tombstone: its kind and id, which stay taken, and so does
/// the digest of a token.
///
/// Keep credentials for longer than idempotency keys, which go with them, and uses for longer than
/// an overlap: without the recorded use, the next use of a successor is reported as its first.
///
/// ```
/// use std::time::Duration;
/// use tower_api_key::store::Retention;
///
/// let retention = Retention::default()
///     .with_deleted(Duration::from_secs(30 * 24 * 3600))
///     .with_events(None); // kept for ever
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    deleted: Option<Duration>,
    expired: Option<Duration>,
    idempotency_keys: Option<Duration>,
    events: Option<Duration>,
    uses: Option<Duration>,
    changes: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            deleted: Some(90 * DAY),
            expired: Some(365 * DAY),
            idempotency_keys: Some(24 * HOUR),
            events: Some(730 * DAY),
            uses: Some(400 * DAY),
            changes: Some(7 * DAY),
        }
    }
}

impl Retention {
    /// Creates one that keeps everything for ever.
    pub fn forever() -> Self {
        Self {
            deleted: None,
            expired: None,
            idempotency_keys: None,
            events: None,
            uses: None,
            changes: None,
        }
    }

    /// Sets how long deleted credentials are kept; `None` means for ever.
    pub fn with_deleted(self, age: impl Into<Option<Duration>>) -> Self {
        let deleted = age.into();
        Self { deleted, ..self }
    }

    /// Sets how long expired credentials are kept; `None` means for ever.
    pub fn with_expired(self, age: impl Into<Option<Duration>>) -> Self {
        let expired = age.into();
        Self { expired, ..self }
    }

    /// Sets how long idempotency keys are kept; `None` means as long as the credential. After that,
    /// the same request issues another credential.
    pub fn with_idempotency_keys(self, age: impl Into<Option<Duration>>) -> Self {
        let idempotency_keys = age.into();
        Self {
            idempotency_keys,
            ..self
        }
    }

    /// Sets how long audit events are kept; `None` means for ever.
    pub fn with_events(self, age: impl Into<Option<Duration>>) -> Self {
        let events = age.into();
        Self { events, ..self }
    }

    /// Sets how long the use of a credential is kept that was not used since; `None` means as long
    /// as the credential.
    pub fn with_uses(self, age: impl Into<Option<Duration>>) -> Self {
        let uses = age.into();
        Self { uses, ..self }
    }

    /// Sets how long the rows of the change log are kept; `None` means for ever, unless the store
    /// bounds the log itself. A follower of the log that was away for longer drops everything that it has
    /// cached.
    pub fn with_changes(self, age: impl Into<Option<Duration>>) -> Self {
        let changes = age.into();
        Self { changes, ..self }
    }
}

/// A batch of what to remove, for [`ManageStore::sweep`](super::ManageStore::sweep). Each moment is
/// the last one that is old enough; `None` removes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field has to be a compile error in every store"
)]
pub struct Sweep {
    /// The present.
    pub now: UnixMillis,
    /// Credentials that were deleted.
    pub deleted: Option<UnixMillis>,
    /// Credentials that expired.
    pub expired: Option<UnixMillis>,
    /// Idempotency keys of credentials that were issued.
    pub idempotency_keys: Option<UnixMillis>,
    /// Audit events.
    pub events: Option<UnixMillis>,
    /// Credentials' last uses.
    pub uses: Option<UnixMillis>,
    /// Rows of the change log.
    pub changes: Option<UnixMillis>,
    /// From where on to look for uses, which have no order of age.
    pub uses_after: Option<(Kind, CredentialId)>,
    /// How many of each to remove at most.
    pub limit: u32,
}

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many credentials are tombstones now.
    pub credentials: u64,
    /// How many idempotency keys were forgotten.
    pub idempotency_keys: u64,
    /// How many audit events were removed.
    pub events: u64,
    /// How many last uses were removed, those of removed credentials aside.
    pub uses: u64,
    /// How many rows of the change log were removed.
    pub changes: u64,
}

/// What a store has removed with one [`Sweep`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SweptBatch {
    /// How much.
    pub swept: Swept,
    /// Those of the removed credentials that were not deleted before, for caches.
    pub expired: Vec<(Kind, CredentialId)>,
    /// Whether there is more of something that could be removed.
    pub more: bool,
    /// The first failure of a part, such as a missing right; the others are done all the same.
    pub failed: Option<StoreError>,
    /// Where to go on with the uses; `None` once all were looked at.
    pub uses_through: Option<(Kind, CredentialId)>,
}

impl Sweep {
    /// How many rows one statement removes, so that none holds locks for long.
    const BATCH: u32 = 1000;

    /// Creates the first batch.
    pub(crate) fn new(retention: &Retention, now: UnixMillis) -> Self {
        let before = |age: Option<Duration>| {
            let age = age.map(|age| age.as_millis().try_into().unwrap_or(i64::MAX));
            age.map(|age: i64| UnixMillis(now.0.saturating_sub(age)))
        };
        Self {
            now,
            deleted: before(retention.deleted),
            expired: before(retention.expired),
            idempotency_keys: before(retention.idempotency_keys),
            events: before(retention.events),
            uses: before(retention.uses),
            changes: before(retention.changes),
            uses_after: None,
            limit: Self::BATCH,
        }
    }

    /// Returns the same by a clock that is at `now`, if that is earlier: a node whose clock is ahead
    /// removes nothing too early.
    #[must_use]
    pub fn clipped(&self, now: UnixMillis) -> Self {
        let ahead = self.now.0.saturating_sub(now.0).max(0);
        let clip = |moment: Option<UnixMillis>| {
            moment.map(|moment| UnixMillis(moment.0.saturating_sub(ahead)))
        };
        Self {
            now: UnixMillis(self.now.0.min(now.0)),
            deleted: clip(self.deleted),
            expired: clip(self.expired),
            idempotency_keys: clip(self.idempotency_keys),
            events: clip(self.events),
            uses: clip(self.uses),
            changes: clip(self.changes),
            ..self.clone()
        }
    }
}

impl SweptBatch {
    /// Returns how much a part has removed: none if it failed, which is noted.
    pub fn count(&mut self, part: Result<u64, StoreError>) -> u64 {
        part.unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            0
        })
    }
}

impl Swept {
    /// Adds what another batch has removed.
    pub(crate) fn add(&mut self, more: Self) {
        self.credentials += more.credentials;
        self.idempotency_keys += more.idempotency_keys;
        self.events += more.events;
        self.uses += more.uses;
        self.changes += more.changes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn ages() -> Retention {
        let seconds = Duration::from_secs;
        Retention::forever()
            .with_deleted(seconds(1))
            .with_expired(seconds(2))
            .with_idempotency_keys(seconds(3))
            .with_events(seconds(4))
            .with_uses(seconds(5))
            .with_changes(seconds(6))
    }

    fn moments(sweep: &Sweep) -> [Option<i64>; 6] {
        [
            sweep.deleted,
            sweep.expired,
            sweep.idempotency_keys,
            sweep.events,
            sweep.uses,
            sweep.changes,
        ]
        .map(|moment| moment.map(|moment| moment.0))
    }

    #[test]
    fn each_age_counts_back_from_now() {
        let sweep = Sweep::new(&ages(), NOW);
        let expected = [1, 2, 3, 4, 5, 6].map(|age| Some(NOW.0 - age * 1000));
        assert_eq!(moments(&sweep), expected);
        assert_eq!(moments(&Sweep::new(&Retention::forever(), NOW)), [None; 6]);
        let ever = Retention::forever().with_events(Duration::MAX);
        assert!(
            Sweep::new(&ever, NOW)
                .events
                .is_some_and(|moment| moment.0 < 0)
        );
    }

    #[test]
    fn a_clock_that_is_ahead_removes_nothing_too_early() {
        let sweep = Sweep::new(&ages(), NOW);
        let earlier = UnixMillis(NOW.0 - 500);
        assert_eq!(sweep.clipped(earlier), Sweep::new(&ages(), earlier));
        assert_eq!(sweep.clipped(UnixMillis(NOW.0 + 500)), sweep);
    }

    #[test]
    fn what_batches_remove_is_added_up() {
        let swept = |times: u64| Swept {
            credentials: times,
            idempotency_keys: 2 * times,
            events: 3 * times,
            uses: 4 * times,
            changes: 5 * times,
        };
        let mut all = swept(1);
        all.add(swept(10));
        assert_eq!(all, swept(11));
    }
}

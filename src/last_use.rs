//! Last uses of credentials: the layers collect them in memory, and a separate task writes them to
//! the store, or to a table of the service. Verification itself never writes.

use std::{
    cell::Cell,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    secret::Digest,
    store::{Record, Usage},
    sync::{AtomicI64, Equivalent, Map, Ordering::Relaxed},
};

/// The uses of credentials that are not yet written. Clones share them: give one to each layer and
/// one to [`Manager::run_usage_recorder`](crate::manage::Manager::run_usage_recorder). Without a
/// manager, write what [`unwritten`](Self::unwritten) returns to a table of your own, and
/// [mark](Self::mark_written) it.
///
/// Recording a use takes no lock and, except for a credential's first use in a while, no
/// allocation. There is one entry for each credential that was accepted since the last write or the
/// one before, so a client without a valid credential cannot make it grow.
///
/// ```no_run
/// use tower_api_key::{AuthLayer, LastUse, manage::Manager, store::MemoryStore};
///
/// # async fn serve() {
/// let store = MemoryStore::new();
/// let uses = LastUse::new();
/// let auth = AuthLayer::new(store.clone()).with_last_use(uses.clone());
/// tokio::spawn(Manager::new(store).run_usage_recorder(uses));
/// # }
/// ```
#[derive(Clone)]
pub struct LastUse(Arc<Noted>);

/// What the clones of a [`LastUse`] share.
struct Noted {
    /// One slot per credential that was used since the last write or the one before.
    slots: Map<Name, Slot>,
    /// The credentials to rehash, with the digests of the tokens that were presented.
    outdated: Map<Name, Digest>,
}

/// Identifies a credential.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) id: CredentialId,
}

/// A name, borrowed from a record.
struct Borrowed<'a>(Kind, &'a str);

/// The last use, the last written use, and whether a use came after the credential was rotated.
struct Slot {
    at: AtomicI64,
    written: AtomicI64,
    after_rotation: bool,
}

/// Replaces the last use in a slot that is being removed.
const RETIRED: i64 = i64::MIN;

/// Uses of one credential that are closer together count as one, so that cores need not write the
/// same cache line for each request.
const RESOLUTION_MILLIS: i64 = 1000;

impl LastUse {
    /// Creates an empty set of uses.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Noted {
            slots: Map::new(),
            outdated: Map::new(),
        }))
    }

    /// Records a use of an accepted credential.
    pub(crate) fn note(&self, record: &Record, presented: &Digest, now: UnixMillis) {
        let name = Borrowed(record.kind(), record.id());
        let (outdated, slots) = (&self.0.outdated, &self.0.slots);
        if record.is_outdated() && outdated.with(&name, |_| ()).is_none() {
            outdated.insert(name.to_name(), presented.clone());
        }
        let rotated = record.is_rotated();
        if slots.with(&name, |slot| slot.touch(now.0, rotated)) != Some(true) {
            self.put_slot(name.to_name(), now, rotated);
        }
    }

    /// Records a use that no slot has taken: puts a new slot there, with what the one that it
    /// replaces has recorded.
    fn put_slot(&self, name: Name, now: UnixMillis, rotated: bool) {
        // Kept here, since another thread may replace or remove a slot that this one has retired.
        let (at, after_rotation) = (Cell::new(now.0), Cell::new(rotated));
        let slot = || Slot::new(at.get(), after_rotation.get());
        let renew = |old: &Slot| {
            at.set(at.get().max(old.retire())); // a retired slot has the least value
            after_rotation.set(after_rotation.get() || old.after_rotation);
            slot()
        };
        self.0.slots.update_or_insert_with(name, renew, slot);
    }

    /// Returns the uses to write: the last one of each credential that was used since it was last
    /// [marked](Self::mark_written). Forgets the credentials that were not used since.
    ///
    /// For a service that keeps last uses in its own table and has no
    /// [`Manager`](crate::manage::Manager): call it about once a minute, and on shutdown. A use
    /// that is not marked is returned again by the next call, so a write that fails loses nothing,
    /// and one that is repeated writes the same again. Uses of one credential within a second of
    /// each other count as one.
    ///
    /// ```
    /// use std::{collections::HashMap, io};
    /// use tower_api_key::{LastUse, store::Usage};
    ///
    /// #[derive(Default)]
    /// struct Table(HashMap<String, i64>); // stands for a table of yours
    ///
    /// impl Table {
    ///     async fn update(&mut self, uses: &[Usage]) -> io::Result<()> {
    ///         for used in uses {
    ///             let last = self.0.entry(used.id.as_str().to_owned()).or_default();
    ///             *last = used.at.0.max(*last); // another node may have written a later one
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// async fn write_uses(uses: &LastUse, table: &mut Table) -> io::Result<()> {
    ///     for some in uses.unwritten().chunks(1000) {
    ///         table.update(some).await?;
    ///         uses.mark_written(some);
    ///     }
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> io::Result<()> {
    /// # write_uses(&LastUse::new(), &mut Table::default()).await
    /// # }
    /// ```
    #[must_use]
    pub fn unwritten(&self) -> Vec<Usage> {
        self.forget_idle();
        let mut unwritten = Vec::new();
        self.0.slots.for_each(|name, slot| {
            let at = slot.at.load(Relaxed);
            if at != RETIRED && at != slot.written.load(Relaxed) {
                unwritten.push(Usage {
                    after_rotation: slot.after_rotation,
                    ..Usage::new(name.kind, &name.id, UnixMillis(at))
                });
            }
        });
        unwritten
    }

    /// Marks `uses`, which [`unwritten`](Self::unwritten) has returned, as written. A later use of
    /// the same credential stays unwritten.
    pub fn mark_written(&self, uses: &[Usage]) {
        for used in uses {
            let name = Borrowed(used.kind, used.id.as_str());
            self.0.slots.with(&name, |slot| {
                // The first use after a rotation may have come in the same millisecond.
                if slot.after_rotation == used.after_rotation {
                    slot.written.store(used.at.0, Relaxed);
                }
            });
        }
    }

    /// Removes the slots that were not used since they were last written.
    fn forget_idle(&self) {
        let slots = &self.0.slots;
        slots.for_each(|name, slot| {
            let written = slot.written.load(Relaxed);
            if slot
                .at
                .compare_exchange(written, RETIRED, Relaxed, Relaxed)
                .is_ok()
            {
                // Unless another thread has recorded a use since, and put a new slot there.
                slots.remove_if(name, |slot| slot.at.load(Relaxed) == RETIRED);
            }
        });
    }

    /// Returns the credentials to rehash, with the digests of their tokens.
    pub(crate) fn outdated(&self) -> Vec<(Name, Digest)> {
        let mut outdated = Vec::new();
        self.0
            .outdated
            .for_each(|name, presented| outdated.push((name.clone(), presented.clone())));
        outdated
    }

    /// Removes a credential that was rehashed, or that cannot be.
    pub(crate) fn forget_outdated(&self, name: &Name) {
        self.0.outdated.remove(name);
    }
}

impl Slot {
    /// Creates a slot with an unwritten use.
    fn new(now: i64, after_rotation: bool) -> Self {
        let (at, written) = (AtomicI64::new(now), AtomicI64::new(RETIRED));
        Self {
            at,
            written,
            after_rotation,
        }
    }

    /// Retires the slot, so that no use is recorded in it while it is replaced. Returns the last.
    fn retire(&self) -> i64 {
        self.at.swap(RETIRED, Relaxed)
    }

    /// Updates the last use; returns false if the slot is retired and must be replaced.
    fn touch(&self, now: i64, after_rotation: bool) -> bool {
        if after_rotation && !self.after_rotation {
            return false; // the first such use is written, however soon it follows the one before
        }
        let mut last = self.at.load(Relaxed);
        while last != RETIRED && now >= last.saturating_add(RESOLUTION_MILLIS) {
            match self.at.compare_exchange_weak(last, now, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(other) => last = other,
            }
        }
        last != RETIRED
    }
}

impl Borrowed<'_> {
    fn to_name(&self) -> Name {
        Name {
            kind: self.0,
            id: self.1.into(),
        }
    }
}

impl Hash for Borrowed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrowed(self.kind, self.id.as_str()).hash(state);
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }
}

impl Eq for Name {}

impl Equivalent<Name> for Borrowed<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.0 == name.kind && self.1 == name.id.as_str()
    }
}

impl Default for LastUse {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastUse")
            .field("credentials", &self.0.slots.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn the_first_use_after_a_rotation_is_written_also_in_the_same_millisecond() {
        let (uses, digest) = (LastUse::new(), Digest::of(b""));
        let key = Record::org_key("id", digest.clone(), "org_1");
        let now = UnixMillis(1);
        uses.note(&key, &digest, now);
        let before = uses.unwritten();
        uses.note(&key.with_rotated(true), &digest, now);
        uses.mark_written(&before);
        let after = uses.unwritten();
        assert_eq!(
            after
                .iter()
                .map(|used| used.after_rotation)
                .collect::<Vec<_>>(),
            [true]
        );
        uses.mark_written(&after);
        assert_eq!(uses.unwritten(), []);
    }

    /// A lookup from before the rotation may end after one that knows of it.
    #[test]
    fn the_mark_of_a_use_after_a_rotation_is_never_overwritten() {
        let digest = Digest::of(b"");
        let before = Record::org_key("id", digest.clone(), "org_1");
        let after = before.clone().with_rotated(true);
        for round in 0..5_000 {
            let (uses, start) = (LastUse::new(), Barrier::new(2));
            thread::scope(|scope| {
                for record in [&before, &after] {
                    let (uses, start, digest) = (&uses, &start, &digest);
                    scope.spawn(move || {
                        start.wait();
                        uses.note(record, digest, UnixMillis(1));
                    });
                }
            });
            assert!(uses.unwritten()[0].after_rotation, "round {round}");
        }
    }

    #[test]
    fn a_slot_takes_uses_until_it_is_retired() {
        let slot = Slot::new(5_000, false);
        let last = || slot.at.load(Relaxed);
        for (now, kept) in [(4_000, 5_000), (5_999, 5_000), (6_000, 6_000)] {
            assert!(slot.touch(now, false));
            assert_eq!(last(), kept);
        }
        assert!(!slot.touch(9_000, true), "the first after a rotation");
        assert_eq!(last(), 6_000);
        assert_eq!(slot.retire(), 6_000);
        assert!(!slot.touch(9_000, false));
        assert_eq!(last(), RETIRED);
    }

    #[test]
    fn a_slot_that_another_thread_replaces_is_not_returned() {
        let (uses, slot) = (LastUse::new(), Slot::new(5_000, false));
        slot.written.store(5_000, Relaxed);
        slot.retire();
        uses.0
            .slots
            .insert(Borrowed(Kind::OrgKey, "id").to_name(), slot);
        assert_eq!(uses.unwritten(), []);
    }

    #[test]
    fn what_is_marked_and_was_not_returned_changes_nothing() {
        let (uses, digest) = (LastUse::new(), Digest::of(b""));
        let used = |id: &str| Usage::new(Kind::OrgKey, id, UnixMillis(1));
        uses.note(
            &Record::org_key("id", digest.clone(), "org_1"),
            &digest,
            UnixMillis(1),
        );
        uses.mark_written(&[used("other")]);
        assert_eq!(uses.unwritten(), [used("id")]);
        assert_eq!(uses.0.slots.len(), 1);
    }
}

//! Last uses of credentials: the layers collect them in memory, and a separate task writes them to
//! the store, or to a table of the service. Verification itself never writes.

mod name;
mod origin;
mod slot;

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::IpAddr,
    sync::Arc,
};

use http::HeaderMap;
use name::{Borrowed, Name};
use origin::Keeps;
pub(crate) use origin::Origin;
use slot::{RETIRED, Slot};

use crate::{
    clock::UnixMillis,
    secret::Digest,
    store::{Record, Usage},
    sync::{Map, Ordering::Relaxed},
};

/// The uses of credentials that are not yet written. Clones share them: give one to each layer and
/// one to [`Manager::run_usage_recorder`](crate::manage::Manager::run_usage_recorder). Without a
/// manager, [`run`](Self::run) passes them to a table or a queue of your own.
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
pub struct LastUse {
    noted: Arc<Noted>,
    keeps: Keeps,
}

/// What the clones of a [`LastUse`] share.
struct Noted {
    /// One slot per credential that was used since the last write or the one before.
    slots: Map<Name, Slot>,
    /// The credentials to rehash, with the digests of the tokens that were presented.
    outdated: Map<Name, Digest>,
}

impl LastUse {
    /// Creates an empty set of uses.
    #[must_use]
    pub fn new() -> Self {
        let noted = Noted {
            slots: Map::new(),
            outdated: Map::new(),
        };
        Self {
            noted: Arc::new(noted),
            keeps: Keeps::default(),
        }
    }

    /// Also keeps the address of the client, which the layer finds with
    /// [`with_client_address`](crate::AuthLayer::with_client_address); without that, none. Off by
    /// default, since an address is personal data. Applies to the layers that get this value or a
    /// clone of it.
    #[must_use]
    pub fn with_client_address(mut self) -> Self {
        self.keeps.address = true;
        self
    }

    /// Also keeps the `User-Agent` (RFC 9110, section 10.1.5) of the client, without control
    /// characters and cut after 200 characters. Off by default, since it can identify a person.
    /// Applies to the layers that get this value or a clone of it.
    ///
    /// A client can send any text there: escape it where you show it, and decide nothing by it.
    #[must_use]
    pub fn with_user_agent(mut self) -> Self {
        self.keeps.user_agent = true;
        self
    }

    /// Records a use of an accepted credential.
    pub(crate) fn note(&self, record: &Record, presented: &Digest, now: UnixMillis) {
        let name = Borrowed(record.kind(), record.id());
        self.note_outdated(&name, record, presented);
        let (slots, rotated) = (&self.noted.slots, record.is_rotated());
        if slots.with(&name, |slot| slot.touch(now.0, rotated)) != Some(true) {
            self.put_slot(name.to_name(), now, rotated, None);
        }
    }

    /// Records a use with its origin, which is looked for at most once a second.
    #[cold]
    pub(crate) fn note_from(
        &self,
        record: &Record,
        presented: &Digest,
        now: UnixMillis,
        origin: impl FnOnce() -> Origin,
    ) {
        let name = Borrowed(record.kind(), record.id());
        self.note_outdated(&name, record, presented);
        let (slots, rotated) = (&self.noted.slots, record.is_rotated());
        if slots.with(&name, |slot| slot.covers(now.0, rotated)) != Some(true) {
            self.put_slot(name.to_name(), now, rotated, Some(Arc::new(origin())));
        }
    }

    fn note_outdated(&self, name: &Borrowed<'_>, record: &Record, presented: &Digest) {
        let outdated = &self.noted.outdated;
        if record.is_outdated() && outdated.with(name, |_| ()).is_none() {
            outdated.insert(name.to_name(), presented.clone());
        }
    }

    /// Returns whether more is kept of a use than its time.
    pub(crate) fn keeps_origin(&self) -> bool {
        self.keeps.origins()
    }

    /// Returns what is kept of the origin of a request.
    pub(crate) fn origin(
        &self,
        headers: &HeaderMap,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Origin {
        self.keeps.origin(headers, address)
    }

    /// Records a use that no slot has taken: puts a new slot there, with what the one that it
    /// replaces has recorded.
    fn put_slot(&self, name: Name, now: UnixMillis, rotated: bool, from: Option<Arc<Origin>>) {
        // Kept here, since another thread may replace or remove a slot that this one has retired.
        let (at, after_rotation) = (Cell::new(now.0), Cell::new(rotated));
        let origin = RefCell::new(from);
        let slot = || Slot {
            origin: origin.borrow().clone(),
            ..Slot::new(at.get(), after_rotation.get())
        };
        let renew = |old: &Slot| {
            let last = old.retire(); // a retired slot has the least value
            if last > at.get() {
                at.set(last);
                origin.replace(old.origin.clone());
            }
            after_rotation.set(after_rotation.get() || old.after_rotation);
            slot()
        };
        self.noted.slots.update_or_insert_with(name, renew, slot);
    }

    /// Returns the uses to write: the last one of each credential that was used since it was last
    /// [marked](Self::mark_written). Forgets the credentials that were not used since.
    ///
    /// For a service that keeps last uses in its own table, has no
    /// [`Manager`](crate::manage::Manager) and cannot use [`run`](Self::run): call it about once a
    /// minute, and on shutdown. A use
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
        self.noted.slots.for_each(|name, slot| {
            let at = slot.at.load(Relaxed);
            if at != RETIRED && at != slot.written.load(Relaxed) {
                let origin = slot.origin.as_deref();
                unwritten.push(Usage {
                    after_rotation: slot.after_rotation,
                    address: origin.and_then(|origin| origin.address),
                    user_agent: origin.and_then(|origin| origin.user_agent.clone()),
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
            self.noted.slots.with(&name, |slot| {
                // The first use after a rotation may have come in the same millisecond.
                if slot.after_rotation == used.after_rotation {
                    slot.written.store(used.at.0, Relaxed);
                }
            });
        }
    }

    /// Removes the slots that were not used since they were last written.
    fn forget_idle(&self) {
        let slots = &self.noted.slots;
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
        self.noted
            .outdated
            .for_each(|name, presented| outdated.push((name.clone(), presented.clone())));
        outdated
    }

    /// Removes a credential that was rehashed, or that cannot be.
    pub(crate) fn forget_outdated(&self, name: &Name) {
        self.noted.outdated.remove(name);
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
            .field("credentials", &self.noted.slots.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;
    use crate::credential::Kind;

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
    fn a_use_has_its_own_origin_beside_uses_without_one() {
        let (uses, digest) = (LastUse::new(), Digest::of(b""));
        let key = Record::org_key("id", digest.clone(), "org_1");
        let from = |agent: &str| Origin {
            user_agent: Some(agent.into()),
            ..Origin::default()
        };
        let last = || {
            let [used] = &uses.unwritten()[..] else {
                panic!("one use")
            };
            (used.at.0, used.user_agent.as_deref().map(str::to_owned))
        };
        let note = |agent: &str, at: i64| {
            uses.note_from(&key, &digest, UnixMillis(at), || from(agent));
        };
        note("one", 5_000);
        note("same second", 5_999);
        assert_eq!(last(), (5_000, Some("one".into())));
        note("two", 6_000);
        assert_eq!(last(), (6_000, Some("two".into())));
        note("earlier", 4_000);
        assert_eq!(last(), (6_000, Some("two".into())));
        uses.note(&key, &digest, UnixMillis(7_000));
        assert_eq!(last(), (7_000, None));
        note("three", 9_000);
        uses.note_from(&key.with_rotated(true), &digest, UnixMillis(8_500), || {
            from("late")
        });
        assert_eq!(last(), (9_000, Some("three".into())));
    }

    #[test]
    fn a_slot_that_another_thread_replaces_is_not_returned() {
        let (uses, slot) = (LastUse::new(), Slot::new(5_000, false));
        slot.written.store(5_000, Relaxed);
        slot.retire();
        uses.noted
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
        assert_eq!(uses.noted.slots.len(), 1);
    }
}

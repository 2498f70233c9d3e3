//! The primitives of `src/sync.rs`, provided by the model checker.

use std::{
    hash::Hash,
    mem,
    sync::{Arc, PoisonError},
};

pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};
pub(crate) use papaya::Equivalent;

/// A map with the promises of the real one and no others: a value is read outside of the lock, an
/// update takes effect if nothing has replaced its entry meanwhile, and a visit sees the entries of
/// its beginning.
pub(crate) struct Map<K, V>(Mutex<Vec<Arc<(K, V)>>>);

impl<K: Hash + Eq, V> Map<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn get<Q: Equivalent<K>>(&self, key: &Q) -> Option<Arc<(K, V)>> {
        lock(&self.0)
            .iter()
            .find(|entry| key.equivalent(&entry.0))
            .map(Arc::clone)
    }

    pub(crate) fn with<Q: Hash + Equivalent<K>, T>(
        &self,
        key: &Q,
        look: impl FnOnce(&V) -> T,
    ) -> Option<T> {
        self.get(key).map(|entry| look(&entry.1))
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        let entry = Arc::new((key, value));
        let mut entries = lock(&self.0);
        let replaced = match entries.iter_mut().find(|old| old.0 == entry.0) {
            Some(old) => Some(mem::replace(old, entry)),
            None => {
                entries.push(entry);
                None
            }
        };
        drop(entries);
        drop(replaced);
    }

    pub(crate) fn update_or_insert_with(
        &self,
        key: K,
        update: impl Fn(&V) -> V,
        create: impl FnOnce() -> V,
    ) {
        let (mut key, mut create) = (Some(key), Some(create));
        loop {
            let known = self.get(key.as_ref().unwrap());
            let updated = known.as_ref().map(|old| update(&old.1));
            let mut entries = lock(&self.0);
            let position = entries
                .iter()
                .position(|entry| entry.0 == *key.as_ref().unwrap());
            match (position, known, updated) {
                (None, None, _) => {
                    let create = create.take().unwrap();
                    return entries.push(Arc::new((key.take().unwrap(), create())));
                }
                (Some(position), Some(old), Some(value))
                    if Arc::ptr_eq(&entries[position], &old) =>
                {
                    entries[position] = Arc::new((key.take().unwrap(), value));
                    return;
                }
                _ => {} // replaced meanwhile: once more
            }
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        let mut entries = lock(&self.0);
        let removed = entries.iter().position(|entry| entry.0 == *key);
        let removed = removed.map(|position| entries.remove(position));
        drop(entries);
        drop(removed);
    }

    pub(crate) fn remove_if(&self, key: &K, condition: impl Fn(&V) -> bool) {
        while let Some(known) = self.get(key) {
            if !condition(&known.1) {
                return;
            }
            let mut entries = lock(&self.0);
            let place = entries.iter().position(|entry| Arc::ptr_eq(entry, &known));
            if let Some(place) = place {
                entries.remove(place);
                return;
            }
        }
    }

    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        let entries = lock(&self.0).clone();
        for entry in entries {
            visit(&entry.0, &entry.1);
        }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

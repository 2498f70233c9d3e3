//! The primitives under everything that threads share: the memory store, the cache, and the last
//! uses. The model checker's test compiles them again with a module of the same name that has
//! loom's, which is why they use nothing from `std::sync` or papaya directly.

pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};
use std::{hash::Hash, sync::PoisonError};

pub(crate) use papaya::Equivalent;

/// A map that is read without a lock. Two readers of one key write to no shared memory.
pub(crate) struct Map<K, V>(papaya::HashMap<K, V, foldhash::fast::RandomState>);

impl<K: Hash + Eq, V> Map<K, V> {
    /// Creates an empty map.
    pub(crate) fn new() -> Self {
        Self(papaya::HashMap::default())
    }

    /// Passes a value to `look`, in place. It may be replaced meanwhile.
    #[inline]
    pub(crate) fn with<Q: Hash + Equivalent<K>, T>(
        &self,
        key: &Q,
        look: impl FnOnce(&V) -> T,
    ) -> Option<T> {
        self.0.pin().get(key).map(look)
    }

    /// Adds a value, or replaces the one of an equal key. Readers find one or the other.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.0.pin().insert(key, value);
    }

    /// Replaces the value by what `update` makes of it, or adds the one of `create`. If another
    /// thread replaces the value meanwhile, `update` is called again.
    pub(crate) fn update_or_insert_with(
        &self,
        key: K,
        update: impl Fn(&V) -> V,
        create: impl FnOnce() -> V,
    ) {
        self.0.pin().update_or_insert_with(key, update, create);
    }

    /// Removes a value, if there is one.
    pub(crate) fn remove(&self, key: &K) {
        self.0.pin().remove(key);
    }

    /// Removes a value that `condition` is true of.
    pub(crate) fn remove_if(&self, key: &K, condition: impl Fn(&V) -> bool) {
        // An error returns the value that stays.
        let _ = self.0.pin().remove_if(key, |_, value| condition(value));
    }

    /// Passes each value to `visit`, in no order. What other threads add or replace meanwhile may
    /// be visited or not.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        for (key, value) in &self.0.pin() {
            visit(key, value);
        }
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Takes a lock. Nothing done under it can panic half-way, so a poisoned lock is as good as any
/// other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

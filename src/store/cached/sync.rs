//! The primitives under the concurrent core. The model checker's test replaces this module with
//! loom's, which is why the core uses nothing from `std::sync` directly.

pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::{hash::Hash, sync::PoisonError};

pub(super) use papaya::Equivalent;

/// A map that is read without a lock. Two readers of one key write to no shared memory.
pub(super) struct Map<K, V>(papaya::HashMap<K, V, foldhash::fast::RandomState>);

impl<K: Hash + Eq, V> Map<K, V> {
    /// Creates an empty map.
    pub(super) fn new() -> Self {
        Self(papaya::HashMap::default())
    }

    /// Passes a value to `look`, in place.
    #[inline]
    pub(super) fn with<Q: Hash + Equivalent<K>, T>(
        &self,
        key: &Q,
        look: impl FnOnce(&V) -> T,
    ) -> Option<T> {
        self.0.pin().get(key).map(look)
    }

    /// Adds a value, or replaces the one of an equal key. Readers find one or the other.
    pub(super) fn insert(&self, key: K, value: V) {
        self.0.pin().insert(key, value);
    }

    /// Removes a value, if there is one.
    pub(super) fn remove(&self, key: &K) {
        self.0.pin().remove(key);
    }
}

/// Takes a lock. Nothing done under it can panic half-way, so a poisoned lock is as good as any
/// other.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Counts what a decision computes, for the tests that compare the work of decisions. Without
//! tests it is nothing.

pub(crate) use counted::*;

#[cfg(not(test))]
mod counted {
    #[inline]
    pub(crate) fn hashed() {}

    #[inline]
    pub(crate) fn peppered() {}

    #[inline]
    pub(crate) fn salted() {}

    #[inline]
    pub(crate) fn compared() {}
}

#[cfg(test)]
mod counted {
    use std::cell::Cell;

    /// How often each was done on this thread.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Work {
        pub(crate) hashed: u32,
        pub(crate) peppered: u32,
        pub(crate) salted: u32,
        pub(crate) compared: u32,
    }

    thread_local!(static DONE: Cell<Work> = Cell::default());

    fn count(add: impl FnOnce(&mut Work)) {
        let mut done = DONE.get();
        add(&mut done);
        DONE.set(done);
    }

    pub(crate) fn hashed() {
        count(|done| done.hashed += 1);
    }

    pub(crate) fn peppered() {
        count(|done| done.peppered += 1);
    }

    pub(crate) fn salted() {
        count(|done| done.salted += 1);
    }

    pub(crate) fn compared() {
        count(|done| done.compared += 1);
    }

    /// Returns what was done on this thread since the last call.
    pub(crate) fn take() -> Work {
        DONE.take()
    }
}

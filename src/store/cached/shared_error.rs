//! Shares one failure among all callers that waited for the same lookup. `StoreError` is not
//! `Clone`, because the error of a driver is not.

use std::{error::Error, fmt, sync::Arc};

use crate::store::{StoreError, StoreFault};

/// Returns an error with the same text and the same sources.
pub(super) fn clone_error(error: &Arc<StoreError>) -> StoreError {
    match &**error {
        StoreError::Unavailable(source) => match source.downcast_ref::<StoreFault>() {
            Some(fault) => fault.clone().into(),
            None => StoreError::unavailable(Shared(Arc::clone(error))),
        },
        StoreError::Corrupt(_) => match error.without_role() {
            Some(without_role) => StoreError::corrupt(without_role.clone()),
            None => StoreError::corrupt(Shared(Arc::clone(error))),
        },
        StoreError::UnknownPepper(name) => StoreError::UnknownPepper(name.clone()),
        StoreError::PlainDigest => StoreError::PlainDigest,
        StoreError::UnknownSaltedDigest(name) => StoreError::UnknownSaltedDigest(name.clone()),
    }
}

/// The source of an error, shared with the other callers' errors.
#[derive(Debug)]
struct Shared(Arc<StoreError>);

impl Shared {
    /// Returns the driver's error, whose text and sources this type forwards.
    fn original(&self) -> &(dyn Error + 'static) {
        match &*self.0 {
            StoreError::Unavailable(source) | StoreError::Corrupt(source) => &**source,
            whole => whole,
        }
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.original(), f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.original().source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(error: &StoreError) -> Vec<String> {
        let mut texts = Vec::new();
        let mut next: Option<&dyn Error> = Some(error);
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        texts
    }

    #[test]
    fn a_shared_error_has_the_text_and_the_sources_of_the_one_it_shares() {
        let driver = || StoreError::unavailable("the cause");
        for error in [
            StoreError::unavailable(driver()),
            StoreError::corrupt(driver()),
            StoreFault::panicked().into(),
            StoreError::UnknownPepper("before".into()),
            StoreError::PlainDigest,
            StoreError::UnknownSaltedDigest("theirs".into()),
        ] {
            let shared = Arc::new(error);
            assert_eq!(texts(&clone_error(&shared)), texts(&shared));
        }
    }
}

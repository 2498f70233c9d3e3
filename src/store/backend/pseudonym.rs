//! Pseudonyms, which replace deleted users in the audit trail.

use crate::{id::UserId, store::StoreError};

/// Returns a pseudonym for a deleted user: `erased-` and 128 random bits in hex.
///
/// For [`Directory::delete_user`](crate::store::Directory::delete_user) in a store of your own: it
/// replaces the user's id in every audit event.
///
/// # Errors
/// [`StoreError::Unavailable`] if the operating system has no randomness.
pub fn pseudonym() -> Result<UserId, StoreError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(StoreError::unavailable)?;
    let hex = random.iter().fold(String::from("erased-"), |text, byte| {
        text + &format!("{byte:02x}")
    });
    Ok(hex.as_str().into())
}

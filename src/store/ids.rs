//! Which ids can be created. One rule for each kind of thing, which every store applies before it asks its database.
//!
//! An id that no request could name would be there for ever and reach nobody; one that differs from another by what
//! cannot be seen would be taken for it. What is there already can still be read, changed and deleted.

use super::WriteError;
use crate::{
    credential::{Kind, is_key_id},
    principal::is_visible_id,
};

/// Checks the id of an organization to create: what the [organization header](crate::AuthLayer) can carry, 1 to 256
/// bytes of visible ASCII.
///
/// # Errors
/// [`WriteError::InvalidId`].
pub fn check_organization_id(id: &str) -> Result<(), WriteError> {
    valid(id, is_visible_id(id.as_bytes()))
}

/// Checks the id of a user to create: 1 to 256 bytes of visible ASCII, as for an organization.
///
/// # Errors
/// [`WriteError::InvalidId`].
pub fn check_user_id(id: &str) -> Result<(), WriteError> {
    valid(id, is_visible_id(id.as_bytes()))
}

/// Checks the public id of a credential to create: 1 to 256 bytes of visible ASCII, and for a key only what can stand
/// between its prefix and its dot (`token68` of RFC 9110, section 11.2, without `.` and `=`).
///
/// # Errors
/// [`WriteError::InvalidId`].
pub fn check_credential_id(kind: Kind, id: &str) -> Result<(), WriteError> {
    let fits = match kind {
        Kind::OrgKey => is_key_id(id),
        Kind::PersonalToken => true,
    };
    valid(id, fits && is_visible_id(id.as_bytes()))
}

fn valid(id: &str, valid: bool) -> Result<(), WriteError> {
    if valid {
        Ok(())
    } else {
        Err(WriteError::InvalidId(id.into()))
    }
}

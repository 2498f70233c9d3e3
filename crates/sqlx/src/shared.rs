//! What both stores do alike.

use tower_api_key::{
    credential::Kind,
    store::{Change, StoreError, WriteError},
};

/// Returns `otherwise` if a statement changed no row.
pub(crate) fn expect_changed(
    changed: u64,
    otherwise: impl FnOnce() -> WriteError,
) -> Result<(), WriteError> {
    if changed == 0 {
        Err(otherwise())
    } else {
        Ok(())
    }
}

/// Reads the fingerprint of the request that an idempotency key belongs to.
pub(crate) fn fingerprint(bytes: Option<Vec<u8>>) -> Result<[u8; 32], StoreError> {
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| StoreError::corrupt("the fingerprint of a request is not 32 bytes long"))
}

/// Reads a row of the change log. A row that the triggers did not write may stand for any change.
pub(crate) fn change(subject: Option<&str>, kind: Option<&str>, id: Option<String>) -> Change {
    match (subject, kind, id) {
        (Some("credential"), Some("org_key"), Some(id)) => Change::Credential {
            kind: Kind::OrgKey,
            id: id.into(),
        },
        (Some("credential"), Some("pat"), Some(id)) => Change::Credential {
            kind: Kind::PersonalToken,
            id: id.into(),
        },
        (Some("user"), _, Some(id)) => Change::User(id.into()),
        (Some("organization"), _, Some(id)) => Change::Organization(id.into()),
        _ => Change::Everything,
    }
}

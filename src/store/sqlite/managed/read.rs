//! The questions of management, and the rows that answer them.
//!
//! A row that makes no sense is [`StoreError::Corrupt`] for the question that meets it, and never a guess.

use crate::{
    clock::UnixMillis,
    manage::{Action, CredentialInfo, Event, Owner, Who},
    store::{Standing, StoreError},
};

macro_rules! select {
    ($after:literal) => {
        super::of_owner!(
            "SELECT c.id, c.name, c.role, c.scopes, c.standing, c.created_at, c.expires_at, u.at,
                c.rotated_from, c.rotated_to, c.rotated_at, c.request
            FROM tower_api_key_credentials c LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
            WHERE c.kind = ?1 AND",
            $after
        )
    };
}

pub(super) const BY_ID: [&str; 2] = select!("AND c.id = ?3");
pub(super) const BY_IDEMPOTENCY_KEY: [&str; 2] = select!("AND c.idempotency_key = ?3");
pub(super) const LIST: [&str; 2] = select!(
    "AND CASE ?3
        WHEN 'active' THEN c.standing = 'active' AND (c.expires_at IS NULL OR c.expires_at > ?4)
        WHEN 'expired' THEN c.standing = 'active' AND c.expires_at <= ?4
        WHEN 'disabled' THEN c.standing = 'disabled'
        WHEN 'deleted' THEN c.standing = 'deleted'
        ELSE c.standing <> 'deleted'
    END
    AND (?5 IS NULL OR c.expires_at < ?5)
    AND (?6 IS NULL OR coalesce(u.at, c.created_at) < ?6)
    AND (?7 IS NULL OR (c.created_at, c.id) < (?7, ?8))
    ORDER BY c.created_at DESC, c.id DESC LIMIT ?9"
);
macro_rules! events {
    ($owner:literal) => {
        concat!(
            "SELECT number, at, action, credential_id, related_id, by_sort, by_id, by_user, origin
            FROM tower_api_key_events WHERE ",
            $owner,
            " = ?1 AND (?2 IS NULL OR number < ?2) ORDER BY number DESC LIMIT ?3"
        )
    };
}

pub(super) const EVENTS: [&str; 2] = [events!("organization_id"), events!("user_id")];

// Texts are optional although the schema says that they are there: the driver reads NULL into a `String` as "".
pub(super) type InfoRow = (
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<Vec<u8>>,
);

pub(super) fn info(owner: &Owner, row: InfoRow) -> Result<CredentialInfo, StoreError> {
    let (id, name, role, scopes, standing, created_at, expires_at, used_at, from, to, rotated_at, _) = row;
    let scopes: Option<Vec<Box<str>>> =
        scopes.map(|scopes| serde_json::from_str(&scopes)).transpose().map_err(StoreError::corrupt)?;
    Ok(CredentialInfo {
        id: id.ok_or_else(|| StoreError::corrupt("a name is missing"))?.into(),
        owner: owner.clone(),
        name: name.into(),
        role: role.map(Into::into),
        scopes: scopes.map(Into::into),
        standing: Standing::of_word(&standing)?,
        created_at: UnixMillis(created_at),
        expires_at: expires_at.map(UnixMillis),
        last_used_at: used_at.map(UnixMillis),
        rotated_from: from.map(Into::into),
        rotated_to: to.map(Into::into),
        rotated_at: rotated_at.map(UnixMillis),
    })
}

pub(super) type EventRow =
    (i64, i64, String, String, Option<String>, String, Option<String>, Option<String>, Option<String>);

pub(super) fn event(owner: &Owner, row: EventRow) -> Result<Event, StoreError> {
    let (number, at, action, credential, related, sort, id, user, origin) = row;
    let by = Who::from_columns(&sort, id.as_deref(), user.as_deref());
    Ok(Event {
        number,
        at: UnixMillis(at),
        action: Action::parse(&action).ok_or_else(|| StoreError::corrupt("unknown action"))?,
        owner: owner.clone(),
        credential: credential.into(),
        related: related.map(Into::into),
        by: by.ok_or_else(|| StoreError::corrupt("unknown actor"))?,
        origin: origin.map(Into::into),
    })
}

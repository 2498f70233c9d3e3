//! What both stores do alike.

use std::{collections::BTreeMap, fmt::Write as _};

use sqlx::migrate::{Migration, Migrator};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    store::{
        Attributes, Change, StoreError,
        backend::{ExpiryWindow, networks_text},
    },
};

/// The database reported success without making the change. A trigger, a rule or a policy that is
/// not the store's does that.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database skipped a change of {0}: call check(), which names foreign triggers and rules"
)]
struct Skipped(&'static str);

/// Returns the error of a change of `table` that the database skipped.
pub(crate) fn skipped(table: &'static str) -> StoreError {
    StoreError::unavailable(Skipped(table))
}

/// Returns an error unless a statement changed as many rows of `table` as it had to.
pub(crate) fn expect_rows(
    changed: u64,
    expected: usize,
    table: &'static str,
) -> Result<(), StoreError> {
    if u64::try_from(expected) == Ok(changed) {
        Ok(())
    } else {
        Err(skipped(table))
    }
}

/// Reads the fingerprint of the request that an idempotency key belongs to.
pub(crate) fn fingerprint(bytes: Option<Vec<u8>>) -> Result<[u8; 32], StoreError> {
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| StoreError::corrupt("the fingerprint of a request is not 32 bytes long"))
}

/// Attributes as their columns have them; metadata is JSON.
pub(crate) struct AttributeColumns<'a> {
    pub(crate) description: Option<&'a str>,
    pub(crate) metadata: Option<String>,
    pub(crate) networks: Option<String>,
    pub(crate) environment: Option<&'a str>,
}

impl<'a> AttributeColumns<'a> {
    pub(crate) fn of(attributes: &'a Attributes) -> Self {
        let metadata = &attributes.metadata;
        let object = || serde_json::Value::from_iter(metadata.iter()).to_string();
        Self {
            description: attributes.description.as_deref(),
            metadata: (!metadata.is_empty()).then(object),
            networks: networks_text(&attributes.conditions),
            environment: attributes.conditions.environment(),
        }
    }
}

/// Reads the pairs of a JSON object whose values are texts.
pub(crate) fn pairs(json: Option<String>) -> Result<Option<Vec<(String, String)>>, StoreError> {
    let pairs = |json: String| serde_json::from_str::<BTreeMap<_, _>>(&json);
    let pairs = json.map(pairs).transpose().map_err(StoreError::corrupt)?;
    Ok(pairs.map(Vec::from_iter))
}

/// A place in the order of expiry, kind and id, in which expiring credentials are searched.
pub(crate) type Place = (i64, String, String);

/// Returns the place from which on to search a window, if another search has reached `reached`.
pub(crate) fn first_place(window: ExpiryWindow, reached: Option<Place>) -> Place {
    let after = place_after(window.after);
    reached.map_or(after.clone(), |reached| reached.max(after))
}

/// Returns the place after all credentials that expire by `moment`.
pub(crate) fn place_after(moment: UnixMillis) -> Place {
    (moment.0, "~".to_owned(), String::new()) // greater than both kinds
}

/// Reads the kind of a credential.
pub(crate) fn kind(word: &str) -> Option<Kind> {
    [Kind::OrgKey, Kind::PersonalToken]
        .into_iter()
        .find(|kind| kind.as_str() == word)
}

/// Reads a row of the change log. A row that the triggers did not write may stand for any change.
pub(crate) fn change(subject: Option<&str>, kind: Option<&str>, id: Option<String>) -> Change {
    match (subject, kind.and_then(self::kind), id) {
        (Some("credential"), Some(kind), Some(id)) => Change::Credential {
            kind,
            id: id.into(),
        },
        (Some("user"), _, Some(id)) => Change::User(id.into()),
        (Some("organization"), _, Some(id)) => Change::Organization(id.into()),
        _ => Change::Everything,
    }
}

/// Joins the migrations after `applied`, each followed by the statement that records it.
pub(crate) fn migration_script(
    migrator: &Migrator,
    applied: Option<i64>,
    record: impl Fn(&Migration) -> String,
) -> String {
    migrator
        .iter()
        .filter(|migration| applied.is_none_or(|applied| migration.version > applied))
        .fold(String::new(), |script, migration| {
            let sql = migration.sql.as_str();
            format!("{script}{sql}\n{}", record(migration))
        })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        _ = write!(hex, "{byte:02x}");
        hex
    })
}

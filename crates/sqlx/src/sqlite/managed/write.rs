//! Committing a change: a new credential, updates of credentials that are still as they were read,
//! and the events about them.

use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::{
    super::{
        SqliteStore,
        directory::{known_user, living_organization},
        row::{expect_changed, store_error},
    },
    ByOwner, authority, events,
};
use crate::shared::{AttributeColumns, skipped};
use tower_api_key::{
    credential::{Kind, check_credential_id},
    id::OrgId,
    secret::Digest,
    store::{
        Attributes, AuditActor, Owner, StoreError, WriteError,
        backend::{Cap, Commit, DigestPolicy, NewCredential, Update},
    },
};

macro_rules! counting {
    ($index:literal, $owned:literal) => {
        concat!(
            "SELECT count(*) FROM (
                SELECT 1 FROM tower_api_key_credentials c INDEXED BY ",
            $index,
            " WHERE ",
            $owned,
            " AND c.status <> 'deleted' AND c.status = 'active'
                    AND coalesce(c.expires_at, 9223372036854775807) > ?2
                ORDER BY coalesce(c.expires_at, 9223372036854775807) LIMIT ?3
            )"
        )
    };
}

/// Counts the credentials that are accepted at `?2`, up to `?3`.
pub(super) const COUNTING: ByOwner = ByOwner {
    organization: counting!(
        "tower_api_key_keys_by_end",
        "c.organization_id = ?1 AND +c.kind = 'org_key'"
    ),
    user: counting!(
        "tower_api_key_tokens_by_end",
        "c.user_id = ?1 AND +c.kind = 'pat'"
    ),
};

const INSERT: &str = "
    INSERT INTO tower_api_key_credentials
        (kind, id, digest, organization_id, user_id, name, role, scopes, status, created_at,
         expires_at, rotated_from, rotated_to, rotated_at, idempotency_key, request_hash, pepper,
         own_scopes, own_organizations, description, metadata, allowed_networks, environment,
         created_by_kind, created_by_id, created_by_user_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
        ?20, ?21, ?22, ?23, ?24, ?25, ?26)
    ON CONFLICT DO NOTHING";

const BY_DIGEST: &str =
    "SELECT 1 FROM tower_api_key_credentials WHERE kind = 'pat' AND digest = ?1";

/// Whether a removed credential had the id, or a removed token the digest.
const REMOVED: &str = "
    SELECT 1 FROM tower_api_key_tombstones WHERE kind = ?1 AND id = ?2
    UNION ALL SELECT 1 FROM tower_api_key_tombstones WHERE ?1 = 'pat' AND digest = ?3";

/// Whether the id `?2`, the digest `?3` of a token, or the idempotency key `?4` is taken.
const TAKEN: ByOwner = ByOwner {
    organization: "
        SELECT 1 FROM tower_api_key_credentials WHERE kind = 'org_key'
            AND (id = ?2 OR organization_id = ?1 AND idempotency_key = ?4) AND ?3 IS NOT NULL",
    user: "
        SELECT 1 FROM tower_api_key_credentials WHERE kind = 'pat'
            AND (id = ?2 OR digest = ?3 OR user_id = ?1 AND idempotency_key = ?4)",
};

/// Whether the credential `?2` is as it was to be.
const ALTERED: &str = "
    SELECT 1 FROM tower_api_key_credentials
    WHERE kind = ?1 AND id = ?2 AND name = ?3 AND status = ?4 AND expires_at IS ?5
        AND rotated_to IS ?6 AND description IS ?7 AND metadata IS ?8 AND allowed_networks IS ?9
        AND environment IS ?10";

/// Metadata in one form, whatever the order and the blanks in which it was written.
macro_rules! sorted_pairs {
    ($object:literal) => {
        concat!(
            "(SELECT json_group_object(key, value ORDER BY key) FROM json_each(",
            $object,
            "))"
        )
    };
}

/// `IS` treats NULL as equal to NULL.
pub(super) const ALTER: &str = concat!(
    "UPDATE tower_api_key_credentials
    SET name = ?1, status = ?2, expires_at = ?3, rotated_to = ?4, rotated_at = ?5, description = ?14,
        metadata = ?15, allowed_networks = ?16, environment = ?17, deleted_at = ?22
    WHERE kind = ?6 AND id = ?7 AND organization_id IS ?8 AND user_id IS ?9
        AND name = ?10 AND status = ?11 AND expires_at IS ?12 AND rotated_to IS ?13
        AND description IS ?18 AND allowed_networks IS ?20 AND environment IS ?21 AND ",
    sorted_pairs!("metadata"),
    " = ",
    sorted_pairs!("?19")
);

pub(super) async fn commit(
    store: &SqliteStore,
    db: &mut SqliteConnection,
    commit: &Commit,
) -> Result<(), WriteError> {
    let owner = &commit.owner;
    authority::check(store, db, &commit.authority).await?;
    if let Some(insert) = &commit.insert {
        match owner {
            Owner::Organization(id) => living_organization(db, id.as_str()).await?,
            Owner::User(id) => known_user(db, id.as_str()).await?,
        }
        add(db, owner, insert, store.digests()).await?;
    }
    for alteration in &commit.changes {
        alter(db, owner, alteration).await?;
    }
    check_cap(db, owner, commit.cap).await?;
    for event in &commit.events {
        events::insert(db, event).await?;
    }
    Ok(())
}

/// Refuses a change that brings the owner above its cap.
async fn check_cap(
    db: &mut SqliteConnection,
    owner: &Owner,
    cap: Option<Cap>,
) -> Result<(), WriteError> {
    let Some(Cap { limit, at, .. }) = cap else {
        return Ok(());
    };
    let count = sqlx::query_scalar(COUNTING.of(owner))
        .bind(owner.id())
        .bind(at.0)
        .bind(i64::from(limit) + 1);
    let count: i64 = count.fetch_one(db).await.map_err(store_error)?;
    if count <= i64::from(limit) {
        Ok(())
    } else {
        Err(WriteError::CapReached(limit))
    }
}

async fn add(
    db: &mut SqliteConnection,
    owner: &Owner,
    insert: &NewCredential,
    digests: DigestPolicy<'_>,
) -> Result<(), WriteError> {
    let NewCredential {
        info,
        digest,
        salt: _, // `store_new` knows it
        idempotency,
    } = insert;
    check_credential_id(info.kind(), info.id.as_str())?;
    if is_kept(db, owner, digest, digests).await? || is_removed(db, insert, digests).await? {
        return Err(WriteError::Taken(info.id.as_str().into()));
    }
    let stored = digests.store_new(insert)?;
    let digest = stored.digest.to_bytes().to_vec();
    let scopes = info
        .scopes
        .as_ref()
        .map(|scopes| array(scopes.iter().map(|scope| &**scope)));
    let (scopes, own_scopes) = match info.kind() {
        Kind::OrgKey => (scopes, None),
        Kind::PersonalToken => (None, scopes),
    };
    let organizations = info.organizations.as_ref();
    let organizations = organizations.map(|list| array(list.iter().map(OrgId::as_str)));
    let (key, request) = idempotency
        .as_ref()
        .map(|it| (&*it.key, it.fingerprint.to_vec()))
        .unzip();
    let insert = sqlx::query(INSERT)
        .bind(owner.kind().as_str())
        .bind(info.id.as_str())
        .bind(&digest)
        .bind(owner.organization())
        .bind(owner.user())
        .bind(&*info.name)
        .bind(info.role.as_deref())
        .bind(scopes)
        .bind(info.status.as_str())
        .bind(info.created_at.0)
        .bind(info.expires_at.map(|moment| moment.0))
        .bind(info.rotated_from.as_ref().map(|id| id.as_str()))
        .bind(info.rotated_to.as_ref().map(|id| id.as_str()))
        .bind(info.rotated_at.map(|moment| moment.0))
        .bind(key)
        .bind(request)
        .bind(stored.pepper.as_deref())
        .bind(own_scopes)
        .bind(organizations);
    let creator = info.created_by.as_ref().map(AuditActor::columns);
    let insert = bind_attributes(insert, &info.attributes)
        .bind(creator.map(|creator| creator.kind))
        .bind(creator.and_then(|creator| creator.id))
        .bind(creator.and_then(|creator| creator.user));
    let added = insert.execute(&mut *db).await.map_err(store_error)?;
    if added.rows_affected() > 0 {
        return Ok(());
    }
    let taken = sqlx::query(TAKEN.of(owner))
        .bind(owner.id())
        .bind(info.id.as_str())
        .bind(digest)
        .bind(key);
    match taken.fetch_optional(db).await.map_err(store_error)? {
        Some(_) => Err(WriteError::Taken(info.id.as_str().into())),
        None => Err(skipped("tower_api_key_credentials").into()),
    }
}

/// Binds description, metadata, networks and environment.
pub(super) fn bind_attributes<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    attributes: &'q Attributes,
) -> Query<'q, Sqlite, SqliteArguments> {
    let columns = AttributeColumns::of(attributes);
    query
        .bind(columns.description)
        .bind(columns.metadata)
        .bind(columns.networks)
        .bind(columns.environment)
}

/// Returns a JSON array of texts.
fn array<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.collect::<serde_json::Value>().to_string()
}

async fn is_removed(
    db: &mut SqliteConnection,
    insert: &NewCredential,
    digests: DigestPolicy<'_>,
) -> Result<bool, StoreError> {
    for digest in &digests.candidates(&insert.digest) {
        let query = sqlx::query(REMOVED)
            .bind(insert.info.kind().as_str())
            .bind(insert.info.id.as_str())
            .bind(digest.to_bytes().to_vec());
        let found = query.fetch_optional(&mut *db).await.map_err(store_error)?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the token is already stored under another pepper than the current one; the unique index
/// covers the current one.
async fn is_kept(
    db: &mut SqliteConnection,
    owner: &Owner,
    digest: &Digest,
    digests: DigestPolicy<'_>,
) -> Result<bool, StoreError> {
    if owner.kind() == Kind::OrgKey {
        return Ok(false);
    }
    for candidate in digests.candidates(digest).iter().skip(1) {
        let query = sqlx::query(BY_DIGEST).bind(candidate.to_bytes().to_vec());
        if query
            .fetch_optional(&mut *db)
            .await
            .map_err(store_error)?
            .is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn alter(
    db: &mut SqliteConnection,
    owner: &Owner,
    change: &Update,
) -> Result<(), WriteError> {
    let Update { before, after } = change;
    let alter = sqlx::query(ALTER)
        .bind(&*after.name)
        .bind(after.status.as_str())
        .bind(after.expires_at.map(|moment| moment.0))
        .bind(after.rotated_to.as_ref().map(|id| id.as_str()))
        .bind(after.rotated_at.map(|moment| moment.0))
        .bind(owner.kind().as_str())
        .bind(before.id.as_str())
        .bind(owner.organization())
        .bind(owner.user())
        .bind(&*before.name)
        .bind(before.status.as_str())
        .bind(before.expires_at.map(|moment| moment.0))
        .bind(before.rotated_to.as_ref().map(|id| id.as_str()));
    let alter = bind_attributes(alter, &after.attributes);
    let alter =
        bind_attributes(alter, &before.attributes).bind(after.deleted_at.map(|moment| moment.0));
    let altered = alter.execute(&mut *db).await.map_err(store_error)?;
    expect_changed(altered.rows_affected(), || WriteError::Changed)?;
    let is_altered = sqlx::query(ALTERED)
        .bind(owner.kind().as_str())
        .bind(before.id.as_str())
        .bind(&*after.name)
        .bind(after.status.as_str())
        .bind(after.expires_at.map(|moment| moment.0))
        .bind(after.rotated_to.as_ref().map(|id| id.as_str()));
    let is_altered = bind_attributes(is_altered, &after.attributes);
    match is_altered.fetch_optional(db).await.map_err(store_error)? {
        Some(_) => Ok(()),
        None => Err(skipped("tower_api_key_credentials").into()),
    }
}

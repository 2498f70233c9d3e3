//! The one change: a new credential, credentials that are as they were read, and what is told of them.

use sqlx::SqliteConnection;

use super::{
    super::{
        admin::{known_user, living_organization, one},
        row::failed,
    },
    ByOwner, events, of_owner,
};
use crate::{
    credential::Kind,
    manage::Owner,
    secret::{Digest, Peppers},
    store::{Alteration, Commit, Insert, StoreError, WriteError},
};

pub(super) const COUNTING: ByOwner = of_owner!(
    "SELECT count(*) FROM tower_api_key_credentials c WHERE",
    "AND c.standing <> 'deleted' AND c.rotated_to IS NULL AND (c.expires_at IS NULL OR c.expires_at > ?2)"
);

const INSERT: &str = "
    INSERT INTO tower_api_key_credentials
        (kind, id, digest, organization_id, user_id, name, role, scopes, standing, created_at, expires_at,
         rotated_from, rotated_to, rotated_at, idempotency_key, request, pepper)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
    ON CONFLICT DO NOTHING";

const BY_DIGEST: &str = "SELECT 1 FROM tower_api_key_credentials WHERE kind = 'pat' AND digest = ?1";

/// IS takes NULL for equal to NULL.
pub(super) const ALTER: &str = "
    UPDATE tower_api_key_credentials SET name = ?1, standing = ?2, expires_at = ?3, rotated_to = ?4, rotated_at = ?5
    WHERE kind = ?6 AND id = ?7 AND organization_id IS ?8 AND user_id IS ?9
        AND name = ?10 AND standing = ?11 AND expires_at IS ?12 AND rotated_to IS ?13";

pub(super) async fn commit(
    db: &mut SqliteConnection,
    commit: &Commit,
    peppers: Option<&Peppers>,
) -> Result<(), WriteError> {
    let owner = &commit.owner;
    if let Some(insert) = &commit.insert {
        match owner {
            Owner::Organization(id) => living_organization(db, id.as_str()).await?,
            Owner::User(id) => known_user(db, id.as_str()).await?,
        }
        has_room(db, owner, insert).await?;
        add(db, owner, insert, peppers).await?;
    }
    for alteration in &commit.changes {
        alter(db, owner, alteration).await?;
    }
    for event in &commit.events {
        events::insert(db, event).await?;
    }
    Ok(())
}

async fn has_room(db: &mut SqliteConnection, owner: &Owner, insert: &Insert) -> Result<(), WriteError> {
    let Some(cap) = insert.cap else { return Ok(()) };
    let count = sqlx::query_scalar(COUNTING.of(owner)).bind(owner.id()).bind(insert.info.created_at.0);
    let count: i64 = count.fetch_one(db).await.map_err(failed)?;
    if count < i64::from(cap) { Ok(()) } else { Err(WriteError::CapReached(cap)) }
}

async fn add(
    db: &mut SqliteConnection,
    owner: &Owner,
    insert: &Insert,
    peppers: Option<&Peppers>,
) -> Result<(), WriteError> {
    let Insert { info, digest, idempotency, .. } = insert;
    if is_kept(db, owner, digest, peppers).await? {
        return Err(WriteError::Taken(info.id.as_str().into()));
    }
    let (kept, pepper) = Peppers::keep(peppers, digest);
    let (organization, user) = owner.columns();
    let scopes = info.scopes.as_ref().map(|scopes| scopes.iter().map(|s| &**s).collect::<serde_json::Value>());
    let (key, request) = idempotency.as_ref().map(|(key, request)| (&**key, request.to_vec())).unzip();
    let query = sqlx::query(INSERT).bind(owner.kind().as_str()).bind(info.id.as_str()).bind(kept.to_bytes().to_vec());
    let query = query.bind(organization).bind(user).bind(&*info.name).bind(info.role.as_deref());
    let query = query.bind(scopes.map(|scopes| scopes.to_string())).bind(info.standing.word());
    let query = query.bind(info.created_at.0).bind(info.expires_at.map(|moment| moment.0));
    let query = query.bind(info.rotated_from.as_ref().map(|id| id.as_str()));
    let query = query.bind(info.rotated_to.as_ref().map(|id| id.as_str()));
    let query = query.bind(info.rotated_at.map(|moment| moment.0)).bind(key).bind(request).bind(pepper);
    let added = query.execute(db).await.map_err(failed)?.rows_affected();
    one(added, || WriteError::Taken(info.id.as_str().into()))
}

/// Whether a token is there already under another pepper than it would be kept under now; the index sees the rest.
async fn is_kept(
    db: &mut SqliteConnection,
    owner: &Owner,
    digest: &Digest,
    peppers: Option<&Peppers>,
) -> Result<bool, StoreError> {
    if owner.kind() == Kind::OrgKey {
        return Ok(false);
    }
    for candidate in Peppers::candidates(peppers, digest).iter().skip(1) {
        let query = sqlx::query(BY_DIGEST).bind(candidate.to_bytes().to_vec());
        if query.fetch_optional(&mut *db).await.map_err(failed)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn alter(db: &mut SqliteConnection, owner: &Owner, change: &Alteration) -> Result<(), WriteError> {
    let Alteration { before, after } = change;
    let (organization, user) = owner.columns();
    let query = sqlx::query(ALTER).bind(&*after.name).bind(after.standing.word());
    let query = query.bind(after.expires_at.map(|moment| moment.0));
    let query = query.bind(after.rotated_to.as_ref().map(|id| id.as_str()));
    let query = query.bind(after.rotated_at.map(|moment| moment.0));
    let query = query.bind(owner.kind().as_str()).bind(before.id.as_str()).bind(organization).bind(user);
    let query = query.bind(&*before.name).bind(before.standing.word()).bind(before.expires_at.map(|moment| moment.0));
    let query = query.bind(before.rotated_to.as_ref().map(|id| id.as_str()));
    one(query.execute(db).await.map_err(failed)?.rows_affected(), || WriteError::Changed)
}

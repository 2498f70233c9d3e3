//! What a commit is in SQL, and the recording of uses. Each runs within a transaction that has the write lock.

use sqlx::SqliteConnection;

use super::{
    super::{
        admin::{known_user, living_organization, one},
        row::{failed, stored_digest},
    },
    of, of_owner,
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, is_key_id},
    manage::{Event, Owner},
    secret::{Digest, Peppers},
    store::{
        Alteration, Commit, Insert, StoreError, Use,
        WriteError::{self, CapReached, Changed, InvalidId, Taken},
        managed::Used,
    },
};

const COUNT: [&str; 2] = of_owner!(
    "SELECT count(*) FROM tower_api_key_credentials c WHERE c.kind = ?1 AND",
    "AND c.standing <> 'deleted' AND c.rotated_to IS NULL AND (c.expires_at IS NULL OR c.expires_at > ?3)"
);

const INSERT: &str = "INSERT INTO tower_api_key_credentials
        (kind, id, digest, standing, expires_at, organization_id, user_id, role, scopes,
            name, created_at, rotated_from, idempotency_key, request, pepper)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING";

/// Set if it still is as it was read, whoever writes meanwhile.
const ALTER: [&str; 2] = of_owner!(
    "UPDATE tower_api_key_credentials AS c
    SET name = ?4, standing = ?5, expires_at = ?6, rotated_to = ?7, rotated_at = ?8
    WHERE c.kind = ?1 AND",
    "AND c.id = ?3 AND c.name = ?9 AND c.standing = ?10 AND c.expires_at IS ?11 AND c.rotated_to IS ?12"
);

const TELL: &str = "INSERT INTO tower_api_key_events
        (at, action, organization_id, user_id, credential_id, related_id, by_sort, by_id, by_user, origin)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING number";

const BY_DIGEST: &str = "SELECT 1 FROM tower_api_key_credentials WHERE kind = 'pat' AND digest = ?1";

const DIGEST: &str = "SELECT digest, pepper FROM tower_api_key_credentials WHERE kind = ?1 AND id = ?2";

const REHASH: &str = "UPDATE tower_api_key_credentials SET digest = ?3, pepper = ?4 WHERE kind = ?1 AND id = ?2";

const USED: &str = "SELECT c.organization_id, c.user_id, c.rotated_to, c.rotated_at, u.at
    FROM tower_api_key_credentials c LEFT JOIN tower_api_key_uses u ON u.kind = c.kind AND u.id = c.id
    WHERE c.kind = ?1 AND c.id = ?2";

const USE: &str = "INSERT INTO tower_api_key_uses (kind, id, at) VALUES (?1, ?2, ?3)
    ON CONFLICT (kind, id) DO UPDATE SET at = excluded.at";

/// Does what a commit asks for.
pub(in super::super) async fn commit(
    db: &mut SqliteConnection,
    commit: &Commit,
    peppers: Option<&Peppers>,
) -> Result<(), WriteError> {
    if let Some(insert) = &commit.insert {
        add(db, insert, peppers).await?;
    }
    for change in &commit.changes {
        alter(db, &commit.owner, change).await?;
    }
    for event in &commit.events {
        tell(db, event).await?;
    }
    Ok(())
}

async fn add(db: &mut SqliteConnection, insert: &Insert, peppers: Option<&Peppers>) -> Result<(), WriteError> {
    let Insert { info, digest, idempotency, cap } = insert;
    let (id, kind) = (info.id.as_str(), info.kind().as_str());
    if info.kind() == Kind::OrgKey && !is_key_id(id) {
        return Err(InvalidId(id.into()));
    }
    there(db, &info.owner).await?;
    if let Some(cap) = *cap {
        let count = sqlx::query_scalar::<_, i64>(of(&info.owner, COUNT));
        let count = count.bind(kind).bind(info.owner.id()).bind(info.created_at.0);
        if count.fetch_one(&mut *db).await.map_err(failed)? >= i64::from(cap) {
            return Err(CapReached(cap));
        }
    }
    if info.kind() == Kind::PersonalToken && is_kept(db, digest, peppers).await? {
        return Err(Taken(id.into()));
    }
    let (kept, pepper) = Peppers::keep(peppers, digest);
    let (organization, user) = info.owner.columns();
    let scopes = info.scopes.as_ref().map(|scopes| serde_json::json!(scopes).to_string());
    let (key, request) = idempotency.as_ref().map(|(key, request)| (&**key, request.to_vec())).unzip();
    let query = sqlx::query(INSERT).bind(kind).bind(id).bind(kept.to_bytes().to_vec());
    let query = query.bind(info.standing.word()).bind(info.expires_at.map(|end| end.0));
    let query = query.bind(organization).bind(user).bind(info.role.as_deref()).bind(scopes);
    let query = query.bind(&*info.name).bind(info.created_at.0);
    let query = query.bind(info.rotated_from.as_ref().map(|from| from.as_str())).bind(key).bind(request).bind(pepper);
    one(query.execute(db).await.map_err(failed)?.rows_affected(), || Taken(id.into()))
}

/// Whether a token is there already, also under another pepper than it would be now.
async fn is_kept(db: &mut SqliteConnection, digest: &Digest, peppers: Option<&Peppers>) -> Result<bool, StoreError> {
    for candidate in Peppers::candidates(peppers, digest) {
        let query = sqlx::query(BY_DIGEST).bind(candidate.to_bytes().to_vec());
        if query.fetch_optional(&mut *db).await.map_err(failed)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes sure that an owner is there.
async fn there(db: &mut SqliteConnection, owner: &Owner) -> Result<(), WriteError> {
    match owner {
        Owner::Organization(id) => living_organization(db, id.as_str()).await,
        Owner::User(id) => known_user(db, id.as_str()).await,
    }
}

async fn alter(db: &mut SqliteConnection, owner: &Owner, change: &Alteration) -> Result<(), WriteError> {
    let Alteration { before, after } = change;
    let query = sqlx::query(of(owner, ALTER)).bind(owner.kind().as_str()).bind(owner.id()).bind(before.id.as_str());
    let query = query.bind(&*after.name).bind(after.standing.word()).bind(after.expires_at.map(|end| end.0));
    let query = query.bind(after.rotated_to.as_ref().map(|to| to.as_str())).bind(after.rotated_at.map(|at| at.0));
    let query = query.bind(&*before.name).bind(before.standing.word());
    let query = query.bind(before.expires_at.map(|end| end.0)).bind(before.rotated_to.as_ref().map(|to| to.as_str()));
    one(query.execute(db).await.map_err(failed)?.rows_affected(), || Changed)
}

async fn tell(db: &mut SqliteConnection, event: &Event) -> Result<i64, StoreError> {
    let (organization, user) = event.owner.columns();
    let (sort, id, person) = event.by.columns();
    let query = sqlx::query_scalar(TELL).bind(event.at.0).bind(event.action.as_str()).bind(organization).bind(user);
    let query = query.bind(event.credential.as_str()).bind(event.related.as_ref().map(|id| id.as_str()));
    query.bind(sort).bind(id).bind(person).bind(event.origin.as_deref()).fetch_one(db).await.map_err(failed)
}

/// Records uses; returns the events that they are.
pub(in super::super) async fn record(db: &mut SqliteConnection, uses: &[Use]) -> Result<Vec<Event>, StoreError> {
    let mut told = Vec::new();
    for used in uses {
        let (kind, id) = (used.kind.as_str(), used.id.as_str());
        type Row = (Option<String>, Option<String>, Option<String>, Option<i64>, Option<i64>);
        let row: Option<Row> =
            sqlx::query_as(USED).bind(kind).bind(id).fetch_optional(&mut *db).await.map_err(failed)?;
        let Some((organization, user, to, rotated_at, recorded)) = row else { continue };
        let owner = match used.kind {
            Kind::OrgKey => organization,
            Kind::PersonalToken => user,
        };
        let owner = Owner::of(used.kind, &owner.ok_or_else(|| StoreError::corrupt("an owner is missing"))?);
        let rotated = to.map(Into::into).zip(rotated_at.map(UnixMillis));
        let (due, event) = used.judge(Used { owner, recorded: recorded.map(UnixMillis), rotated });
        if due {
            sqlx::query(USE).bind(kind).bind(id).bind(used.at.0).execute(&mut *db).await.map_err(failed)?;
        }
        if let Some(event) = event {
            let number = tell(db, &event).await?;
            told.push(Event { number, ..event });
        }
    }
    Ok(told)
}

/// Makes a digest anew under the current pepper; returns whether there was something to make anew.
pub(in super::super) async fn rehash(
    db: &mut SqliteConnection,
    kind: Kind,
    id: &str,
    presented: &Digest,
    peppers: Option<&Peppers>,
) -> Result<bool, StoreError> {
    let row = sqlx::query_as(DIGEST).bind(kind.as_str()).bind(id).fetch_optional(&mut *db).await;
    let row: Option<(Vec<u8>, Option<String>)> = row.map_err(failed)?;
    let Some((stored, pepper)) = row else { return Ok(false) };
    let verified = Peppers::verifies(peppers, &stored_digest(stored)?, pepper.as_deref(), presented)?;
    if !verified || !Peppers::is_outdated(peppers, pepper.as_deref()) {
        return Ok(false);
    }
    let (kept, pepper) = Peppers::keep(peppers, presented);
    let query = sqlx::query(REHASH).bind(kind.as_str()).bind(id).bind(kept.to_bytes().to_vec()).bind(pepper);
    query.execute(db).await.map_err(failed)?;
    Ok(true)
}

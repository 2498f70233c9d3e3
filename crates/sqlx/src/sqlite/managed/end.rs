//! Ending credentials: one statement that compares nothing but the owner, and the events about it.

use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    super::{SqliteStore, row::store_error},
    ByOwner, authority,
    read::id_of,
};
use tower_api_key::{
    id::CredentialId,
    store::{
        StoreError, WriteError,
        backend::{EndTarget, Ending},
    },
};

macro_rules! end {
    ($index:literal, $which:literal) => {
        concat!(
            "UPDATE tower_api_key_credentials AS c ",
            $index,
            " SET status = ?2 WHERE ",
            $which,
            " AND c.status <> 'deleted' AND c.status <> ?2 RETURNING id"
        )
    };
}

pub(super) const ALL: ByOwner = ByOwner {
    organization: end!(
        "INDEXED BY tower_api_key_keys_living",
        "c.organization_id = ?1 AND +c.kind = 'org_key'"
    ),
    user: end!(
        "INDEXED BY tower_api_key_tokens_living",
        "c.user_id = ?1 AND +c.kind = 'pat'"
    ),
};

pub(super) const ONE: ByOwner = ByOwner {
    organization: end!(
        "",
        "c.kind = 'org_key' AND c.id = ?3 AND c.organization_id = ?1"
    ),
    user: end!("", "c.kind = 'pat' AND c.id = ?3 AND c.user_id = ?1"),
};

const EVENTS: &str = "
    INSERT INTO tower_api_key_events
        (at, action, organization_id, user_id, actor_kind, actor_id, actor_user_id, origin,
         credential_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, value FROM json_each(?9)";

pub(super) async fn end(
    store: &SqliteStore,
    db: &mut SqliteConnection,
    ending: &Ending,
) -> Result<Vec<CredentialId>, WriteError> {
    authority::check(store, db, &ending.authority).await?;
    let ended = update(db, ending).await?;
    if !ended.is_empty() {
        insert_events(db, ending, &ended).await?;
    }
    Ok(ended)
}

async fn update(
    db: &mut SqliteConnection,
    ending: &Ending,
) -> Result<Vec<CredentialId>, StoreError> {
    let (owner, status) = (ending.owner.id(), ending.to.status().as_str());
    let query = match &ending.target {
        EndTarget::All => sqlx::query(ALL.of(&ending.owner)).bind(owner).bind(status),
        EndTarget::One(id) => sqlx::query(ONE.of(&ending.owner))
            .bind(owner)
            .bind(status)
            .bind(id.as_str()),
    };
    let rows: Vec<SqliteRow> = query.fetch_all(db).await.map_err(store_error)?;
    rows.iter()
        .map(|row| id_of(row).map(|(id, _)| id))
        .collect()
}

async fn insert_events(
    db: &mut SqliteConnection,
    ending: &Ending,
    ended: &[CredentialId],
) -> Result<(), StoreError> {
    let (organization, user) = (ending.owner.organization(), ending.owner.user());
    let actor = ending.by.columns();
    let ids = ended
        .iter()
        .map(CredentialId::as_str)
        .collect::<serde_json::Value>()
        .to_string();
    let insert = sqlx::query(EVENTS)
        .bind(ending.at.0)
        .bind(ending.action.as_str())
        .bind(organization)
        .bind(user);
    let insert = insert
        .bind(actor.kind)
        .bind(actor.id)
        .bind(actor.user)
        .bind(ending.origin.as_deref())
        .bind(ids);
    insert.execute(db).await.map(drop).map_err(store_error)
}

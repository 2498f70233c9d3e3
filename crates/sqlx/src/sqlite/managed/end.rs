//! Ending credentials: one statement that compares nothing but the owner, one that looks whether
//! the database made the change, and the events about it.

use sqlx::{
    Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    super::{SqliteStore, row::store_error},
    ByOwner, authority,
    read::id_of,
};
use crate::shared::{expect_rows, skipped};
use tower_api_key::{
    id::CredentialId,
    store::{
        StoreError, WriteError,
        backend::{EndTarget, Ending},
    },
};

macro_rules! statement {
    ([$verb:literal, $set:literal, $end:literal], $index:literal, $which:literal) => {
        concat!(
            $verb,
            " tower_api_key_credentials AS c ",
            $index,
            $set,
            " WHERE ",
            $which,
            " AND c.status <> 'deleted' AND c.status <> ?2 ",
            $end
        )
    };
}

/// About all credentials that are to be ended.
macro_rules! all {
    ($form:tt) => {
        ByOwner {
            organization: statement!(
                $form,
                "INDEXED BY tower_api_key_keys_living",
                "c.organization_id = ?1 AND +c.kind = 'org_key'"
            ),
            user: statement!(
                $form,
                "INDEXED BY tower_api_key_tokens_living",
                "c.user_id = ?1 AND +c.kind = 'pat'"
            ),
        }
    };
}

/// About the one that is to be ended.
macro_rules! one {
    ($form:tt) => {
        ByOwner {
            organization: statement!(
                $form,
                "",
                "c.kind = 'org_key' AND c.id = ?3 AND c.organization_id = ?1"
            ),
            user: statement!($form, "", "c.kind = 'pat' AND c.id = ?3 AND c.user_id = ?1"),
        }
    };
}

pub(super) const ALL: ByOwner = all!([
    "UPDATE",
    " SET status = ?2, deleted_at = iif(?2 = 'deleted', ?4, NULL)",
    "RETURNING id"
]);
pub(super) const ONE: ByOwner = one!([
    "UPDATE",
    " SET status = ?2, deleted_at = iif(?2 = 'deleted', ?4, NULL)",
    "RETURNING id"
]);

/// What is left of them, if the database itself keeps them from ending.
pub(super) const ALL_LEFT: ByOwner = all!(["SELECT 1 FROM", "", "LIMIT 1"]);
pub(super) const ONE_LEFT: ByOwner = one!(["SELECT 1 FROM", "", "LIMIT 1"]);

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
    let update = match &ending.target {
        EndTarget::All => about(&ALL, ending, None),
        EndTarget::One(id) => about(&ONE, ending, Some(id)),
    };
    let rows: Vec<SqliteRow> = update.fetch_all(&mut *db).await.map_err(store_error)?;
    let left = match &ending.target {
        EndTarget::All => about(&ALL_LEFT, ending, None),
        EndTarget::One(id) => about(&ONE_LEFT, ending, Some(id)),
    };
    if left
        .fetch_optional(db)
        .await
        .map_err(store_error)?
        .is_some()
    {
        return Err(skipped("tower_api_key_credentials"));
    }
    rows.iter()
        .map(|row| id_of(row).map(|(id, _)| id))
        .collect()
}

fn about<'q>(
    statement: &ByOwner,
    ending: &'q Ending,
    id: Option<&'q CredentialId>,
) -> Query<'q, Sqlite, SqliteArguments> {
    sqlx::query(statement.of(&ending.owner))
        .bind(ending.owner.id())
        .bind(ending.to.status().as_str())
        .bind(id.map(CredentialId::as_str))
        .bind(ending.at.0)
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
    let inserted = insert.execute(db).await.map_err(store_error)?;
    expect_rows(
        inserted.rows_affected(),
        ended.len(),
        "tower_api_key_events",
    )
}

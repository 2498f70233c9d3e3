//! The writing side: each change is one transaction, and a refused one leaves nothing.
//!
//! A transaction begins with SQLite's write lock, so that what it reads holds until it commits, whoever else writes to the
//! file.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use tokio::time::timeout;

use super::{SqliteStore, row::failed};
use crate::{
    credential::Kind,
    store::{
        Commit, ManagedStore, Record, StoreAdmin, StoreError,
        WriteError::{self, Taken, UnknownCredential, UnknownOrganization, UnknownRole, UnknownUser},
    },
};

/// How long a change waits for those before it.
const QUEUE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("the changes before this one did not end within {QUEUE:?}")]
struct QueueTooLong;

impl SqliteStore {
    /// Runs `work` as one transaction; an error leaves nothing of it.
    pub(super) async fn write<T, E: From<StoreError> + Refusal>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let turn = timeout(QUEUE, self.turn.acquire()).await.map_err(|_| StoreError::unavailable(QueueTooLong))?;
        let _turn = turn.map_err(StoreError::unavailable)?;
        let mut connection = self.acquire().await?;
        let outcome = transact(&mut connection, work).await;
        if outcome.as_ref().is_err_and(|error| !error.is_refusal()) {
            // Some errors make SQLite end the transaction by itself, which the driver does not notice.
            connection.close_on_drop();
        }
        outcome
    }
}

/// An error of a change: refused by us, or failed in the database.
pub(super) trait Refusal {
    fn is_refusal(&self) -> bool;
}

impl Refusal for WriteError {
    fn is_refusal(&self) -> bool {
        !matches!(self, Self::Store(_))
    }
}

impl Refusal for StoreError {
    fn is_refusal(&self) -> bool {
        false
    }
}

async fn transact<T, E: From<StoreError>>(
    connection: &mut SqliteConnection,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> Result<T, E> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let done = work(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(done)
}

/// Binds the values and returns how many rows the statement changed, those of triggers not counted.
macro_rules! changed {
    ($db:expr, $sql:expr, $($value:expr),+) => {
        sqlx::query($sql)$(.bind($value))+.execute(&mut *$db).await.map_err(failed)?.rows_affected()
    };
}

async fn create_organization(db: &mut SqliteConnection, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
    if let Some(parent) = parent {
        living_organization(db, parent).await?;
    }
    let sql = "INSERT INTO tower_api_key_organizations (id, parent_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    one(changed!(db, sql, id, parent), || Taken(id.into()))
}

async fn delete_organization(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_organizations SET deleted = 1 WHERE id = ?1 AND deleted = 0";
    one(changed!(db, sql, id), || UnknownOrganization(id.into()))
}

async fn create_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "INSERT INTO tower_api_key_users (id) VALUES (?1) ON CONFLICT DO NOTHING";
    one(changed!(db, sql, id), || Taken(id.into()))
}

async fn set_user_enabled(db: &mut SqliteConnection, id: &str, enabled: bool) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_users SET enabled = ?2 WHERE id = ?1";
    one(changed!(db, sql, id, i64::from(enabled)), || UnknownUser(id.into()))
}

async fn set_member(db: &mut SqliteConnection, user: &str, organization: &str, role: &str) -> Result<(), WriteError> {
    living_organization(db, organization).await?;
    known_user(db, user).await?;
    let sql = "INSERT INTO tower_api_key_memberships (user_id, organization_id, role) VALUES (?1, ?2, ?3)
        ON CONFLICT (user_id, organization_id) DO UPDATE SET role = excluded.role";
    changed!(db, sql, user, organization, role);
    Ok(())
}

async fn remove_member(db: &mut SqliteConnection, user: &str, organization: &str) -> Result<(), WriteError> {
    known_user(db, user).await?;
    let sql = "DELETE FROM tower_api_key_memberships WHERE user_id = ?1 AND organization_id = ?2";
    changed!(db, sql, user, organization);
    Ok(())
}

async fn delete(db: &mut SqliteConnection, kind: Kind, id: &str) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_credentials SET standing = 'deleted'
        WHERE kind = ?1 AND id = ?2 AND standing <> 'deleted'";
    one(changed!(db, sql, kind.as_str(), id), || UnknownCredential(id.into()))
}

pub(super) async fn living_organization(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM tower_api_key_organizations WHERE id = ?1 AND deleted = 0";
    let found = sqlx::query(sql).bind(id).fetch_optional(db).await.map_err(failed)?;
    found.map(drop).ok_or_else(|| UnknownOrganization(id.into()))
}

pub(super) async fn known_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM tower_api_key_users WHERE id = ?1";
    let found = sqlx::query(sql).bind(id).fetch_optional(db).await.map_err(failed)?;
    found.map(drop).ok_or_else(|| UnknownUser(id.into()))
}

pub(super) fn one(changed: u64, otherwise: impl FnOnce() -> WriteError) -> Result<(), WriteError> {
    if changed == 0 { Err(otherwise()) } else { Ok(()) }
}

#[async_trait]
impl StoreAdmin for SqliteStore {
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        self.write(async |db| create_organization(db, id, parent).await).await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.write(async |db| delete_organization(db, id).await).await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        self.write(async |db| create_user(db, id).await).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        self.write(async |db| set_user_enabled(db, id, enabled).await).await
    }

    async fn set_member(&self, user: &str, organization: &str, role: &str) -> Result<(), WriteError> {
        self.catalogue.scopes_of(role).ok_or_else(|| UnknownRole(role.into()))?;
        self.write(async |db| set_member(db, user, organization, role).await).await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.write(async |db| remove_member(db, user, organization).await).await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        self.commit(&Commit::inserting(&record, &self.catalogue)?).await
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        self.write(async |db| delete(db, kind, id).await).await
    }
}

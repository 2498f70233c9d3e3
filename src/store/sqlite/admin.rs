//! The writing side: each change is one transaction, and a refused one leaves nothing.
//!
//! A transaction begins with SQLite's write lock, so that what it reads holds until it commits, whoever else writes to the
//! file.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};
use tokio::time::timeout;

use super::{SqliteStore, managed, row::failed};
use crate::{
    credential::Kind,
    manage::Event,
    secret::Digest,
    store::{
        Commit, Record, StoreAdmin, StoreError, Use,
        WriteError::{self, Taken, UnknownCredential, UnknownOrganization, UnknownRole, UnknownUser},
    },
};

/// How long a change waits for those before it.
const QUEUE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("the changes before this one did not end within {QUEUE:?}")]
struct QueueTooLong;

pub(super) enum Write<'a> {
    CreateOrganization { id: &'a str, parent: Option<&'a str> },
    DeleteOrganization(&'a str),
    CreateUser(&'a str),
    SetUserEnabled { id: &'a str, enabled: bool },
    SetMember { user: &'a str, organization: &'a str, role: &'a str },
    RemoveMember { user: &'a str, organization: &'a str },
    Commit(&'a Commit),
    Record(&'a [Use], &'a mut Vec<Event>),
    Rehash { kind: Kind, id: &'a str, presented: &'a Digest, done: &'a mut bool },
    Delete { kind: Kind, id: &'a str },
}

impl SqliteStore {
    pub(super) async fn write(&self, write: Write<'_>) -> Result<(), WriteError> {
        let turn = timeout(QUEUE, self.turn.acquire()).await.map_err(|_| StoreError::unavailable(QueueTooLong))?;
        let _turn = turn.map_err(StoreError::unavailable)?;
        let mut connection = self.acquire().await?;
        let outcome = self.transact(&mut connection, write).await;
        if matches!(outcome, Err(WriteError::Store(_))) {
            // Some errors make SQLite end the transaction by itself, which the driver does not notice.
            connection.close_on_drop();
        }
        outcome
    }

    async fn transact(&self, connection: &mut PoolConnection<Sqlite>, write: Write<'_>) -> Result<(), WriteError> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        write.run(&mut transaction, self).await?;
        Ok(transaction.commit().await.map_err(failed)?)
    }
}

impl Write<'_> {
    async fn run(self, db: &mut SqliteConnection, store: &SqliteStore) -> Result<(), WriteError> {
        match self {
            Self::CreateOrganization { id, parent } => create_organization(db, id, parent).await,
            Self::DeleteOrganization(id) => delete_organization(db, id).await,
            Self::CreateUser(id) => create_user(db, id).await,
            Self::SetUserEnabled { id, enabled } => set_user_enabled(db, id, enabled).await,
            Self::SetMember { user, organization, role } => {
                store.catalogue.scopes_of(role).ok_or_else(|| UnknownRole(role.into()))?;
                set_member(db, user, organization, role).await
            }
            Self::RemoveMember { user, organization } => remove_member(db, user, organization).await,
            Self::Commit(commit) => managed::commit(db, commit, store.peppers.as_ref()).await,
            Self::Record(uses, told) => {
                *told = managed::record(db, uses).await?;
                Ok(())
            }
            Self::Rehash { kind, id, presented, done } => {
                *done = managed::rehash(db, kind, id, presented, store.peppers.as_ref()).await?;
                Ok(())
            }
            Self::Delete { kind, id } => delete(db, kind, id).await,
        }
    }
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
        self.write(Write::CreateOrganization { id, parent }).await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.write(Write::DeleteOrganization(id)).await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        self.write(Write::CreateUser(id)).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        self.write(Write::SetUserEnabled { id, enabled }).await
    }

    async fn set_member(&self, user: &str, organization: &str, role: &str) -> Result<(), WriteError> {
        self.write(Write::SetMember { user, organization, role }).await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.write(Write::RemoveMember { user, organization }).await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        self.write(Write::Commit(&Commit::inserting(&record, &self.catalogue)?)).await
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        self.write(Write::Delete { kind, id }).await
    }
}

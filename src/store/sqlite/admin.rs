//! The writing side: each change is one transaction, and a refused one leaves nothing.
//!
//! A transaction begins with SQLite's write lock, so that what it reads holds until it commits, whoever else writes to the
//! file.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};
use tokio::time::timeout;

use super::{SqliteStore, row::failed};
use crate::{
    credential::{Kind, is_key_id},
    principal::{Catalogue, OrgId, ScopeSet, UserId},
    store::{
        Record, Standing, StoreAdmin, StoreError,
        WriteError::{
            self, GrantOnToken, InvalidId, Taken, UnknownCredential, UnknownOrganization, UnknownRole, UnknownUser,
        },
    },
};

/// How long a change waits for those before it.
const QUEUE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("the changes before this one did not end within {QUEUE:?}")]
struct QueueTooLong;

enum Write<'a> {
    CreateOrganization { id: &'a str, parent: Option<&'a str> },
    DeleteOrganization(&'a str),
    CreateUser(&'a str),
    SetUserEnabled { id: &'a str, enabled: bool },
    SetMember { user: &'a str, organization: &'a str, role: &'a str },
    RemoveMember { user: &'a str, organization: &'a str },
    Insert(&'a Record),
    Delete { kind: Kind, id: &'a str },
}

impl SqliteStore {
    async fn write(&self, write: Write<'_>) -> Result<(), WriteError> {
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
        write.run(&mut transaction, &self.catalogue).await?;
        Ok(transaction.commit().await.map_err(failed)?)
    }
}

impl Write<'_> {
    async fn run(self, db: &mut SqliteConnection, catalogue: &Catalogue) -> Result<(), WriteError> {
        match self {
            Self::CreateOrganization { id, parent } => create_organization(db, id, parent).await,
            Self::DeleteOrganization(id) => delete_organization(db, id).await,
            Self::CreateUser(id) => create_user(db, id).await,
            Self::SetUserEnabled { id, enabled } => set_user_enabled(db, id, enabled).await,
            Self::SetMember { user, organization, role } => {
                catalogue.scopes_of(role).ok_or_else(|| UnknownRole(role.into()))?;
                set_member(db, user, organization, role).await
            }
            Self::RemoveMember { user, organization } => remove_member(db, user, organization).await,
            Self::Insert(record) => match record.kind() {
                Kind::OrgKey => insert_key(db, record, catalogue).await,
                Kind::PersonalToken => insert_token(db, record).await,
            },
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

async fn insert_key(db: &mut SqliteConnection, record: &Record, catalogue: &Catalogue) -> Result<(), WriteError> {
    if !is_key_id(record.id()) {
        return Err(InvalidId(record.id().into()));
    }
    let organization = record.organization().map_or("", OrgId::as_str);
    living_organization(db, organization).await?;
    let scopes = own_scopes(record, catalogue)?.map(|scopes| scopes.iter().collect::<serde_json::Value>().to_string());
    let sql = "INSERT INTO tower_api_key_credentials
        (kind, id, digest, standing, expires_at, organization_id, role, scopes)
        VALUES ('org_key', ?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let digest = record.digest().to_bytes().to_vec();
    let expires_at = record.expires_at().map(|moment| moment.0);
    let (id, standing, role) = (record.id(), standing_word(record), record.role());
    one(changed!(db, sql, id, digest, standing, expires_at, organization, role, scopes), || Taken(id.into()))
}

async fn insert_token(db: &mut SqliteConnection, record: &Record) -> Result<(), WriteError> {
    if record.organization().is_some() || record.role().is_some() || !record.scopes().is_empty() {
        return Err(GrantOnToken);
    }
    let user = record.user().map_or("", UserId::as_str);
    known_user(db, user).await?;
    let sql = "INSERT INTO tower_api_key_credentials (kind, id, digest, standing, expires_at, user_id)
        VALUES ('pat', ?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let digest = record.digest().to_bytes().to_vec();
    let expires_at = record.expires_at().map(|moment| moment.0);
    let (id, standing) = (record.id(), standing_word(record));
    one(changed!(db, sql, id, digest, standing, expires_at, user), || Taken(id.into()))
}

async fn delete(db: &mut SqliteConnection, kind: Kind, id: &str) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_credentials SET standing = 'deleted'
        WHERE kind = ?1 AND id = ?2 AND standing <> 'deleted'";
    one(changed!(db, sql, kind.as_str(), id), || UnknownCredential(id.into()))
}

/// What has to be stored besides the role: nothing when the scopes are the role's, so that they follow the catalogue.
fn own_scopes<'r>(record: &'r Record, catalogue: &Catalogue) -> Result<Option<&'r ScopeSet>, WriteError> {
    let of_role = match record.role() {
        Some(role) => Some(catalogue.scopes_of(role).ok_or_else(|| UnknownRole(role.into()))?),
        None => None,
    };
    Ok(Some(record.scopes()).filter(|scopes| of_role != Some(*scopes)))
}

/// Whether an owner is gone follows from the owner. A record that says so by itself does not count, and must not begin
/// to.
fn standing_word(record: &Record) -> &'static str {
    match record.standing() {
        Standing::Active => "active",
        Standing::Deleted => "deleted",
        Standing::Disabled | Standing::OwnerGone | Standing::OrganizationGone => "disabled",
    }
}

async fn living_organization(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM tower_api_key_organizations WHERE id = ?1 AND deleted = 0";
    let found = sqlx::query(sql).bind(id).fetch_optional(db).await.map_err(failed)?;
    found.map(drop).ok_or_else(|| UnknownOrganization(id.into()))
}

async fn known_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM tower_api_key_users WHERE id = ?1";
    let found = sqlx::query(sql).bind(id).fetch_optional(db).await.map_err(failed)?;
    found.map(drop).ok_or_else(|| UnknownUser(id.into()))
}

fn one(changed: u64, otherwise: impl FnOnce() -> WriteError) -> Result<(), WriteError> {
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
        self.write(Write::Insert(&record)).await
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        self.write(Write::Delete { kind, id }).await
    }
}

//! Changes of organizations, users and memberships: each is one transaction, and a refused one
//! leaves nothing.
//!
//! A transaction begins with SQLite's write lock, so what it reads stays valid until it commits,
//! whatever other programs write to the file.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{
    SqliteStore,
    row::{self, store_error},
};
use crate::shared::expect_changed;
use tower_api_key::{
    id::{check_organization_id, check_user_id},
    store::{
        Directory, StoreError,
        WriteError::{self, Taken, UnknownOrganization, UnknownRole, UnknownUser},
        backend::pseudonym,
    },
};

/// Binds the values, executes the statement, and returns how many rows it changed, not counting
/// those of triggers.
macro_rules! execute {
    ($db:expr, $sql:expr, $($value:expr),+) => {
        sqlx::query($sql)
            $(.bind($value))+
            .execute(&mut *$db)
            .await
            .map_err(store_error)?
            .rows_affected()
    };
}

async fn create_organization(
    db: &mut SqliteConnection,
    id: &str,
    parent: Option<&str>,
) -> Result<(), WriteError> {
    if let Some(parent) = parent {
        living_organization(db, parent).await?;
    }
    let sql = "INSERT INTO tower_api_key_organizations (id, parent_id)
        SELECT ?1, ?2
        WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_organization_references WHERE id = ?1)
        ON CONFLICT DO NOTHING";
    expect_changed(execute!(db, sql, id, parent), || Taken(id.into()))
}

async fn delete_organization(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_organizations SET deleted = 1 WHERE id = ?1 AND deleted = 0";
    expect_changed(execute!(db, sql, id), || UnknownOrganization(id.into()))
}

async fn create_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "INSERT INTO tower_api_key_users (id)
        SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id = ?1)
        ON CONFLICT DO NOTHING";
    expect_changed(execute!(db, sql, id), || Taken(id.into()))
}

async fn set_user_enabled(
    db: &mut SqliteConnection,
    id: &str,
    enabled: bool,
) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_users SET enabled = ?2 WHERE id = ?1";
    expect_changed(execute!(db, sql, id, i64::from(enabled)), || {
        UnknownUser(id.into())
    })
}

/// Everything stored about user `?1`. Deleted credentials are found by statements of their own,
/// since they have indexes of their own.
const ERASE: [&str; 4] = [
    "DELETE FROM tower_api_key_uses WHERE kind = 'pat' AND id IN (
        SELECT id FROM tower_api_key_credentials WHERE user_id = ?1 AND status <> 'deleted'
        UNION ALL
        SELECT id FROM tower_api_key_credentials WHERE user_id = ?1 AND status = 'deleted')",
    "DELETE FROM tower_api_key_credentials WHERE user_id = ?1 AND status <> 'deleted'",
    "DELETE FROM tower_api_key_credentials WHERE user_id = ?1 AND status = 'deleted'",
    "DELETE FROM tower_api_key_memberships WHERE user_id = ?1",
];

const PSEUDONYMS: [&str; 2] = [
    "UPDATE tower_api_key_events SET user_id = ?2, origin = NULL WHERE user_id = ?1",
    "UPDATE tower_api_key_events SET actor_user_id = ?2, origin = NULL WHERE actor_user_id = ?1",
];

async fn delete_user(
    db: &mut SqliteConnection,
    id: &str,
    pseudonym: &str,
) -> Result<(), WriteError> {
    for sql in ERASE {
        execute!(db, sql, id);
    }
    for sql in PSEUDONYMS {
        execute!(db, sql, id, pseudonym);
    }
    expect_changed(
        execute!(db, "DELETE FROM tower_api_key_users WHERE id = ?1", id),
        || UnknownUser(id.into()),
    )
}

async fn set_member(
    db: &mut SqliteConnection,
    user: &str,
    organization: &str,
    role: &str,
) -> Result<(), WriteError> {
    living_organization(db, organization).await?;
    known_user(db, user).await?;
    let sql =
        "INSERT INTO tower_api_key_memberships (user_id, organization_id, role) VALUES (?1, ?2, ?3)
        ON CONFLICT (user_id, organization_id) DO UPDATE SET role = excluded.role";
    execute!(db, sql, user, organization, role);
    Ok(())
}

async fn remove_member(
    db: &mut SqliteConnection,
    user: &str,
    organization: &str,
) -> Result<(), WriteError> {
    known_user(db, user).await?;
    let sql = "DELETE FROM tower_api_key_memberships WHERE user_id = ?1 AND organization_id = ?2";
    execute!(db, sql, user, organization);
    Ok(())
}

pub(super) async fn living_organization(
    db: &mut SqliteConnection,
    id: &str,
) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM tower_api_key_organizations WHERE id = ?1 AND deleted = 0";
    let found = sqlx::query(sql)
        .bind(id)
        .fetch_optional(db)
        .await
        .map_err(store_error)?;
    found
        .map(drop)
        .ok_or_else(|| UnknownOrganization(id.into()))
}

pub(super) async fn known_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM tower_api_key_users WHERE id = ?1";
    let found = sqlx::query(sql)
        .bind(id)
        .fetch_optional(db)
        .await
        .map_err(store_error)?;
    found.map(drop).ok_or_else(|| UnknownUser(id.into()))
}

#[async_trait]
impl Directory for SqliteStore {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        self.read(async |db| row::is_descendant_of(db, organization, ancestor).await)
            .await
    }

    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        check_organization_id(id)?;
        self.write(async |db| create_organization(db, id, parent).await)
            .await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.write(async |db| delete_organization(db, id).await)
            .await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        check_user_id(id)?;
        self.write(async |db| create_user(db, id).await).await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        self.write(async |db| set_user_enabled(db, id, enabled).await)
            .await
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        let pseudonym = pseudonym()?;
        self.write(async |db| delete_user(db, id, pseudonym.as_str()).await)
            .await
    }

    async fn set_member(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<(), WriteError> {
        self.catalogue
            .scopes_of(role)
            .ok_or_else(|| UnknownRole(role.into()))?;
        self.write(async |db| set_member(db, user, organization, role).await)
            .await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.write(async |db| remove_member(db, user, organization).await)
            .await
    }
}

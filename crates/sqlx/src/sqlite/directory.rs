//! Changes of organizations, users and memberships: each is one transaction, and a refused one
//! leaves nothing.
//!
//! A transaction begins with SQLite's write lock, so what it reads stays valid until it commits,
//! whatever other programs write to the file.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{
    SqliteStore,
    row::{self, expect_changed, store_error},
    writer::Purpose,
};
use crate::shared::skipped;
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

/// Binds the values, and returns whether the statement finds a row.
macro_rules! finds {
    ($db:expr, $sql:expr, $($value:expr),+) => {
        sqlx::query($sql)
            $(.bind($value))+
            .fetch_optional(&mut *$db)
            .await
            .map_err(store_error)?
            .is_some()
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
    let created = execute!(db, sql, id, parent);
    let known = "SELECT 1 FROM tower_api_key_organization_references WHERE id = ?1
        UNION ALL SELECT 1 FROM tower_api_key_organizations WHERE id = ?1 LIMIT 1";
    if created == 0 && !finds!(db, known, id) {
        return Err(skipped("tower_api_key_organizations").into());
    }
    expect_changed(created, || Taken(id.into()))
}

async fn delete_organization(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_organizations SET deleted = 1 WHERE id = ?1 AND deleted = 0";
    let deleted = execute!(db, sql, id);
    if finds!(db, LIVING, id) {
        return Err(skipped("tower_api_key_organizations").into());
    }
    expect_changed(deleted, || UnknownOrganization(id.into()))
}

async fn create_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    let sql = "INSERT INTO tower_api_key_users (id)
        SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM tower_api_key_user_references WHERE id = ?1)
        ON CONFLICT DO NOTHING";
    let created = execute!(db, sql, id);
    let known = "SELECT 1 FROM tower_api_key_user_references WHERE id = ?1
        UNION ALL SELECT 1 FROM tower_api_key_users WHERE id = ?1 LIMIT 1";
    if created == 0 && !finds!(db, known, id) {
        return Err(skipped("tower_api_key_users").into());
    }
    expect_changed(created, || Taken(id.into()))
}

async fn set_user_enabled(
    db: &mut SqliteConnection,
    id: &str,
    enabled: bool,
) -> Result<(), WriteError> {
    let sql = "UPDATE tower_api_key_users SET enabled = ?2 WHERE id = ?1";
    execute!(db, sql, id, i64::from(enabled));
    known_user(db, id).await?;
    let other = "SELECT 1 FROM tower_api_key_users WHERE id = ?1 AND enabled <> ?2";
    if finds!(db, other, id, i64::from(enabled)) {
        return Err(skipped("tower_api_key_users").into());
    }
    Ok(())
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

const PSEUDONYMS: [&str; 3] = [
    "UPDATE tower_api_key_events SET user_id = ?2, origin = NULL, description = NULL,
        metadata = NULL, allowed_networks = NULL, environment = NULL WHERE user_id = ?1",
    "UPDATE tower_api_key_events SET actor_user_id = ?2, origin = NULL WHERE actor_user_id = ?1",
    "UPDATE tower_api_key_credentials SET created_by_user_id = ?2 WHERE created_by_user_id = ?1",
];

/// Whether anything is left of user `?1`.
const TRACES: &str = "
    SELECT 1 FROM tower_api_key_users WHERE id = ?1
    UNION ALL SELECT 1 FROM tower_api_key_credentials WHERE user_id = ?1 AND status <> 'deleted'
    UNION ALL SELECT 1 FROM tower_api_key_credentials WHERE user_id = ?1 AND status = 'deleted'
    UNION ALL SELECT 1 FROM tower_api_key_credentials WHERE created_by_user_id = ?1
    UNION ALL SELECT 1 FROM tower_api_key_memberships WHERE user_id = ?1
    UNION ALL SELECT 1 FROM tower_api_key_events WHERE user_id = ?1
    UNION ALL SELECT 1 FROM tower_api_key_events WHERE actor_user_id = ?1
    LIMIT 1";

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
    let deleted = execute!(db, "DELETE FROM tower_api_key_users WHERE id = ?1", id);
    if finds!(db, TRACES, id) {
        return Err(skipped("tower_api_key_users").into());
    }
    expect_changed(deleted, || UnknownUser(id.into()))
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
    let set = "SELECT 1 FROM tower_api_key_memberships
        WHERE user_id = ?1 AND organization_id = ?2 AND role = ?3";
    match finds!(db, set, user, organization, role) {
        true => Ok(()),
        false => Err(skipped("tower_api_key_memberships").into()),
    }
}

async fn remove_member(
    db: &mut SqliteConnection,
    user: &str,
    organization: &str,
) -> Result<(), WriteError> {
    known_user(db, user).await?;
    let sql = "DELETE FROM tower_api_key_memberships WHERE user_id = ?1 AND organization_id = ?2";
    execute!(db, sql, user, organization);
    let left =
        "SELECT 1 FROM tower_api_key_memberships WHERE user_id = ?1 AND organization_id = ?2";
    match finds!(db, left, user, organization) {
        true => Err(skipped("tower_api_key_memberships").into()),
        false => Ok(()),
    }
}

const LIVING: &str = "SELECT 1 FROM tower_api_key_organizations WHERE id = ?1 AND deleted = 0";

pub(super) async fn living_organization(
    db: &mut SqliteConnection,
    id: &str,
) -> Result<(), WriteError> {
    match finds!(db, LIVING, id) {
        true => Ok(()),
        false => Err(UnknownOrganization(id.into())),
    }
}

pub(super) async fn known_user(db: &mut SqliteConnection, id: &str) -> Result<(), WriteError> {
    match finds!(db, "SELECT 1 FROM tower_api_key_users WHERE id = ?1", id) {
        true => Ok(()),
        false => Err(UnknownUser(id.into())),
    }
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
        self.write(Purpose::Ordinary, async |db| {
            create_organization(db, id, parent).await
        })
        .await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        self.write(Purpose::Prompt, async |db| {
            delete_organization(db, id).await
        })
        .await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        check_user_id(id)?;
        self.write(Purpose::Ordinary, async |db| create_user(db, id).await)
            .await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let purpose = match enabled {
            true => Purpose::Ordinary,
            false => Purpose::Prompt,
        };
        self.write(purpose, async |db| set_user_enabled(db, id, enabled).await)
            .await
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        let pseudonym = pseudonym()?;
        self.write(Purpose::Prompt, async |db| {
            delete_user(db, id, pseudonym.as_str()).await
        })
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
        self.write(Purpose::Ordinary, async |db| {
            set_member(db, user, organization, role).await
        })
        .await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        self.write(Purpose::Prompt, async |db| {
            remove_member(db, user, organization).await
        })
        .await
    }
}

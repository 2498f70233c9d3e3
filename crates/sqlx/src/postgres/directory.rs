//! Changes of organizations, users and memberships: each is one transaction, and a refused one
//! leaves nothing.
//!
//! The rows that a change relies on are locked (`FOR SHARE`), so that an organization cannot be
//! deleted between the check and the insert.

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Row, postgres::PgArguments, query::Query};

use super::{
    PostgresStore, contains_no_nul,
    pool::Purpose,
    row::store_error,
    sql::{Statement, Statements},
};
use crate::shared::expect_changed;
use tower_api_key::{
    id::{check_organization_id, check_user_id},
    store::{
        Directory, StoreError,
        WriteError::{self, Taken, UnknownOrganization, UnknownRole, UnknownUser},
    },
};

impl PostgresStore {
    /// Executes one statement, and returns how many rows it changed.
    async fn change(
        &self,
        purpose: Purpose,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<u64, WriteError> {
        let run = async |db: &mut PgConnection| {
            Ok::<_, WriteError>(query.execute(db).await.map_err(store_error)?)
        };
        Ok(self.transact(purpose, run).await?.rows_affected())
    }
}

/// Verifies that an owner or a parent exists, and locks its row. PostgreSQL stores no NUL, so an id
/// that contains one does not exist.
async fn ensure_exists(
    db: &mut PgConnection,
    statement: &Statement,
    id: &str,
    unknown: fn(Box<str>) -> WriteError,
) -> Result<(), WriteError> {
    if !contains_no_nul(id) {
        return Err(unknown(id.into()));
    }
    let found = statement
        .query()
        .bind(id)
        .fetch_optional(db)
        .await
        .map_err(store_error)?;
    found.map(drop).ok_or_else(|| unknown(id.into()))
}

#[async_trait]
impl Directory for PostgresStore {
    async fn is_descendant_of(
        &self,
        organization: &str,
        ancestor: &str,
    ) -> Result<bool, StoreError> {
        if !contains_no_nul(organization) || !contains_no_nul(ancestor) {
            return Ok(false);
        }
        let query = self
            .statements
            .is_descendant
            .query()
            .bind(organization)
            .bind(ancestor);
        query
            .fetch_one(&self.pool)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(store_error)
    }

    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        check_organization_id(id)?;
        let Statements {
            living_organization,
            create_organization,
            ..
        } = &*self.statements;
        self.transact(Purpose::Ordinary, async |db| {
            if let Some(parent) = parent {
                ensure_exists(db, living_organization, parent, UnknownOrganization).await?;
            }
            let created = create_organization
                .query()
                .bind(id)
                .bind(parent)
                .execute(db)
                .await
                .map_err(store_error)?;
            expect_changed(created.rows_affected(), || Taken(id.into()))
        })
        .await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        let unknown = || UnknownOrganization(id.into());
        if !contains_no_nul(id) {
            return Err(unknown());
        }
        expect_changed(
            self.change(
                Purpose::Prompt,
                self.statements.delete_organization.query().bind(id),
            )
            .await?,
            unknown,
        )
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        check_user_id(id)?;
        expect_changed(
            self.change(
                Purpose::Ordinary,
                self.statements.create_user.query().bind(id),
            )
            .await?,
            || Taken(id.into()),
        )
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let unknown = || UnknownUser(id.into());
        let purpose = if enabled {
            Purpose::Ordinary
        } else {
            Purpose::Prompt
        };
        if !contains_no_nul(id) {
            return Err(unknown());
        }
        expect_changed(
            self.change(
                purpose,
                self.statements
                    .set_user_enabled
                    .query()
                    .bind(id)
                    .bind(enabled),
            )
            .await?,
            unknown,
        )
    }

    async fn delete_user(&self, id: &str) -> Result<(), WriteError> {
        self.erase_user(id).await
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
        let Statements {
            living_organization,
            known_user,
            set_member,
            ..
        } = &*self.statements;
        self.transact(Purpose::Ordinary, async |db| {
            ensure_exists(db, living_organization, organization, UnknownOrganization).await?;
            ensure_exists(db, known_user, user, UnknownUser).await?;
            let set = set_member.query().bind(user).bind(organization).bind(role);
            set.execute(db).await.map_err(store_error)?;
            Ok(())
        })
        .await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        let Statements {
            known_user,
            remove_member,
            ..
        } = &*self.statements;
        self.transact(Purpose::Prompt, async |db| {
            ensure_exists(db, known_user, user, UnknownUser).await?;
            if contains_no_nul(organization) {
                remove_member
                    .query()
                    .bind(user)
                    .bind(organization)
                    .execute(db)
                    .await
                    .map_err(store_error)?;
            }
            Ok(())
        })
        .await
    }
}

//! Changes of organizations, users and memberships: each is one transaction, and a refused one
//! leaves nothing.
//!
//! The rows that a change relies on are locked (`FOR SHARE`), so that an organization cannot be
//! deleted between the check and the insert.

use async_trait::async_trait;
use sqlx::{
    PgConnection, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PostgresStore, contains_no_nul,
    pool::Purpose,
    row::{get, store_error},
    sql::{Statement, Statements},
};
use crate::shared::skipped;
use tower_api_key::{
    credential::Kind,
    id::{check_organization_id, check_user_id},
    store::{
        Directory, StoreError,
        WriteError::{self, Taken, UnknownOrganization, UnknownRole, UnknownUser},
    },
};

impl PostgresStore {
    /// Inserts one row of `table`, unless `known` finds it.
    async fn create(
        &self,
        db: &mut PgConnection,
        insert: Query<'_, Postgres, PgArguments>,
        known: &Statement,
        (table, id): (&'static str, &str),
    ) -> Result<(), WriteError> {
        let created = insert.execute(&mut *db).await.map_err(store_error)?;
        if created.rows_affected() > 0 {
            return Ok(());
        }
        let known = known.query().bind(id).fetch_optional(db).await;
        match known.map_err(store_error)? {
            Some(_) => Err(Taken(id.into())),
            None => Err(skipped(table).into()),
        }
    }

    /// Updates one row of `table`. If `known` finds the row and it is not updated, that is an
    /// error.
    async fn update(
        &self,
        purpose: Purpose,
        update: Query<'_, Postgres, PgArguments>,
        known: &Statement,
        (table, id): (&'static str, &str),
        unknown: fn(Box<str>) -> WriteError,
    ) -> Result<(), WriteError> {
        self.transact(purpose, async |db| {
            let updated = update.fetch_optional(&mut *db).await.map_err(store_error)?;
            match updated {
                Some(row) => expect_made(&row, table),
                None => {
                    ensure_exists(db, known, id, unknown).await?;
                    Err(skipped(table).into())
                }
            }
        })
        .await
    }
}

/// Refuses a row that is not as it was to be, which a statement returns in the column `made`.
fn expect_made(row: &PgRow, table: &'static str) -> Result<(), WriteError> {
    match get(row, "made")? {
        true => Ok(()),
        false => Err(skipped(table).into()),
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
            let insert = create_organization.query().bind(id).bind(parent);
            let known = &self.by_owner.of_kind(Kind::OrgKey).known;
            self.create(db, insert, known, ("organizations", id)).await
        })
        .await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        if !contains_no_nul(id) {
            return Err(UnknownOrganization(id.into()));
        }
        let Statements {
            living_organization,
            delete_organization,
            ..
        } = &*self.statements;
        let delete = delete_organization.query().bind(id);
        let row = ("organizations", id);
        self.update(
            Purpose::Prompt,
            delete,
            living_organization,
            row,
            UnknownOrganization,
        )
        .await
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        check_user_id(id)?;
        let insert = self.statements.create_user.query().bind(id);
        self.transact(Purpose::Ordinary, async |db| {
            self.create(db, insert, &self.statements.known_user, ("users", id))
                .await
        })
        .await
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let purpose = if enabled {
            Purpose::Ordinary
        } else {
            Purpose::Prompt
        };
        if !contains_no_nul(id) {
            return Err(UnknownUser(id.into()));
        }
        let Statements {
            known_user,
            set_user_enabled,
            ..
        } = &*self.statements;
        let set = set_user_enabled.query().bind(id).bind(enabled);
        self.update(purpose, set, known_user, ("users", id), UnknownUser)
            .await
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
            let made = set.fetch_optional(db).await.map_err(store_error)?;
            made.map_or_else(
                || Err(skipped("memberships").into()),
                |row| expect_made(&row, "memberships"),
            )
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
                let remove = remove_member.query().bind(user).bind(organization);
                let found = remove.fetch_optional(db).await.map_err(store_error)?;
                return found.map_or(Ok(()), |row| expect_made(&row, "memberships"));
            }
            Ok(())
        })
        .await
    }
}

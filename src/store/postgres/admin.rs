//! The writing side: each change is one transaction, and a refused one leaves nothing.
//!
//! What a change relies on is locked by the row (`FOR SHARE`), so that an organization cannot be deleted between the
//! question and the insert.

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};

use super::{
    PostgresStore,
    row::failed,
    sql::{Statement, Statements},
};
use crate::{
    credential::Kind,
    store::{
        Commit, ManagedStore, Record, StoreAdmin, StoreError,
        WriteError::{self, Taken, UnknownCredential, UnknownOrganization, UnknownRole, UnknownUser},
    },
};

#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL cannot store an id that contains NUL")]
struct NulInId;

impl PostgresStore {
    /// Runs one statement, which is a transaction of its own, and returns how many rows it changed.
    async fn change(&self, query: Query<'_, Postgres, PgArguments>) -> Result<u64, WriteError> {
        Ok(query.execute(&self.pool).await.map_err(failed)?.rows_affected())
    }

    /// Runs statements as one transaction; an error rolls it back.
    pub(super) async fn transact<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut transaction = self.pool.begin_with(super::BEGIN).await.map_err(failed)?;
        let done = work(&mut transaction).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(done)
    }
}

/// Makes sure that an owner or a parent is there, and keeps it there. PostgreSQL's text holds no NUL, so that nothing that
/// has one is known.
async fn there(
    db: &mut PgConnection,
    statement: &Statement,
    id: &str,
    unknown: fn(Box<str>) -> WriteError,
) -> Result<(), WriteError> {
    if id.contains('\0') {
        return Err(unknown(id.into()));
    }
    let found = statement.query().bind(id).fetch_optional(db).await.map_err(failed)?;
    found.map(drop).ok_or_else(|| unknown(id.into()))
}

/// Refuses what the database would refuse in words of its own.
pub(super) fn storable(id: &str) -> Result<(), WriteError> {
    if id.contains('\0') { Err(StoreError::unavailable(NulInId).into()) } else { Ok(()) }
}

pub(super) fn one(changed: u64, otherwise: impl FnOnce() -> WriteError) -> Result<(), WriteError> {
    if changed == 0 { Err(otherwise()) } else { Ok(()) }
}

#[async_trait]
impl StoreAdmin for PostgresStore {
    async fn create_organization(&self, id: &str, parent: Option<&str>) -> Result<(), WriteError> {
        let Statements { living_organization, create_organization, .. } = &*self.statements;
        self.transact(async |db| {
            if let Some(parent) = parent {
                there(db, living_organization, parent, UnknownOrganization).await?;
            }
            storable(id)?;
            let created = create_organization.query().bind(id).bind(parent).execute(db).await.map_err(failed)?;
            one(created.rows_affected(), || Taken(id.into()))
        })
        .await
    }

    async fn delete_organization(&self, id: &str) -> Result<(), WriteError> {
        let unknown = || UnknownOrganization(id.into());
        storable(id).map_err(|_| unknown())?;
        one(self.change(self.statements.delete_organization.query().bind(id)).await?, unknown)
    }

    async fn create_user(&self, id: &str) -> Result<(), WriteError> {
        storable(id)?;
        one(self.change(self.statements.create_user.query().bind(id)).await?, || Taken(id.into()))
    }

    async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<(), WriteError> {
        let unknown = || UnknownUser(id.into());
        storable(id).map_err(|_| unknown())?;
        one(self.change(self.statements.set_user_disabled.query().bind(id).bind(!enabled)).await?, unknown)
    }

    async fn set_member(&self, user: &str, organization: &str, role: &str) -> Result<(), WriteError> {
        self.catalogue.scopes_of(role).ok_or_else(|| UnknownRole(role.into()))?;
        let Statements { living_organization, known_user, set_member, .. } = &*self.statements;
        self.transact(async |db| {
            there(db, living_organization, organization, UnknownOrganization).await?;
            there(db, known_user, user, UnknownUser).await?;
            let set = set_member.query().bind(user).bind(organization).bind(role);
            set.execute(db).await.map_err(failed)?;
            Ok(())
        })
        .await
    }

    async fn remove_member(&self, user: &str, organization: &str) -> Result<(), WriteError> {
        let Statements { known_user, remove_member, .. } = &*self.statements;
        self.transact(async |db| {
            there(db, known_user, user, UnknownUser).await?;
            if storable(organization).is_ok() {
                remove_member.query().bind(user).bind(organization).execute(db).await.map_err(failed)?;
            }
            Ok(())
        })
        .await
    }

    async fn insert(&self, record: Record) -> Result<(), WriteError> {
        self.commit(&Commit::inserting(&record, &self.catalogue)?).await
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), WriteError> {
        let unknown = || UnknownCredential(id.into());
        storable(id).map_err(|_| unknown())?;
        one(self.change(self.statements.delete.query().bind(kind.as_str()).bind(id)).await?, unknown)
    }
}

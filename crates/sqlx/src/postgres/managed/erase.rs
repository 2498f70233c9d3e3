//! Removing a user, whose name the audit trail and the credentials that they created forget.

use sqlx::PgConnection;

use crate::postgres::{
    PostgresStore, contains_no_nul, pool::Purpose, row::store_error, sql::Statement,
};
use crate::shared::skipped;
use tower_api_key::{
    id::UserId,
    store::{
        StoreError,
        WriteError::{self, UnknownUser},
        backend::pseudonym,
    },
};

/// How many events of a user, as many caused by them, and as many credentials that they created one
/// transaction alters before the last one, which alters the rest.
const BATCH: i64 = 10_000;

impl PostgresStore {
    pub(in super::super) async fn erase_user(&self, id: &str) -> Result<(), WriteError> {
        let pseudonym = pseudonym()?;
        if !contains_no_nul(id) || !self.is_user(id).await? {
            return Err(UnknownUser(id.into()));
        }
        while self.has_long_trail(id).await? {
            let erase = self.transact(Purpose::Ordinary, async |db| {
                self.erase_name(db, id, &pseudonym).await
            });
            if erase.await? == 0 {
                break; // what is left is found below
            }
        }
        self.transact(Purpose::Prompt, async |db| {
            let sql = &self.statements;
            // First, since every transaction that writes about the user locks this row too: it has
            // committed, or it will not find the user.
            let lock = sql.lock_user.query().bind(id);
            let found = lock.fetch_optional(&mut *db).await.map_err(store_error)?;
            found.ok_or_else(|| UnknownUser(id.into()))?;
            for statement in [&sql.erase_uses, &sql.erase_turn, &sql.erase_tokens] {
                execute(db, statement, id).await?;
            }
            while self.erase_name(db, id, &pseudonym).await? > 0 {}
            execute(db, &sql.erase_user, id).await?;
            let left = sql.has_traces.query().bind(id).fetch_optional(db).await;
            left.map_err(store_error)?
                .map_or(Ok(()), |_| Err(skipped("users").into()))
        })
        .await
    }

    async fn is_user(&self, id: &str) -> Result<bool, StoreError> {
        Ok(!self
            .read(
                self.statements
                    .user_by_id
                    .query()
                    .bind(id)
                    .bind(None::<&str>),
            )
            .await?
            .is_empty())
    }

    /// Whether what names a user may be too much for one transaction.
    async fn has_long_trail(&self, id: &str) -> Result<bool, StoreError> {
        Ok(!self
            .read(self.statements.has_long_trail.query().bind(id).bind(BATCH))
            .await?
            .is_empty())
    }

    async fn erase_name(
        &self,
        db: &mut PgConnection,
        id: &str,
        pseudonym: &UserId,
    ) -> Result<u64, StoreError> {
        let mut erased = 0;
        for sql in [
            &self.statements.erase_owned_events,
            &self.statements.erase_caused_events,
            &self.statements.erase_creations,
        ] {
            let query = sql.query().bind(id).bind(pseudonym.as_str()).bind(BATCH);
            erased += query
                .execute(&mut *db)
                .await
                .map_err(store_error)?
                .rows_affected();
        }
        Ok(erased)
    }
}

async fn execute(db: &mut PgConnection, sql: &Statement, id: &str) -> Result<(), StoreError> {
    let done = sql.query().bind(id).execute(db).await;
    done.map(drop).map_err(store_error)
}

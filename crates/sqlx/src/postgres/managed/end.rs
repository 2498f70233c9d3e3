//! Ending credentials: statements that compare nothing with what was read before.
//!
//! They wait for no lock except those on the credentials themselves. So the actor is read without a
//! lock, before the change and after it: an actor who is revoked at the same time gains nothing by
//! ending a credential.

use sqlx::{PgConnection, postgres::PgRow};

use super::{commit::take_turns, sql::Owned, write::insert_events};
use crate::postgres::{
    PostgresStore, contains_no_nul,
    pool::Purpose,
    row::{get, store_error},
};
use crate::shared::skipped;
use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    store::{
        Status, StoreError, WriteError,
        backend::{Authority, EndTarget, Ending},
    },
};

impl PostgresStore {
    pub(super) async fn end_target(
        &self,
        ending: &Ending,
    ) -> Result<Vec<CredentialId>, WriteError> {
        match &ending.target {
            EndTarget::One(id) => self.sweep(ending, Some(id)).await,
            EndTarget::All => self.end_all(ending).await,
        }
    }

    /// Ends at once what exists, without waiting for the owner's row in `owner_turns`. Then it
    /// locks that row and ends what commits issued meanwhile. If the lock is not to be had, it ends
    /// what the ended credentials themselves had issued, which exists now, since each commit locks
    /// its actor; what others issue meanwhile counts as issued after the end of all.
    ///
    /// Once the first sweep is committed, an error means that what was issued meanwhile may be
    /// left. It is returned, although the ids of the first sweep are then only in the audit trail:
    /// a caller to whom success is returned would not call again.
    async fn end_all(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let mut ended = self.sweep(ending, None).await?;
        let later = match self.sweep_in_turn(ending).await {
            Ok(later) => later,
            Err(_) => {
                let again = self.transact(Purpose::Prompt, async |db| {
                    self.end_now(db, ending, None).await
                });
                again.await?
            }
        };
        ended.extend(later);
        Ok(ended)
    }

    async fn sweep_in_turn(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        if !contains_no_nul(ending.owner.id()) {
            return Ok(Vec::new());
        }
        let sql = self.by_owner.of_kind(ending.owner.kind());
        self.transact(Purpose::Prompt, async |db| {
            take_turns(db, sql, vec![ending.owner.id()]).await?;
            self.end_now(db, ending, None).await
        })
        .await
    }

    /// Ends one credential, or all that exist.
    async fn sweep(
        &self,
        ending: &Ending,
        id: Option<&CredentialId>,
    ) -> Result<Vec<CredentialId>, WriteError> {
        self.transact(Purpose::Prompt, async |db| {
            self.check_authority(db, &ending.authority).await?;
            let ended = self.end_now(db, ending, id).await?;
            if !contains_actor(&ended, ending) {
                self.check_authority(db, &ending.authority).await?;
            }
            Ok(ended)
        })
        .await
    }

    async fn end_now(
        &self,
        db: &mut PgConnection,
        ending: &Ending,
        id: Option<&CredentialId>,
    ) -> Result<Vec<CredentialId>, WriteError> {
        let Ending { owner, to, .. } = ending;
        if !contains_no_nul(owner.id()) || id.is_some_and(|id| !contains_no_nul(id.as_str())) {
            return Ok(Vec::new());
        }
        let sql = self.by_owner.of_kind(owner.kind());
        let query = match id {
            Some(id) => sql
                .end_one
                .query()
                .bind(owner.id())
                .bind(to.status().as_str())
                .bind(ending.at.0)
                .bind(id.as_str()),
            None => sql
                .end_all
                .query()
                .bind(owner.id())
                .bind(to.status().as_str())
                .bind(ending.at.0),
        };
        let rows = query.fetch_all(&mut *db).await.map_err(store_error)?;
        let id = |row: &PgRow| Ok(get::<&str>(row, "id")?.into());
        let ended = rows
            .iter()
            .map(id)
            .collect::<Result<Vec<CredentialId>, StoreError>>()?;
        let ids: Vec<_> = ended.iter().map(CredentialId::as_str).collect();
        expect_ended(db, sql, &ids, to.status()).await?;
        let events: Vec<_> = ended.iter().map(|id| ending.event(id.clone())).collect();
        insert_events(db, &self.statements.insert_events, &events).await?;
        Ok(ended)
    }
}

/// Refuses a change after which one of these credentials, whose rows are locked, has not ended:
/// only the database itself can have kept it from that.
pub(super) async fn expect_ended(
    db: &mut PgConnection,
    sql: &Owned,
    ids: &[&str],
    status: Status,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let left = sql.is_left.query().bind(ids).bind(status.as_str());
    match left.fetch_optional(db).await.map_err(store_error)? {
        Some(_) => Err(skipped("credentials")),
        None => Ok(()),
    }
}

/// A bearer who ends their own credential may do nothing afterwards, but may do this.
fn contains_actor(ended: &[CredentialId], ending: &Ending) -> bool {
    let kind_of_ended: Kind = ending.owner.kind();
    matches!(&ending.authority,
        Authority::Credential { kind, id, .. } if *kind == kind_of_ended && ended.contains(id))
}

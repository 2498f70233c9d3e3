//! The end of credentials: statements that compare nothing with what was read before.
//!
//! They wait for no lock but those on the credentials themselves. So the actor is read without a lock, before the
//! change and after it: ending something is no gain for an actor who is revoked at the same time.

use sqlx::{PgConnection, postgres::PgRow};

use super::commit::tell;
use crate::{
    credential::Kind,
    principal::CredentialId,
    store::{
        Authority, EndTarget, Ending, StoreError, WriteError,
        postgres::{
            PostgresStore,
            pool::Purpose,
            row::{failed, get},
            storable,
        },
    },
};

impl PostgresStore {
    pub(super) async fn end_target(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        match &ending.target {
            EndTarget::One(id) => self.sweep(ending, Some(id)).await,
            EndTarget::All => self.end_all(ending).await,
        }
    }

    /// At once what there is, whoever holds up the owner's turn. Then, in the owner's turn, what was issued by commits that
    /// were under way; those that come later find their actor revoked.
    async fn end_all(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let mut ended = self.sweep(ending, None).await?;
        if storable(ending.owner.id()) {
            self.make_turn(&ending.owner, Purpose::Prompt).await?;
            let later = self.transact(Purpose::Prompt, async |db| {
                let owners = vec![ending.owner.id()];
                self.by_owner
                    .of_kind(ending.owner.kind())
                    .take_turns
                    .query()
                    .bind(owners)
                    .execute(&mut *db)
                    .await
                    .map_err(failed)?;
                self.end_now(db, ending, None).await
            });
            ended.extend(later.await?);
        }
        Ok(ended)
    }

    /// Ends one credential, or all that there are.
    async fn sweep(&self, ending: &Ending, id: Option<&CredentialId>) -> Result<Vec<CredentialId>, WriteError> {
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
        if !storable(owner.id()) || id.is_some_and(|id| !storable(id.as_str())) {
            return Ok(Vec::new());
        }
        let sql = self.by_owner.of_kind(owner.kind());
        let query = match id {
            Some(id) => sql.end_one.query().bind(owner.id()).bind(to.standing().word()).bind(id.as_str()),
            None => sql.end_all.query().bind(owner.id()).bind(to.standing().word()),
        };
        let rows = query.fetch_all(&mut *db).await.map_err(failed)?;
        let id = |row: &PgRow| Ok(get::<&str>(row, "id")?.into());
        let ended = rows.iter().map(id).collect::<Result<Vec<CredentialId>, StoreError>>()?;
        let events: Vec<_> = ended.iter().map(|id| ending.event(id.clone())).collect();
        tell(db, &self.statements.tell, &events).await?;
        Ok(ended)
    }
}

/// Whoever ends their own credential may not do anything any more, and may do this.
fn contains_actor(ended: &[CredentialId], ending: &Ending) -> bool {
    let kind_of_ended: Kind = ending.owner.kind();
    matches!(&ending.authority,
        Authority::Credential { kind, id, .. } if *kind == kind_of_ended && ended.contains(id))
}

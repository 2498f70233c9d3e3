//! What a change relies on, locked and read again in the transaction of the change.

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::postgres::{
    PostgresStore, contains_no_nul,
    row::{PgColumns, get, store_error},
};
use tower_api_key::{
    credential::Kind,
    id::OrgId,
    store::{
        StoreError, WriteError,
        backend::{ActorState, Authority, Commit, read_digest},
    },
};

/// Whether the owner has a row in `owner_turns` to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The row is locked, or the owner does not exist.
    Taken,
    /// The owner exists and has no such row.
    Missing,
}

impl PostgresStore {
    /// Locks everything that a commit relies on or changes, always in the same order: the owner,
    /// the actor's organization, user and membership, the owner's row in `owner_turns`, the
    /// credentials by their names.
    pub(super) async fn lock_for_commit(
        &self,
        db: &mut PgConnection,
        commit: &Commit,
    ) -> Result<Turn, StoreError> {
        let authority = &commit.authority;
        let (actor, user) = match authority {
            Authority::Unconditional => (None, None),
            Authority::Credential { kind, id, .. } => (Some((*kind, id.as_str())), None),
            Authority::User { id, .. } => (None, Some(id.as_str())),
        };
        let token = actor
            .filter(|(kind, _)| *kind == Kind::PersonalToken)
            .map(|(_, id)| id);
        let changed = commit
            .changes
            .iter()
            .map(|change| (commit.owner.kind(), change.before.id.as_str()));
        let names = actor
            .into_iter()
            .chain(changed)
            .filter(|(_, id)| contains_no_nul(id));
        let (kinds, ids): (Vec<_>, Vec<_>) = names.map(|(kind, id)| (kind.as_str(), id)).unzip();
        let storable = |id: &&str| contains_no_nul(id);
        let locked = self
            .by_owner
            .of_kind(commit.owner.kind())
            .lock_for_commit
            .query()
            .bind(Some(commit.owner.id()).filter(storable))
            .bind(authority.organization().map(OrgId::as_str).filter(storable))
            .bind(user.filter(storable))
            .bind(token.filter(storable))
            .bind(kinds)
            .bind(ids)
            .fetch_one(db)
            .await
            .map_err(store_error)?;
        match (
            get::<Option<bool>>(&locked, "known")?,
            get::<Option<bool>>(&locked, "turn")?,
        ) {
            (Some(_), None) => Ok(Turn::Missing),
            _ => Ok(Turn::Taken),
        }
    }

    /// Refuses what the actor may not do at this moment.
    pub(super) async fn check_authority(
        &self,
        db: &mut PgConnection,
        authority: &Authority,
    ) -> Result<(), WriteError> {
        let actor = self.actor(db, authority).await?;
        if authority.permits(actor.as_ref()) {
            Ok(())
        } else {
            Err(WriteError::NotPermitted)
        }
    }

    /// Reads an actor as a lookup would.
    async fn actor(
        &self,
        db: &mut PgConnection,
        authority: &Authority,
    ) -> Result<Option<ActorState>, StoreError> {
        let organization = authority
            .organization()
            .map(OrgId::as_str)
            .filter(|id| contains_no_nul(id));
        let sql = &self.statements;
        let (is_key, id, query) = match authority {
            Authority::Unconditional => return Ok(None),
            Authority::Credential { kind, id, .. } => match kind {
                Kind::OrgKey => (true, id.as_str(), sql.find_key.query()),
                Kind::PersonalToken => (false, id.as_str(), sql.token_by_id.query()),
            },
            Authority::User { id, .. } => (false, id.as_str(), sql.user_by_id.query()),
        };
        if !contains_no_nul(id) {
            return Ok(None);
        }
        let query = match is_key {
            true => query.bind(id),
            false => query.bind(id).bind(organization),
        };
        let row = query.fetch_optional(db).await.map_err(store_error)?;
        match row {
            Some(row) => self.actor_state(&row, authority, id, organization),
            None => Ok(None),
        }
    }

    fn actor_state(
        &self,
        row: &PgRow,
        authority: &Authority,
        id: &str,
        organization: Option<&str>,
    ) -> Result<Option<ActorState>, StoreError> {
        let (reader, columns) = (self.reader(), PgColumns(row));
        match authority {
            Authority::User { .. } => reader.user(&columns, organization).map(Some),
            Authority::Credential {
                kind: Kind::OrgKey, ..
            } => ActorState::of_lookup(reader.key(&columns, id).map(Some)),
            _ => {
                let digest = read_digest(get(row, "digest")?)?;
                let token = reader.token_with(&columns, digest, organization);
                ActorState::of_lookup(token.map(Some))
            }
        }
    }

    /// Whether the owner exists and is not deleted.
    pub(super) async fn is_living(
        &self,
        db: &mut PgConnection,
        commit: &Commit,
    ) -> Result<bool, StoreError> {
        if !contains_no_nul(commit.owner.id()) {
            return Ok(false);
        }
        let known = self
            .by_owner
            .of_kind(commit.owner.kind())
            .known
            .query()
            .bind(commit.owner.id());
        let gone = known.fetch_optional(db).await.map_err(store_error)?;
        gone.map_or(Ok(false), |row| row.try_get("gone").map(|gone: bool| !gone))
            .map_err(StoreError::corrupt)
    }
}

//! Whether the actor of a change may still make it. This is read in the transaction of the change,
//! which has the write lock, so nothing changes until it ends.

use sqlx::SqliteConnection;

use super::super::SqliteStore;
use tower_api_key::{
    credential::Kind,
    id::OrgId,
    store::{
        WriteError,
        backend::{ActorState, Authority},
    },
};

pub(super) async fn check(
    store: &SqliteStore,
    db: &mut SqliteConnection,
    authority: &Authority,
) -> Result<(), WriteError> {
    let organization = authority.organization().map(OrgId::as_str);
    let state = match authority {
        Authority::Unconditional => None,
        Authority::Credential {
            kind: Kind::OrgKey,
            id,
            ..
        } => ActorState::of_lookup(store.key(db, id.as_str()).await)?,
        Authority::Credential {
            kind: Kind::PersonalToken,
            id,
            ..
        } => ActorState::of_lookup(store.token_by_id(db, id.as_str(), organization).await)?,
        Authority::User { id, .. } => store.user(db, id.as_str(), organization).await?,
    };
    if authority.permits(state.as_ref()) {
        Ok(())
    } else {
        Err(WriteError::NotPermitted)
    }
}

//! Showing one credential and changing it.

use serde_json::json;
use tower_api_key::{manage::Rotation, store::CredentialInfo};

use super::{
    args::{One, OwnerArgs, Revoke, Rotate},
    create::show_once,
    view,
};
use crate::{
    database::Backend,
    failure::Failure,
    output::{self, Output, visible},
    session::Session,
};

pub(super) const ROTATE_EXAMPLES: &str = "\
Examples:
  api-keys key rotate --org org_1 KEY_ID --overlap 24h >new.key
  api-keys token rotate --user user_1 TOKEN_ID --expires 90d";

pub(super) async fn show<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    one: &One<O>,
) -> Result<(), Failure> {
    let actor = session.actor(one.owner.owner());
    let info = session.manager.get(&actor, O::KIND, &one.id).await?;
    Ok(session.output.record(&view::fields(&info))?)
}

pub(super) async fn rotate<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: &Rotate<O>,
) -> Result<(), Failure> {
    let (one, mut rotation) = (&arguments.one, Rotation::default());
    if let Some(overlap) = arguments.overlap {
        rotation = rotation.with_overlap(overlap);
    }
    if let Some(expires) = arguments.expires {
        rotation = rotation.expiring_at(expires.0);
    }
    if let Some(key) = &arguments.idempotency_key {
        rotation = rotation.with_idempotency_key(key);
    }
    let actor = session.actor(one.owner.owner());
    let issued = session
        .manager
        .rotate(&actor, O::KIND, &one.id, rotation)
        .await?;
    show_once(session.output, issued)
}

pub(super) async fn disable<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    one: &One<O>,
) -> Result<(), Failure> {
    let actor = session.actor(one.owner.owner());
    let info = session.manager.disable(&actor, O::KIND, &one.id).await?;
    changed(session.output, "disabled", &info)
}

pub(super) async fn enable<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    one: &One<O>,
) -> Result<(), Failure> {
    let actor = session.actor(one.owner.owner());
    let info = session.manager.enable(&actor, O::KIND, &one.id).await?;
    changed(session.output, "enabled", &info)
}

/// Revokes one credential, or all of the owner.
pub(super) async fn revoke<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    arguments: &Revoke<O>,
) -> Result<(), Failure> {
    let actor = session.actor(arguments.owner.owner());
    let Some(id) = &arguments.id else {
        let ended = session.manager.revoke_all(&actor, O::KIND).await?;
        for id in &ended {
            ended_line(session.output, id.as_str())?;
        }
        output::remark(&format!("revoked {}", ended.len()));
        return Ok(());
    };
    let info = session.manager.delete(&actor, O::KIND, id).await?;
    changed(session.output, "revoked", &info)
}

fn ended_line(output: Output, id: &str) -> std::io::Result<()> {
    match output.is_json() {
        true => output.json_line(&vec![("id", json!(id))]),
        false => output.line(&visible(id)),
    }
}

/// Reports a change of a credential.
pub(super) fn changed(output: Output, did: &str, info: &CredentialInfo) -> Result<(), Failure> {
    let what = format!("{did} {} ({}) of {}", info.id, info.name, info.owner.id());
    Ok(output.changed(&what, &view::fields(info))?)
}

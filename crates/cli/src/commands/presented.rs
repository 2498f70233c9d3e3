//! `api-keys whois` and `api-keys revoke`: credentials by the token itself, read from standard
//! input.

use serde_json::json;
use tower_api_key::{
    credential::Kind,
    manage::ManageError,
    secret::Digest,
    store::{CredentialInfo, Lookup, LookupKey, Record, Status},
};

use super::credential::view;
use crate::{database::Backend, failure::Failure, session::Session, stdin};

/// Shows what a token is. Records no use.
pub(crate) async fn whois<S: Backend>(session: &Session<S>) -> Result<(), Failure> {
    let token = stdin::token()?;
    let info = session
        .manager
        .find_presented(&token)
        .await
        .map_err(unknown)?;
    let mut fields = view::fields(&info);
    let lost = owner_is_gone(session.store(), &info, &token).await;
    fields.push(("owner_gone", json!(lost)));
    Ok(session.output.record(&fields)?)
}

/// Revokes a token.
pub(crate) async fn revoke<S: Backend>(session: &Session<S>) -> Result<(), Failure> {
    let token = stdin::token()?;
    let origin = session.origin();
    let revoked = session
        .manager
        .revoke_presented(&token, Some(&origin))
        .await;
    let info = revoked.map_err(unknown)?;
    let what = format!("revoked {} of {}", info.id, info.owner.id());
    Ok(session.output.changed(&what, &view::fields(&info))?)
}

fn unknown(error: ManageError) -> Failure {
    match error {
        ManageError::UnknownCredential => Failure::UnknownToken,
        other => other.into(),
    }
}

/// Returns whether the owner is disabled or deleted, so that the credential is refused whatever its
/// own status is; `None` if the store cannot tell.
async fn owner_is_gone<S: Backend>(store: &S, info: &CredentialInfo, token: &str) -> Option<bool> {
    let digest = Digest::of(token.as_bytes());
    let key = match info.kind() {
        Kind::OrgKey => LookupKey::OrgKey {
            id: info.id.as_str(),
        },
        Kind::PersonalToken => LookupKey::PersonalToken { digest: &digest },
    };
    let found = store.find(&Lookup::new(key, None)).await.ok()??;
    Some(is_gone(&found))
}

fn is_gone(record: &Record) -> bool {
    matches!(
        record.status(),
        Status::OwnerGone | Status::OrganizationGone
    )
}

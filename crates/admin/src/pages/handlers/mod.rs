//! The handlers, which keys and tokens share.

pub(super) mod change;
pub(super) mod create;
pub(super) mod end;
pub(super) mod list;
pub(super) mod rotate;

use axum::response::Response;
use tower_api_key::store::{CredentialInfo, ManageStore};

use super::{fault::Fault, site::Site, visit::Visit};

/// A page, a redirect, or why there is neither.
type Answer = Result<Response, Fault>;

/// Returns the credential that a page is about, for somebody who may change it.
async fn changeable<S: ManageStore>(
    site: &Site<S>,
    visit: &Visit,
    id: &str,
) -> Result<CredentialInfo, Fault> {
    visit.refuse_impersonation()?;
    let actor = visit.actor(site)?;
    Ok(site.find(&actor, id).await?)
}

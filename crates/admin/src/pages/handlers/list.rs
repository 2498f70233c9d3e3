//! The list.

use axum::{extract::State, response::Response};
use tower_api_key::{
    manage::{Actor, ManageError},
    store::{CredentialInfo, EffectiveStatus, Filter, ManageStore},
};

use super::Answer;
use crate::pages::{
    fault::Fault,
    site::{Listing, Shared, Site},
    views::{self, list::Shown},
    visit::Visit,
};

/// Shows a page of the list, and how a credential has changed if the URL names one.
pub(in crate::pages) async fn show<S: ManageStore>(
    State(site): State<Shared<S>>,
    visit: Visit,
) -> Answer {
    let actor = visit.actor(&site)?;
    let filter = visit.place.filter(visit.now);
    let cursor = visit.place.cursor.as_ref();
    let Listing { page, may_change } = site.list(&actor, &filter, cursor).await?;
    let changed = match visit.query.get("changed") {
        Some(id) => changed(&site, &actor, id).await?,
        None => None,
    };
    let had_some = page.items.is_empty() && had_some(&site, &actor, &visit).await?;
    let shown = Shown {
        items: page.items,
        next: page.next,
        may_change: may_change && visit.refuse_impersonation().is_ok(),
        changed,
        had_some,
    };
    Ok(respond(&site, &visit, shown))
}

fn respond<S>(site: &Site<S>, visit: &Visit, shown: Shown) -> Response {
    let shown = shown.with_changed_row();
    views::list::page(&site.frame, visit, &shown)
}

/// Returns a credential as it is now. One that there is not, or that belongs to another owner, is
/// none.
async fn changed<S: ManageStore>(
    site: &Site<S>,
    actor: &Actor,
    id: &str,
) -> Result<Option<CredentialInfo>, Fault> {
    match site.reader.get(actor, site.frame.kind, id).await {
        Ok(info) => Ok(Some(info)),
        Err(ManageError::UnknownCredential) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether the owner had credentials before, which the whole list does not show: then it
/// does not say that there are none *yet*.
async fn had_some<S: ManageStore>(
    site: &Site<S>,
    actor: &Actor,
    visit: &Visit,
) -> Result<bool, Fault> {
    if !visit.place.is_unfiltered() {
        return Ok(false);
    }
    let deleted = Filter::default().with_state(EffectiveStatus::Deleted);
    Ok(site.has_any(actor, &deleted).await?)
}

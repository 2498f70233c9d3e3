//! Changes that end something: disabling and deleting. They need no recent sign-in.

use axum::extract::State;
use tower_api_key::{manage::ManageError, store::ManageStore};

use super::{Answer, changeable};
use crate::pages::{
    fault::see_other,
    site::Shared,
    views,
    visit::{Id, Submission, Visit},
};

/// Asks whether to delete a credential.
pub(in crate::pages) async fn confirm<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    visit: Visit,
) -> Answer {
    let info = changeable(&site, &visit, &id).await?;
    Ok(views::delete::page(&site.frame, &visit, &info))
}

/// Deletes a credential. That it is already deleted is a success too.
pub(in crate::pages) async fn delete<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    Submission { visit, .. }: Submission,
) -> Answer {
    let actor = visit.actor(&site)?;
    match site.manager.delete(&actor, site.frame.kind, &id).await {
        Ok(_) | Err(ManageError::Deleted) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(see_other(&visit.urls.changed(&visit.place, &id)))
}

/// Disables a credential.
pub(in crate::pages) async fn disable<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    Submission { visit, .. }: Submission,
) -> Answer {
    let actor = visit.actor(&site)?;
    site.manager.disable(&actor, site.frame.kind, &id).await?;
    Ok(see_other(&visit.urls.changed(&visit.place, &id)))
}

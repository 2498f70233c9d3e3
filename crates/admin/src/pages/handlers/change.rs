//! Changes that grant something: editing and enabling.

use axum::extract::State;
use tower_api_key::{
    manage::{Actor, Edit},
    store::{CredentialInfo, ManageStore},
};

use super::{Answer, changeable};
use crate::pages::{
    fault::see_other,
    forms::{EditDraft, Refusal},
    site::{Shared, Site},
    views,
    visit::{Id, Submission, Visit},
};

/// Shows the form with what the credential has, or with the parameters of the URL.
pub(in crate::pages) async fn form<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    visit: Visit,
) -> Answer {
    let info = changeable(&site, &visit, &id).await?;
    let draft = EditDraft::read(&visit.query, &info);
    Ok(views::edit::page(&site.frame, &visit, &info, &draft, None))
}

/// Changes name and description.
pub(in crate::pages) async fn edit<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    submission: Submission,
) -> Answer {
    let Submission { visit, fields } = submission;
    let actor = visit.actor(&site)?;
    let before = site.manager.get(&actor, site.frame.kind, &id).await?;
    let draft = EditDraft::read(&fields, &before);
    let filled = draft.add_to(visit.place.query());
    visit.require_recent_sign_in(&site, &visit.urls.of_one(&id, "edit", &filled))?;
    let edit = draft.request(&before);
    match apply(&site, &actor, &id, edit).await {
        Ok(_) => Ok(see_other(&visit.urls.changed(&visit.place, &id))),
        Err(Refusal::Form(error)) => {
            let error = Some(&error);
            Ok(views::edit::page(
                &site.frame,
                &visit,
                &before,
                &draft,
                error,
            ))
        }
        Err(Refusal::Fault(fault)) => Err(fault),
    }
}

async fn apply<S: ManageStore>(
    site: &Site<S>,
    actor: &Actor,
    id: &str,
    edit: Edit,
) -> Result<CredentialInfo, Refusal> {
    Ok(site.manager.edit(actor, site.frame.kind, id, edit).await?)
}

/// Enables a credential again.
pub(in crate::pages) async fn enable<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    Submission { visit, .. }: Submission,
) -> Answer {
    let actor = visit.actor(&site)?;
    visit.require_recent_sign_in(&site, &visit.urls.row(&visit.place, &id))?;
    site.manager.enable(&actor, site.frame.kind, &id).await?;
    Ok(see_other(&visit.urls.changed(&visit.place, &id)))
}

//! Rotating a credential.

use axum::extract::State;
use tower_api_key::{
    manage::{Actor, Issued},
    store::{CredentialInfo, ManageStore},
};

use super::{Answer, changeable};
use crate::pages::{
    fields::Fields,
    forms::{FormError, Refusal, RotationDraft, Stamp},
    site::{Shared, Site},
    views::{self, secret::OldOne},
    visit::{Id, Submission, Visit},
};

/// Shows the form, filled in with the parameters of the URL.
pub(in crate::pages) async fn form<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    visit: Visit,
) -> Answer {
    let old = changeable(&site, &visit, &id).await?;
    let draft = RotationDraft::read(&visit.query, &old, visit.now);
    show(&site, &visit, &old, &draft, None)
}

fn show<S: ManageStore>(
    site: &Site<S>,
    visit: &Visit,
    old: &CredentialInfo,
    draft: &RotationDraft,
    error: Option<&FormError>,
) -> Answer {
    let stamp = site.stamp(visit.now)?;
    Ok(views::rotate::page(
        &site.frame,
        visit,
        &views::rotate::Shown {
            old,
            draft,
            stamp: &stamp,
            error,
        },
    ))
}

/// Rotates a credential, and shows the secret of its successor. The same form once more changes
/// nothing, and says so.
pub(in crate::pages) async fn rotate<S: ManageStore>(
    State(site): State<Shared<S>>,
    Id(id): Id,
    submission: Submission,
) -> Answer {
    let Submission { visit, fields } = submission;
    let actor = visit.actor(&site)?;
    let old = site.manager.get(&actor, site.frame.kind, &id).await?;
    let draft = RotationDraft::read(&fields, &old, visit.now);
    let filled = draft.add_to(visit.place.query());
    visit.require_recent_sign_in(&site, &visit.urls.of_one(&id, "rotate", &filled))?;
    match replace(&site, &visit, &actor, &id, &draft, &fields).await {
        Ok(issued) => {
            let old = old_one(&site, &actor, &id).await;
            Ok(views::secret::page(&site.frame, &visit, issued, old))
        }
        Err(Refusal::Form(error)) => show(&site, &visit, &old, &draft, Some(&error)),
        Err(Refusal::Fault(fault)) => Err(fault),
    }
}

async fn replace<S: ManageStore>(
    site: &Site<S>,
    visit: &Visit,
    actor: &Actor,
    id: &str,
    draft: &RotationDraft,
    fields: &Fields,
) -> Result<Issued, Refusal> {
    let rotation = draft.request(&Stamp::read(fields)?, visit.now)?;
    let kind = site.frame.kind;
    Ok(site.manager.rotate(actor, kind, id, rotation).await?)
}

/// Returns when the old credential ends. The rotation is made: if that cannot be read, the page
/// says nothing of it, and shows the secret.
async fn old_one<S: ManageStore>(site: &Site<S>, actor: &Actor, id: &str) -> Option<OldOne> {
    let old = site.manager.get(actor, site.frame.kind, id).await.ok()?;
    Some(OldOne::of(&old))
}

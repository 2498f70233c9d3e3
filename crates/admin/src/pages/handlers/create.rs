//! Creating a credential.

use axum::extract::State;
use tower_api_key::{
    manage::{Actor, Issued},
    store::ManageStore,
};

use super::Answer;
use crate::pages::{
    fields::Fields,
    forms::{Draft, FormError, InputError, Offer, Refusal, Stamp},
    site::{Shared, Site},
    views,
    visit::{OWNER, Submission, Visit},
};

/// Shows the form, filled in with the parameters of the URL.
pub(in crate::pages) async fn form<S: ManageStore>(
    State(site): State<Shared<S>>,
    visit: Visit,
) -> Answer {
    visit.refuse_impersonation()?;
    let actor = visit.actor(&site)?;
    site.require_manager(&actor).await?;
    let draft = Draft::read(&visit.query);
    let error = match visit.query.get(OWNER) {
        Some(owner) if visit.owner(site.frame.kind) != owner => {
            Some(InputError::OtherOrganization.into())
        }
        _ => None,
    };
    show(&site, &visit, &draft, error.as_ref())
}

fn show<S: ManageStore>(
    site: &Site<S>,
    visit: &Visit,
    draft: &Draft,
    error: Option<&FormError>,
) -> Answer {
    let offer = offer(site, visit);
    let stamp = site.stamp(visit.now)?;
    Ok(views::new::page(
        &site.frame,
        visit,
        &views::new::Shown {
            draft,
            offer: &offer,
            stamp: &stamp,
            error,
        },
    ))
}

fn offer<S: ManageStore>(site: &Site<S>, visit: &Visit) -> Offer {
    let catalogue = site.manager.store().catalogue();
    Offer::of(&visit.session, site.frame.kind, catalogue)
}

/// Creates a credential, and shows its secret. The same form once more creates nothing, and says
/// so.
pub(in crate::pages) async fn create<S: ManageStore>(
    State(site): State<Shared<S>>,
    submission: Submission,
) -> Answer {
    let Submission { visit, fields } = submission;
    let actor = visit.actor(&site)?;
    let draft = Draft::read(&fields);
    let owner = fields.get(OWNER).unwrap_or_default();
    let filled = draft.add_to(visit.place.query()).with_text(OWNER, owner);
    visit.require_recent_sign_in(&site, &visit.urls.new_form(&filled))?;
    match issue(&site, &visit, &actor, &draft, &fields).await {
        Ok(issued) => Ok(views::secret::page(&site.frame, &visit, issued, None)),
        Err(Refusal::Form(error)) => show(&site, &visit, &draft, Some(&error)),
        Err(Refusal::Fault(fault)) => Err(fault),
    }
}

async fn issue<S: ManageStore>(
    site: &Site<S>,
    visit: &Visit,
    actor: &Actor,
    draft: &Draft,
    fields: &Fields,
) -> Result<Issued, Refusal> {
    let stamp = Stamp::read(fields)?;
    let kind = site.frame.kind;
    if fields.get(OWNER).unwrap_or_default() != visit.owner(kind) {
        site.require_manager(actor).await?;
        return Err(InputError::OtherOrganization.into());
    }
    let new = draft.request(kind, &offer(site, visit), &stamp, visit.now)?;
    Ok(site.issue(actor, new).await?)
}

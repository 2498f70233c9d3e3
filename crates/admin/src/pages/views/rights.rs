//! The part of the form that says what a new credential may do.

use maud::{Markup, html};
use tower_api_key::credential::Kind;

use super::{
    field::{error_text, invalid, message},
    foreign,
};
use crate::pages::{
    forms::{Field, FormError, Offer, RightsDraft},
    sentence::{fill, shown},
    site::Frame,
};

/// The choice between everything and some scopes. What the credential can then do is listed beside
/// each: before it is created.
pub(super) fn scopes(
    frame: &Frame,
    offer: &Offer,
    draft: &RightsDraft,
    error: Option<&FormError>,
) -> Markup {
    let form = &frame.texts.form;
    let message = message(error, Field::Rights, &frame.texts);
    let message = message.as_ref();
    let radio = |value: &str, checked: bool, focus: bool| {
        html! {
            input type="radio" name="rights" value=(value) checked[checked] autofocus[focus];
        }
    };
    html! {
        fieldset.credentials-choice id="rights" role="radiogroup"
            aria-describedby=[message.map(|_| "rights-error")] aria-invalid=[invalid(message)] {
            legend { (form.rights) }
            (error_text("rights", message))
            label.credentials-tick {
                (radio("all", !draft.only_scopes, false))
                (everything(frame, offer))
            }
            (held(frame, offer))
            @if frame.has_restrictions {
                label.credentials-tick {
                    (radio("some", draft.only_scopes, message.is_some()))
                    (form.some_rights)
                }
                (ticks(frame, offer, draft))
            }
        }
    }
}

fn everything(frame: &Frame, offer: &Offer) -> String {
    match &offer.role {
        Some(role) => fill(&frame.texts.form.role_rights, &[("role", role)]),
        None => frame.words().all_rights.to_string(),
    }
}

/// What everything is.
fn held(frame: &Frame, offer: &Offer) -> Markup {
    let form = &frame.texts.form;
    html! {
        div.credentials-held {
            p.credentials-hint { (form.rights_held) }
            @for place in &offer.places {
                @if frame.kind == Kind::PersonalToken {
                    p.credentials-hint {
                        (fill(&form.rights_held_in, &[("organization", &shown(&place.name))]))
                    }
                }
                ul.credentials-scopes {
                    @for scope in &place.scopes { li { code { (scope) } } }
                }
            }
        }
    }
}

/// A box for each scope that is held, with what it includes.
fn ticks(frame: &Frame, offer: &Offer, draft: &RightsDraft) -> Markup {
    let form = &frame.texts.form;
    html! {
        ul.credentials-ticks {
            @for scope in &offer.scopes {
                li {
                    label.credentials-tick {
                        input type="checkbox" name="scope" value=(scope.name)
                            checked[draft.scopes.contains(&scope.name)];
                        code { (scope.name) }
                        @if !scope.implied.is_empty() {
                            " "
                            span.credentials-includes {
                                (fill(&form.implies, &[("scopes", &scope.implied.join(", "))]))
                            }
                        }
                        @if frame.kind == Kind::PersonalToken {
                            " "
                            span.credentials-includes {
                                (fill(&form.held_in, &[
                                    ("organizations", &shown(&scope.held_in.join(", "))),
                                ]))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The choice between all organizations and some.
pub(super) fn organizations(
    frame: &Frame,
    offer: &Offer,
    draft: &RightsDraft,
    error: Option<&FormError>,
) -> Markup {
    let form = &frame.texts.form;
    let message = message(error, Field::Organizations, &frame.texts);
    let message = message.as_ref();
    let error_id = message.map(|_| "organizations-error");
    html! {
        fieldset.credentials-choice id="organizations" role="radiogroup"
            aria-describedby=[error_id] aria-invalid=[invalid(message)] {
            legend { (form.organizations) }
            (error_text("organizations", message))
            label.credentials-tick {
                input type="radio" name="organizations" value="all"
                    checked[!draft.only_organizations];
                (form.all_organizations)
            }
            label.credentials-tick {
                input type="radio" name="organizations" value="some"
                    checked[draft.only_organizations] autofocus[message.is_some()];
                (form.some_organizations)
            }
            ul.credentials-ticks {
                @for place in &offer.places {
                    li {
                        label.credentials-tick {
                            input type="checkbox" name="organization" value=(place.id)
                                checked[draft.organizations.contains(&place.id)];
                            (foreign(&place.name))
                        }
                    }
                }
            }
        }
    }
}

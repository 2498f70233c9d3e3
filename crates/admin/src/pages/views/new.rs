//! The form for a new credential.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tower_api_key::credential::Kind;

use super::{
    answer,
    expiry::expiry,
    field::{TextField, form_message, message},
    foreign, owner, post_form,
    rights::{organizations, scopes},
};
use crate::pages::{
    forms::{Draft, Field, FormError, Offer, STAMP, Stamp},
    sentence::fill_with,
    site::Frame,
    visit::{OWNER, Visit},
};

/// What the form shows.
pub(in crate::pages) struct Shown<'s> {
    pub(in crate::pages) draft: &'s Draft,
    pub(in crate::pages) offer: &'s Offer,
    pub(in crate::pages) stamp: &'s Stamp,
    pub(in crate::pages) error: Option<&'s FormError>,
}

/// Returns the answer with the form.
pub(in crate::pages) fn page(frame: &Frame, visit: &Visit, shown: &Shown<'_>) -> Response {
    let words = frame.words();
    let action = visit.urls.list_at(&visit.place);
    let body = html! {
        h1 { (words.new) }
        p { (fill_with(&words.new_for, &[("owner", &foreign(owner(frame, visit)))])) }
        p { (words.purpose) }
        (form_message(shown.error, &frame.texts))
        (post_form(visit, &action, &fields(frame, visit, shown)))
    };
    let status = shown.error.map_or(StatusCode::OK, FormError::status);
    answer(frame, visit, status, words.new.to_string(), body)
}

fn fields(frame: &Frame, visit: &Visit, shown: &Shown<'_>) -> Markup {
    let form = &frame.texts.form;
    let Shown {
        draft,
        offer,
        stamp,
        error,
    } = *shown;
    html! {
        input type="hidden" name=(STAMP) value=(stamp.as_str());
        input type="hidden" name=(OWNER) value=(visit.owner(frame.kind));
        (name(frame, &draft.name, error))
        @if frame.has_descriptions { (description(frame, &draft.description, error)) }
        (scopes(frame, offer, &draft.rights, error))
        @if frame.kind == Kind::PersonalToken && frame.has_restrictions {
            (organizations(frame, offer, &draft.rights, error))
        }
        (expiry(frame, &draft.expiry, None, visit.now, error))
        div.credentials-buttons {
            button.credentials-button type="submit" { (frame.words().create) }
            a href=(visit.urls.list_at(&visit.place)) { (form.cancel) }
        }
    }
}

/// The field for the name.
pub(super) fn name(frame: &Frame, value: &str, error: Option<&FormError>) -> Markup {
    let form = &frame.texts.form;
    let field = TextField {
        name: "name",
        label: &form.name,
        hint: &form.name_hint,
        value,
        required: true,
        message: message(error, Field::Name, &frame.texts),
    };
    field.line()
}

/// The field for the description.
pub(super) fn description(frame: &Frame, value: &str, error: Option<&FormError>) -> Markup {
    let form = &frame.texts.form;
    let field = TextField {
        name: "description",
        label: &form.description,
        hint: &form.description_hint,
        value,
        required: false,
        message: message(error, Field::Description, &frame.texts),
    };
    field.lines()
}

//! The form for name and description.

use axum::response::Response;
use http::StatusCode;
use maud::html;
use tower_api_key::store::CredentialInfo;

use super::{
    answer,
    field::form_message,
    new::{description, name},
    post_form, title,
};
use crate::pages::{
    forms::{EditDraft, FormError},
    site::Frame,
    visit::Visit,
};

/// Returns the answer with the form.
pub(in crate::pages) fn page(
    frame: &Frame,
    visit: &Visit,
    info: &CredentialInfo,
    draft: &EditDraft,
    error: Option<&FormError>,
) -> Response {
    let form = &frame.texts.form;
    let (id, query) = (info.id.as_str(), visit.place.query());
    let title = title(&form.edit_title, frame, info);
    let fields = html! {
        (name(frame, &draft.name, error))
        @if frame.has_descriptions { (description(frame, &draft.description, error)) }
        div.credentials-buttons {
            button.credentials-button type="submit" { (form.save) }
            a href=(visit.urls.row(&visit.place, id)) { (form.cancel) }
        }
    };
    let body = html! {
        h1 { (title) }
        p { code { (frame.key_id(&info.id)) } }
        (form_message(error, &frame.texts))
        (post_form(visit, &visit.urls.of_one(id, "edit", &query), &fields))
    };
    let status = error.map_or(StatusCode::OK, FormError::status);
    answer(frame, visit, status, title, body)
}

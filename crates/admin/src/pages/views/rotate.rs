//! The form that replaces a credential.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tower_api_key::store::CredentialInfo;

use super::{
    answer,
    expiry::expiry,
    field::{described_by, error_text, form_message, invalid, message},
    post_form, title,
};
use crate::pages::{
    forms::{Field, FormError, OVERLAPS, RotationDraft, STAMP, Stamp},
    site::Frame,
    texts::FormTexts,
    visit::Visit,
};

/// What the form shows.
pub(in crate::pages) struct Shown<'s> {
    pub(in crate::pages) old: &'s CredentialInfo,
    pub(in crate::pages) draft: &'s RotationDraft,
    pub(in crate::pages) stamp: &'s Stamp,
    pub(in crate::pages) error: Option<&'s FormError>,
}

/// Returns the answer with the form.
pub(in crate::pages) fn page(frame: &Frame, visit: &Visit, shown: &Shown<'_>) -> Response {
    let words = frame.words();
    let id = shown.old.id.as_str();
    let action = visit.urls.of_one(id, "rotate", &visit.place.query());
    let title = title(&frame.texts.form.rotate_title, frame, shown.old);
    let body = html! {
        h1 { (title) }
        p { code { (frame.key_id(&shown.old.id)) } }
        p { (words.rotate_note) }
        (form_message(shown.error, &frame.texts))
        (post_form(visit, &action, &fields(frame, visit, shown)))
    };
    let status = shown.error.map_or(StatusCode::OK, FormError::status);
    answer(frame, visit, status, title, body)
}

fn fields(frame: &Frame, visit: &Visit, shown: &Shown<'_>) -> Markup {
    let (old, error) = (shown.old, shown.error);
    html! {
        input type="hidden" name=(STAMP) value=(shown.stamp.as_str());
        (overlap(frame, &shown.draft.overlap, error))
        (expiry(frame, &shown.draft.expiry, Some(old), visit.now, error))
        div.credentials-buttons {
            button.credentials-button type="submit" { (frame.words().rotate) }
            a href=(visit.urls.row(&visit.place, old.id.as_str())) { (frame.texts.form.cancel) }
        }
    }
}

/// How long the old credential stays valid.
fn overlap(frame: &Frame, chosen: &str, error: Option<&FormError>) -> Markup {
    let form = &frame.texts.form;
    let message = message(error, Field::Overlap, &frame.texts);
    let message = message.as_ref();
    html! {
        div.credentials-field {
            label for="overlap" { (form.overlap) }
            select id="overlap" name="overlap" aria-describedby=(described_by("overlap", message))
                aria-invalid=[invalid(message)] autofocus[message.is_some()] {
                @for seconds in OVERLAPS {
                    @let value = seconds.to_string();
                    option value=(value) selected[value == chosen] { (after(form, seconds)) }
                }
            }
            p.credentials-hint id="overlap-hint" { (form.overlap_hint) }
            (error_text("overlap", message))
        }
    }
}

fn after(form: &FormTexts, seconds: u64) -> &str {
    match seconds {
        0 => &form.overlap_none,
        3_600 => &form.overlap_1h,
        86_400 => &form.overlap_24h,
        _ => &form.overlap_7d,
    }
}

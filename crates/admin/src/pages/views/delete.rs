//! The page that asks before a credential is deleted.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tower_api_key::{
    clock::UnixMillis,
    store::{CredentialInfo, EffectiveStatus},
};

use super::{answer, post_form, time, title, unseen};
use crate::pages::{moment::DAY, sentence::fill_with, site::Frame, visit::Visit};

/// For how long after a use a program is likely to still use a credential.
const RECENT: i64 = 7 * DAY;

/// Returns the answer with the question. The focus is on the way out.
pub(in crate::pages) fn page(frame: &Frame, visit: &Visit, info: &CredentialInfo) -> Response {
    let words = frame.words();
    let recent = frame.shows_uses && is_recent(info, visit.now);
    let title = title(&frame.texts.ending.title, frame, info);
    let body = html! {
        h1 { (title) }
        p { code { (frame.key_id(&info.id)) } }
        p { (frame.end_note()) " " (words.delete_note) }
        @if frame.shows_uses { p { (last_use(frame, info)) } }
        @if recent { p.credentials-warning role="note" { (words.delete_recent) } }
        (buttons(frame, visit, info, recent))
    };
    answer(frame, visit, StatusCode::OK, title, body)
}

fn is_recent(info: &CredentialInfo, now: UnixMillis) -> bool {
    info.last_used_at
        .is_some_and(|used| now.0.saturating_sub(used.0) < RECENT)
}

fn last_use(frame: &Frame, info: &CredentialInfo) -> Markup {
    let ending = &frame.texts.ending;
    match info.last_used_at {
        Some(used) => fill_with(&ending.last_used, &[("time", &time(used))]),
        None => html! { (ending.never_used) },
    }
}

fn buttons(frame: &Frame, visit: &Visit, info: &CredentialInfo, recent: bool) -> Markup {
    let ending = &frame.texts.ending;
    let (id, query) = (info.id.as_str(), visit.place.query());
    let name = super::label(frame, info);
    let is_active = info.effective_status(visit.now) == EffectiveStatus::Active;
    let disable = html! {
        button type="submit" { (ending.disable) (unseen(&name)) }
    };
    let delete = html! {
        button.credentials-danger type="submit" { (ending.delete) (unseen(&name)) }
    };
    html! {
        div.credentials-buttons {
            a href=(visit.urls.row(&visit.place, id)) autofocus { (ending.cancel) }
            @if recent && is_active {
                (post_form(visit, &visit.urls.of_one(id, "disable", &query), &disable))
            }
            (post_form(visit, &visit.urls.of_one(id, "delete", &query), &delete))
        }
    }
}

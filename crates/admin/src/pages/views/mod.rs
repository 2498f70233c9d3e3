//! The pages as HTML. All text is escaped by `maud`; nothing here marks a text as HTML.

pub(super) mod delete;
pub(super) mod edit;
mod expiry;
mod field;
pub(super) mod list;
pub(super) mod new;
pub(super) mod problem;
mod rights;
pub(super) mod rotate;
mod row;
pub(super) mod secret;
mod state;

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tower_api_key::{clock::UnixMillis, credential::Kind, store::CredentialInfo};

use super::{
    layout::{Content, respond},
    moment,
    sentence::{fill, shown},
    session::Membership,
    site::Frame,
    visit::{FORM_TOKEN, Visit},
};

/// Returns the answer with a page of somebody who is signed in.
fn answer(
    frame: &Frame,
    visit: &Visit,
    status: StatusCode,
    title: String,
    body: Markup,
) -> Response {
    let session = Some(&visit.session);
    let content = Content {
        status,
        title,
        body,
        session,
    };
    respond(frame, &visit.urls, content)
}

/// A moment in UTC, which the script shows in the local time zone.
fn time(moment: UnixMillis) -> Markup {
    html! { time datetime=(moment::machine_text(moment)) { (moment::text(moment)) } }
}

/// A text that others wrote, on its own: its direction does not reorder what is around it.
fn foreign(text: &str) -> Markup {
    html! { bdi { (shown(text)) } }
}

/// Returns the name of whose credentials a page is about.
fn owner<'v>(frame: &Frame, visit: &'v Visit) -> &'v str {
    let session = &visit.session;
    let owner = match frame.kind {
        Kind::OrgKey => session.organization().map(Membership::name),
        Kind::PersonalToken => Some(session.user_name()),
    };
    owner.unwrap_or_default()
}

/// Returns what a credential is called: its name, or its id if it has none.
fn label(frame: &Frame, info: &CredentialInfo) -> String {
    match &*info.name {
        "" => frame.key_id(&info.id),
        name => shown(name),
    }
}

/// A title that names a credential, as text.
fn title(text: &str, frame: &Frame, info: &CredentialInfo) -> String {
    fill(text, &[("name", &label(frame, info))])
}

/// A form that changes something.
fn post_form(visit: &Visit, action: &str, content: &Markup) -> Markup {
    html! {
        form.credentials-form method="post" action=(action) autocomplete="off" novalidate {
            input type="hidden" name=(FORM_TOKEN) value=(visit.session.form_token());
            (content)
        }
    }
}

/// A text that only a screen reader reads: which of many alike buttons this is.
fn unseen(text: &str) -> Markup {
    html! { span.credentials-unseen { " " (text) } }
}

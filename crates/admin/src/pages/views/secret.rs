//! The page that shows a new secret, once.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    id::OrgId,
    manage::Issued,
    secret::Secret,
    store::{CredentialInfo, Status},
};

use super::{answer, label, time};
use crate::pages::{
    sentence::fill_with,
    session::{Membership, Session},
    site::Frame,
    visit::Visit,
};

/// What became of the credential that a new one has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pages) enum OldOne {
    Ended,
    Ends(UnixMillis),
}

impl OldOne {
    pub(in crate::pages) fn of(old: &CredentialInfo) -> Self {
        match (old.status, old.expires_at) {
            (Status::Active, Some(end)) => Self::Ends(end),
            _ => Self::Ended,
        }
    }
}

/// Returns the answer with the secret (201), or, to a form that was sent before, one that says so
/// (200).
pub(in crate::pages) fn page(
    frame: &Frame,
    visit: &Visit,
    issued: Issued,
    old: Option<OldOne>,
) -> Response {
    let words = frame.words();
    let (info, secret) = issued.into_parts();
    match secret {
        Some(secret) => {
            let title = match old {
                Some(_) => &words.rotated,
                None => &words.created,
            };
            let body = dialog(frame, visit, &info, &secret, title, old);
            answer(frame, visit, StatusCode::CREATED, title.to_string(), body)
        }
        None => {
            let title = words.repeated.to_string();
            answer(
                frame,
                visit,
                StatusCode::OK,
                title,
                repeated(frame, visit, &info),
            )
        }
    }
}

fn done_url(visit: &Visit, info: &CredentialInfo) -> String {
    visit.urls.changed(&visit.place, info.id.as_str())
}

/// The secret, in a dialog that is open from the beginning. The script makes it modal, and asks
/// before it is closed.
fn dialog(
    frame: &Frame,
    visit: &Visit,
    info: &CredentialInfo,
    secret: &Secret,
    title: &str,
    old: Option<OldOne>,
) -> Markup {
    let (words, texts) = (frame.words(), &frame.texts.secret);
    let name = html! { bdi { (label(frame, info)) } };
    html! {
        dialog.credentials-dialog id="secret-dialog" open aria-labelledby="secret-title"
            aria-describedby="secret-once" {
            div.credentials-inside {
                h1 id="secret-title" tabindex="-1" autofocus { (title) }
                p id="secret-once" { (words.shown_once) }
                p.credentials-label id="secret-label" {
                    (fill_with(&words.secret, &[("name", &name)]))
                }
                div.credentials-copy {
                    // Not an input: no browser offers to save it, or fills it in again.
                    code.credentials-secret id="secret" role="textbox" aria-readonly="true"
                        aria-labelledby="secret-label" tabindex="0" translate="no" {
                        (secret.expose_secret())
                    }
                    button.credentials-button type="button" id="copy" hidden
                        data-copied=(texts.copied) data-failed=(texts.not_copied) {
                        (texts.copy)
                    }
                }
                p.credentials-status id="copy-status" role="status" {}
                (what_became_of(frame, old))
                (example(frame, &visit.session, info, secret))
                div.credentials-buttons {
                    a id="done" href=(done_url(visit, info)) { (texts.done) }
                }
                div.credentials-warning.credentials-question id="question" role="alert" hidden {
                    p { (words.question) }
                    button type="button" id="stay" { (texts.stay) }
                    button.credentials-danger type="button" id="leave" { (texts.leave) }
                }
            }
        }
    }
}

fn what_became_of(frame: &Frame, old: Option<OldOne>) -> Markup {
    let words = frame.words();
    html! {
        @match old {
            Some(OldOne::Ended) => { p { (words.old_ended) } }
            Some(OldOne::Ends(end)) => {
                p { (fill_with(&words.old_ends, &[("time", &time(end))])) }
            }
            None => {}
        }
    }
}

/// A line to try the credential with.
fn example(frame: &Frame, session: &Session, info: &CredentialInfo, secret: &Secret) -> Markup {
    html! {
        @if let Some(line) = curl(frame, session, info, secret) {
            p.credentials-label { (frame.texts.secret.example) }
            pre {
                code.credentials-example id="example" tabindex="0" translate="no" { (line) }
            }
        }
    }
}

/// Returns the `curl` line, for which a token needs an organization.
fn curl(
    frame: &Frame,
    session: &Session,
    info: &CredentialInfo,
    secret: &Secret,
) -> Option<String> {
    let url = quoted(frame.example_url.as_deref()?);
    let bearer = quoted(&format!("Authorization: Bearer {}", secret.expose_secret()));
    match frame.kind {
        Kind::OrgKey => Some(format!("curl -H {bearer} {url}")),
        Kind::PersonalToken => {
            let organization = organization(session, info)?;
            let header = quoted(&format!("{}: {organization}", frame.organization_header));
            Some(format!("curl -H {bearer} -H {header} {url}"))
        }
    }
}

/// Returns an organization in which a token may act: the current one if it may there.
fn organization<'s>(session: &'s Session, token: &'s CredentialInfo) -> Option<&'s OrgId> {
    let allowed = |id: &OrgId| match &token.organizations {
        Some(only) => only.contains(id),
        None => true,
    };
    let mut candidates = session
        .organization()
        .into_iter()
        .chain(session.memberships());
    candidates
        .find(|membership| allowed(membership.id()))
        .map(Membership::id)
}

/// Quotes a word for a shell (POSIX, section 2.2.2).
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What is said to a form that was sent before.
fn repeated(frame: &Frame, visit: &Visit, info: &CredentialInfo) -> Markup {
    let (words, list) = (frame.words(), &frame.texts.list);
    let name = html! { bdi { (label(frame, info)) } };
    let url = |page: &str| {
        let query = visit.place.query();
        visit.urls.of_one(info.id.as_str(), page, &query)
    };
    html! {
        h1 { (words.repeated) }
        p { (fill_with(&words.repeated_note, &[("name", &name)])) }
        div.credentials-buttons {
            a.credentials-button href=(done_url(visit, info)) { (words.back) }
            a href=(url("rotate")) { (list.rotate) }
            a href=(url("delete")) { (list.delete) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_whole() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'b; rm"), r"'a'\''b; rm'");
    }
}

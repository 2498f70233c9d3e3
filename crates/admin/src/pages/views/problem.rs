//! The page that says why something did not work.

use std::borrow::Cow;

use axum::response::Response;
use http::header::{ALLOW, RETRY_AFTER};
use maud::{Markup, html};
use tower_api_key::manage::ManageError;

use crate::pages::{
    fault::Problem,
    layout::{Content, respond},
    site::Frame,
    urls::Urls,
};

/// Replaces the body of a response by the page; its status and its headers stay.
pub(in crate::pages) fn replace_body(
    frame: &Frame,
    urls: &Urls,
    problem: &Problem,
    response: Response,
) -> Response {
    let (head, _) = response.into_parts();
    let content = Content {
        status: head.status,
        title: title(frame, problem).to_owned(),
        body: body(frame, urls, problem),
        session: None,
    };
    let mut page = respond(frame, urls, content);
    for name in [ALLOW, RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

fn title<'f>(frame: &'f Frame, problem: &Problem) -> &'f str {
    let problems = &frame.texts.problems;
    match problem {
        Problem::SignIn(_) => &problems.sign_in_title,
        _ => &problems.title,
    }
}

fn body(frame: &Frame, urls: &Urls, problem: &Problem) -> Markup {
    let problems = &frame.texts.problems;
    html! {
        h1 { (title(frame, problem)) }
        p { (text(frame, problem)) }
        @match problem {
            Problem::SignIn(url) => {
                p { a.credentials-button href=(url) autofocus { (problems.sign_in) } }
            }
            _ => { p { a href=(urls.list()) { (frame.words().back) } } }
        }
    }
}

fn text<'f>(frame: &'f Frame, problem: &Problem) -> Cow<'f, str> {
    let problems = &frame.texts.problems;
    let text = match problem {
        Problem::NoPage => &problems.no_page,
        Problem::NoMethod => &problems.no_method,
        Problem::CrossSite => &problems.cross_site,
        Problem::Outdated => &problems.outdated,
        Problem::Unreadable(_) => &problems.unreadable,
        Problem::NoOrganization => &problems.no_organization,
        Problem::Impersonated => &problems.impersonated,
        Problem::SignIn(_) => &problems.sign_in_note,
        Problem::Unavailable => &problems.unavailable,
        Problem::Refused(error) => match &**error {
            ManageError::UnknownCredential => &frame.words().not_found,
            ManageError::NotAllowed => &problems.not_allowed,
            error => return (frame.texts.refusal)(error),
        },
    };
    Cow::Borrowed(text)
}

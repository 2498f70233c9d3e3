//! The document around a page.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::{session::Session, site::Frame, urls::Urls};

/// A page without the document around it, for a [layout](super::Pages::with_layout) of your own.
///
/// ```
/// use maud::{DOCTYPE, Markup, html};
/// use tower_api_key_admin::pages::Page;
///
/// fn layout(page: &Page<'_>) -> Markup {
///     html! {
///         (DOCTYPE)
///         html lang=(page.language) {
///             head {
///                 meta charset="utf-8";
///                 meta name="viewport" content="width=device-width, initial-scale=1";
///                 title { (page.title) " · Example" }
///                 (page.head)
///                 link rel="stylesheet" href="/brand.css"; // may set the variables
///             }
///             body {
///                 nav { a href="/" { "Example" } }
///                 (page.main)
///             }
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Page<'p> {
    /// The language of the texts (BCP 47).
    pub language: &'p str,
    /// The title, as text.
    pub title: &'p str,
    /// For the element `head`: the links to the style sheet and the script.
    pub head: Markup,
    /// For the element `body`: one `main` element.
    pub main: Markup,
    /// Who is signed in; `None` on pages that say that something did not work.
    pub session: Option<&'p Session>,
}

/// The layout if the service has none of its own.
pub(super) fn plain(page: &Page<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(page.language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) }
                (page.head)
            }
            body.credentials-body { (page.main) }
        }
    }
}

/// What a page consists of.
pub(super) struct Content<'c> {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) body: Markup,
    pub(super) session: Option<&'c Session>,
}

/// Returns the answer with a page.
pub(super) fn respond(frame: &Frame, urls: &Urls, content: Content<'_>) -> Response {
    let page = Page {
        language: &frame.texts.language,
        title: &content.title,
        head: html! {
            link rel="stylesheet" href=(urls.file(&frame.assets.style));
            script src=(urls.file(&frame.assets.script)) defer {}
        },
        main: html! { main.credentials { (content.body) } },
        session: content.session,
    };
    let document = (frame.layout)(&page).into_string();
    (content.status, Html(document)).into_response()
}

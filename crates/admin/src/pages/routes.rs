//! The routers: which handler answers which path.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use tower_api_key::{credential::Kind, store::ManageStore};

use super::{
    Pages,
    fault::{Fault, Problem},
    handlers::{change, create, end, list, rotate},
    headers::secure,
    site::Shared,
    urls::Urls,
    views,
};
use crate::routes::MAX_BODY;

impl<S: ManageStore> Pages<S> {
    /// Returns the pages of the current organization's keys.
    pub fn organization_routes<T: Clone + Send + Sync + 'static>(&self) -> Router<T> {
        self.routes(Kind::OrgKey)
    }

    /// Returns the pages of the person's own tokens.
    pub fn personal_routes<T: Clone + Send + Sync + 'static>(&self) -> Router<T> {
        self.routes(Kind::PersonalToken)
    }

    fn routes<T: Clone + Send + Sync + 'static>(&self, kind: Kind) -> Router<T> {
        let site = Arc::new(self.site(kind));
        let path = &site.frame.path;
        let of_one = |page: &str| format!("{path}/{{id}}/{page}");
        Router::new()
            .route(path, get(list::show::<S>).post(create::create::<S>))
            .route(&format!("{path}/new"), get(create::form::<S>))
            .route(
                &of_one("edit"),
                get(change::form::<S>).post(change::edit::<S>),
            )
            .route(
                &of_one("rotate"),
                get(rotate::form::<S>).post(rotate::rotate::<S>),
            )
            .route(
                &of_one("delete"),
                get(end::confirm::<S>).post(end::delete::<S>),
            )
            .route(&of_one("disable"), post(end::disable::<S>))
            .route(&of_one("enable"), post(change::enable::<S>))
            // Whatever else is below the path.
            .route(&format!("{path}/"), any(unknown))
            .route(&format!("{path}/{{id}}"), any(unknown))
            .route(&of_one("{*rest}"), any(unknown))
            .merge(site.frame.assets.routes(path))
            .method_not_allowed_fallback(async || Fault::from(Problem::NoMethod))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(from_fn_with_state(Arc::clone(&site), finish::<S>))
            .with_state(site)
    }
}

async fn unknown() -> Fault {
    Problem::NoPage.into()
}

/// Makes the page for what is wrong, and sets the headers of every answer.
async fn finish<S: ManageStore>(
    State(site): State<Shared<S>>,
    request: Request,
    next: Next,
) -> Response {
    let frame = &site.frame;
    let mut response = match Urls::of(request.extensions(), request.uri(), &frame.path) {
        Some(urls) => {
            let mut response = next.run(request).await;
            match response.extensions_mut().remove::<Problem>() {
                Some(problem) => views::problem::replace_body(frame, &urls, &problem, response),
                None => response,
            }
        }
        None => http::StatusCode::NOT_FOUND.into_response(),
    };
    secure(response.headers_mut());
    response
}

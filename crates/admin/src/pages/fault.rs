//! Requests that lead to no page of their own: to another one, or to a page that says why.

use std::sync::Arc;

use axum::{
    extract::rejection::FormRejection,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::LOCATION};
use tower_api_key::{manage::ManageError, store::StoreError};

/// Why a request is answered with something else than its page.
#[derive(Debug)]
pub(super) enum Fault {
    /// The browser is to go to this URL.
    Redirect(String),
    /// A page says what is wrong.
    Problem(Problem),
    /// The manager refused, for a reason that no form mends.
    Manage(ManageError),
}

/// What a page says is wrong. A response carries it to where the page is made.
#[derive(Clone, Debug)]
pub(super) enum Problem {
    NoPage,
    NoMethod,
    /// The request came from another site.
    CrossSite,
    /// The form is not one of this session.
    Outdated,
    /// The form could not be read.
    Unreadable(StatusCode),
    NoOrganization,
    Impersonated,
    /// The user has to sign in at this URL first.
    SignIn(String),
    /// The store or the sessions could not answer.
    Unavailable,
    Refused(Arc<ManageError>),
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unreadable(status) => *status,
            Self::CrossSite
            | Self::Outdated
            | Self::NoOrganization
            | Self::Impersonated
            | Self::SignIn(_) => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(error) => error.status(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (mut response, problem) = match self {
            Self::Redirect(url) => return see_other(&url),
            Self::Problem(problem) => (problem.status().into_response(), problem),
            Self::Manage(error) if error.status() == StatusCode::SERVICE_UNAVAILABLE => {
                // The response of the core reports a failure of the store.
                (error.into_response(), Problem::Unavailable)
            }
            Self::Manage(error) => {
                let problem = Problem::Refused(Arc::new(error));
                (problem.status().into_response(), problem)
            }
        };
        response.extensions_mut().insert(problem);
        response
    }
}

/// Sends the browser to another page, with GET (RFC 9110, section 15.4.4).
pub(super) fn see_other(url: &str) -> Response {
    match HeaderValue::try_from(url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<ManageError> for Fault {
    fn from(error: ManageError) -> Self {
        Self::Manage(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Manage(error.into())
    }
}

impl From<FormRejection> for Fault {
    fn from(rejection: FormRejection) -> Self {
        Problem::Unreadable(rejection.status()).into()
    }
}

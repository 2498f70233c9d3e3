//! Who is signed in, for a service that signs people in with [axum-login](::axum_login).
//!
//! You need this module (feature `axum-login`) if your service has an [`AuthnBackend`]. Say in a
//! [`ConsoleBackend`] what axum-login does not know of a user, sign people in with [`sign_in`], and
//! put the routes behind the layer with [`with_auth_manager`]:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use axum::{Form, Router, extract::State, http::StatusCode, response::Redirect, routing::post};
//! use axum_login::{
//!     AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend,
//!     tower_sessions::{self, SessionManagerLayer, SessionStore},
//! };
//! use tower_api_key::{manage::Manager, store::{MemoryStore, StoreError}};
//! use tower_api_key_admin::pages::{
//!     Membership, Pages, Session,
//!     axum_login::{AuthSessions, ConsoleBackend, sign_in, with_auth_manager},
//!     is_local_path,
//! };
//!
//! # #[derive(Clone, Debug)]
//! # struct User { id: String, name: String, password_hash: Vec<u8> }
//! # impl AuthUser for User {
//! #     type Id = String;
//! #     fn id(&self) -> String { self.id.clone() }
//! #     fn session_auth_hash(&self) -> &[u8] { &self.password_hash }
//! # }
//! # #[derive(Clone)]
//! # struct Accounts;
//! # impl AuthnBackend for Accounts {
//! #     type User = User;
//! #     type Credentials = String;
//! #     type Error = Infallible;
//! #     async fn authenticate(&self, _: String) -> Result<Option<User>, Infallible> { Ok(None) }
//! #     async fn get_user(&self, _: &String) -> Result<Option<User>, Infallible> { Ok(None) }
//! # }
//! impl ConsoleBackend for Accounts {
//!     async fn complete(
//!         &self,
//!         session: Session,
//!         user: &User,
//!         _: &tower_sessions::Session,
//!     ) -> Result<Session, StoreError> {
//!         let session = session.with_user_name(&user.name); // and what your tables say:
//!         let membership = Membership::in_role("org_1", "Example Ltd", "admin");
//!         Ok(session.with_membership(membership).acting_in("org_1"))
//!     }
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct FilledIn {
//!     password: String,
//!     return_to: Option<String>, // from the URL of the form
//! }
//!
//! async fn signing_in(
//!     State(manager): State<Manager<MemoryStore>>,
//!     mut auth: AuthSession<Accounts>,
//!     Form(filled_in): Form<FilledIn>,
//! ) -> Result<Redirect, StatusCode> {
//!     let user = auth.authenticate(filled_in.password).await;
//!     let user = user.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
//!     let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
//!     let signed_in = sign_in(&mut auth, &user, manager.clock()).await;
//!     signed_in.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
//!     let return_to = filled_in.return_to.filter(|path| is_local_path(path));
//!     Ok(Redirect::to(return_to.as_deref().unwrap_or("/api-keys")))
//! }
//!
//! fn console<Store: SessionStore + Clone>(
//!     manager: Manager<MemoryStore>,
//!     sessions: SessionManagerLayer<Store>,
//! ) -> Router {
//!     let pages = Pages::new(manager.clone(), AuthSessions::<Accounts>::new("/sign-in"));
//!     let routes = Router::new()
//!         .route("/sign-in", post(signing_in))
//!         .with_state(manager)
//!         .merge(pages.organization_routes())
//!         .merge(pages.personal_routes());
//!     with_auth_manager(routes, AuthManagerLayerBuilder::new(Accounts, sessions).build())
//! }
//! ```
//!
//! # What it rests on
//!
//! - The user is the one of [`AuthSession`], which asks the backend at every request: a deleted
//!   user, and one whose [`session_auth_hash`](::axum_login::AuthUser::session_auth_hash) has
//!   changed, is not signed in.
//! - The forms' secret is the session's id, 128 random bits. A new id, such as that of the next
//!   sign-in, makes forms outdated that are still open.
//! - The moment of the sign-in is in the session, which the browser cannot write. [`sign_in`] puts
//!   it there. A session without it counts as old, so that a sign-in by axum-login's `login` alone
//!   opens the pages and grants nothing.
//! - The pages only read the session. tower-sessions writes the whole of it, so a request that
//!   writes to it can bring back one that was ended meanwhile; with
//!   [`with_always_save`](::axum_login::tower_sessions::SessionManagerLayer::with_always_save)
//!   every request does.

use std::{fmt, marker::PhantomData};

use ::axum_login::{
    AuthManagerLayer, AuthSession, AuthUser, AuthnBackend, Error,
    tower_sessions::{self, SessionStore, service::CookieController, session},
};
use axum::{
    Router,
    body::Body,
    middleware::map_response,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tower_api_key::{
    async_trait,
    clock::{Clock, UnixMillis},
    condition::RequestHead,
    id::UserId,
    store::StoreError,
};

use super::{
    headers::secure,
    session::{Session, SessionReader},
};

/// Says what axum-login does not know of a user. Implement it for your [`AuthnBackend`]. See the
/// [module](self).
pub trait ConsoleBackend: AuthnBackend<User: 'static> + 'static {
    /// Returns the id that the store of credentials has for the user; by default the text of
    /// axum-login's.
    fn user_id(&self, user: &Self::User) -> UserId {
        user.id().to_string().into()
    }

    /// Adds to `session` the user's name, their [memberships](Session::with_membership), the
    /// [current organization](Session::acting_in) and who has
    /// [taken it over](Session::impersonated_by). `state` is the session of tower-sessions, where a
    /// service may keep the last two.
    ///
    /// # Errors
    /// [`StoreError`] if that could not be read, which is answered with 503:
    /// [`StoreError::unavailable`] takes any error.
    fn complete(
        &self,
        session: Session,
        user: &Self::User,
        state: &tower_sessions::Session,
    ) -> impl Future<Output = Result<Session, StoreError>> + Send;
}

/// Reads who is signed in from the [`AuthSession`] of axum-login. See the [module](self).
///
/// Without an [`AuthManagerLayer`] of the same backend around the pages, they answer 503.
#[must_use]
pub struct AuthSessions<B> {
    sign_in_url: Box<str>,
    reauthentication_url: Option<Box<str>>,
    backend: PhantomData<fn() -> B>,
}

impl<B: ConsoleBackend> AuthSessions<B> {
    /// Creates the reader; [`sign_in_url`](SessionReader::sign_in_url) is where people sign in.
    pub fn new(sign_in_url: &str) -> Self {
        Self {
            sign_in_url: sign_in_url.into(),
            reauthentication_url: None,
            backend: PhantomData,
        }
    }

    /// Sets where people who are signed in prove it [again](SessionReader::reauthentication_url).
    /// What answers there has to call [`sign_in`] too.
    pub fn with_reauthentication_url(self, url: &str) -> Self {
        Self {
            reauthentication_url: Some(url.into()),
            ..self
        }
    }
}

#[async_trait]
impl<B: ConsoleBackend> SessionReader for AuthSessions<B> {
    async fn session(&self, request: &RequestHead<'_>) -> Result<Option<Session>, StoreError> {
        let auth = request.extensions.get::<AuthSession<B>>();
        let auth = auth.ok_or_else(|| {
            StoreError::unavailable("no AuthManagerLayer of this backend wraps the pages")
        })?;
        let Some(user) = &auth.user else {
            return Ok(None);
        };
        // The layer has read the session before the body of a form, which a client can hold back.
        if !request.method.is_safe() && !auth.session.is_modified() {
            let loaded = auth.session.load().await;
            loaded.map_err(StoreError::unavailable)?;
        }
        let user_id = auth.backend.user_id(user);
        let signed_in = SignIn::read(&auth.session).await;
        let signed_in = signed_in.map_err(StoreError::unavailable)?;
        let Some(id) = auth.session.id() else {
            return Ok(None); // it has ended meanwhile
        };
        let at = signed_in
            .filter(|signed_in| signed_in.user == user_id.as_str())
            .map_or(LONG_AGO, |signed_in| UnixMillis(signed_in.at));
        let session = Session::new(user_id, &id.to_string(), at);
        let completed = auth.backend.complete(session, user, &auth.session).await?;
        Ok(Some(completed))
    }

    fn sign_in_url(&self) -> &str {
        &self.sign_in_url
    }

    fn reauthentication_url(&self) -> &str {
        self.reauthentication_url
            .as_deref()
            .unwrap_or(&self.sign_in_url)
    }
}

// Written by hand: a derived impl would require `B: Clone`.
impl<B> Clone for AuthSessions<B> {
    fn clone(&self) -> Self {
        Self {
            sign_in_url: self.sign_in_url.clone(),
            reauthentication_url: self.reauthentication_url.clone(),
            backend: PhantomData,
        }
    }
}

impl<B> fmt::Debug for AuthSessions<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthSessions")
            .field("sign_in_url", &self.sign_in_url)
            .field("reauthentication_url", &self.reauthentication_url)
            .finish_non_exhaustive()
    }
}

/// The moment of a sign-in of which a session does not know when it was.
const LONG_AGO: UnixMillis = UnixMillis(0);

/// Who signed in last, and when: what [`sign_in`] writes into the session.
#[derive(Debug, Serialize, Deserialize)]
struct SignIn {
    user: String,
    at: i64,
}

impl SignIn {
    const KEY: &str = "tower-api-key-admin.sign-in";

    /// Reads it from a session. What cannot be read is not there: the user is asked to sign in.
    async fn read(session: &tower_sessions::Session) -> Result<Option<Self>, session::Error> {
        match session.get(Self::KEY).await {
            Err(session::Error::SerdeJson(_)) => Ok(None),
            read => read,
        }
    }
}

/// Signs a user in who has just proved who they are, and records when. Call it instead of
/// axum-login's [`login`](AuthSession::login), also when somebody who is signed in has proved it
/// again. Give it the clock of the [manager](tower_api_key::manage::Manager::clock).
///
/// The session gets a new id, so that one which somebody else knew before is of no use to them;
/// `login` leaves the id of those who are signed in already. What the session of another user still
/// contains is removed.
///
/// # Errors
/// [`Error::Session`] if the session could not be read or changed. Answer with a 5xx; tower-sessions
/// does not store the session then.
pub async fn sign_in<B: ConsoleBackend>(
    auth: &mut AuthSession<B>,
    user: &B::User,
    clock: &impl Clock,
) -> Result<(), Error<B>> {
    let user_id = auth.backend.user_id(user);
    let recorded = SignIn::read(&auth.session).await?;
    let recorded = recorded.map(|signed_in| UserId::from(signed_in.user));
    let current = auth.user.as_ref().map(|user| auth.backend.user_id(user));
    if recorded
        .into_iter()
        .chain(current)
        .any(|one| one != user_id)
    {
        auth.session.clear().await;
    }
    auth.session.cycle_id().await?;
    auth.login(user).await?;
    let signed_in = SignIn {
        user: user_id.as_str().to_owned(),
        at: clock.now().0,
    };
    auth.session.insert(SignIn::KEY, signed_in).await?;
    Ok(())
}

/// Puts the layer of axum-login around routes. When the sessions or the backend cannot be read, or
/// a session cannot be stored, the answer is 503 with `Retry-After`; the layer alone answers with an
/// empty 500.
pub fn with_auth_manager<S, B, Store, C>(
    routes: Router<S>,
    layer: AuthManagerLayer<B, Store, C>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    B: ConsoleBackend,
    Store: SessionStore + Clone,
    C: CookieController + Sync,
{
    routes
        .layer(map_response(mark_answered))
        .layer(layer)
        .layer(map_response(say_unavailable))
}

/// Marks an answer of the routes.
#[derive(Clone, Copy)]
struct Answered;

async fn mark_answered(mut response: Response) -> Response {
    response.extensions_mut().insert(Answered);
    response
}

/// Turns a 500 that is none of the routes' into a 503. It keeps the headers, among them cookies.
async fn say_unavailable(mut response: Response) -> Response {
    let is_of_the_routes = response.extensions().get::<Answered>().is_some();
    if is_of_the_routes || response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    headers.remove(header::CONTENT_LENGTH);
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text);
    secure(headers);
    *response.body_mut() = Body::from("Signing in does not work at the moment. Try again soon.\n");
    response.into_response()
}

//! What people open in a browser: the pages of the crate, and signing in and out around them.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use axum_login::AuthManagerLayerBuilder;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use tower_api_key::{clock::Clock, credential::Kind, manage::Manager, store::ManageStore};
use tower_api_key_admin::pages::{
    Page, Pages,
    axum_login::{AuthSessions, sign_in, with_auth_manager},
    is_local_path,
};
use tower_http::csrf::CsrfLayer;
use tower_sessions::{MemoryStore, SessionManagerLayer};

use super::accounts::{Accounts, Credentials, User};

type AuthSession = axum_login::AuthSession<Accounts>;

const HOME: &str = "/api-keys";

/// Of what this file answers itself; the crate's pages have a policy of their own. Only the style
/// sheet is loaded, and forms stay on this site.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = include_str!("console.css");

/// Returns the pages and what is around them. `address` is where the node listens.
pub(super) fn routes<S: ManageStore + Clone>(
    manager: Manager<S>,
    address: &str,
    accounts: Accounts,
) -> super::Result<Router> {
    let clock = Arc::clone(manager.clock());
    let pages = Pages::new(manager, AuthSessions::<Accounts>::new("/sign-in"))
        .with_read_scopes(["organizations:manage", "members:read"])?
        .with_layout(layout)
        .with_example_url(&format!("http://{address}/whoami"));
    let around = Router::new()
        .route("/", get(async || Redirect::to(HOME)))
        .route("/sign-in", get(ask).post(check))
        .route("/sign-out", post(leave))
        .route("/organization", post(choose))
        .route("/console.css", get(style))
        .with_state(Around {
            clock,
            style: pages.style_sheet_path(Kind::OrgKey).into(),
        })
        .layer(CsrfLayer::new()) // a form of another site signs nobody in or out
        .layer(map_response(secure));
    let routes = around
        .merge(pages.organization_routes())
        .merge(pages.personal_routes());
    // Each node has sessions of its own, in memory. A cookie is sent to every port of a host, so
    // its name has the port. Behind TLS, leave out `with_secure`; behind a load balancer, take a
    // store that all nodes share.
    let port = address.rsplit(':').next().unwrap_or_default();
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_name(format!("demo_{port}"))
        .with_secure(false);
    let layer = AuthManagerLayerBuilder::new(accounts, sessions).build();
    Ok(with_auth_manager(routes, layer))
}

/// What the pages around those of the crate need.
#[derive(Clone)]
struct Around {
    clock: Arc<dyn Clock>,
    /// The path of the crate's style sheet.
    style: Arc<str>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    return_to: String,
}

/// Shows the form, also to who is signed in and has to prove it again.
async fn ask(
    State(around): State<Around>,
    auth: AuthSession,
    Query(asked): Query<Asked>,
) -> Response {
    SignIn {
        style: &around.style,
        status: StatusCode::OK,
        signed_in: auth.user.map(User::name),
        name: "",
        return_to: &asked.return_to,
    }
    .page()
}

async fn check(
    State(around): State<Around>,
    mut auth: AuthSession,
    Form(credentials): Form<Credentials>,
) -> Result<Response, StatusCode> {
    let (name, return_to) = (credentials.name.clone(), credentials.return_to.clone());
    let user = auth.authenticate(credentials).await;
    let Some(user) = user.map_err(unavailable)? else {
        let form = SignIn {
            style: &around.style,
            status: StatusCode::FORBIDDEN,
            signed_in: auth.user.map(User::name),
            name: &name,
            return_to: &return_to,
        };
        return Ok(form.page());
    };
    let signed_in = sign_in(&mut auth, &user, &around.clock).await;
    signed_in.map_err(unavailable)?;
    let return_to = if is_local_path(&return_to) {
        &*return_to
    } else {
        HOME
    };
    Ok(Redirect::to(return_to).into_response())
}

async fn leave(mut auth: AuthSession) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(unavailable)?;
    Ok(Redirect::to("/sign-in"))
}

#[derive(Deserialize)]
struct Choice {
    organization: String,
}

/// Changes the organization whose keys are shown. The pages refuse one of which the user is not a
/// member.
async fn choose(auth: AuthSession, Form(choice): Form<Choice>) -> Redirect {
    if let Some(user) = auth.user {
        auth.backend.choose(user, choice.organization);
    }
    Redirect::to(HOME)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

fn unavailable<E>(_: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// The form to sign in, or to prove it again.
struct SignIn<'a> {
    style: &'a str,
    /// Not 200 after a wrong name or password, which a sentence says then.
    status: StatusCode,
    /// Who is signed in already.
    signed_in: Option<&'a str>,
    name: &'a str,
    return_to: &'a str,
}

impl SignIn<'_> {
    fn page(&self) -> Response {
        let title = match self.signed_in {
            Some(_) => "Confirm that it is you",
            None => "Sign in",
        };
        let name = self.signed_in.unwrap_or(self.name);
        let body = html! {
            main.credentials {
                h1 { (title) }
                @match self.signed_in {
                    Some(_) => p { "You signed in a while ago. What you typed is kept." },
                    None => p { "The accounts of this example are printed where it was started." },
                }
                @if self.status != StatusCode::OK {
                    p.credentials-error role="alert" { "Wrong name or password." }
                }
                form.credentials-form method="post" action="/sign-in" {
                    (field("name", "Name", "text", "username", name))
                    (field("password", "Password", "password", "current-password", ""))
                    input type="hidden" name="return_to" value=(self.return_to);
                    button.credentials-button { "Sign in" }
                }
            }
        };
        let head = html! { link rel="stylesheet" href=(self.style); };
        let document = document("en", title, &head, &body);
        (self.status, Html(document.into_string())).into_response()
    }
}

/// A field. The focus is on the first one that is empty.
fn field(name: &str, label: &str, kind: &str, autocomplete: &str, value: &str) -> Markup {
    html! {
        div.credentials-field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) value=(value) autocomplete=(autocomplete)
                required autofocus[value.is_empty()];
        }
    }
}

/// The document around each of the crate's pages.
fn layout(page: &Page<'_>) -> Markup {
    let current = page.session.and_then(|session| session.organization());
    let current = current.map(|membership| membership.id());
    let body = html! {
        nav {
            a href="/api-keys" { "API keys" }
            a href="/account/tokens" { "Tokens" }
            a href="/docs/" { "API docs" }
            @if let Some(session) = page.session {
                form method="post" action="/organization" {
                    select name="organization" aria-label="Organization" {
                        @for one in session.memberships() {
                            option value=(one.id().as_str()) selected[Some(one.id()) == current] {
                                (one.name())
                            }
                        }
                    }
                    button { "Switch" }
                }
                form method="post" action="/sign-out" {
                    button { "Sign out " (session.user_name()) }
                }
            }
        }
        (page.main)
    };
    document(page.language, page.title, &page.head, &body)
}

fn document(language: &str, title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Example" }
                (head)
                link rel="stylesheet" href="/console.css";
            }
            body.credentials-body { (body) }
        }
    }
}

/// Sets the headers of what this file answers: what a browser may do with it.
async fn secure(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

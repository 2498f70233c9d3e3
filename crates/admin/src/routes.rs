//! The routers: which handler answers which path.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    middleware::map_response,
    response::Response,
    routing::{any, get, post},
};
use http::{HeaderValue, header::CACHE_CONTROL};
use tower_api_key::{credential::Kind, manage::Manager, store::ManageStore};

use crate::{
    Admin,
    body::{NewKeyBody, NewTokenBody},
    error::Fault,
    handlers,
    settings::Origin,
    view::Views,
};

/// Maximum size of a body, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// What the handlers of one kind of credential share.
pub(crate) struct Endpoints<S> {
    pub(crate) manager: Arc<Manager<S>>,
    /// The manager that decides who may read.
    pub(crate) reader: Arc<Manager<S>>,
    /// The manager that decides who may read events.
    pub(crate) auditor: Arc<Manager<S>>,
    pub(crate) kind: Kind,
    /// The last segment of the path of the credentials.
    pub(crate) collection: Box<str>,
    pub(crate) views: Views,
    pub(crate) origin: Arc<Origin>,
}

/// The state of the routers.
pub(crate) type Shared<S> = Arc<Endpoints<S>>;

impl<S: ManageStore> Admin<S> {
    /// Returns the endpoints of the caller's organization: its keys, and `/members/me`.
    ///
    /// Put it behind an [`AuthLayer`](tower_api_key::AuthLayer) that is not user-scoped.
    pub fn organization_routes<T: Clone + Send + Sync + 'static>(&self) -> Router<T> {
        let members = Router::new()
            .route("/members/me", get(handlers::me::<S>))
            .route("/members/me/scopes", get(handlers::my_scopes::<S>));
        let keys = self.credentials(Kind::OrgKey, handlers::issue::<S, NewKeyBody>);
        self.finish(Kind::OrgKey, keys.merge(members))
    }

    /// Returns the endpoints of the caller's own personal tokens.
    ///
    /// Put it behind a [user-scoped](tower_api_key::AuthLayer::user_scoped) layer, as a token's
    /// owner is one in every organization.
    pub fn personal_routes<T: Clone + Send + Sync + 'static>(&self) -> Router<T> {
        let kind = Kind::PersonalToken;
        self.finish(
            kind,
            self.credentials(kind, handlers::issue::<S, NewTokenBody>),
        )
    }

    /// Returns the routes that both kinds have.
    fn credentials<H, X>(&self, kind: Kind, issue: H) -> Router<Shared<S>>
    where
        H: Handler<X, Shared<S>>,
        X: 'static,
    {
        let path = self.path(kind);
        let one = get(handlers::read::<S>)
            .patch(handlers::edit::<S>)
            .delete(handlers::delete::<S>);
        Router::new()
            .route(path, get(handlers::list::<S>).post(issue))
            .route(&format!("{path}/events"), get(handlers::events::<S>))
            .route(&format!("{path}/revoke"), post(handlers::revoke::<S>))
            .route(&format!("{path}/{{id}}"), one)
            .route(
                &format!("{path}/{{id}}/disable"),
                post(handlers::disable::<S>),
            )
            .route(
                &format!("{path}/{{id}}/enable"),
                post(handlers::enable::<S>),
            )
            .route(
                &format!("{path}/{{id}}/rotate"),
                post(handlers::rotate::<S>),
            )
    }

    /// Adds what every route has: the answers to other paths and methods, the limit of bodies, and `no-store`.
    fn finish<T>(&self, kind: Kind, routes: Router<Shared<S>>) -> Router<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let endpoints = Endpoints {
            manager: Arc::clone(&self.manager),
            reader: Arc::clone(&self.reader),
            auditor: Arc::clone(&self.auditor),
            kind,
            collection: self
                .path(kind)
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .into(),
            views: Views::new(&self.manager),
            origin: Arc::clone(&self.origin),
        };
        // Not a fallback of the router, which axum drops from a router that is nested twice.
        routes
            .route("/", any(unknown))
            .route("/{*rest}", any(unknown))
            .method_not_allowed_fallback(async || Fault::METHOD_NOT_ALLOWED)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(map_response(no_store))
            .with_state(Arc::new(endpoints))
    }
}

async fn unknown() -> Fault {
    Fault::NOT_FOUND
}

/// Forbids caches to keep an answer: it may contain a secret (RFC 9111, section 5.2.2.5).
async fn no_store(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

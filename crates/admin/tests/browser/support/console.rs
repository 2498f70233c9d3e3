//! A console with the pages, and an API behind the layer, on a port of this machine.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderName, StatusCode, header},
    response::Html,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::broadcast};
use tower_api_key::{
    AuthLayer, LastUse,
    clock::{Clock, SystemClock, UnixMillis},
    condition::RequestHead,
    credential::Kind,
    manage::{Actor, Issued, Manager, NewKey, NewToken},
    store::{
        AuditEvent, Change, CredentialInfo, Directory, EffectiveStatus, Filter, MemoryStore, Owner,
        StoreError,
    },
    testing::ManualClock,
};
use tower_api_key_admin::{
    Admin,
    pages::{Membership, Pages, Session, SessionReader},
};

use super::http::call;

pub(crate) const KEYS: &str = "/api-keys";
pub(crate) const TOKENS: &str = "/account/tokens";
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// 2023-11-14T22:13:20Z.
const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// Sessions by the name in the cookie `session`. Some people:
///
/// | session | user | current organization |
/// |---|---|---|
/// | `alice` | an admin of `org_1`, and a viewer of `org_2` | `org_1` |
/// | `vera` | a viewer of `org_1` | `org_1` |
/// | `bob` | an admin of `org_2` | `org_2` |
///
/// Of alice there are also `stale`, who signed in 11 minutes ago until she does so again, and
/// `impersonated`.
#[derive(Clone)]
struct Sessions {
    clock: ManualClock,
    sign_in: &'static str,
    /// Whether `stale` has signed in again.
    renewed: Arc<AtomicBool>,
}

impl Sessions {
    fn of(&self, name: &str) -> Option<Session> {
        let now = self.clock.now();
        let user = match name {
            "stale" | "impersonated" => "alice",
            name => name,
        };
        let id = format!("session of {user}, not random");
        let session = |at| Session::new(user, &id, at).with_user_name(user);
        let one = |role| Membership::in_role("org_1", "Example One", role);
        let two = |role| Membership::in_role("org_2", "Example Two", role);
        let alice = |at| {
            let session = session(at).with_membership(one("admin"));
            session.with_membership(two("viewer")).acting_in("org_1")
        };
        let earlier = UnixMillis(now.0 - 11 * 60_000);
        Some(match name {
            "alice" => alice(now),
            "stale" if self.renewed.load(Ordering::SeqCst) => alice(now),
            "stale" => alice(earlier),
            "impersonated" => alice(now).impersonated_by("Support"),
            "vera" => session(now)
                .with_membership(one("viewer"))
                .acting_in("org_1"),
            "bob" => session(now)
                .with_membership(two("admin"))
                .acting_in("org_2"),
            _ => return None,
        })
    }
}

#[tower_api_key::async_trait]
impl SessionReader for Sessions {
    async fn session(&self, request: &RequestHead<'_>) -> Result<Option<Session>, StoreError> {
        let cookie = request.headers.get(header::COOKIE);
        let cookie = cookie.map(|cookie| cookie.to_str().unwrap());
        let name = cookie.and_then(|cookie| cookie.strip_prefix("session="));
        match name {
            Some("broken") => Err(StoreError::unavailable("no sessions today")),
            name => Ok(name.and_then(|name| self.of(name))),
        }
    }

    fn sign_in_url(&self) -> &str {
        self.sign_in
    }
}

/// What a console of a test is made with.
pub(crate) struct Settings {
    /// Where people sign in.
    pub(crate) sign_in: &'static str,
    pub(crate) now: UnixMillis,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sign_in: "/sign-in",
            now: START,
        }
    }
}

impl Settings {
    /// Settings with the moment at which the browser is, too.
    pub(crate) fn now() -> Self {
        Self {
            now: SystemClock::default().now(),
            ..Self::default()
        }
    }
}

/// A credential and its secret.
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Held {
    fn of(issued: Issued) -> Self {
        let (info, secret) = issued.into_parts();
        Self {
            id: info.id.to_string(),
            secret: secret.unwrap().expose_secret().to_owned(),
        }
    }

    /// Returns the selector of its row in the list.
    pub(crate) fn row(&self) -> String {
        format!("[id='row-{}']", self.id)
    }

    /// Returns the path of one of its pages.
    pub(crate) fn page(&self, list: &str, page: &str) -> String {
        format!("{list}/{}/{page}", self.id)
    }
}

pub(crate) struct Console {
    pub(crate) manager: Manager<MemoryStore>,
    pub(crate) clock: ManualClock,
    pub(crate) address: SocketAddr,
    /// What the manager has changed.
    pub(crate) changes: broadcast::Sender<Change>,
    uses: LastUse,
}

impl Console {
    pub(crate) async fn new(settings: Settings) -> Self {
        let store = store().await;
        let clock = ManualClock::at(settings.now);
        let (changes, _) = broadcast::channel(16);
        let manager = Manager::new(store.clone())
            .with_clock(clock.clone())
            .with_max_credentials(2_000)
            .on_event(announce(changes.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = Sessions {
            clock: clock.clone(),
            sign_in: settings.sign_in,
            renewed: Arc::default(),
        };
        let pages = Pages::new(manager.clone(), sessions.clone())
            .with_read_scopes(["organizations:manage", "members:read"])
            .unwrap()
            .with_example_url(&format!("http://{address}/v1/members/me"));
        let uses = LastUse::new();
        let auth = AuthLayer::new(store)
            .with_clock(clock.clone())
            .with_last_use(uses.clone());
        let api = Admin::new(manager.clone())
            .organization_routes()
            .layer(auth);
        let app = Router::new()
            .nest("/v1", api)
            .merge(pages.organization_routes())
            .merge(pages.personal_routes())
            .merge(sign_in(sessions));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self {
            manager,
            clock,
            address,
            changes,
            uses,
        }
    }

    /// Issues a key of an organization.
    pub(crate) async fn key(&self, owner: &str, new: NewKey) -> Held {
        let actor = operator(Kind::OrgKey, owner);
        Held::of(self.manager.issue_key(&actor, new).await.unwrap())
    }

    /// Issues a token of a person.
    pub(crate) async fn token(&self, owner: &str, new: NewToken) -> Held {
        let actor = operator(Kind::PersonalToken, owner);
        Held::of(self.manager.issue_token(&actor, new).await.unwrap())
    }

    /// Returns what there is of an owner, newest first, deleted ones included.
    pub(crate) async fn all(&self, kind: Kind, owner: &str) -> Vec<CredentialInfo> {
        let mut all = Vec::new();
        for state in [None, Some(EffectiveStatus::Deleted)] {
            let filter = Filter::default().with_state(state);
            let actor = operator(kind, owner);
            let page = self.manager.list(&actor, kind, &filter, None, 200).await;
            all.extend(page.unwrap().items);
        }
        all
    }

    /// Returns the keys of `org_1`, newest first.
    pub(crate) async fn keys(&self) -> Vec<CredentialInfo> {
        self.all(Kind::OrgKey, "org_1").await
    }

    /// Calls the API with a credential, and returns the status.
    pub(crate) async fn call(&self, secret: &str) -> u16 {
        call(self.address, secret).await
    }

    /// Calls the API, and writes the use.
    pub(crate) async fn use_key(&self, key: &Held) {
        assert_eq!(self.call(&key.secret).await, 200);
        self.manager.record_uses(&self.uses).await.unwrap();
    }
}

pub(crate) fn operator(kind: Kind, owner: &str) -> Actor {
    Actor::operator("test", Owner::of(kind, owner))
}

/// Sends each change of a manager to the other nodes.
fn announce(changes: broadcast::Sender<Change>) -> impl Fn(&AuditEvent) + Send + Sync + 'static {
    move |event| {
        let ids = [Some(&event.credential), event.related.as_ref()];
        for id in ids.into_iter().flatten() {
            let kind = event.owner.kind();
            // Without another node nobody listens.
            let _ = changes.send(Change::Credential {
                kind,
                id: id.clone(),
            });
        }
    }
}

/// Returns a store with the organizations and the people.
async fn store() -> MemoryStore {
    let store = MemoryStore::new();
    for (org, user, role) in [
        ("org_1", "alice", "admin"),
        ("org_2", "bob", "admin"),
        ("org_1", "vera", "viewer"),
        ("org_2", "alice", "viewer"),
    ] {
        let _ = store.create_user(user).await;
        let _ = store.create_organization(org, None).await;
        store.set_member(user, org, role).await.unwrap();
    }
    store
}

/// Returns where people sign in and out. A cookie without `SameSite` is also sent with a form of
/// another site, for the first two minutes (Lax+POST).
fn sign_in(sessions: Sessions) -> Router {
    type Redirect = (StatusCode, [(HeaderName, String); 2]);
    let go = |to: String, cookie: String| -> Redirect {
        let headers = [(header::LOCATION, to), (header::SET_COOKIE, cookie)];
        (StatusCode::SEE_OTHER, headers)
    };
    let cookie = |name: &str| format!("session={name}; Path=/; HttpOnly");
    let as_someone = async move |Path(name): Path<String>| go(KEYS.into(), cookie(&name));
    let again = async move |State(sessions): State<Sessions>,
                            Query(query): Query<Vec<(String, String)>>| {
        sessions.renewed.store(true, Ordering::SeqCst);
        go(query[0].1.clone(), cookie("stale"))
    };
    let out = async move || go("/sign-in".into(), format!("{}; Max-Age=0", cookie("")));
    let page = "<!DOCTYPE html><html lang=en><title>Sign in</title><h1>Sign in</h1>\
                <form method=post><button>Sign in</button></form>";
    Router::new()
        .route("/sign-in", get(async move || Html(page)))
        .route("/sign-in", post(again))
        .route("/sign-in-as/{name}", get(as_someone))
        .route("/sign-out", get(out))
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .with_state(sessions)
}

//! People who sign in with axum-login, each in a browser of their own.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
    routing::{get, post},
};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend};
use http_body_util::channel::Channel;
use tower_api_key::{
    AuthLayer, async_trait,
    clock::UnixMillis,
    manage::Manager,
    store::{Directory, MemoryStore, StoreError},
    testing::ManualClock,
};
use tower_api_key_admin::{
    Admin,
    pages::{
        Membership, Pages, Session,
        axum_login::{AuthSessions, ConsoleBackend, sign_in, with_auth_manager},
    },
};
use tower_sessions::{
    SessionManagerLayer, SessionStore,
    session::{Id, Record},
    session_store::{Error, Result as Stored},
};

use super::{
    document::Form,
    sign_in::return_to,
    support::{KEYS, Seen, TOKENS},
};
use crate::support::{START, send};

type AuthSession = axum_login::AuthSession<Accounts>;

const MINUTE: i64 = 60_000;

/// Where the organization is stored in which somebody acts.
const CURRENT: &str = "current organization";

#[derive(Clone, Debug)]
struct User {
    id: String,
    password: Vec<u8>,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.password
    }
}

/// Users by name, with their passwords. Alice is an admin of `org_1` and `org_2`, bob of `org_2`.
#[derive(Clone, Default)]
struct Accounts {
    users: Arc<Mutex<HashMap<String, User>>>,
    fails: Arc<AtomicBool>,
    has_no_memberships: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
#[error("no accounts today")]
struct Outage;

impl Accounts {
    fn set(&self, name: &str, password: &str) {
        let user = User {
            id: name.to_owned(),
            password: password.into(),
        };
        self.users.lock().unwrap().insert(name.to_owned(), user);
    }

    fn find(&self, name: &str) -> Result<Option<User>, Outage> {
        match self.fails.load(Relaxed) {
            true => Err(Outage),
            false => Ok(self.users.lock().unwrap().get(name).cloned()),
        }
    }
}

impl AuthnBackend for Accounts {
    type User = User;
    type Credentials = String;
    type Error = Outage;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Outage> {
        self.find(&name)
    }

    async fn get_user(&self, id: &String) -> Result<Option<User>, Outage> {
        self.find(id)
    }
}

impl ConsoleBackend for Accounts {
    async fn complete(
        &self,
        session: Session,
        user: &User,
        state: &tower_sessions::Session,
    ) -> Result<Session, StoreError> {
        if self.has_no_memberships.load(Relaxed) {
            return Err(StoreError::unavailable("no memberships today"));
        }
        let current = state.get::<String>(CURRENT).await;
        let current = current.map_err(StoreError::unavailable)?;
        let session = session
            .with_user_name(&user.id)
            .with_membership(Membership::in_role("org_2", "Example Two", "admin"))
            .acting_in(current.unwrap_or_else(|| "org_2".to_owned()));
        Ok(match user.id.as_str() {
            "alice" => {
                session.with_membership(Membership::in_role("org_1", "Example One", "admin"))
            }
            _ => session,
        })
    }
}

/// Sessions in memory that can fail.
#[derive(Clone, Debug, Default)]
struct Sessions {
    memory: tower_sessions::MemoryStore,
    fails: Arc<AtomicBool>,
}

impl Sessions {
    fn check(&self) -> Stored<()> {
        match self.fails.load(Relaxed) {
            true => Err(Error::Backend("no sessions today".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Stored<()> {
        self.check()?;
        self.memory.create(record).await
    }

    async fn save(&self, record: &Record) -> Stored<()> {
        self.check()?;
        self.memory.save(record).await
    }

    async fn load(&self, id: &Id) -> Stored<Option<Record>> {
        self.check()?;
        self.memory.load(id).await
    }

    async fn delete(&self, id: &Id) -> Stored<()> {
        self.check()?;
        self.memory.delete(id).await
    }
}

struct Console {
    app: Router,
    clock: ManualClock,
    accounts: Accounts,
    sessions: Sessions,
}

type Answer = Result<StatusCode, StatusCode>;

impl Console {
    async fn new() -> Self {
        let store = MemoryStore::new();
        for (user, org) in [("alice", "org_1"), ("bob", "org_2")] {
            store.create_user(user).await.unwrap();
            store.create_organization(org, None).await.unwrap();
            store.set_member(user, org, "admin").await.unwrap();
        }
        store.set_member("alice", "org_2", "admin").await.unwrap();
        let (accounts, sessions) = (Accounts::default(), Sessions::default());
        accounts.set("alice", "password of alice");
        accounts.set("bob", "password of bob");
        let clock = ManualClock::at(UnixMillis(START));
        let manager = Manager::new(store.clone()).with_clock(clock.clone());
        let api = Admin::new(manager.clone()).organization_routes();
        let readers = AuthSessions::<Accounts>::new("/sign-in");
        let pages = Pages::new(manager, readers.with_reauthentication_url("/again"));
        let routes = accounts_routes(&clock)
            .merge(pages.organization_routes())
            .merge(pages.personal_routes());
        let layer = SessionManagerLayer::new(sessions.clone());
        let layer = AuthManagerLayerBuilder::new(accounts.clone(), layer).build();
        let api = api.layer(AuthLayer::new(store).with_clock(clock.clone()));
        let app = with_auth_manager(routes, layer).nest("/v1", api);
        Self {
            app,
            clock,
            accounts,
            sessions,
        }
    }

    fn browser(&self) -> Browser<'_> {
        let cookie = Mutex::default();
        let app = &self.app;
        Browser { app, cookie }
    }

    /// Returns the browser of somebody who has signed in.
    async fn signed_in(&self, name: &str) -> Browser<'_> {
        let browser = self.browser();
        assert_eq!(browser.post("/sign-in", name).await.status, 200);
        browser
    }
}

/// What the service does itself: signing in and out, and choosing an organization.
fn accounts_routes(clock: &ManualClock) -> Router {
    let clock = clock.clone();
    let signing_in = async move |mut auth: AuthSession, name: String| -> Answer {
        let user = auth.authenticate(name).await;
        let user = user.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
        let signed_in = sign_in(&mut auth, &user, &clock).await;
        signed_in.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        Ok(StatusCode::OK)
    };
    let login_alone = async |mut auth: AuthSession, name: String| -> Answer {
        let user = auth.authenticate(name).await.unwrap().unwrap();
        auth.login(&user).await.unwrap();
        Ok(StatusCode::OK)
    };
    let sign_out = async |mut auth: AuthSession| {
        auth.logout().await.unwrap();
    };
    let act_in = async |auth: AuthSession, org: String| -> Answer {
        let stored = auth.session.insert(CURRENT, org).await;
        stored.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        Ok(StatusCode::OK)
    };
    Router::new()
        .route("/sign-in", post(signing_in))
        .route("/login-alone", post(login_alone))
        .route("/sign-out", post(sign_out))
        .route("/act-in", post(act_in))
        .route("/fault", get(async || StatusCode::INTERNAL_SERVER_ERROR))
}

/// A browser without JavaScript that keeps one cookie.
struct Browser<'c> {
    app: &'c Router,
    cookie: Mutex<Option<String>>,
}

impl Browser<'_> {
    async fn get(&self, path: &str) -> Seen {
        self.send("GET", path, String::new()).await
    }

    async fn post(&self, path: &str, body: &str) -> Seen {
        self.send("POST", path, body.to_owned()).await
    }

    async fn submit(&self, form: &Form) -> Seen {
        self.send("POST", &form.action, form.body()).await
    }

    async fn new_form(&self, list: &str) -> Form {
        self.open(&format!("{list}/new"), list).await
    }

    async fn open(&self, path: &str, action: &str) -> Form {
        let seen = self.get(path).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.html);
        seen.document().form(action)
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Seen {
        self.send_body(method, path, Body::from(body)).await
    }

    async fn send_body(&self, method: &str, path: &str, body: Body) -> Seen {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "console.example");
        if method == "POST" {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", "https://console.example")
                .header("sec-fetch-site", "same-origin");
        }
        if let Some(cookie) = self.cookie() {
            request = request.header("cookie", cookie);
        }
        let answer = send(self.app, request.body(body).unwrap()).await;
        if let Some(cookie) = answer.headers.get("set-cookie") {
            let (cookie, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            *self.cookie.lock().unwrap() = Some(cookie.to_owned());
        }
        Seen {
            status: answer.status,
            headers: answer.headers,
            html: answer.text,
        }
    }

    fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    /// Returns another browser with the same cookie.
    fn copy(&self) -> Self {
        let cookie = Mutex::new(self.cookie());
        Self {
            app: self.app,
            cookie,
        }
    }

    /// Returns whether the pages are open to it; otherwise they lead to where people sign in.
    async fn is_signed_in(&self) -> bool {
        let (keys, tokens) = (self.get(KEYS).await, self.get(TOKENS).await);
        assert_eq!(keys.status, tokens.status);
        match keys.status {
            200 => true,
            _ => {
                assert_eq!(keys.location(), "/sign-in?return_to=%2Fapi-keys");
                false
            }
        }
    }
}

fn assert_unavailable(seen: &Seen) {
    assert_eq!(seen.status, 503, "{seen:?}");
    assert_eq!(seen.headers["retry-after"], "1");
    assert_eq!(seen.headers["cache-control"], "no-store");
    assert_eq!(seen.headers["x-frame-options"], "DENY");
    assert!(!seen.html.contains("today"), "{seen:?}");
}

#[tokio::test]
async fn who_signs_in_makes_a_key_and_signs_out() {
    let console = Console::new().await;
    let browser = console.browser();
    assert!(!browser.is_signed_in().await);
    assert_eq!(browser.post("/sign-in", "nobody").await.status, 401);
    assert!(!browser.is_signed_in().await);
    assert_eq!(browser.post("/sign-in", "alice").await.status, 200);
    assert!(browser.is_signed_in().await);
    let form = browser.new_form(KEYS).await.set("name", "ci");
    let secret = browser.submit(&form).await.secret();
    let call = Request::get("/v1/members/me").header("authorization", format!("Bearer {secret}"));
    let answer = send(&console.app, call.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["organization"], "org_2");

    let stolen = browser.copy();
    assert_eq!(browser.post("/sign-out", "").await.status, 200);
    for browser in [browser, stolen] {
        assert!(!browser.is_signed_in().await);
        let seen = browser.submit(&form).await;
        assert_eq!(seen.location(), "/sign-in?return_to=%2Fapi-keys");
    }
}

#[tokio::test]
async fn who_signed_in_long_ago_proves_it_again_and_finds_the_form_filled() {
    let console = Console::new().await;
    let alice = console.signed_in("alice").await;
    console.clock.advance_millis(11 * MINUTE);
    let form = alice.new_form(KEYS).await.set("name", "ci & cd");
    let first = alice.copy();
    let seen = alice.submit(&form).await;
    assert!(seen.location().starts_with("/again?return_to="));
    let back = return_to(seen.location());
    assert_eq!(alice.post("/sign-in", "alice").await.status, 200);
    assert_ne!(alice.cookie(), first.cookie());
    assert!(!first.is_signed_in().await);
    let again = alice.open(&back, KEYS).await;
    assert_eq!(again.get("name"), Some("ci & cd"));
    assert_eq!(alice.submit(&again).await.status, 201);
    // Just as old as may be, and then older.
    console.clock.advance_millis(10 * MINUTE);
    let form = alice.new_form(KEYS).await.set("name", "second");
    assert_eq!(alice.submit(&form).await.status, 201);
    console.clock.advance_millis(1);
    let form = alice.new_form(KEYS).await.set("name", "third");
    assert_eq!(alice.submit(&form).await.status, 303);
}

/// The head of a request comes before the sign-out, or in time, and its body afterwards.
#[tokio::test]
async fn a_form_whose_body_is_held_back_grants_nothing_that_is_over() {
    for signs_out in [true, false] {
        let console = Console::new().await;
        let alice = console.signed_in("alice").await;
        let form = alice.new_form(KEYS).await.set("name", "late");
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let other = alice.copy();
        let held = alice.send_body("POST", &form.action, Body::new(body));
        let meanwhile = async {
            match signs_out {
                true => drop(other.post("/sign-out", "").await),
                false => console.clock.advance_millis(11 * MINUTE),
            }
            sender.send_data(form.body().into()).await.unwrap();
            drop(sender);
        };
        let (seen, ()) = tokio::join!(held, meanwhile);
        let to = match signs_out {
            true => "/sign-in?return_to=",
            false => "/again?return_to=",
        };
        assert!(seen.location().starts_with(to), "{}", seen.location());
    }
}

#[tokio::test]
async fn a_login_without_a_moment_grants_nothing() {
    let console = Console::new().await;
    let browser = console.browser();
    assert_eq!(browser.post("/login-alone", "alice").await.status, 200);
    assert!(browser.is_signed_in().await);
    let form = browser.new_form(KEYS).await.set("name", "ci");
    assert!(browser.submit(&form).await.location().starts_with("/again"));
    // Nor does it take over the moment of who signed in before.
    let browser = console.signed_in("bob").await;
    assert_eq!(browser.post("/login-alone", "alice").await.status, 200);
    let form = browser.new_form(TOKENS).await.set("name", "ci");
    assert!(browser.submit(&form).await.location().starts_with("/again"));
}

#[tokio::test]
async fn deleted_users_and_those_with_another_password_are_not_signed_in() {
    let console = Console::new().await;
    let alice = console.signed_in("alice").await;
    let bob = console.signed_in("bob").await;
    let form = alice.new_form(KEYS).await.set("name", "ci");
    console.accounts.users.lock().unwrap().remove("alice");
    assert!(!alice.is_signed_in().await);
    assert!(alice.submit(&form).await.location().starts_with("/sign-in"));
    assert!(bob.is_signed_in().await);
    console.accounts.set("bob", "another password");
    assert!(!bob.is_signed_in().await);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_503_and_ends_no_session() {
    let console = Console::new().await;
    let alice = console.signed_in("alice").await;
    let form = alice.new_form(KEYS).await.set("name", "ci");
    for fails in [
        &console.sessions.fails,
        &console.accounts.fails,
        &console.accounts.has_no_memberships,
    ] {
        fails.store(true, Relaxed);
        assert_unavailable(&alice.get(KEYS).await);
        assert_unavailable(&alice.get(TOKENS).await);
        assert_unavailable(&alice.submit(&form).await);
        fails.store(false, Relaxed);
        assert!(alice.is_signed_in().await);
    }
    // Of a request without a cookie nothing is read, but its session cannot be stored.
    let browser = console.browser();
    console.sessions.fails.store(true, Relaxed);
    assert_unavailable(&browser.post("/act-in", "org_1").await);
    assert_eq!(browser.post("/sign-in", "alice").await.status, 503);
    assert_eq!(browser.cookie(), None);
    console.sessions.fails.store(false, Relaxed);
    assert!(!browser.is_signed_in().await);
    assert_eq!(alice.submit(&form).await.status, 201);
}

#[tokio::test]
async fn a_fault_of_a_route_is_not_one_of_the_sessions() {
    let console = Console::new().await;
    let seen = console.browser().get("/fault").await;
    assert_eq!((seen.status, seen.html.as_str()), (500, ""));
}

#[tokio::test]
async fn without_the_layer_the_pages_are_a_503() {
    let manager = Manager::new(MemoryStore::new());
    let pages = Pages::new(manager, AuthSessions::<Accounts>::new("/sign-in"));
    let app = pages.organization_routes();
    let browser = Browser {
        app: &app,
        cookie: Mutex::default(),
    };
    assert_unavailable(&browser.get(KEYS).await);
}

#[tokio::test]
async fn a_cookie_that_is_forged_or_expired_is_nobodys() {
    let console = Console::new().await;
    let alice = console.signed_in("alice").await;
    let cookie = alice.cookie().unwrap();
    let id = cookie.strip_prefix("id=").unwrap().to_owned();
    let forged = Id(id.parse::<Id>().unwrap().0 ^ 1);
    let unknown = Id::default();
    for value in [
        String::new(),
        "id=".to_owned(),
        "id=alice".to_owned(),
        format!("id={forged}"),
        format!("id={unknown}"),
        format!("id={id}A"),
        format!("id=\"{}\"", id.to_ascii_lowercase()),
        format!("session={id}"),
    ] {
        let browser = console.browser();
        *browser.cookie.lock().unwrap() = Some(value.clone());
        assert!(!browser.is_signed_in().await, "{value}");
    }
    let mut record = console.sessions.load(&id.parse().unwrap()).await.unwrap();
    let record = record.as_mut().unwrap();
    record.expiry_date = std::time::UNIX_EPOCH.into();
    console.sessions.save(record).await.unwrap();
    assert!(!alice.is_signed_in().await);
}

#[tokio::test]
async fn a_session_that_was_planted_is_not_the_one_that_is_signed_in() {
    let console = Console::new().await;
    let attacker = console.browser();
    assert_eq!(attacker.post("/act-in", "org_1").await.status, 200);
    let victim = attacker.copy();
    assert_eq!(victim.post("/sign-in", "alice").await.status, 200);
    assert!(victim.is_signed_in().await && !attacker.is_signed_in().await);
    // Nor is a session in which the attacker has signed in.
    let attacker = console.signed_in("bob").await;
    let victim = attacker.copy();
    assert_eq!(victim.post("/sign-in", "alice").await.status, 200);
    assert!(victim.is_signed_in().await && !attacker.is_signed_in().await);
}

#[tokio::test]
async fn two_people_in_two_browsers_do_not_meet() {
    let console = Console::new().await;
    let alice = console.signed_in("alice").await;
    let bob = console.signed_in("bob").await;
    assert_eq!(alice.post("/act-in", "org_1").await.status, 200);
    let form = alice.new_form(KEYS).await.set("name", "of alice");
    let refused = bob.submit(&form).await;
    assert_eq!(refused.status, 403, "{}", refused.html);
    assert_eq!(alice.submit(&form).await.status, 201);
    let form = bob.new_form(KEYS).await.set("name", "of bob");
    assert_eq!(bob.submit(&form).await.status, 201);
    let (seen_by_alice, seen_by_bob) = (alice.get(KEYS).await, bob.get(KEYS).await);
    assert!(seen_by_alice.html.contains("of alice") && !seen_by_alice.html.contains("of bob"));
    assert!(seen_by_bob.html.contains("of bob") && !seen_by_bob.html.contains("of alice"));
    assert_eq!(bob.post("/sign-out", "").await.status, 200);
    assert!(alice.is_signed_in().await && !bob.is_signed_in().await);
}

#[tokio::test]
async fn who_signs_in_after_another_finds_nothing_of_theirs() {
    let console = Console::new().await;
    let browser = console.signed_in("bob").await;
    let form = browser.new_form(KEYS).await.set("name", "of org_2");
    assert_eq!(browser.submit(&form).await.status, 201);
    let form = browser.new_form(KEYS).await.set("name", "second");
    assert_eq!(browser.post("/act-in", "org_1").await.status, 200);
    assert_eq!(browser.post("/sign-in", "alice").await.status, 200);
    assert!(browser.get(KEYS).await.html.contains("of org_2"));
    assert_eq!(browser.submit(&form).await.status, 403);
    // What one's own session contains stays.
    assert_eq!(browser.post("/act-in", "org_1").await.status, 200);
    assert_eq!(browser.post("/sign-in", "alice").await.status, 200);
    assert!(!browser.get(KEYS).await.html.contains("of org_2"));
}

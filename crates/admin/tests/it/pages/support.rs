//! A console with the pages, an API behind the layer, and the browsers of some people.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use tower_api_key::{
    AuthLayer, LastUse,
    clock::{Clock, UnixMillis},
    condition::RequestHead,
    credential::Kind,
    manage::{Manager, NewKey, NewToken},
    scope::ScopeSet,
    store::{CredentialInfo, Directory, Filter, MemoryStore, StoreError},
    testing::ManualClock,
};
use tower_api_key_admin::{
    Admin,
    pages::{Membership, Pages, Session, SessionReader},
};

use super::document::{Document, Form};
use crate::support::{Held, START, org, send, user};

pub(crate) const KEYS: &str = "/api-keys";
pub(crate) const TOKENS: &str = "/account/tokens";
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The headers of every answer.
pub(crate) const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'; connect-src 'self'; img-src 'self'",
    ),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Sessions by the name in a header. Some people:
///
/// | session | user | current organization |
/// |---|---|---|
/// | `alice` | an admin of `org_1`, and a viewer of `org_2` | `org_1` |
/// | `vera` | a viewer of `org_1` | `org_1` |
/// | `bob` | an admin of `org_2` | `org_2` |
/// | `nina` | a member of nothing | none |
///
/// Of alice there are also `stale`, who signed in 11 minutes ago, `impersonated`, and `elsewhere`,
/// whose current organization is `org_2` now.
pub(crate) struct Sessions {
    clock: ManualClock,
    sign_in: &'static str,
}

impl Sessions {
    pub(crate) fn new(clock: &ManualClock, sign_in: &'static str) -> Self {
        let clock = clock.clone();
        Self { clock, sign_in }
    }

    fn of(&self, name: &str) -> Option<Session> {
        let now = self.clock.now();
        let whose = match name {
            "impersonated" | "elsewhere" => "alice",
            name => name,
        };
        let id = format!("session of {whose}, not random");
        let session = |user: &str, at| Session::new(user, &id, at).with_user_name(name);
        let one = |role| Membership::in_role("org_1", "Example One", role);
        let two = |role| Membership::in_role("org_2", "Example Two", role);
        let alice = |at| {
            let session = session("alice", at).with_membership(one("admin"));
            session.with_membership(two("viewer")).acting_in("org_1")
        };
        let earlier = UnixMillis(now.0 - 11 * 60_000);
        Some(match name {
            "alice" => alice(now),
            "stale" => alice(earlier),
            "impersonated" => alice(now).impersonated_by("Support"),
            "elsewhere" => alice(now).acting_in("org_2"),
            "vera" => session("vera", now)
                .with_membership(one("viewer"))
                .acting_in("org_1"),
            "bob" => session("bob", now)
                .with_membership(two("admin"))
                .acting_in("org_2"),
            "some" => {
                let scopes = ScopeSet::from_iter(["organizations:manage", "members:manage"]);
                let some = Membership::with_scopes("org_1", "Example One", scopes);
                session("alice", now)
                    .with_membership(some)
                    .acting_in("org_1")
            }
            "nina" => session("nina", now),
            "short" => Session::new("alice", "too short", now),
            _ => return None,
        })
    }
}

#[tower_api_key::async_trait]
impl SessionReader for Sessions {
    async fn session(&self, request: &RequestHead<'_>) -> Result<Option<Session>, StoreError> {
        match request.headers.get("x-session") {
            Some(name) if name == "broken" => Err(StoreError::unavailable("no sessions today")),
            Some(name) => Ok(self.of(name.to_str().unwrap())),
            None => Ok(None),
        }
    }

    fn sign_in_url(&self) -> &str {
        self.sign_in
    }
}

/// An answer as a browser sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Seen {
    pub(crate) fn document(&self) -> Document {
        Document::parse(&self.html)
    }

    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.headers["location"].to_str().unwrap()
    }

    /// Returns the secret of the page that shows one.
    pub(crate) fn secret(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.html);
        self.document().text_of("secret")
    }
}

pub(crate) struct Console {
    pub(crate) app: Router,
    pub(crate) manager: Manager<MemoryStore>,
    pub(crate) clock: ManualClock,
    uses: LastUse,
}

impl Console {
    pub(crate) async fn new() -> Self {
        Self::with(|pages| pages).await
    }

    /// Returns the same console with other pages.
    pub(crate) fn with_app(self, app: Router) -> Self {
        Self { app, ..self }
    }

    /// Creates a console whose pages have other settings.
    pub(crate) async fn with(
        change: impl FnOnce(Pages<MemoryStore>) -> Pages<MemoryStore>,
    ) -> Self {
        let store = MemoryStore::new();
        for (org, user, role) in [
            ("org_1", "alice", "admin"),
            ("org_2", "bob", "admin"),
            ("org_1", "vera", "viewer"),
            ("org_2", "alice", "viewer"),
            ("", "nina", ""),
        ] {
            let _ = store.create_user(user).await;
            if !org.is_empty() {
                let _ = store.create_organization(org, None).await;
                store.set_member(user, org, role).await.unwrap();
            }
        }
        let clock = ManualClock::at(UnixMillis(START));
        let manager = Manager::new(store.clone())
            .with_clock(clock.clone())
            .with_max_credentials(2_000);
        let pages = Pages::new(manager.clone(), Sessions::new(&clock, "/sign-in"))
            .with_read_scopes(["organizations:manage", "members:read"])
            .unwrap()
            .with_example_url("https://api.example.com/v1/members/me");
        let pages = change(pages);
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
            .merge(pages.personal_routes());
        Self {
            app,
            manager,
            clock,
            uses,
        }
    }

    /// Returns the browser of a person.
    pub(crate) fn browser<'c>(&'c self, session: &'c str) -> Browser<'c> {
        let app = &self.app;
        Browser { app, session }
    }

    /// Issues a key of an organization.
    pub(crate) async fn key(&self, owner: &str, new: NewKey) -> Held {
        Held::of(self.manager.issue_key(&org(owner), new).await.unwrap())
    }

    /// Issues a token of a person.
    pub(crate) async fn token(&self, owner: &str, new: NewToken) -> Held {
        Held::of(self.manager.issue_token(&user(owner), new).await.unwrap())
    }

    /// Returns what there is of an owner, newest first.
    pub(crate) async fn all(&self, kind: Kind, owner: &str) -> Vec<CredentialInfo> {
        let actor = match kind {
            Kind::OrgKey => org(owner),
            Kind::PersonalToken => user(owner),
        };
        let all = Filter::default();
        let page = self.manager.list(&actor, kind, &all, None, 200).await;
        page.unwrap().items
    }

    /// Returns the only key of `org_1`.
    pub(crate) async fn only_key(&self) -> CredentialInfo {
        let mut all = self.all(Kind::OrgKey, "org_1").await;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// Calls the API with a credential, and returns the status.
    pub(crate) async fn call(&self, secret: &str) -> u16 {
        let request = Request::get("/v1/members/me")
            .header("authorization", format!("Bearer {secret}"))
            .header("x-anyreach-org", "org_1");
        let answer = send(&self.app, request.body(Body::empty()).unwrap()).await;
        answer.status
    }

    /// Calls the API, and writes the use.
    pub(crate) async fn use_key(&self, key: &Held) {
        assert_eq!(self.call(&key.secret).await, 200);
        self.manager.record_uses(&self.uses).await.unwrap();
    }
}

/// A browser without JavaScript.
#[derive(Clone, Copy)]
pub(crate) struct Browser<'c> {
    app: &'c Router,
    session: &'c str,
}

impl Browser<'_> {
    pub(crate) async fn get(&self, path: &str) -> Seen {
        self.send(self.request("GET", path, String::new())).await
    }

    /// Sends a form, as one of the pages' own.
    pub(crate) async fn submit(&self, form: &Form) -> Seen {
        self.send(self.request("POST", &form.action, form.body()))
            .await
    }

    /// Builds a request of this site.
    pub(crate) fn request(&self, method: &str, path: &str, body: String) -> Request<Body> {
        let path = path.split('#').next().unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "console.example")
            .header("x-session", self.session);
        let request = match method {
            "GET" => request,
            _ => request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", "https://console.example")
                .header("sec-fetch-site", "same-origin"),
        };
        request.body(body.into()).unwrap()
    }

    /// Sends a request. Every answer has the headers that keep it safe, and may not be cached.
    pub(crate) async fn send(&self, request: Request<Body>) -> Seen {
        let answer = send(self.app, request).await;
        for (name, value) in HEADERS {
            assert_eq!(answer.headers[name], value, "{answer:?}");
        }
        assert_eq!(answer.headers["cache-control"], "no-store", "{answer:?}");
        Seen {
            status: answer.status,
            headers: answer.headers,
            html: answer.text,
        }
    }

    /// Opens a page, and returns the form on it that is sent to `action`.
    pub(crate) async fn open(&self, path: &str, action: &str) -> Form {
        let seen = self.get(path).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.html);
        seen.document().form(action)
    }

    /// Opens the form for a new key or token.
    pub(crate) async fn new_form(&self, list: &str) -> Form {
        self.open(&format!("{list}/new"), list).await
    }

    /// Creates a key or a token of this name.
    pub(crate) async fn create(&self, list: &str, name: &str) -> Seen {
        let form = self.new_form(list).await;
        self.submit(&form.set("name", name)).await
    }
}

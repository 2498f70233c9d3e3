//! Two organizations with keys and people, behind the endpoints.

#[cfg(unix)]
#[path = "../../../../sqlx/tests/it/support/pg.rs"]
pub(crate) mod pg;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_api_key::{
    AuthLayer,
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Issued, Manager, NewKey, NewToken},
    store::{Directory, EffectiveStatus, Filter, ManageStore, Owner},
    testing::ManualClock,
};
use tower_api_key_admin::{Admin, refusal};

/// The moment at which each test begins.
pub(crate) const START: i64 = 1_700_000_000_000;

pub(crate) const KEYS: &str = "/admin/organization-pats";
pub(crate) const TOKENS: &str = "/account/personal-tokens";

pub(crate) const UNKNOWN: &str = r#"{"detail":"no such credential","code":"unknown_credential"}"#;
pub(crate) const NOT_ALLOWED: &str =
    r#"{"detail":"not allowed to manage these credentials","code":"not_allowed"}"#;

/// Runs each test over each store.
macro_rules! over_each_store {
    ($($name:ident)+) => {
        mod over_memory {
            $(#[tokio::test]
            async fn $name() {
                let store = tower_api_key::store::MemoryStore::new();
                super::$name($crate::support::World::new(store).await).await;
            })+
        }

        mod over_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let catalogue = tower_api_key::scope::Catalogue::anyreach();
                let store = tower_api_key_sqlx::SqliteStore::in_memory(catalogue).await.unwrap();
                super::$name($crate::support::World::new(store).await).await;
            })+
        }

        #[cfg(unix)]
        mod over_postgres {
            $(#[tokio::test]
            async fn $name() {
                let Some(cluster) = $crate::support::pg::shared() else { return };
                let store = cluster.store().await;
                super::$name($crate::support::World::new(store).await).await;
            })+
        }
    };
}

/// A credential and its secret.
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Held {
    pub(crate) fn of(issued: Issued) -> Self {
        let (info, secret) = issued.into_parts();
        let secret = secret.unwrap().expose_secret().to_owned();
        let id = info.id.to_string();
        Self { id, secret }
    }
}

pub(crate) struct World<S> {
    pub(crate) app: Router,
    pub(crate) manager: Manager<S>,
    pub(crate) clock: ManualClock,
    /// Keys of `org_1` in the roles `admin` and `viewer`.
    pub(crate) admin: Held,
    pub(crate) viewer: Held,
    /// A key of `org_2` in the role `admin`.
    pub(crate) other: Held,
    /// A token of alice, who is an admin of `org_1`.
    pub(crate) alice: Held,
    /// A token of bob, who is an admin of `org_2`.
    pub(crate) bob: Held,
}

/// An answer as the client sees it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn seen(&self) -> (u16, &str) {
        (self.status, &self.text)
    }

    /// Returns the code of an error, whose body has nothing else but a text.
    pub(crate) fn code(&self) -> (u16, String) {
        let json = self.json();
        let members = json.as_object().unwrap();
        assert!(members.len() == 2 && json["detail"].is_string(), "{self:?}");
        (self.status, json["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn org(id: &str) -> Actor {
    Actor::operator("test", Owner::of(Kind::OrgKey, id))
}

pub(crate) fn user(id: &str) -> Actor {
    Actor::operator("test", Owner::of(Kind::PersonalToken, id))
}

/// Sends a request to a router.
pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// Builds a request, with a JSON body if there is one.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"));
    let request = match body {
        "" => request,
        _ => request.header("content-type", "application/json"),
    };
    request.body(body.to_owned().into()).unwrap()
}

impl<S: ManageStore + Directory + Clone> World<S> {
    pub(crate) async fn new(store: S) -> Self {
        for (org, user) in [("org_1", "alice"), ("org_2", "bob")] {
            store.create_organization(org, None).await.unwrap();
            store.create_user(user).await.unwrap();
            store.set_member(user, org, "admin").await.unwrap();
        }
        let clock = ManualClock::at(UnixMillis(START));
        let manager = Manager::new(store.clone()).with_clock(clock.clone());
        let key = async |owner: &str, name: &str, role: &str| {
            let new = NewKey::named(name).with_role(role);
            Held::of(manager.issue_key(&org(owner), new).await.unwrap())
        };
        let token = async |owner: &str| {
            let new = NewToken::named("token");
            Held::of(manager.issue_token(&user(owner), new).await.unwrap())
        };
        let auth = AuthLayer::new(store)
            .with_clock(clock.clone())
            .with_responder(refusal);
        let endpoints = Admin::new(manager.clone());
        let app = Router::new()
            .nest(
                "/admin",
                endpoints.organization_routes().layer(auth.clone()),
            )
            .nest(
                "/account",
                endpoints.personal_routes().layer(auth.user_scoped()),
            );
        Self {
            app,
            admin: key("org_1", "admin", "admin").await,
            viewer: key("org_1", "viewer", "viewer").await,
            other: key("org_2", "other", "admin").await,
            alice: token("alice").await,
            bob: token("bob").await,
            clock,
            manager,
        }
    }

    /// Sends a request; every answer must be one that no cache may keep.
    pub(crate) async fn send(&self, method: &str, path: &str, token: &Held, body: &str) -> Answer {
        self.send_request(request(method, path, &token.secret, body))
            .await
    }

    pub(crate) async fn send_request(&self, request: Request<Body>) -> Answer {
        let answer = send(&self.app, request).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{answer:?}");
        answer
    }

    /// Sends a request with an idempotency key.
    pub(crate) async fn repeatable(
        &self,
        path: &str,
        token: &Held,
        key: &str,
        body: &str,
    ) -> Answer {
        let mut request = request("POST", path, &token.secret, body);
        let key = key.parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
        self.send_request(request).await
    }

    /// Issues a key of `org_1` through the endpoint.
    pub(crate) async fn issue(&self, body: &str) -> Held {
        let answer = self.send("POST", KEYS, &self.admin, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let json = answer.json();
        Held {
            id: json["id"].as_str().unwrap().to_owned(),
            secret: json["pat_key"].as_str().unwrap().to_owned(),
        }
    }

    /// Returns whether a credential is accepted.
    pub(crate) async fn is_accepted(&self, key: &Held) -> bool {
        let answer = self.send("GET", "/admin/members/me", key, "").await;
        answer.status == 200
    }

    /// Returns every credential and every event of everyone, to see that nothing was changed.
    pub(crate) async fn rows(&self) -> String {
        let mut rows = String::new();
        for (kind, actor) in [
            (Kind::OrgKey, org("org_1")),
            (Kind::OrgKey, org("org_2")),
            (Kind::PersonalToken, user("alice")),
            (Kind::PersonalToken, user("bob")),
        ] {
            for state in [None, Some(EffectiveStatus::Deleted)] {
                let filter = Filter::default().with_state(state);
                let page = self.manager.list(&actor, kind, &filter, None, 200).await;
                rows += &format!("{:?}\n", page.unwrap().items);
            }
            let events = self.manager.events(&actor, kind, None, 200).await;
            rows += &format!("{:?}\n", events.unwrap());
        }
        rows
    }
}

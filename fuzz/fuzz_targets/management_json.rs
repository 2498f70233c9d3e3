//! The management endpoints of `tower-api-key-admin`, behind their layer: any sequence of requests,
//! with any JSON. A name that is accepted can be seen, a secret is shown once, a caller
//! reaches its own keys alone, and no request is answered with a fault of the server.

#![no_main]

use std::{cell::RefCell, error::Error};

use arbitrary::Arbitrary;
use axum::{Router, body::Body, routing::get};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower::ServiceExt;
use tower_api_key::{
    AuthLayer,
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{Cached, Directory, Owner},
};
use tower_api_key_admin::{Admin, refusal};
use tower_api_key_fuzz::{runtime::wait, unicode::assert_name};
use tower_api_key_sqlx::SqliteStore;

/// Builds the endpoints over a new store in memory with the owners of the target.
async fn app() -> Result<(Router, [String; 3]), Box<dyn Error>> {
    let store = SqliteStore::in_memory(Catalogue::anyreach()).await?;
    let manager = Manager::new(Cached::new(store));
    let mut tokens = Vec::new();
    let store = manager.store();
    for (organization, role) in [("org_a", "admin"), ("org_b", "admin"), ("org_c", "viewer")] {
        store.create_organization(organization, None).await?;
        let owner = Owner::Organization(organization.into());
        let actor = Actor::operator("fuzz", owner);
        let new = NewKey::named("first").with_role(role);
        let secret = manager.issue_key(&actor, new).await?.into_secret();
        tokens.push(secret.ok_or("a secret")?.expose_secret().to_owned());
    }
    let tokens = tokens.try_into().map_err(|_| "three tokens")?;
    let auth = AuthLayer::new(store.clone()).with_responder(refusal);
    let routes = Router::new()
        .route("/agents", get(async || ()))
        .nest("/admin", Admin::new(manager).organization_routes());
    Ok((routes.layer(auth), tokens))
}

#[derive(Arbitrary, Debug)]
struct Call {
    caller: Caller,
    endpoint: Endpoint,
    /// Whether the body is said to be JSON.
    json: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Admin,
    OtherAdmin,
    Viewer,
    Nobody,
}

#[derive(Arbitrary, Debug)]
enum Endpoint {
    Create {
        name: String,
        expires_at: Option<i64>,
    },
    CreateFrom(Vec<u8>),
    List(Option<String>),
    Delete(Id),
    Rotate(Id),
    Other(String),
}

#[derive(Arbitrary, Debug)]
enum Id {
    /// One of those that were issued.
    Issued(u8),
    Raw(String),
}

/// A key that was issued through the API.
struct Key {
    id: String,
    token: String,
    caller: Caller,
    deleted: bool,
}

/// The API and what was done with it.
struct Session {
    app: Router,
    tokens: [String; 3],
    keys: Vec<Key>,
}

thread_local! {
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

fuzz_target!(|calls: Vec<Call>| {
    SESSION.with_borrow_mut(|session| {
        let used = session.as_ref().map_or(0, |session| session.keys.len());
        if session.is_none() || used > 60 {
            let (app, tokens) = wait(app()).expect("a router");
            let keys = Vec::new();
            *session = Some(Session { app, tokens, keys });
        }
        let session = session.as_mut().expect("a session");
        for call in calls.iter().take(8) {
            wait(session.assert_answered(call));
        }
    });
});

impl Session {
    fn token(&self, caller: Caller) -> Option<&str> {
        let at = [Caller::Admin, Caller::OtherAdmin, Caller::Viewer];
        let at = at.iter().position(|one| *one == caller)?;
        Some(&self.tokens[at])
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Response<()>, String) {
        let Ok(response) = self.app.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("a text");
        (parts.status, Response::from_parts(parts, ()), text)
    }

    async fn assert_answered(&mut self, call: &Call) {
        let Some((status, response, text)) = self.answer(call).await else {
            return;
        };
        assert!(!status.is_server_error(), "{status} {text} {call:?}");
        assert!(
            self.tokens.iter().all(|token| !text.contains(token)),
            "{text}"
        );
        assert!(
            self.keys.iter().all(|key| !text.contains(&key.token)),
            "{text}"
        );
        let error = status.is_client_error();
        let body: Option<Value> = serde_json::from_str(&text).ok();
        if error && !matches!(call.endpoint, Endpoint::Other(_)) {
            let body = body.as_ref().and_then(Value::as_object).expect("an object");
            let texts = body["detail"].is_string() && body["code"].is_string();
            assert!(body.len() == 2 && texts, "{text}");
        }
        if call.caller == Caller::Nobody && !matches!(call.endpoint, Endpoint::Other(_)) {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{call:?}");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        if call.caller == Caller::Viewer && !matches!(call.endpoint, Endpoint::Other(_)) {
            assert!(error, "a viewer manages keys: {call:?}");
        }
        match (&call.endpoint, body) {
            (Endpoint::Create { name, expires_at }, Some(body)) if status.is_success() => {
                assert_eq!(status, StatusCode::CREATED);
                assert_eq!(body["name"], **name);
                assert_eq!(body["expires_at"].as_i64(), *expires_at);
                self.keep(call.caller, &body).await;
            }
            (Endpoint::CreateFrom(_) | Endpoint::Rotate(_), Some(body)) if status.is_success() => {
                self.keep(call.caller, &body).await;
            }
            (Endpoint::List(_), Some(body)) if status.is_success() => self.assert_list(call, &body),
            (Endpoint::Delete(id), _) => self.assert_deleted(call.caller, id, status).await,
            _ => {}
        }
    }

    /// Sends a call. A store has little time to answer, which a busy machine may not give it: a 503
    /// is an error of the API only if it remains.
    async fn answer(&self, call: &Call) -> Option<(StatusCode, Response<()>, String)> {
        let mut answer = self.send(self.request(call)?).await;
        for _ in 0..10 {
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            answer = self.send(self.request(call)?).await;
        }
        Some(answer)
    }

    fn request(&self, call: &Call) -> Option<Request<Body>> {
        const KEYS: &str = "/admin/organization-pats";
        let path = |id: &Id| format!("{KEYS}/{}", encoded(&self.id(id)));
        let (method, path, body) = match &call.endpoint {
            Endpoint::Create { name, expires_at } => {
                let body = serde_json::json!({ "name": name, "expires_at": expires_at });
                ("POST", KEYS.to_owned(), body.to_string().into_bytes())
            }
            Endpoint::CreateFrom(bytes) => ("POST", KEYS.to_owned(), bytes.clone()),
            Endpoint::List(None) => ("GET", KEYS.to_owned(), Vec::new()),
            Endpoint::List(Some(cursor)) => {
                let path = format!("{KEYS}?cursor={}", encoded(cursor));
                ("GET", path, Vec::new())
            }
            Endpoint::Delete(id) => ("DELETE", path(id), Vec::new()),
            Endpoint::Rotate(id) => {
                let body = serde_json::json!({ "overlap_seconds": 60 }).to_string();
                ("POST", format!("{}/rotate", path(id)), body.into_bytes())
            }
            Endpoint::Other(path) => ("GET", path.clone(), Vec::new()),
        };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = self.token(call.caller) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if call.json {
            request = request.header("content-type", "application/json");
        }
        request.body(Body::from(body)).ok()
    }

    fn id(&self, id: &Id) -> String {
        match id {
            Id::Raw(text) => text.clone(),
            Id::Issued(at) => {
                let at = usize::from(*at) % self.keys.len().max(1);
                self.keys
                    .get(at)
                    .map_or(String::new(), |key| key.id.clone())
            }
        }
    }

    /// Keeps a key that was issued, once it was seen to work.
    async fn keep(&mut self, caller: Caller, body: &Value) {
        assert_name(body["name"].as_str().expect("a name"));
        let id = body["id"].as_str().expect("an id").to_owned();
        let token = body["pat_key"].as_str().expect("a token").to_owned();
        assert!(token.starts_with(&format!("ak_{id}.")));
        assert!(self.keys.iter().all(|key| key.id != id));
        self.keys.push(Key {
            id,
            token: token.clone(),
            caller,
            deleted: false,
        });
        let lives = body["expires_at"].is_null();
        assert!(!lives || self.works(&token).await, "{body}");
    }

    async fn works(&self, token: &str) -> bool {
        let request = Request::get("/agents").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a request");
        self.send(request).await.0 == StatusCode::OK
    }

    /// A list has the caller's own keys, without secrets.
    fn assert_list(&self, call: &Call, body: &Value) {
        let keys = body["items"].as_array().expect("a list");
        for key in keys {
            assert!(key.get("pat_key").is_none(), "{key}");
            assert_name(key["name"].as_str().expect("a name"));
            let id = key["id"].as_str().expect("an id");
            if let Some(known) = self.keys.iter().find(|known| known.id == id) {
                assert!(
                    known.caller == call.caller && !known.deleted,
                    "{key} {call:?}"
                );
            }
        }
    }

    /// Only its own organization deletes a key, and from then on it is refused.
    async fn assert_deleted(&mut self, caller: Caller, id: &Id, status: StatusCode) {
        let id = self.id(id);
        let Some(at) = self.keys.iter().position(|key| key.id == id) else {
            return;
        };
        let own = self.keys[at].caller == caller;
        if status == StatusCode::NO_CONTENT {
            assert!(own, "{caller:?} deleted another's key");
            self.keys[at].deleted = true;
            assert!(
                !self.works(&self.keys[at].token).await,
                "a deleted key works"
            );
        } else if own && status == StatusCode::CONFLICT {
            // The rotation of its successor may have ended it.
            let works = self.works(&self.keys[at].token).await;
            assert!(!works, "a key that cannot be deleted works");
            self.keys[at].deleted = true;
        } else {
            assert!(!own || self.keys[at].deleted, "{status}");
        }
    }
}

/// Encodes every byte of a text for a path or a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

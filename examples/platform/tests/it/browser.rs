//! A browser without JavaScript, and a program that calls the API.

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::{
    document::{Document, Form},
    node::Node,
};

pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Seen {
    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers["location"].to_str().unwrap()
    }

    pub(super) fn document(&self) -> Document {
        Document::parse(&self.text)
    }
}

/// Sends a request over a connection of its own.
pub(super) async fn send(request: Request<String>) -> Seen {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let request = request.map(|body| Full::new(body.into()));
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Seen {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// Calls the API with a credential.
pub(super) async fn call(node: &Node, path: &str, secret: &str) -> StatusCode {
    let request = Request::get(format!("http://{}{path}", node.address))
        .header("authorization", format!("Bearer {secret}"));
    send(request.body(String::new()).unwrap()).await.status
}

/// Somebody's browser, with the cookies of one site.
pub(super) struct Browser {
    address: String,
    origin: String,
    cookie: Option<String>,
}

impl Browser {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            address: node.address.clone(),
            origin: format!("http://{}", node.address),
            cookie: None,
        }
    }

    /// Returns one whose forms are on another site.
    pub(super) fn on_another_site(self) -> Self {
        let origin = "https://other.example".to_owned();
        Self { origin, ..self }
    }

    pub(super) async fn get(&mut self, path: &str) -> Seen {
        self.send(Method::GET, path, "").await
    }

    pub(super) async fn submit(&mut self, form: &Form) -> Seen {
        self.send(Method::POST, &form.action, &form.body()).await
    }

    /// Opens a page, and returns the form on it that is sent to `action`.
    pub(super) async fn form(&mut self, path: &str, action: &str) -> Form {
        let seen = self.get(path).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.text);
        seen.document().form(action)
    }

    pub(super) async fn sign_in(&mut self, name: &str, password: &str) -> Seen {
        self.sign_in_to(name, password, "/api-keys").await
    }

    pub(super) async fn sign_in_to(&mut self, name: &str, password: &str, to: &str) -> Seen {
        let form = self.form("/sign-in", "/sign-in").await;
        let form = form.set("name", name).set("password", password);
        self.submit(&form.set("return_to", to)).await
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, body: &str) -> Seen {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("http://{}{path}", self.address));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if method == Method::POST {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", &self.origin);
        }
        let seen = send(request.body(body.to_owned()).unwrap()).await;
        if let Some(cookie) = seen.headers.get("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let is_removed = cookie.contains("Max-Age=0");
            let is_safe = cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict");
            assert!(is_removed || is_safe, "{cookie}");
            let cookie = cookie.split(';').next().map(str::to_owned);
            self.cookie = cookie.filter(|_| !is_removed);
        }
        seen
    }
}

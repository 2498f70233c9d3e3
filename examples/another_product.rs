//! The same middleware for another product: its own header, prefixes, texts, scopes and roles.
//!
//! ```text
//! cargo run --example another_product
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{convert::Infallible, error::Error};
use tower_api_key::{
    Principal, RequireScopesLayer,
    credential::{Kind, TokenFormat},
    store::{Directory, ManageStore, MemoryStore, Record},
};

use http::{HeaderMap, Request, Response};
use tower::{ServiceBuilder, ServiceExt};

/// Everything specific to Acme. In your service this is a file beside `main.rs`.
mod acme {

    use http::HeaderName;
    use tower_api_key::{
        AuthLayer, ConfigError, Messages, credential::TokenFormat, scope::Catalogue,
        store::MemoryStore,
    };

    pub(crate) const WORKSPACE: HeaderName = HeaderName::from_static("acme-workspace");

    pub(crate) fn format() -> Result<TokenFormat, ConfigError> {
        TokenFormat::default().with_prefixes("acme_key_", "acme_user_")
    }

    pub(crate) fn roles() -> Result<Catalogue, ConfigError> {
        Catalogue::builder()
            .role("owner", ["notes:write"])
            .role("guest", ["notes:read"])
            .implies("notes:write", "notes:read")
            .build()
    }

    pub(crate) fn auth(store: MemoryStore) -> Result<AuthLayer<MemoryStore>, ConfigError> {
        let mut messages = Messages::default();
        messages.missing_credential = "Send your Acme key as a bearer token".into();
        messages.missing_organization = "Name a workspace in Acme-Workspace".into();
        let auth = AuthLayer::new(store)
            .with_token_format(format()?)
            .with_organization_header(WORKSPACE)
            .with_messages(messages)
            .with_body_key("message");
        auth.with_realm("acme")
    }
}

/// Sends a request with `headers` to a new service over `store`; returns status and body.
async fn answer(store: &MemoryStore, headers: HeaderMap) -> Result<(u16, String), Box<dyn Error>> {
    let auth = acme::auth(store.clone())?;
    let requirement = RequireScopesLayer::any(["notes:write"])?.with_responses_of(&auth);
    let service = ServiceBuilder::new()
        .layer(auth)
        .layer(requirement)
        .service_fn(async |request: Request<String>| {
            let caller = request.extensions().get::<Principal>();
            let workspace = caller.and_then(Principal::organization);
            let text = format!("written in {}", workspace.unwrap_or("no workspace"));
            Ok::<_, Infallible>(Response::new(text))
        });
    let mut request = Request::new(String::new());
    *request.headers_mut() = headers;
    let response = service.oneshot(request).await?;
    Ok((response.status().as_u16(), response.into_body()))
}

fn bearer(token: &str) -> Result<HeaderMap, Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    Ok(headers)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::with_catalogue(acme::roles()?);
    store.create_organization("ws_1", None).await?;
    store.create_user("ada").await?;
    store.set_member("ada", "ws_1", "guest").await?;
    let key = acme::format()?.mint(Kind::OrgKey)?;
    let record = Record::org_key(&key.id, key.digest, "ws_1");
    store
        .insert(record.with_role("owner", store.catalogue())?)
        .await?;
    let token = acme::format()?.mint(Kind::PersonalToken)?;
    store
        .insert(Record::personal_token(&token.id, token.digest, "ada"))
        .await?;
    let foreign = TokenFormat::default().mint(Kind::OrgKey)?;

    let token = bearer(token.secret.expose_secret())?;
    let mut in_workspace = token.clone();
    in_workspace.insert(acme::WORKSPACE, "ws_1".parse()?);
    let cases = [
        (
            "a key",
            bearer(key.secret.expose_secret())?,
            200,
            "written in ws_1",
        ),
        (
            "nothing",
            HeaderMap::new(),
            401,
            "Send your Acme key as a bearer token",
        ),
        (
            "another product's key",
            bearer(foreign.secret.expose_secret())?,
            401,
            "(acme_user_...)",
        ),
        (
            "a token without a workspace",
            token,
            401,
            "Name a workspace in Acme-Workspace",
        ),
        (
            "a guest's token",
            in_workspace,
            403,
            "Token does not grant access to this action",
        ),
    ];
    for (what, headers, status, text) in cases {
        let answer = answer(&store, headers).await?;
        println!("{what}: {} {}", answer.0, answer.1);
        assert!(
            answer.0 == status && answer.1.contains(text),
            "expected {status} {text:?}"
        );
    }
    Ok(())
}

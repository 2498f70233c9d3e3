//! An API key lookup as applications usually write it.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::sync::RwLock;
use tower_http::auth::AsyncAuthorizeRequest;

use super::checked::bearer;

/// The owner of a key, by the hexadecimal digest of the key.
pub(crate) type Callers = Arc<RwLock<HashMap<String, Caller>>>;

#[derive(Clone, Debug)]
#[expect(dead_code, reason = "a handler would read it")]
pub(crate) struct Caller {
    key_id: String,
    organization: String,
    role: String,
    scopes: Vec<String>,
}

pub(crate) fn known(token: &str) -> Callers {
    let caller = Caller {
        key_id: "live".to_owned(),
        organization: "org_test".to_owned(),
        role: "viewer".to_owned(),
        scopes: vec!["agents:read".to_owned(), "members:read".to_owned()],
    };
    Arc::new(RwLock::new(HashMap::from([(hex_digest(token), caller)])))
}

fn hex_digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// For `axum::middleware::from_fn_with_state`.
pub(crate) async fn from_fn_check(
    State(callers): State<Callers>,
    mut request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let token = bearer(request.headers())
        .ok_or(StatusCode::UNAUTHORIZED)?
        .to_string();
    let caller = callers
        .read()
        .await
        .get(&hex_digest(&token))
        .cloned()
        .ok_or(StatusCode::UNAUTHORIZED)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// For `tower_http::auth::AsyncRequireAuthorizationLayer`: its documented closure, kept minimal.
pub(crate) fn closure(
    token: &str,
) -> impl AsyncAuthorizeRequest<Body, RequestBody = Body, ResponseBody = Body> + Clone + use<> {
    let caller: Arc<str> = Arc::from("test_caller");
    let callers = Arc::new(HashMap::<[u8; 32], _>::from([(
        Sha256::digest(token).into(),
        caller,
    )]));
    move |mut request: Request| {
        let callers = Arc::clone(&callers);
        async move {
            let digest =
                bearer(request.headers()).map(|token| <[u8; 32]>::from(Sha256::digest(token)));
            let Some(caller) = digest.and_then(|digest| callers.get(&digest)) else {
                return Err(StatusCode::UNAUTHORIZED.into_response());
            };
            request.extensions_mut().insert(Arc::clone(caller));
            Ok(request)
        }
    }
}

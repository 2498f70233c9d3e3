use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use tower_api_key::{AuthLayer, CredentialStore, Principal};

/// The caller of a request with a JWT: its verified claims.
#[derive(Clone, serde::Deserialize)]
pub struct Claims {
    pub sub: String,
}

/// Accepts JWTs of this service's issuer, and refuses everything else.
pub async fn accept_jwt(
    State(issuer): State<DecodingKey>,
    mut request: Request,
    next: Next,
) -> Response {
    match verified(request.headers(), &issuer) {
        Some(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        None => {
            let challenge = r#"Bearer realm="api", error="invalid_token""#;
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
        }
    }
}

fn verified(headers: &HeaderMap, issuer: &DecodingKey) -> Option<Claims> {
    let token = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = token.strip_prefix("Bearer ")?;
    let mut validation = Validation::new(Algorithm::HS256); // no other algorithm
    validation.set_audience(&["https://api.example.com"]);
    Some(decode::<Claims>(token, issuer, &validation).ok()?.claims)
}

/// Greets both kinds of caller.
pub async fn home(key: Option<Principal>, jwt: Option<Extension<Claims>>) -> String {
    match (key, jwt) {
        (Some(key), _) => format!("hello, key {}", key.credential_id()),
        (None, Some(Extension(claims))) => format!("hello, {}", claims.sub),
        (None, None) => "hello".to_owned(), // behind an optional layer only
    }
}

pub fn app(auth: AuthLayer<impl CredentialStore>, issuer: DecodingKey) -> Router {
    let jwt = from_fn_with_state(issuer, accept_jwt);
    let either = auth.with_other_authenticator::<Claims, _>(jwt);
    Router::new().route("/", get(home)).layer(either)
}

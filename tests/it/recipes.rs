//! The recipes of the guide work, each in the very code that the guide shows.

use crate::support;

#[path = "../../src/guide/recipes/jwt.rs"]
#[allow(unreachable_pub, missing_docs, reason = "as the guide shows it")]
mod jwt;
#[path = "../../src/guide/recipes/limit.rs"]
#[allow(
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "as the guide shows it"
)]
mod limit;
#[path = "../../src/guide/recipes/query_token.rs"]
#[allow(unreachable_pub, missing_docs, reason = "as the guide shows it")]
mod query_token;

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::OriginalUri,
    http::{Request, Response},
    middleware::from_fn_with_state,
    routing::get,
};
use http_body_util::BodyExt as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use query_token::token_from_query;
use serde_json::json;
use support::{KEY, ORG, TOKEN, USER, key, memory};
use tower::{Layer as _, Service, ServiceExt as _, util::MapRequestLayer};
use tower_api_key::{
    AuthLayer, EveryRouteDecidesLayer, Principal, Rejection, RequireScopesLayer,
    rejection::{JsonResponder, Responder},
};

const SIGNING: &[u8] = b"test-secret-of-thirty-two-bytes!";
const AUDIENCE: &str = "https://api.example.com";

fn get_with(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = headers
        .iter()
        .fold(Request::get(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    request.body(Body::empty()).unwrap()
}

async fn send<S>(app: &S, request: Request<Body>) -> (u16, String, Option<&'static str>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error: std::fmt::Debug> + Clone,
{
    let response = app.clone().oneshot(request).await.unwrap();
    let rejection = response.extensions().get::<Rejection>();
    let cause = rejection.map(|rejection| rejection.cause().code());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap(), cause)
}

fn token(algorithm: Algorithm, signing: &[u8], audience: &str, exp: u64) -> String {
    let claims = json!({ "sub": "alice", "aud": audience, "exp": exp });
    let key = EncodingKey::from_secret(signing);
    encode(&Header::new(algorithm), &claims, &key).unwrap()
}

#[tokio::test]
async fn jwts_are_accepted_beside_keys_and_neither_is_tried_as_the_other() {
    const YEAR_2100: u64 = 4_102_444_800;
    let valid = token(Algorithm::HS256, SIGNING, AUDIENCE, YEAR_2100);
    let app = jwt::app(AuthLayer::new(memory()), DecodingKey::from_secret(SIGNING))
        .layer(EveryRouteDecidesLayer::new());
    let bearer = |token: &str| format!("Bearer {token}");
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
    for (name, authorization, status, body, cause) in [
        ("a key", bearer(KEY), 200, "hello, key testkey", None),
        ("a JWT", bearer(&valid), 200, "hello, alice", None),
        (
            "another signature",
            bearer(&token(Algorithm::HS256, &[b'x'; 32], AUDIENCE, YEAR_2100)),
            401,
            "",
            None,
        ),
        (
            "another algorithm",
            bearer(&token(Algorithm::HS384, SIGNING, AUDIENCE, YEAR_2100)),
            401,
            "",
            None,
        ),
        (
            "another audience",
            bearer(&token(
                Algorithm::HS256,
                SIGNING,
                "https://x.test",
                YEAR_2100,
            )),
            401,
            "",
            None,
        ),
        (
            "an expired JWT",
            bearer(&token(Algorithm::HS256, SIGNING, AUDIENCE, 1)),
            401,
            "",
            None,
        ),
        ("an unsigned JWT", bearer(unsigned), 401, "", None),
        ("Basic", "Basic dGVzdDp0ZXN0".to_owned(), 401, "", None),
        (
            "an expired key",
            bearer(&key("expired")),
            401,
            r#"{"detail":"Invalid or expired token"}"#,
            Some("expired"),
        ),
        (
            "a JWT behind a prefix",
            bearer(&format!("pat_{valid}")),
            401,
            r#"{"detail":"Invalid or expired token"}"#,
            Some("unknown_credential"),
        ),
    ] {
        let found = send(&app, get_with("/", &[("authorization", &authorization)])).await;
        assert_eq!(found, (status, body.to_owned(), cause), "{name}");
    }
    let missing = send(&app, get_with("/", &[])).await;
    assert_eq!((missing.0, missing.2), (401, Some("no_credential")));
}

#[tokio::test]
async fn a_requirement_refuses_callers_with_a_jwt() {
    let valid = token(Algorithm::HS256, SIGNING, AUDIENCE, 4_102_444_800);
    let issuer = DecodingKey::from_secret(SIGNING);
    let jwt = from_fn_with_state(issuer, jwt::accept_jwt);
    let auth = AuthLayer::new(memory());
    let reads = RequireScopesLayer::any(["agents:read"]).unwrap();
    let app = Router::new()
        .route("/", get(|| async {}))
        .route("/key", get(async |_: Principal| {}))
        .layer(auth.clone().with_other_authenticator::<jwt::Claims, _>(jwt));
    let required = Router::new()
        .route("/", get(|| async {}))
        .layer(reads.with_responses_of(&auth));
    let jwt = from_fn_with_state(DecodingKey::from_secret(SIGNING), jwt::accept_jwt);
    let required = required.layer(auth.with_other_authenticator::<jwt::Claims, _>(jwt));
    let authorization = format!("Bearer {valid}");
    let request = |path| get_with(path, &[("authorization", &authorization)]);
    assert_eq!(send(&app, request("/")).await.0, 200);
    for refused in [
        send(&app, request("/key")).await,
        send(&required, request("/")).await,
    ] {
        assert_eq!((refused.0, refused.2), (401, Some("other_caller")));
    }
}

/// An app with a socket that answers with the caller and the URIs that it sees.
fn sockets()
-> impl Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible, Future: Send>
+ Clone {
    let seen = get(
        async |caller: Principal, OriginalUri(original): OriginalUri, uri: http::Uri| {
            assert_eq!(original, uri);
            format!("{} {uri}", caller.credential_id())
        },
    );
    let app = Router::new()
        .route("/socket", seen)
        .layer(AuthLayer::new(memory()));
    MapRequestLayer::new(token_from_query).layer(app)
}

#[tokio::test]
async fn the_token_of_a_handshake_moves_from_the_query_to_the_header() {
    let app = sockets();
    let upgrade = ("upgrade", "WebSocket");
    for (query, uri) in [
        (format!("access_token={KEY}"), "/socket"),
        (format!("a=1&access_token={KEY}&b=%20"), "/socket?a=1&b=%20"),
    ] {
        let found = send(&app, get_with(&format!("/socket?{query}"), &[upgrade])).await;
        assert_eq!(found, (200, format!("testkey {uri}"), None), "{query}");
    }
    let bearer = format!("Bearer {KEY}");
    let header = ("authorization", &*bearer);
    let plain = send(&app, get_with("/socket?a=1", &[upgrade, header])).await;
    assert_eq!(plain, (200, "testkey /socket?a=1".to_owned(), None));
}

#[tokio::test]
async fn two_credentials_and_tokens_outside_a_handshake_are_refused() {
    let app = sockets();
    let upgrade = ("upgrade", "websocket");
    let bearer = format!("Bearer {KEY}");
    let with_token = format!("/socket?access_token={KEY}");
    for (name, path, headers, cause) in [
        (
            "header and query",
            with_token.clone(),
            vec![upgrade, ("authorization", &*bearer)],
            "several_credentials",
        ),
        (
            "twice in the query",
            format!("{with_token}&access_token={KEY}"),
            vec![upgrade],
            "several_credentials",
        ),
        ("no handshake", with_token.clone(), vec![], "no_credential"),
        (
            "another protocol",
            with_token,
            vec![("upgrade", "h2c")],
            "no_credential",
        ),
        (
            "empty",
            "/socket?access_token=".to_owned(),
            vec![upgrade],
            "empty_bearer",
        ),
        (
            "escaped",
            "/socket?access_token=pat_%00".to_owned(),
            vec![upgrade],
            "malformed_token",
        ),
    ] {
        let found = send(&app, get_with(&path, &headers)).await;
        assert_eq!((found.0, found.2), (401, Some(cause)), "{name}");
    }
}

#[tokio::test]
async fn a_limit_inside_counts_each_key_by_itself_and_no_refused_request() {
    let limit = limit::PerKey::new(2, Duration::from_secs(3600));
    let app = Router::new()
        .route("/", get(|| async { "reached" }))
        .layer(from_fn_with_state(limit, limit::limit_per_key))
        .layer(AuthLayer::new(memory()));
    let ask = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &*bearer), ("x-anyreach-org", ORG)];
        get_with("/", &headers)
    };
    for _ in 0..5 {
        let guess = send(&app, ask("ak_testkey.test-wrong")).await;
        assert_eq!(guess.0, 401);
    }
    for status in [200, 200, 429] {
        assert_eq!(send(&app, ask(KEY)).await.0, status);
    }
    assert_eq!(send(&app, ask(TOKEN)).await.0, 200, "the token of {USER}");
}

#[tokio::test]
async fn one_layer_serves_two_majors_of_axum() {
    let auth = AuthLayer::new(memory());
    let json = JsonResponder::default();
    let for_axum_07 = auth.clone().with_responder(move |rejection: &Rejection| {
        json.respond(rejection)
            .map(|text: String| axum_core_04::body::Body::from(text))
    });
    let old = tower::service_fn(async |request: Request<Body>| {
        let caller = request.extensions().get::<Principal>().unwrap();
        let body = axum_core_04::body::Body::from(caller.credential_id().to_owned());
        Ok::<_, std::convert::Infallible>(Response::new(body))
    });
    let old = for_axum_07.layer(old).map_response(|response| {
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, Body::new(body))
    });
    let new = Router::new()
        .route(
            "/",
            get(async |caller: Principal| caller.credential_id().to_owned()),
        )
        .layer(auth);
    let bearer = format!("Bearer {KEY}");
    for headers in [vec![], vec![("authorization", &*bearer)]] {
        let (old, new) = (
            send(&old, get_with("/", &headers)).await,
            send(&new, get_with("/", &headers)).await,
        );
        assert_eq!(old, new);
        assert_eq!(old.0, if headers.is_empty() { 401 } else { 200 });
    }
}

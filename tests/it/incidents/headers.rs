//! Fields that one program read as one value and the next as another. Here exactly one credential
//! in exactly one field counts, and one organization.

use axum::{Router, routing::any};
use tower_api_key::{AuthLayer, Principal};

use super::client::{Reached, Server, Wire, assert_unreached};
use crate::support::{KEY, ORG, OTHER_ORG, TOKEN, memory};

async fn server() -> (Server, Reached) {
    let reached = Reached::default();
    let app = Router::new().route("/", any(reached.handler()));
    (
        Server::start(app.layer(AuthLayer::new(memory()))).await,
        reached,
    )
}

fn with_values(values: &[&str]) -> Wire {
    let add = |wire: Wire, value: &&str| wire.with("authorization", value);
    values.iter().fold(Wire::get("/"), add)
}

/// Envoy CVE-2021-32777: with several values of a header, the rules saw the last one only. Here
/// several values are refused, whatever is first or last.
#[tokio::test]
async fn envoy_cve_2021_32777_last_value_won() {
    let (server, reached) = server().await;
    let good = format!("Bearer {KEY}");
    for values in [
        [&*good, "Bearer x"],
        ["Bearer x", &good],
        [&good, &good],
        ["", &good],
    ] {
        assert_unreached(&server, &reached, &with_values(&values), &[400, 401]).await;
    }
    assert_eq!(
        server.statuses(&with_values(&[&good])).await,
        [Some(200); 2]
    );
}

/// Envoy CVE-2026-26308: several values were joined by a comma before they were compared. Here a
/// comma has no meaning in a credential, and one is not found in a list.
#[tokio::test]
async fn envoy_cve_2026_26308_values_joined() {
    let (server, reached) = server().await;
    for value in [
        format!("Bearer {KEY},Bearer x"),
        format!("Bearer x, Bearer {KEY}"),
        format!("Bearer {KEY},"),
        format!(",Bearer {KEY}"),
        format!("Basic dGVzdA==, Bearer {KEY}"),
    ] {
        assert_unreached(&server, &reached, &with_values(&[&value]), &[401]).await;
    }
}

/// janus#3163: of two `Authorization` lines, one was checked and the other one forwarded.
#[tokio::test]
async fn janus_3163_two_authorization_lines() {
    let (server, reached) = server().await;
    let good = format!("Bearer {KEY}");
    for wire in [
        Wire::get("/")
            .with("Authorization", &good)
            .with("authorization", "Basic dGVzdA=="),
        Wire::get("/")
            .with("authorization", "Basic dGVzdA==")
            .with("AUTHORIZATION", &good),
    ] {
        assert_unreached(&server, &reached, &wire, &[400, 401]).await;
    }
}

/// Traefik removed identity headers that a client sent, but servers behind it read `X_Auth_User`
/// and `X.Auth.User` as the same name. Here no other spelling of a header is read.
#[tokio::test]
async fn traefik_underscore_and_dot_aliases_of_identity_headers() {
    async fn organization(caller: Principal) -> String {
        caller.organization().unwrap_or_default().to_owned()
    }
    let app = Router::new().route("/", any(organization));
    let server = Server::start(app.layer(AuthLayer::new(memory()))).await;
    let token = || Wire::get("/").with("authorization", &format!("Bearer {TOKEN}"));
    for alias in [
        "x_anyreach_org",
        "x.anyreach.org",
        "x-anyreach_org",
        "http_x_anyreach_org",
    ] {
        let (status, _) = server.http1(&token().with(alias, OTHER_ORG)).await.unwrap();
        assert_eq!(status, 401, "{alias} names no organization");
        let both = token().with("x-anyreach-org", ORG).with(alias, OTHER_ORG);
        let (status, answer) = server.http1(&both).await.unwrap();
        assert_eq!(status, 200, "{alias}");
        assert!(answer.ends_with(ORG), "{alias}: {answer}");
    }
    for alias in [
        "authorization_",
        "proxy-authorization",
        "x-authorization",
        "x-api-key",
    ] {
        let wire = Wire::get("/").with(alias, &format!("Bearer {KEY}"));
        assert_eq!(server.statuses(&wire).await, [Some(401); 2], "{alias}");
    }
}

//! What a database server that logs everything learns: every statement with its parameters, and no
//! secret.

use crate::support::pg;
use tower_api_key::{
    AuthLayer,
    credential::{Kind, TokenFormat},
    manage::{Actor, Manager, NewKey, Rotation},
    secret::{Digest, Peppers},
    store::{Directory, Filter, Owner},
};

use std::{convert::Infallible, future::ready};

use http::{Request, Response, StatusCode};
use planted_secret::PlantedSecret;
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key_sqlx::PostgresStore;

#[path = "../../../../tests/it/leak/planted_secret.rs"]
#[allow(dead_code, reason = "the tests of the core use all of it")]
mod planted_secret;

/// Statements before they run, and again with their parameters and the time that they took.
const LOG_EVERYTHING: &str = "-c log_statement=all -c log_min_duration_statement=0 \
    -c log_parameter_max_length=-1 -c log_parameter_max_length_on_error=-1 \
    -c log_min_error_statement=error";

fn operator() -> Actor {
    Actor::operator("test", Owner::of(Kind::OrgKey, "org_test"))
}

async fn status(store: &PostgresStore, token: &str) -> StatusCode {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()))
        .service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let request = Request::builder()
        .header("authorization", format!("Bearer {token}"))
        .header("x-anyreach-org", "org_test");
    let answer = service.oneshot(request.body(()).unwrap()).await;
    answer.unwrap().status()
}

/// Issues, uses, rotates, lists and deletes keys, and presents what is wrong; returns every token
/// that a client has sent or been given.
async fn exercise(store: &PostgresStore) -> Vec<String> {
    let manager = Manager::new(store.clone());
    let issue = NewKey::named("test")
        .with_idempotency_key("once")
        .with_role("viewer");
    let (info, secret) = manager
        .issue_key(&operator(), issue)
        .await
        .unwrap()
        .into_parts();
    let first = secret.unwrap().expose_secret().to_owned();
    assert_eq!(status(store, &first).await, StatusCode::OK);

    let rotated = manager
        .rotate(
            &operator(),
            Kind::OrgKey,
            info.id.as_str(),
            Rotation::default(),
        )
        .await
        .unwrap();
    let second = rotated.into_secret().unwrap().expose_secret().to_owned();
    assert_eq!(status(store, &second).await, StatusCode::OK);

    let minted = |kind| {
        TokenFormat::default()
            .mint(kind)
            .unwrap()
            .secret
            .expose_secret()
            .to_owned()
    };
    let (unknown, token) = (minted(Kind::OrgKey), minted(Kind::PersonalToken));
    let guessed = format!("{}wrong-secret-test-canary", &second[..second.len() - 4]);
    for refused in [&first, &unknown, &token, &guessed] {
        assert_eq!(
            status(store, refused).await,
            StatusCode::UNAUTHORIZED,
            "{refused}"
        );
    }
    let page = manager
        .list(&operator(), Kind::OrgKey, &Filter::default(), None, 50)
        .await;
    assert!(!page.unwrap().items.is_empty());
    manager
        .revoke_presented(&second, Some("192.0.2.1"))
        .await
        .unwrap();
    vec![first, second, unknown, token, guessed]
}

/// The server's log so far.
fn log(cluster: &pg::Cluster) -> String {
    cluster.psql("SELECT pg_read_file(current_setting('data_directory') || '/../log')")
}

fn hex_of(digest: &Digest) -> String {
    hex::encode(digest.to_bytes())
}

#[tokio::test]
async fn a_server_that_logs_every_statement_and_parameter_learns_no_secret() {
    let Some(cluster) = pg::Cluster::start_with(LOG_EVERYTHING) else {
        return;
    };
    let store = cluster.store().await;
    store.create_organization("org_test", None).await.unwrap();
    let tokens = exercise(&store).await;
    let log = log(&cluster);
    assert!(
        log.contains("INSERT INTO") && log.to_lowercase().contains("parameters: $1"),
        "statements are logged with their parameters"
    );
    for token in &tokens {
        PlantedSecret::new(token).assert_absent_but_for_digest(&log, "the server's log");
    }
    // The digest is a parameter, and so it is in the log of a server that logs parameters.
    assert!(log.contains(&hex_of(&Digest::of(tokens[0].as_bytes()))));
}

/// With a pepper, that log contains nothing that can be computed from a token without the pepper,
/// once plain digests are refused: until then, a personal token is looked up by its plain digest
/// too.
#[tokio::test]
async fn once_plain_digests_are_refused_the_log_does_not_contain_them_either() {
    let Some(cluster) = pg::Cluster::start_with(LOG_EVERYTHING) else {
        return;
    };
    let peppers = Peppers::new("test", b"test-pepper-of-thirty-two-bytes-or-more").unwrap();
    let store = cluster
        .store()
        .await
        .with_peppers(peppers.without_plain_digests());
    store.create_organization("org_test", None).await.unwrap();
    let tokens = exercise(&store).await;
    let log = log(&cluster);
    for token in &tokens {
        PlantedSecret::new(token).assert_absent_from(&log, "the server's log");
    }
}

//! A store that connects by itself, and errors that do not show the password.

use crate::support::pg;

use std::error::Error;

use tower_api_key::{
    CredentialStore,
    scope::Catalogue,
    secret::{Pepper, Peppers},
    store::Directory,
};
use tower_api_key_sqlx::{PostgresStore, SetupError, sqlx::postgres::PgPoolOptions};

#[tokio::test]
async fn a_store_connects_by_url_and_works() {
    let Some(cluster) = pg::shared() else { return };
    let store = PostgresStore::connect(&cluster.url(), Catalogue::anyreach())
        .await
        .unwrap()
        .with_schema(&pg::fresh_schema())
        .unwrap();
    store.migrate().await.unwrap();
    store.create_organization("org_1", None).await.unwrap();
    store.close().await;
    assert!(store.create_organization("org_2", None).await.is_err());
}

/// A store without its peppers would verify every token against a digest of another kind.
#[tokio::test]
async fn settings_are_kept_whatever_their_order() {
    let store = || {
        let pool = PgPoolOptions::new().connect_lazy("postgres://localhost/test");
        PostgresStore::new(pool.unwrap(), Catalogue::anyreach())
    };
    let peppers = || Peppers::new("test", &[7; 32]).unwrap();
    for store in [
        store()
            .with_peppers(peppers())
            .with_schema("of_test")
            .unwrap(),
        store()
            .with_schema("of_test")
            .unwrap()
            .with_peppers(peppers()),
    ] {
        let pepper = store.decoy_pepper().map(Pepper::name);
        assert_eq!(pepper, Some("test"));
        assert!(format!("{store:?}").contains("of_test"), "{store:?}");
    }
}

/// All that an error shows, with its sources.
fn shown(error: &dyn Error) -> String {
    let source = error.source().map(shown).unwrap_or_default();
    format!("{error} {error:?} {error:#?} {source}")
}

#[tokio::test]
async fn no_error_shows_the_password_of_a_url_and_each_names_the_database() {
    let Some(cluster) = pg::shared() else { return };
    let socket = cluster.url();
    let socket = socket.split_once("?host=").unwrap().1;
    let url = |user: &str, rest: &str| format!("postgres://{user}:s3cret@localhost/{rest}");
    type Expected = fn(&SetupError) -> bool;
    let denied: Expected = |error| matches!(error, SetupError::Denied { .. });
    let missing: Expected = |error| matches!(error, SetupError::Missing { .. });
    let unreachable: Expected = |error| matches!(error, SetupError::CannotConnect { .. });
    for (name, url, expected) in [
        (
            "no such role",
            url("nobody_at_all", &format!("postgres?host={socket}")),
            denied,
        ),
        (
            "no such database",
            url("postgres", &format!("nowhere?host={socket}")),
            missing,
        ),
        (
            "no server",
            url("postgres", "postgres?host=/nonexistent"),
            unreachable,
        ),
        (
            "no TLS",
            "postgres://postgres:s3cret@127.0.0.1:1/postgres?sslmode=require".to_owned(),
            unreachable,
        ),
    ] {
        let refused = PostgresStore::connect(&url, Catalogue::anyreach()).await;
        let error = refused.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        let text = shown(&error);
        assert!(!text.contains("s3cret"), "{name}: {text}");
        let user = url.split(['/', ':']).nth(3).unwrap();
        assert!(
            error.to_string().contains(&format!("{user}@")),
            "{name}: {text}"
        );
    }
    // The same for a pool of the service's own, whose options have the password too.
    let options = cluster
        .options()
        .username("nobody_at_all")
        .password("s3cret");
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let store = PostgresStore::new(pool, Catalogue::anyreach());
    for error in [
        store.migrate().await.unwrap_err(),
        store.check().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("nobody_at_all@"), "{error}");
        assert!(!shown(&error).contains("s3cret"), "{}", shown(&error));
    }
    assert!(!format!("{store:?}").contains("s3cret"));
}

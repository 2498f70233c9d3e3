//! An older program meets a schema that a newer version has migrated.

use crate::support::pg;

use tower_api_key::store::{Directory, Feed};
use tower_api_key_sqlx::SetupError;

/// A node that was rolled back, or not updated yet, opens the schema of a later version.
#[tokio::test]
async fn an_older_node_accepts_a_newer_schema_only_if_it_is_marked_compatible() {
    let Some(cluster) = pg::shared() else { return };
    let known = sqlx::migrate!("migrations/postgres")
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap();
    let (next, later) = (known + 1, known + 2);
    for (name, compatible, works) in [
        (
            "both are compatible",
            format!("({next}, {known}), ({later}, 1)"),
            true,
        ),
        (
            "the next is incompatible",
            format!("({next}, {next}), ({later}, 1)"),
            false,
        ),
        (
            "the later is incompatible",
            format!("({next}, 1), ({later}, {next})"),
            false,
        ),
        (
            "the next is not marked",
            format!("({later}, {known})"),
            false,
        ),
    ] {
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        cluster.psql(&format!(
            "SET search_path TO {schema};
            INSERT INTO _migrations SELECT n, 'newer', now(), true, '', 0 \
            FROM generate_series({next}, {later}) n;
            INSERT INTO compatibility VALUES {compatible};
            ALTER TABLE credentials ADD COLUMN newer text;
            CREATE OR REPLACE FUNCTION announce(channel text) RETURNS void LANGUAGE sql \
            SET search_path = pg_catalog
                AS 'SELECT pg_notify(channel, current_user)'"
        ));
        let migrations = || {
            cluster.psql(&format!(
                "SELECT string_agg(m::text, ' ') FROM {schema}._migrations m"
            ))
        };
        let before = migrations();
        for outcome in [store.migrate().await, store.check().await] {
            match outcome {
                Ok(()) => assert!(works, "{name}"),
                Err(SetupError::UnknownSchema { source, .. }) => {
                    let text = source.to_string();
                    assert!(
                        !works && text.contains("run the newer version on this node"),
                        "{name}: {text}"
                    );
                }
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(
            migrations(),
            before,
            "{name}: an older node must not migrate"
        );
        if works {
            let mut feed = store.feed().await.unwrap();
            store.create_user("u").await.unwrap();
            assert!(
                format!("{:?}", feed.next().await).contains("User"),
                "{name}"
            );
        }
    }
}

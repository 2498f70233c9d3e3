//! A damaged row affects only the use of its own credential: never its revocation, the list of its
//! owner, or another credential.

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, ManageError, Manager, Rotation},
    store::{
        AuditAction, AuditActor, CredentialStore, EffectiveStatus, Filter, Lookup, LookupKey,
        ManageStore, Owner, Status, StoreError,
        backend::{Authority, EndStatus, EndTarget, Ending, ListQuery},
    },
};
use tower_api_key_sqlx::SqliteStore;

use super::{File, NOW, add, info, lists, organization, user};

/// Damage that could have been written before the schema refused it.
const DAMAGED_COLUMNS: [&str; 20] = [
    "status = 'maybe'",
    "role = NULL, scopes = NULL",
    "scopes = '['",
    "scopes = '[1]'",
    "scopes = '[null]'",
    "scopes = '{}'",
    "name = CAST(x'ff' AS TEXT)",
    "role = CAST(x'c3' AS TEXT)",
    "rotated_to = CAST(x'eda080' AS TEXT)",
    "rotated_from = CAST(x'80' AS TEXT)",
    "description = CAST(x'80' AS TEXT)",
    "metadata = '{'",
    "metadata = '[]'",
    r#"metadata = '{"a":1}'"#,
    r#"metadata = '{"a":null}'"#,
    "allowed_networks = 'everywhere'",
    "allowed_networks = '10.0.0.1/8'",
    "allowed_networks = '10.0.0.0/8  192.0.2.0/24'",
    "environment = ''",
    "environment = 'a b'",
];

#[tokio::test]
async fn metadata_that_would_be_read_as_something_else_is_refused_from_every_writer() {
    let file = File::new().await;
    let store = file.open().await;
    add(&store, info(&organization("alpha"), "one")).await;
    let options = SqliteConnectOptions::new().filename(&file.path);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    for (metadata, fits) in [
        (r#"{"a":"1","b":"1"}"#, true),
        (r#"{}"#, true),
        (r#"{"a":"1","a":"2"}"#, false),
        (r#"{"a":["1"]}"#, false),
        (r#"{"a":{}}"#, false),
        (r#"["a"]"#, false),
        ("a", false),
    ] {
        let set = "UPDATE tower_api_key_credentials SET metadata = ?1 WHERE id = 'one'";
        let set = sqlx::query(set).bind(metadata).execute(&mut db).await;
        assert_eq!(set.is_ok(), fits, "{metadata}: {set:?}");
    }
}

fn ending(owner: &Owner, target: EndTarget, to: EndStatus) -> Ending {
    Ending {
        owner: owner.clone(),
        target,
        to,
        authority: Authority::Unconditional,
        at: UnixMillis(NOW),
        action: AuditAction::Deleted,
        by: AuditActor::Operator("test".into()),
        origin: None,
    }
}

async fn find(store: &SqliteStore, id: &str) -> Result<Option<Status>, StoreError> {
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id }, None))
        .await?;
    Ok(found.map(|record| record.status()))
}

#[tokio::test]
async fn a_use_that_cannot_be_read_damages_its_own_credential_alone() {
    let (file, alpha) = (File::new().await, organization("alpha"));
    let store = file.open().await;
    for id in ["bad", "good"] {
        add(&store, info(&alpha, id)).await;
    }
    file.by_hand(
        "INSERT INTO tower_api_key_uses (kind, id, at, last_address) \
         VALUES ('org_key', 'bad', 1, 'nowhere'), ('org_key', 'good', 1, '192.0.2.1')",
    )
    .await;
    for (id, damaged) in [("bad", true), ("good", false)] {
        let info = store.credential(&alpha, id).await.unwrap().unwrap();
        assert_eq!(info.damaged, damaged, "{info:?}");
    }
}

#[tokio::test]
async fn a_damaged_row_affects_only_the_use_of_its_own_credential() {
    let alpha = organization("alpha");
    for damage in DAMAGED_COLUMNS {
        for to in [EndStatus::Disabled, EndStatus::Deleted] {
            let file = File::new().await;
            let store = file.open().await;
            for id in ["one", "other"] {
                add(&store, info(&alpha, id)).await;
            }
            add(&store, info(&organization("beta"), "another")).await;
            add(&store, info(&user("alpha"), "one")).await;
            file.by_hand(&format!(
                "UPDATE tower_api_key_credentials SET {damage} WHERE kind = 'org_key' \
                 AND id = 'one'"
            ))
            .await;
            assert!(
                matches!(find(&store, "one").await, Err(StoreError::Corrupt(_))),
                "{damage}"
            );
            assert_eq!(
                find(&store, "other").await.unwrap(),
                Some(Status::Active),
                "{damage}"
            );

            let one = store.credential(&alpha, "one").await.unwrap().unwrap();
            assert!(
                one.damaged && one.created_at == UnixMillis(NOW),
                "{damage}: {one:?}"
            );
            let listed = store.credentials(&alpha, &lists::list_all()).await.unwrap();
            let listed = listed
                .iter()
                .map(|info| (info.id.as_str(), info.damaged))
                .collect::<Vec<_>>();
            assert_eq!(listed, [("other", false), ("one", true)], "{damage}");
            for state in [
                EffectiveStatus::Active,
                EffectiveStatus::Disabled,
                EffectiveStatus::Expired,
                EffectiveStatus::Deleted,
            ] {
                let filter = Filter::default().with_state(state);
                for filter in [filter.clone().with_metadata("team", "x"), filter] {
                    let all = lists::list_all();
                    let query = ListQuery { filter, ..all };
                    store.credentials(&alpha, &query).await.unwrap();
                }
            }

            // Values that could not be read are not copied.
            let (manager, actor) = (
                Manager::new(store.clone()),
                Actor::operator("test", alpha.clone()),
            );
            let renamed = manager
                .rename(&actor, Kind::OrgKey, "one", "name")
                .await
                .unwrap_err();
            assert!(
                matches!(renamed, ManageError::Damaged),
                "{damage}: {renamed:?}"
            );
            let rotated = manager
                .rotate(&actor, Kind::OrgKey, "one", Rotation::default())
                .await
                .err();
            assert!(
                matches!(rotated, Some(ManageError::Damaged | ManageError::Disabled)),
                "{damage}: {rotated:?}"
            );

            let ended = store
                .end(&ending(&alpha, EndTarget::One("one".into()), to))
                .await
                .unwrap();
            assert_eq!(ended, ["one".into()], "{damage}");
            assert_ne!(
                find(&store, "one").await.ok(),
                Some(Some(Status::Active)),
                "{damage}"
            );
            let events = store.events(&alpha, None, 10).await.unwrap();
            assert_eq!(
                (events[0].action, events[0].credential.as_str()),
                (AuditAction::Deleted, "one"),
                "{damage}"
            );
            let again = store
                .end(&ending(&alpha, EndTarget::One("one".into()), to))
                .await
                .unwrap();
            assert_eq!(again, [], "{damage}");
            assert_eq!(
                find(&store, "another").await.unwrap(),
                Some(Status::Active),
                "{damage}"
            );
            assert_eq!(
                file.query_number(
                    "SELECT count(*) FROM tower_api_key_credentials WHERE status <> 'active'"
                )
                .await,
                1
            );
        }
    }
}

#[tokio::test]
async fn ending_all_includes_damaged_credentials() {
    for owner in [organization("alpha"), user("alpha")] {
        let file = File::new().await;
        let store = file.open().await;
        let mut expected = Vec::new();
        let damaged_columns = [
            "status = 'maybe'",
            "name = CAST(x'ff' AS TEXT)",
            "rotated_to = CAST(x'80' AS TEXT)",
            "id = CAST(x'41ff' AS TEXT)",
        ];
        for (number, damage) in damaged_columns.into_iter().enumerate() {
            let id = format!("k{number}");
            add(&store, info(&owner, &id)).await;
            file.by_hand(&format!(
                "UPDATE tower_api_key_credentials SET {damage} WHERE id = '{id}'"
            ))
            .await;
            expected.push(if damage.starts_with("id") {
                "A\u{fffd}".to_owned()
            } else {
                id
            });
        }
        let listed = store.credentials(&owner, &lists::list_all()).await.unwrap();
        assert_eq!(
            listed.iter().filter(|info| info.damaged).count(),
            4,
            "{listed:?}"
        );
        let ended = store
            .end(&ending(&owner, EndTarget::All, EndStatus::Deleted))
            .await
            .unwrap();
        let mut ended: Vec<_> = ended.iter().map(|id| id.as_str().to_owned()).collect();
        ended.sort();
        expected.sort();
        assert_eq!(ended, expected);
        assert_eq!(
            file.query_number(
                "SELECT count(*) FROM tower_api_key_credentials WHERE status <> 'deleted'"
            )
            .await,
            0
        );
    }
}

#[tokio::test]
async fn a_damaged_token_is_an_outage_for_its_holder_only() {
    let owner = user("alpha");
    let digest = |id: &str| tower_api_key::secret::Digest::of(format!("test {id}").as_bytes());
    for damage in [
        "name = CAST(x'ff' AS TEXT)",
        "rotated_to = CAST(x'ff' AS TEXT)",
        "status = 'maybe'",
    ] {
        let file = File::new().await;
        let store = file.open().await;
        add(&store, info(&owner, "one")).await;
        add(&store, info(&owner, "other")).await;
        file.by_hand(&format!(
            "UPDATE tower_api_key_credentials SET {damage} WHERE id = 'one'"
        ))
        .await;
        let (one, other) = (digest("one"), digest("other"));
        let one = store
            .find(&Lookup::new(
                LookupKey::PersonalToken { digest: &one },
                None,
            ))
            .await;
        assert!(
            matches!(one, Err(StoreError::Corrupt(_))),
            "{damage}: {one:?}"
        );
        assert!(
            store
                .find(&Lookup::new(
                    LookupKey::PersonalToken { digest: &other },
                    None
                ))
                .await
                .unwrap()
                .is_some()
        );
    }
}

/// Whichever program writes them, unless it switches checks off.
#[tokio::test]
async fn rows_that_no_store_writes_are_refused() {
    let file = File::new().await;
    let store = file.open().await;
    add(&store, info(&organization("alpha"), "one")).await;
    let mut db = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file.path))
        .await
        .unwrap();
    let damaged_columns = [
        "scopes = '['",
        "scopes = '[1]'",
        "scopes = '[\"a\", null]'",
        "scopes = '[[\"a\"]]'",
        "name = CAST(x'ff' AS TEXT)",
        "name = CAST(x'6e61c3af76c3' AS TEXT)",
        "role = CAST(x'c080' AS TEXT)",
        "id = CAST(x'f4908080' AS TEXT)",
        "rotated_from = CAST(x'80' AS TEXT)",
        "rotated_to = CAST(x'eda080' AS TEXT)",
        "idempotency_key = 'x'",
        "request_hash = zeroblob(32)",
        "idempotency_key = CAST(x'ff' AS TEXT), request_hash = zeroblob(32)",
        "pepper = ''",
        "pepper = 'a b'",
    ];
    for damage in damaged_columns {
        let update = format!("UPDATE tower_api_key_credentials SET {damage}");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(update))
            .execute(&mut db)
            .await;
        assert!(refused.is_err(), "{damage}");
        let (columns, values): (Vec<_>, Vec<_>) = damage
            .split(", ")
            .filter_map(|column| column.split_once(" = "))
            .unzip();
        let (columns, values) = (columns.join(", "), values.join(", "));
        if damage.contains("null") || damage.starts_with("id ") || damage.starts_with("role") {
            continue; // split in the wrong place, or already among the columns
        }
        let insert = format!(
            "INSERT INTO tower_api_key_credentials (kind, id, digest, organization_id, role, \
             {columns})
             VALUES ('org_key', 'two', zeroblob(32), 'alpha', 'viewer', {values})"
        );
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(insert))
            .execute(&mut db)
            .await;
        assert!(refused.is_err(), "{damage}");
    }
    let sound = [
        "name = 'na\u{ef}ve \u{1f511} \u{fffe}\u{ffff}\u{fffd}'",
        "scopes = '[\"a\", \"b\"]'",
        "idempotency_key = 'x', request_hash = zeroblob(32)",
        "pepper = 'a-1_B.2'",
    ];
    for sound in sound {
        let update = format!("UPDATE tower_api_key_credentials SET {sound}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(update))
            .execute(&mut db)
            .await
            .unwrap();
    }
}

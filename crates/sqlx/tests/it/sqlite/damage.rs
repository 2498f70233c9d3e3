//! Changes by hand that damage rows affect those rows alone, and cannot remove a referenced owner.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    scope::Catalogue,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, Owner, Record, Status,
        StoreError, WriteError,
    },
};

use super::{digest, find, key, open, raw};

/// Anyone with `sqlite3` can switch off the checks that keep a row readable.
#[tokio::test]
async fn a_damaged_row_is_a_503_for_its_own_credential_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.insert(key("whole")).await.unwrap();
    let damaged_rows = [
        ("short_digest", "digest = x'00'"),
        ("no_such_role", "role = 'janitor'"),
        ("scopes_no_json", "scopes = '['"),
        ("scopes_no_texts", "scopes = '[1]'"),
        ("scopes_object", "scopes = '{}'"),
        ("unknown_status", "status = 'maybe'"),
        ("no_utf8", "role = CAST(x'ff' AS TEXT)"),
        ("no_owner", "organization_id = NULL"),
    ];
    let mut db = raw(&path).await;
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON")
        .execute(&mut db)
        .await
        .unwrap();
    for (id, damage) in damaged_rows {
        store.insert(key(id)).await.unwrap();
        let sql = format!("UPDATE tower_api_key_credentials SET {damage} WHERE id = '{id}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut db)
            .await
            .unwrap();
    }
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store.clone()))
        .service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
    let status = async |id: &str| {
        let request = Request::builder().header("authorization", format!("Bearer ak_{id}.test"));
        service
            .clone()
            .oneshot(request.body(String::new()).unwrap())
            .await
            .unwrap()
            .status()
    };
    for (id, damage) in damaged_rows {
        assert!(
            matches!(find(&store, id).await, Err(StoreError::Corrupt(_))),
            "{damage}"
        );
        assert_eq!(
            status(id).await,
            StatusCode::SERVICE_UNAVAILABLE,
            "{damage}"
        );
        assert_eq!(status("whole").await, StatusCode::OK, "after {damage}");
    }
    assert_eq!(status("nobody").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_membership_with_an_unknown_role_is_corrupt_in_its_organization_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_user("alice").await.unwrap();
    for organization in ["org_1", "org_2"] {
        store.create_organization(organization, None).await.unwrap();
        store
            .set_member("alice", organization, "viewer")
            .await
            .unwrap();
    }
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    let sql =
        "UPDATE tower_api_key_memberships SET role = 'janitor' WHERE organization_id = 'org_1'";
    sqlx::raw_sql(sql)
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    let digest = digest("t");
    let lookup =
        |organization| Lookup::new(LookupKey::PersonalToken { digest: &digest }, organization);
    assert!(matches!(
        store.find(&lookup(Some("org_1"))).await,
        Err(StoreError::Corrupt(_))
    ));
    assert_eq!(
        store
            .find(&lookup(Some("org_2")))
            .await
            .unwrap()
            .unwrap()
            .role(),
        Some("viewer")
    );
    assert!(store.find(&lookup(None)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_owner_in_an_unknown_state_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "viewer").await.unwrap();
    store.insert(key("a")).await.unwrap();
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    let mut db = raw(&path).await;
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON")
        .execute(&mut db)
        .await
        .unwrap();
    for state in [-1, 2] {
        let sql = format!(
            "UPDATE tower_api_key_organizations SET deleted = {state}; \
             UPDATE tower_api_key_users SET enabled = {state}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut db)
            .await
            .unwrap();
        assert!(
            matches!(find(&store, "a").await, Err(StoreError::Corrupt(_))),
            "deleted = {state}"
        );
        let token = LookupKey::PersonalToken {
            digest: &digest("t"),
        };
        let found = store.find(&Lookup::new(token, None)).await;
        assert!(
            matches!(found, Err(StoreError::Corrupt(_))),
            "enabled = {state}: {found:?}"
        );
    }
}

/// Anyone with `sqlite3` can drop the triggers that protect the row of an owner.
#[tokio::test]
async fn an_owner_removed_by_hand_is_gone_and_its_id_is_not_reused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.insert(key("a")).await.unwrap();
    store
        .insert(Record::personal_token("t", digest("t"), "alice"))
        .await
        .unwrap();
    let sql = "PRAGMA foreign_keys = OFF; DROP TRIGGER tower_api_key_organization_kept; \
         DROP TRIGGER tower_api_key_user_kept;
        DELETE FROM tower_api_key_organizations; DELETE FROM tower_api_key_users";
    sqlx::raw_sql(sql)
        .execute(&mut raw(&path).await)
        .await
        .unwrap();
    assert_eq!(
        find(&store, "a").await.unwrap(),
        Some(Status::OrganizationGone)
    );
    let token = LookupKey::PersonalToken {
        digest: &digest("t"),
    };
    let found = store
        .find(&Lookup::new(token, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.status(), Status::OwnerGone);
    assert!(matches!(
        store.create_organization("org_1", None).await,
        Err(WriteError::Taken(_))
    ));
    assert!(matches!(
        store.create_user("alice").await,
        Err(WriteError::Taken(_))
    ));
    let unsound = store.check().await.unwrap_err().to_string();
    for named in [
        "organization_kept",
        "user_kept",
        "tower_api_key_credentials refers to owners without a row",
    ] {
        assert!(unsound.contains(named), "{named}: {unsound}");
    }
}

/// The `sqlite3` program has foreign keys off, and REPLACE fires no delete triggers.
#[tokio::test]
async fn a_referenced_owner_keeps_its_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let store = open(&path).await;
    for organization in ["keys", "dead", "members", "parent", "trail", "free"] {
        store.create_organization(organization, None).await.unwrap();
    }
    for user in ["tokens", "dead", "members", "trail", "free"] {
        store.create_user(user).await.unwrap();
    }
    let key = |id: &str, organization: &str| {
        Record::org_key(id, digest(id), organization)
            .with_role("viewer", &Catalogue::anyreach())
            .unwrap()
    };
    store.insert(key("a", "keys")).await.unwrap();
    store.insert(key("b", "dead")).await.unwrap();
    store
        .delete(&Owner::of(Kind::OrgKey, "dead"), "b")
        .await
        .unwrap();
    store
        .insert(Record::personal_token("a", digest("a"), "tokens"))
        .await
        .unwrap();
    store
        .insert(Record::personal_token("b", digest("b"), "dead"))
        .await
        .unwrap();
    store
        .delete(&Owner::of(Kind::PersonalToken, "dead"), "b")
        .await
        .unwrap();
    store
        .set_member("members", "members", "viewer")
        .await
        .unwrap();
    store
        .create_organization("child", Some("parent"))
        .await
        .unwrap();
    let mut db = raw(&path).await;
    let trail = "PRAGMA foreign_keys = OFF;
        INSERT INTO tower_api_key_events (at, action, organization_id, credential_id, actor_kind) \
        VALUES (0, 'issued', 'trail', 'x', 'bearer');
        INSERT INTO tower_api_key_events (at, action, user_id, credential_id, actor_kind) \
        VALUES (0, 'issued', 'trail', 'x', 'bearer')";
    sqlx::raw_sql(trail).execute(&mut db).await.unwrap();
    let organizations =
        ["keys", "dead", "members", "parent", "trail"].map(|id| ("organizations", id));
    let users = ["tokens", "dead", "members", "trail"].map(|id| ("users", id));
    for (table, id) in organizations.into_iter().chain(users) {
        for sql in [
            format!("DELETE FROM tower_api_key_{table} WHERE id = '{id}'"),
            format!("REPLACE INTO tower_api_key_{table} (id) VALUES ('{id}')"),
            format!("UPDATE tower_api_key_{table} SET id = 'elsewhere' WHERE id = '{id}'"),
            format!("UPDATE OR REPLACE tower_api_key_{table} SET id = '{id}' WHERE id = 'free'"),
        ] {
            let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))
                .execute(&mut db)
                .await
                .unwrap_err();
            assert!(
                refused.to_string().contains("still referred to"),
                "{sql}: {refused}"
            );
        }
        let nothing = format!("INSERT OR IGNORE INTO tower_api_key_{table} (id) VALUES ('{id}')");
        sqlx::raw_sql(sqlx::AssertSqlSafe(nothing))
            .execute(&mut db)
            .await
            .unwrap();
    }
    for table in ["organizations", "users"] {
        let free = format!(
            "UPDATE tower_api_key_{table} SET id = 'freed' WHERE id = 'free';
             REPLACE INTO tower_api_key_{table} (id) VALUES ('freed'); \
             DELETE FROM tower_api_key_{table} WHERE id = 'freed';
             INSERT INTO tower_api_key_{table} (id) VALUES ('free')"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(free))
            .execute(&mut db)
            .await
            .unwrap();
    }
}

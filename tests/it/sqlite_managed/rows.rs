//! Rows: what is written comes back, what is older is read, what is damaged is told.

use std::borrow::Cow;

use sqlx::{Connection, SqliteConnection, migrate::Migrator};
use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    manage::{Action, CredentialInfo, Event, Who},
    principal::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        Authority, Commit, Credential, CredentialStore, Insert, Lookup, ManagedStore, Record,
        SqliteStore, Standing, StoreAdmin, StoreError, WriteError,
    },
};

use super::{
    File, NOW, add, adding, altering, event, in_memory, info, insert, lists, organization, user,
};

#[tokio::test]
async fn everything_comes_back_as_it_was_written() {
    let store = in_memory().await;
    for owner in [organization("alpha"), user("alpha")] {
        let is_key = owner.kind() == Kind::OrgKey;
        let whole = CredentialInfo {
            name: "na\0me \u{1f511} ' \" \\".into(),
            scopes: is_key.then(|| ["agents:read".into(), "a\0\"b".into()].into()),
            standing: Standing::Disabled,
            created_at: UnixMillis(-1),
            expires_at: Some(UnixMillis(i64::MAX)),
            rotated_from: Some("before".into()),
            rotated_to: Some("after".into()),
            rotated_at: Some(UnixMillis(i64::MIN)),
            ..info(&owner, "whole")
        };
        let none = CredentialInfo {
            scopes: is_key.then(|| [].into()),
            ..info(&owner, "none")
        };
        for wanted in [&whole, &none] {
            let key = format!("key of {}", wanted.id);
            let idempotency = Some((key.clone().into(), [0xfe; 32]));
            let commit = adding(Insert {
                idempotency,
                ..insert(wanted.clone())
            });
            store.commit(&commit).await.unwrap();
            let found = store
                .credential(&owner, wanted.id.as_str())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found, *wanted);
            assert_eq!(
                store.issued_under(&owner, &key).await.unwrap(),
                Some((found, [0xfe; 32]))
            );
        }
        let changed = CredentialInfo {
            name: "".into(),
            standing: Standing::Active,
            expires_at: None,
            rotated_to: None,
            rotated_at: None,
            ..whole.clone()
        };
        store
            .commit(&altering(&whole, |info| *info = changed.clone()))
            .await
            .unwrap();
        assert_eq!(
            store.credential(&owner, "whole").await.unwrap(),
            Some(changed)
        );
        assert_eq!(
            store
                .credentials(&owner, &lists::all())
                .await
                .unwrap()
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn every_event_comes_back_as_it_was_written() {
    let store = in_memory().await;
    for owner in [organization("alpha"), user("alpha")] {
        let one = info(&owner, "one");
        let sorts = [
            Who::Key("k".into()),
            Who::Token {
                id: "t".into(),
                user: "alice".into(),
            },
            Who::Person("alice".into()),
            Who::Operator("".into()),
            Who::Holder,
        ];
        let mut events: Vec<_> = sorts
            .map(|by| Event {
                by,
                ..event(&one, Action::Revoked)
            })
            .into();
        events.push(Event {
            at: UnixMillis(i64::MIN),
            related: Some("an\0other".into()),
            origin: Some("\u{1f511}".into()),
            ..event(&one, Action::Imported)
        });
        store
            .commit(&Commit {
                events: events.clone(),
                ..Commit::new(owner.clone(), Authority::Unconditional)
            })
            .await
            .unwrap();
        let mut found = store.events(&owner, None, 100).await.unwrap();
        found.reverse();
        for event in &mut found {
            assert!(std::mem::take(&mut event.number) > 0);
        }
        assert_eq!(found, events);
    }
}

#[tokio::test]
async fn what_is_issued_is_found_and_what_is_inserted_is_managed() {
    let store = in_memory().await;
    let alpha = organization("alpha");
    add(&store, info(&alpha, "issued")).await;
    let found = store
        .find(&Lookup::new(Credential::OrgKey { id: "issued" }, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.role(), found.standing()),
        (Some("viewer"), Standing::Active)
    );
    add(&store, info(&user("alpha"), "issued-token")).await;
    let digest = Digest::of(b"test issued-token");
    let found = store
        .find(&Lookup::new(
            Credential::PersonalToken { digest: &digest },
            None,
        ))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.id(), found.user().unwrap().as_str()),
        ("issued-token", "alpha")
    );

    let began = SystemClock::default().now();
    let key = Record::org_key("inserted", Digest::of(b"test"), "alpha");
    store
        .insert(
            key.with_scopes(ScopeSet::from_iter(["agents:read"]))
                .expiring_at(UnixMillis(NOW)),
        )
        .await
        .unwrap();
    let found = store.credential(&alpha, "inserted").await.unwrap().unwrap();
    assert!(
        began <= found.created_at && found.created_at <= SystemClock::default().now(),
        "{found:?}"
    );
    let wanted = CredentialInfo {
        name: "".into(),
        role: None,
        scopes: Some(["agents:read".into()].into()),
        created_at: found.created_at,
        expires_at: Some(UnixMillis(NOW)),
        ..info(&alpha, "inserted")
    };
    assert_eq!(found, wanted);
    let with_role = Record::org_key("role", Digest::of(b"test"), "alpha");
    store
        .insert(
            with_role
                .with_role("viewer", &Catalogue::documented())
                .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(
        store
            .credential(&alpha, "role")
            .await
            .unwrap()
            .unwrap()
            .scopes,
        None,
        "they follow the catalogue"
    );
}

/// A file `keys.db` that has the schema of migration `version`, and a connection to it that checks nothing.
async fn older(version: i64) -> (tempfile::TempDir, SqliteConnection) {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteStore::options(directory.path().join("keys.db"));
    let options = options
        .pragma("ignore_check_constraints", "ON")
        .foreign_keys(false);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let known = sqlx::migrate!("migrations/sqlite");
    let migrations = known
        .iter()
        .filter(|migration| migration.version <= version)
        .cloned()
        .collect::<Vec<_>>();
    let table_name = Cow::Borrowed("tower_api_key_migrations");
    let migrator = Migrator {
        migrations: migrations.into(),
        table_name,
        ..known
    };
    migrator.run_direct(None, &mut db, false).await.unwrap();
    (directory, db)
}

/// What a newer schema refuses may be there already.
#[tokio::test]
async fn a_damaged_file_is_brought_up_to_date() {
    for version in [1, 2] {
        let (directory, mut db) = older(version).await;
        let rows = "INSERT INTO tower_api_key_organizations (id) VALUES ('alpha');
            INSERT INTO tower_api_key_credentials (kind, id, digest, organization_id, role)
                VALUES ('org_key', 'good', zeroblob(32), 'alpha', 'viewer'),
                ('org_key', 'orphan', zeroblob(32), 'removed', 'viewer');
            INSERT INTO tower_api_key_credentials (kind, id, digest, organization_id, scopes)
                VALUES ('org_key', 'bad', zeroblob(32), 'alpha', '[1]');
            INSERT INTO tower_api_key_credentials (kind, id, digest, user_id, standing)
                VALUES ('pat', 'orphan', zeroblob(32), 'removed', 'active')";
        sqlx::raw_sql(rows).execute(&mut db).await.unwrap();
        if version > 1 {
            // The second migration adds a column with a check, for which SQLite makes all checks of every row.
            let maybe = "UPDATE tower_api_key_credentials SET standing = 'maybe', name = CAST(x'ff' AS TEXT)
                WHERE kind = 'pat'";
            sqlx::raw_sql(maybe).execute(&mut db).await.unwrap();
        }
        db.close().await.unwrap();
        let store = SqliteStore::open(directory.path().join("keys.db"), Catalogue::documented())
            .await
            .unwrap();
        let listed = store
            .credentials(&organization("alpha"), &lists::all())
            .await
            .unwrap();
        let listed = listed
            .iter()
            .map(|info| (info.id.as_str(), info.damaged))
            .collect::<Vec<_>>();
        assert_eq!(listed, [("good", false), ("bad", true)], "{version}");
        assert!(
            matches!(
                store.create_organization("removed", None).await,
                Err(WriteError::Taken(_))
            ),
            "{version}"
        );
        assert!(
            matches!(
                store.create_user("removed").await,
                Err(WriteError::Taken(_))
            ),
            "{version}"
        );
    }
}

/// What was stored before there was management has no name, and was created nobody knows when.
#[tokio::test]
async fn rows_of_older_schemas_are_managed() {
    let (directory, mut db) = older(2).await;
    let path = directory.path().join("keys.db");
    let rows = "INSERT INTO tower_api_key_organizations (id) VALUES ('alpha');
        INSERT INTO tower_api_key_users (id) VALUES ('alpha');
        INSERT INTO tower_api_key_credentials (kind, id, digest, organization_id, role)
            VALUES ('org_key', 'one', zeroblob(32), 'alpha', 'viewer');
        INSERT INTO tower_api_key_credentials (kind, id, digest, user_id, expires_at)
            VALUES ('pat', 'one', zeroblob(32), 'alpha', 5)";
    sqlx::raw_sql(rows).execute(&mut db).await.unwrap();
    db.close().await.unwrap();

    let store = SqliteStore::open(&path, Catalogue::documented())
        .await
        .unwrap();
    for (owner, expires_at) in [
        (organization("alpha"), None),
        (user("alpha"), Some(UnixMillis(5))),
    ] {
        let old = CredentialInfo {
            name: "".into(),
            created_at: UnixMillis(0),
            expires_at,
            ..info(&owner, "one")
        };
        assert_eq!(
            store.credential(&owner, "one").await.unwrap(),
            Some(old.clone())
        );
        assert_eq!(
            store.credentials(&owner, &lists::all()).await.unwrap(),
            std::slice::from_ref(&old)
        );
        store
            .commit(&altering(&old, |info| info.name = "named".into()))
            .await
            .unwrap();
        assert_eq!(
            &*store.credential(&owner, "one").await.unwrap().unwrap().name,
            "named"
        );
        assert_eq!(store.events(&owner, None, 10).await.unwrap().len(), 1);
    }
}

fn is_corrupt<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Corrupt(_)))
}

async fn damaged(file: &File, table: &str, damage: &str) {
    file.by_hand(&format!("UPDATE tower_api_key_{table} SET {damage}"))
        .await;
}

#[tokio::test]
async fn a_damaged_request_is_an_error_and_a_damaged_event_is_marked() {
    let alpha = organization("alpha");
    for damage in ["request = NULL", "request = x'00'"] {
        let file = File::new().await;
        let store = file.open().await;
        let keyed = Insert {
            idempotency: Some(("key".into(), [1; 32])),
            ..insert(info(&alpha, "one"))
        };
        store.commit(&adding(keyed)).await.unwrap();
        file.by_hand(&format!("UPDATE tower_api_key_credentials SET {damage}"))
            .await;
        assert!(
            is_corrupt(&store.issued_under(&alpha, "key").await),
            "{damage}"
        );
        assert!(
            store.credential(&alpha, "one").await.unwrap().is_some(),
            "{damage}"
        );
    }
    let by = Who::Operator("test".into());
    for (damage, action, by, origin) in [
        ("action = 'guessed'", Action::Unknown, by.clone(), None),
        (
            "action = CAST(x'ff' AS TEXT)",
            Action::Unknown,
            by.clone(),
            None,
        ),
        ("by_sort = 'somebody'", Action::Issued, Who::Unknown, None),
        ("by_id = NULL", Action::Issued, Who::Unknown, None),
        ("by_user = 'x'", Action::Issued, Who::Unknown, None),
        (
            "origin = CAST(x'ff' AS TEXT)",
            Action::Issued,
            by,
            Some("\u{fffd}"),
        ),
    ] {
        let file = File::new().await;
        let store = file.open().await;
        add(&store, info(&alpha, "one")).await;
        add(&store, info(&alpha, "two")).await;
        damaged(
            &file,
            "events",
            &format!("{damage} WHERE credential_id = 'one'"),
        )
        .await;
        let [two, one] = &store.events(&alpha, None, 10).await.unwrap()[..] else {
            panic!("{damage}")
        };
        assert_eq!(
            (one.action, &one.by, one.origin.as_deref()),
            (action, &by, origin),
            "{damage}"
        );
        assert_eq!(
            (two.action, two.credential.as_str()),
            (Action::Issued, "two"),
            "{damage}"
        );
        assert_eq!(
            store.events(&organization("beta"), None, 10).await.unwrap(),
            []
        );
    }
}

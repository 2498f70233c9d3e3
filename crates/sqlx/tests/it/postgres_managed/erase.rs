//! Removing a user.

use sqlx::{AssertSqlSafe, Connection, Executor};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    store::{
        AuditAction, AuditActor, Directory, ManageStore, Owner, StoreError, Usage, WriteError,
        backend::Idempotency,
    },
};

use super::{Fixture, ORG, OTHER_USER, USER, event, info, insert_commit, list_all, owners};

/// Seeds a user with a used token who acts in their own audit trail and in that of an organization.
async fn seed_user(fixture: &Fixture, user: &str) {
    let store = &fixture.store;
    store.set_member(user, ORG, "viewer").await.unwrap();
    let [(organization, _), _] = owners();
    let owner = Owner::User(user.into());
    let token = format!("token-of-{user}");
    let mut issue = insert_commit(info(&owner, &token));
    issue.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key-test", [1; 32]));
    let by = [
        AuditActor::User(user.into()),
        AuditActor::Token {
            id: token.as_str().into(),
            user: user.into(),
        },
        AuditActor::Operator("operator-test".into()),
    ];
    issue.events = by
        .iter()
        .map(|by| {
            let mut event = event(&owner, &token, AuditAction::Issued);
            event.by = by.clone();
            event
        })
        .collect();
    store.commit(&issue).await.unwrap();
    let mut others = insert_commit(info(&organization, &format!("key-by-{user}")));
    others.events = by
        .iter()
        .map(|by| {
            let mut event = event(&organization, "k", AuditAction::Issued);
            event.by = by.clone();
            event
        })
        .collect();
    store.commit(&others).await.unwrap();
    let used = Usage::new(owner.kind(), token.as_str(), UnixMillis(9_000));
    store.record_uses(&[used]).await.unwrap();
}

/// Counts the rows that mention a user, for each table except the log of changes.
fn count_mentions(fixture: &Fixture, user: &str) -> String {
    let tables = [
        "users",
        "memberships",
        "credentials",
        "uses",
        "events",
        "owner_turns",
    ];
    let count = |table| format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{user}%'");
    // Token ids are random in production; here they name the user, and they stay in the trail.
    fixture.psql(
        &tables
            .map(count)
            .join(" UNION ALL ")
            .replace("t::text", "replace(t::text, 'token-of-', '')"),
    )
}

#[tokio::test]
async fn removing_a_user_leaves_only_an_anonymous_audit_trail() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let store = &fixture.store;
    for user in [USER, OTHER_USER] {
        seed_user(&fixture, user).await;
    }
    let others = Owner::User(OTHER_USER.into());
    let theirs = store.events(&others, None, 10).await.unwrap();
    let changes: i64 = fixture
        .psql("SELECT max(seq) FROM changes")
        .parse()
        .unwrap();
    store.delete_user(USER).await.unwrap();

    let owner = Owner::User(USER.into());
    assert_eq!(store.events(&owner, None, 10).await.unwrap(), []);
    assert_eq!(store.credentials(&owner, &list_all()).await.unwrap(), []);
    let named =
        "SELECT count(*) FROM events WHERE user_id = 'user_test' OR actor_user_id = 'user_test'";
    assert_eq!(fixture.psql(named), "0");
    let anonymized =
        "SELECT count(*), count(DISTINCT coalesce(user_id, actor_user_id)), count(origin) \
         FROM events
        WHERE user_id LIKE 'erased-%' OR actor_user_id LIKE 'erased-%'";
    assert_eq!(fixture.psql(anonymized), "5|1|0");
    for table in [
        "memberships WHERE user_id",
        "credentials WHERE user_id",
        "owner_turns WHERE id",
        "users WHERE id",
    ] {
        assert_eq!(
            fixture.psql(&format!("SELECT count(*) FROM {table} = 'user_test'")),
            "0",
            "{table}"
        );
    }
    assert_eq!(
        fixture.psql("SELECT id FROM uses"),
        "token-of-user_other_test"
    );
    assert_eq!(store.events(&others, None, 10).await.unwrap(), theirs);
    assert_eq!(
        store.credentials(&others, &list_all()).await.unwrap().len(),
        1
    );
    let logged =
        format!("SELECT DISTINCT subject, id FROM changes WHERE seq > {changes} ORDER BY subject");
    assert_eq!(
        fixture.psql(&logged),
        "credential|token-of-user_test\nuser|user_test"
    );

    // The id can be used again.
    let again = store.delete_user(USER).await;
    assert!(
        matches!(again, Err(WriteError::UnknownUser(_))),
        "{again:?}"
    );
    store.create_user(USER).await.unwrap();
    assert_eq!(store.events(&owner, None, 10).await.unwrap(), []);
    assert_eq!(store.issued_under(&owner, "key-test").await.unwrap(), None);
    fixture.insert(info(&owner, "token-of-user_test")).await;
    assert_eq!(
        store.credentials(&owner, &list_all()).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn an_unknown_user_cannot_be_removed() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let before = fixture.snapshot();
    for id in ["nobody", "", "a\0", ORG] {
        let refused = fixture.store.delete_user(id).await;
        assert!(
            matches!(refused, Err(WriteError::UnknownUser(_))),
            "{refused:?}"
        );
    }
    assert_eq!(fixture.snapshot(), before);
}

#[tokio::test]
async fn a_long_audit_trail_is_anonymized_too() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    fixture.psql(
        "INSERT INTO events (at, action, user_id, credential_id, actor_kind, actor_user_id, origin)
            SELECT n, 'issued', 'user_test', 'k', 'user', 'user_test', '192.0.2.1' \
            FROM generate_series(1, 25000) n;
        INSERT INTO events (at, action, organization_id, credential_id, actor_kind, actor_user_id, \
        origin)
            SELECT n, 'issued', 'org_test', 'k', 'user', 'user_test', '192.0.2.1' \
            FROM generate_series(1, 25000) n",
    );
    fixture.store.delete_user(USER).await.unwrap();
    let left = "SELECT count(*) FROM events WHERE user_id = 'user_test' OR actor_user_id = \
                'user_test' OR origin IS NOT NULL";
    assert_eq!(fixture.psql(left), "0");
    assert_eq!(fixture.psql("SELECT count(*) FROM events"), "50000");
}

/// Concurrent changes and uses of the user's credentials neither block the removal nor leave
/// anything behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_can_be_removed_under_concurrent_changes() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for round in 0..5 {
        let user = format!("busy{round}");
        fixture.store.create_user(&user).await.unwrap();
        seed_user(&fixture, &user).await;
        let owner = Owner::User(user.as_str().into());
        let mut tasks = Vec::new();
        for number in 0..16 {
            let (store, owner, user) = (fixture.store.clone(), owner.clone(), user.clone());
            let id = format!("new-{user}-{number}");
            tasks.push(tokio::spawn(async move {
                let mut issue = insert_commit(info(&owner, &id));
                issue.events = vec![event(&owner, &id, AuditAction::Issued)];
                let used = |id: &str| {
                    let (kind, at) = (owner.kind(), UnixMillis(1_000_000 + number));
                    {
                        let mut usage = Usage::new(kind, id, at);
                        usage.after_rotation = true;
                        usage
                    }
                };
                match store.commit(&issue).await {
                    Ok(()) | Err(WriteError::UnknownUser(_)) => {}
                    other => panic!("{other:?}"),
                }
                store
                    .record_uses(&[used(&id), used(&format!("token-of-{user}"))])
                    .await
                    .unwrap();
                match store.set_member(&user, ORG, "viewer").await {
                    Ok(()) | Err(WriteError::UnknownUser(_)) => {}
                    other => panic!("{other:?}"),
                }
            }));
        }
        fixture.store.delete_user(&user).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let counts = count_mentions(&fixture, &user);
        let counts: Vec<_> = counts.lines().collect();
        assert_eq!(
            (counts[0], counts[1], counts[5]),
            ("0", "0", "0"),
            "{counts:?}"
        );
        let left = format!(
            "SELECT count(*) FROM events WHERE user_id = '{user}' OR actor_user_id = '{user}'"
        );
        assert_eq!(fixture.psql(&left), "0");
    }
}

#[tokio::test]
async fn a_failed_removal_changes_nothing() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    seed_user(&fixture, USER).await;
    let before = fixture.snapshot();
    let mut connection = fixture.cluster.connection().await;
    let mut locked = connection.begin().await.unwrap();
    let sql = format!(
        "SELECT FROM {}.users WHERE id = '{USER}' FOR KEY SHARE",
        fixture.schema
    );
    locked.execute(AssertSqlSafe(sql)).await.unwrap();
    let refused = fixture.store.delete_user(USER).await;
    assert!(
        matches!(refused, Err(WriteError::Store(StoreError::Unavailable(_)))),
        "{refused:?}"
    );
    assert_eq!(fixture.snapshot(), before);
    locked.rollback().await.unwrap();
    fixture.store.delete_user(USER).await.unwrap();
}

/// A use recorded at the same time either precedes the removal or finds no user.
#[tokio::test(flavor = "multi_thread")]
async fn no_use_recorded_during_a_removal_outlives_the_user() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let store = &fixture.store;
    for round in 0..40 {
        let user = format!("user-{round}");
        store.create_user(&user).await.unwrap();
        seed_user(&fixture, &user).await;
        fixture.psql(&format!(
            "DELETE FROM uses; DELETE FROM owner_turns; \
             UPDATE credentials SET rotated_to = 'next', rotated_at = 1
            WHERE user_id = '{user}'"
        ));
        let id = format!("token-of-{user}");
        let used = [{
            let mut usage = Usage::new(Kind::PersonalToken, id.as_str(), UnixMillis(9));
            usage.after_rotation = true;
            usage
        }];
        let record = || async { store.record_uses(&used).await.map(drop) };
        let (removed, one, two, three) =
            tokio::join!(store.delete_user(&user), record(), record(), record());
        removed.unwrap();
        for recorded in [one, two, three] {
            recorded.unwrap();
        }
        let left = format!(
            "SELECT (SELECT count(*) FROM uses) + (SELECT count(*) FROM owner_turns \
             WHERE id = '{user}')
                + (SELECT count(*) FROM events WHERE user_id = '{user}')"
        );
        assert_eq!(fixture.psql(&left), "0", "{user}");
    }
}

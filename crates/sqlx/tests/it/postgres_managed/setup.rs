//! The schema under management: locked tables, values that cannot be stored, and rights.

use sqlx::{AssertSqlSafe, Connection, postgres::PgPoolOptions};
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    store::{
        AuditAction, AuditActor, Directory, ManageStore, Owner, Usage,
        backend::{Authority, Cap, EndStatus, EndTarget, Ending, Idempotency, ListQuery, Position},
    },
};
use tower_api_key_sqlx::{PostgresStore, SetupError};

use super::{Fixture, USER, code, event, info, insert_commit, list_all, owners, pg, update_commit};

/// Requests would wait behind a migration that waits.
#[tokio::test]
async fn a_migration_gives_up_on_a_locked_table() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    // The state before the first migration completes.
    cluster.psql(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}._migrations (version bigint PRIMARY KEY, \
         description text,
            installed_on timestamptz DEFAULT now(), success boolean, checksum bytea, \
            execution_time bigint)"
    ));
    let mut connection = cluster.connection().await;
    let mut locking = connection.begin().await.unwrap();
    let lock = format!("LOCK {schema}._migrations IN SHARE MODE");
    sqlx::raw_sql(AssertSqlSafe(lock))
        .execute(&mut *locking)
        .await
        .unwrap();
    let store = cluster.unmigrated_store(&schema);
    let refused = store.migrate().await;
    assert!(
        matches!(refused, Err(SetupError::Locked { .. })),
        "{refused:?}"
    );
    assert_eq!(
        cluster.psql(&format!("SELECT count(*) FROM {schema}._migrations")),
        "0"
    );
    locking.rollback().await.unwrap();
    store.migrate().await.unwrap();
}

pub(super) fn ending_of(owner: &Owner, target: EndTarget, to: EndStatus) -> Ending {
    Ending {
        owner: owner.clone(),
        target,
        to,
        authority: Authority::Unconditional,
        at: UnixMillis(2_000),
        action: AuditAction::Deleted,
        by: AuditActor::Operator("operator-test".into()),
        origin: None,
    }
}

#[tokio::test]
async fn values_with_nul_are_unknown_and_cannot_be_written() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        let store = &fixture.store;
        let nul = Owner::of(owner.kind(), "a\0");
        fixture.insert(info(&owner, "a")).await;
        let before = fixture.snapshot();
        for (owner, id) in [(&owner, "a\0"), (&nul, "a")] {
            assert_eq!(store.credential(owner, id).await.unwrap(), None);
            assert_eq!(store.issued_under(owner, id).await.unwrap(), None);
        }
        assert_eq!(store.credentials(&nul, &list_all()).await.unwrap(), []);
        let behind = ListQuery {
            after: Some(Position::new(UnixMillis(9_000), "a\0")),
            ..list_all()
        };
        assert_eq!(store.credentials(&owner, &behind).await.unwrap(), []);
        assert_eq!(store.events(&nul, None, 10).await.unwrap(), []);
        let used = Usage::new(owner.kind(), "a\0", UnixMillis(9_000));
        assert_eq!(store.record_uses(&[used]).await.unwrap(), []);
        assert_eq!(
            code(&store.commit(&insert_commit(info(&owner, "b\0"))).await),
            "invalid id"
        );
        assert_eq!(
            code(&store.commit(&insert_commit(info(&nul, "b"))).await),
            "unknown owner"
        );
        let mut keyed = insert_commit(info(&owner, "b"));
        keyed.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key\0", [1; 32]));
        assert_eq!(code(&store.commit(&keyed).await), "store");
        assert_eq!(
            code(&store.commit(&update_commit(&info(&nul, "a"), |_| {})).await),
            "store"
        );
        assert_eq!(fixture.snapshot(), before);
    }
}

/// A text of 256 characters that PostgreSQL cannot compress, so that an index has to hold it all.
fn long_text(salt: u64) -> String {
    let next = |state: &mut u64| {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Some(char::from(
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
                [(*state >> 58) as usize],
        ))
    };
    std::iter::repeat_n((), 256)
        .scan(salt, |state, ()| next(state))
        .collect()
}

#[tokio::test]
async fn ids_may_be_as_long_as_documented() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let store = &fixture.store;
    let (organization, user) = (long_text(1), long_text(2));
    store
        .create_organization(&organization, None)
        .await
        .unwrap();
    store.create_user(&user).await.unwrap();
    store
        .set_member(&user, &organization, "viewer")
        .await
        .unwrap();
    for owner in [
        Owner::Organization(organization.as_str().into()),
        Owner::User(user.as_str().into()),
    ] {
        let mut issue = insert_commit(info(&owner, &long_text(3)));
        issue.insert.as_mut().unwrap().idempotency = Some(Idempotency::new(long_text(4), [1; 32]));
        issue
            .events
            .push(event(&owner, &long_text(3), AuditAction::Issued));
        store.commit(&issue).await.unwrap();
        assert_eq!(
            store.credentials(&owner, &list_all()).await.unwrap().len(),
            1
        );
    }
}

/// The grants are those listed in the module's documentation.
#[tokio::test]
async fn the_documented_rights_suffice_for_management() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    fixture.psql(&format!(
        "CREATE ROLE manager LOGIN; GRANT USAGE ON SCHEMA {schema} TO manager;
        GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO manager;
        GRANT INSERT, UPDATE ON organizations, users, memberships, credentials, uses, owner_turns \
        TO manager;
        GRANT DELETE ON memberships TO manager; GRANT INSERT ON events TO manager",
        schema = fixture.schema
    ));
    let pool =
        PgPoolOptions::new().connect_lazy_with(fixture.cluster.options().username("manager"));
    let store = PostgresStore::new(pool, Catalogue::anyreach())
        .with_schema(&fixture.schema)
        .unwrap();
    store.migrate().await.unwrap();
    for (owner, _) in owners() {
        let mut issue = insert_commit(info(&owner, "k"));
        issue.cap = Some(Cap::new(1, UnixMillis(1_000)));
        issue.events.push(event(&owner, "k", AuditAction::Issued));
        store.commit(&issue).await.unwrap();
        let rotate = update_commit(&info(&owner, "k"), |after| {
            (after.rotated_to, after.rotated_at) = (Some("k2".into()), Some(UnixMillis(2_000)));
        });
        store.commit(&rotate).await.unwrap();
        let used = Usage::new(owner.kind(), "k", UnixMillis(9_000));
        assert_eq!(store.record_uses(&[used]).await.unwrap().len(), 1);
        assert_eq!(store.events(&owner, None, 10).await.unwrap().len(), 2);
        store.delete(&owner, "k").await.unwrap();
        store
            .end(&ending_of(&owner, EndTarget::All, EndStatus::Disabled))
            .await
            .unwrap();
    }
    let refused = store.delete_user(USER).await;
    assert_eq!(code(&refused), "store", "{refused:?}");
    fixture.psql(
        "GRANT UPDATE ON events TO manager; \
         GRANT DELETE ON users, credentials, uses, owner_turns TO manager",
    );
    store.delete_user(USER).await.unwrap();
}

#[tokio::test]
async fn a_role_without_access_to_the_audit_trail_is_refused_at_startup() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (number, table) in ["uses", "events"].into_iter().enumerate() {
        fixture.psql(&format!(
            "CREATE ROLE half_{number} LOGIN; GRANT USAGE ON SCHEMA {schema} TO half_{number};
            GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO half_{number}; \
            REVOKE SELECT ON {table} FROM half_{number}",
            schema = fixture.schema
        ));
        let pool = PgPoolOptions::new().connect_lazy_with(
            fixture
                .cluster
                .options()
                .username(&format!("half_{number}")),
        );
        let store = PostgresStore::new(pool, Catalogue::anyreach())
            .with_schema(&fixture.schema)
            .unwrap();
        let refused = store.check().await;
        assert!(
            matches!(refused, Err(SetupError::Denied { .. })),
            "{table}: {refused:?}"
        );
    }
}

//! The schema under management: rows that make no sense, what cannot be stored, rights.

use sqlx::{AssertSqlSafe, Connection, postgres::PgPoolOptions};
use tower_api_key::{
    clock::UnixMillis,
    id::CredentialId,
    scope::Catalogue,
    store::{
        AuditAction, AuditActor, Credential, CredentialStore, Directory, Lookup, ManageStore,
        Owner, StoreError, Usage,
        backend::{Authority, Cap, EndStatus, EndTarget, Ending, Idempotency, ListQuery, Position},
    },
};
use tower_api_key_sqlx::{PostgresStore, SetupError};

use super::{Fixture, ORG, USER, all, altering, code, event, info, inserting, owners, pg};

/// Requests wait behind a migration that waits.
#[tokio::test]
async fn a_migration_gives_up_on_a_table_that_somebody_has_locked() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    // As a migration leaves it before the first one is done.
    cluster.psql(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}._migrations (version bigint PRIMARY KEY, description text,
            installed_on timestamptz DEFAULT now(), success boolean, checksum bytea, execution_time bigint)"
    ));
    let mut connection = cluster.connection().await;
    let mut locking = connection.begin().await.unwrap();
    let lock = format!("LOCK {schema}._migrations IN SHARE MODE");
    sqlx::raw_sql(AssertSqlSafe(lock))
        .execute(&mut *locking)
        .await
        .unwrap();
    let store = cluster.unmade_store(&schema);
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

fn is_corrupt<T: std::fmt::Debug>(outcome: Result<T, StoreError>, name: &str) {
    assert!(
        matches!(outcome, Err(StoreError::Corrupt(_))),
        "{name}: {outcome:?}"
    );
}

/// Removes every constraint that refuses damage.
fn allow_damage(fixture: &Fixture) {
    fixture.psql(
        "DO $$ DECLARE one record; BEGIN
            FOR one IN SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 'credentials'::regclass LOOP
                EXECUTE format('ALTER TABLE credentials DROP CONSTRAINT %I', one.conname);
            END LOOP;
        END $$",
    );
}

const DAMAGES: [&str; 8] = [
    "scopes = ARRAY['agents:read', NULL]",
    "scopes = ARRAY['']",
    "scopes = ARRAY['agents:read', 'two words']",
    "scopes = ARRAY[['agents:read'], ['agents:write']]",
    "status = 'odd'",
    "status = ''",
    "status = 'odd', scopes = ARRAY[NULL]::text[]",
    "status = 'ACTIVE'",
];

#[tokio::test]
async fn a_damaged_row_is_marked_and_refused_and_ends_like_any_other() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    allow_damage(&fixture);
    let (owner, _) = &owners()[0];
    let store = &fixture.store;
    fixture.insert(info(owner, "good")).await;
    for (number, damage) in DAMAGES.iter().enumerate() {
        for (status, ending) in [
            (EndStatus::Disabled, "disabled"),
            (EndStatus::Deleted, "deleted"),
        ] {
            let id = format!("k{number}-{ending}");
            fixture.insert(info(owner, &id)).await;
            fixture.psql(&format!(
                "UPDATE credentials SET {damage} WHERE id = '{id}'"
            ));
            is_corrupt(
                store
                    .find(&Lookup::new(Credential::OrgKey { id: &id }, None))
                    .await,
                damage,
            );
            let found = store.credential(owner, &id).await.unwrap().unwrap();
            assert!(found.damaged, "{damage}: {found:?}");
            let list = store.credentials(owner, &all()).await.unwrap();
            assert!(
                list.contains(&found) && list.contains(&info(owner, "good")),
                "{damage}"
            );
            let one = ending_of(owner, EndTarget::One(id.as_str().into()), status);
            assert_eq!(
                store.end(&one).await.unwrap(),
                [CredentialId::from(&*id)],
                "{damage}"
            );
            let stored = fixture.psql(&format!("SELECT status FROM credentials WHERE id = '{id}'"));
            assert_eq!(stored, ending, "{damage}");
        }
    }
    for (number, damage) in DAMAGES.iter().enumerate() {
        fixture.insert(info(owner, &format!("all{number}"))).await;
        fixture.psql(&format!(
            "UPDATE credentials SET {damage} WHERE id = 'all{number}'"
        ));
    }
    let mut ended = store
        .end(&ending_of(owner, EndTarget::All, EndStatus::Deleted))
        .await
        .unwrap();
    ended.retain(|id| id.as_str().starts_with("all") || id.as_str() == "good");
    assert_eq!(ended.len(), DAMAGES.len() + 1);
    assert_eq!(
        fixture.psql("SELECT count(*) FROM credentials WHERE status <> 'deleted'"),
        "0"
    );
}

#[tokio::test]
async fn the_schema_refuses_what_no_writer_writes_and_takes_the_end_of_what_it_has() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = cluster.unmade_store(&schema);
    store.migrate().await.unwrap();
    let in_schema = |sql: &str| cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
    in_schema(&format!(
        "INSERT INTO organizations (id) VALUES ('{ORG}'); INSERT INTO users (id) VALUES ('{USER}')"
    ));
    // What is damaged nevertheless, as by a failing disk, is not checked until it is written.
    let check = in_schema(&format!(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conname = 'scopes_are_scopes' AND connamespace = '{schema}'::regnamespace"
    ));
    in_schema("ALTER TABLE credentials DROP CONSTRAINT scopes_are_scopes");
    let damages = &DAMAGES[..4];
    for (number, damage) in damages.iter().enumerate() {
        let scopes = damage.trim_start_matches("scopes = ");
        in_schema(&format!(
            "INSERT INTO credentials (kind, id, digest, organization_id, scopes)
            VALUES ('org_key', 'old{number}', decode(repeat('ab', 32), 'hex'), '{ORG}', {scopes})"
        ));
    }
    in_schema(&format!(
        "ALTER TABLE credentials ADD CONSTRAINT scopes_are_scopes {check} NOT VALID"
    ));
    let (owner, _) = &owners()[0];
    store.commit(&inserting(info(owner, "good"))).await.unwrap();
    for damage in damages.iter().chain(&[
        "name = E'a\\nb'",
        "role = ''",
        "pepper = ''",
        "idempotency_key = 'alone'",
    ]) {
        assert!(
            cluster.refuses(&format!(
                "UPDATE {schema}.credentials SET {damage} WHERE id = 'good'"
            )),
            "{damage}"
        );
    }
    for sql in [
        "INSERT INTO organizations (id) VALUES ('')",
        "INSERT INTO organizations (id) VALUES (E' \\t')",
        "INSERT INTO users (id) VALUES (' ')",
        "INSERT INTO memberships VALUES ('user_test', 'org_test', '')",
    ] {
        assert!(
            cluster.refuses(&format!("SET search_path TO {schema}; {sql}")),
            "{sql}"
        );
    }
    assert_eq!(
        store.credentials(owner, &all()).await.unwrap().len(),
        damages.len() + 1
    );
    for (number, to) in [
        EndStatus::Disabled,
        EndStatus::Deleted,
        EndStatus::Disabled,
        EndStatus::Deleted,
    ]
    .iter()
    .enumerate()
    {
        let id = CredentialId::from(format!("old{number}"));
        let ended = store
            .end(&ending_of(owner, EndTarget::One(id.clone()), *to))
            .await
            .unwrap();
        assert_eq!(ended, [id]);
    }
}

fn ending_of(owner: &Owner, target: EndTarget, to: EndStatus) -> Ending {
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
async fn an_event_that_cannot_be_read_is_marked() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let (owner, other) = &owners()[0];
    let mut damaged = inserting(info(owner, "damaged"));
    damaged.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key-test", [1; 32]));
    damaged
        .events
        .push(event(owner, "damaged", AuditAction::Issued));
    fixture.store.commit(&damaged).await.unwrap();
    allow_damage(&fixture);
    fixture.psql("UPDATE credentials SET request_hash = NULL WHERE id = 'damaged'");
    is_corrupt(
        fixture.store.issued_under(owner, "key-test").await,
        "fingerprint",
    );
    for (sql, action, known) in [
        (
            "UPDATE events SET action = 'odd'",
            AuditAction::Unknown,
            true,
        ),
        (
            "UPDATE events SET action = 'issued', actor_kind = 'odd'",
            AuditAction::Issued,
            false,
        ),
        (
            "UPDATE events SET actor_kind = 'operator', actor_id = NULL",
            AuditAction::Issued,
            false,
        ),
    ] {
        fixture.psql(sql);
        let [read] = &fixture.store.events(owner, None, 10).await.unwrap()[..] else {
            panic!("{sql}")
        };
        assert_eq!(
            (read.action, read.by != AuditActor::Unknown),
            (action, known),
            "{sql}"
        );
    }
    assert_eq!(fixture.store.events(other, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_contains_nul_is_unknown_and_cannot_be_written() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (owner, _) in owners() {
        let store = &fixture.store;
        let nul = Owner::of(owner.kind(), "a\0");
        fixture.insert(info(&owner, "a")).await;
        let before = fixture.everything();
        for (owner, id) in [(&owner, "a\0"), (&nul, "a")] {
            assert_eq!(store.credential(owner, id).await.unwrap(), None);
            assert_eq!(store.issued_under(owner, id).await.unwrap(), None);
        }
        assert_eq!(store.credentials(&nul, &all()).await.unwrap(), []);
        let behind = ListQuery {
            after: Some(Position::new(UnixMillis(9_000), "a\0")),
            ..all()
        };
        assert_eq!(store.credentials(&owner, &behind).await.unwrap(), []);
        assert_eq!(store.events(&nul, None, 10).await.unwrap(), []);
        let used = Usage {
            kind: owner.kind(),
            id: "a\0".into(),
            at: UnixMillis(9_000),
            after_rotation: false,
        };
        assert_eq!(store.record_uses(&[used]).await.unwrap(), []);
        assert_eq!(
            code(&store.commit(&inserting(info(&owner, "b\0"))).await),
            "invalid id"
        );
        assert_eq!(
            code(&store.commit(&inserting(info(&nul, "b"))).await),
            "unknown owner"
        );
        let mut keyed = inserting(info(&owner, "b"));
        keyed.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key\0", [1; 32]));
        assert_eq!(code(&store.commit(&keyed).await), "store");
        assert_eq!(
            code(&store.commit(&altering(&info(&nul, "a"), |_| {})).await),
            "store"
        );
        assert_eq!(fixture.everything(), before);
    }
}

/// PostgreSQL compresses what repeats itself, so that only a text that does not can be too long for an index.
fn long(salt: u64) -> String {
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
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    let store = &fixture.store;
    let (organization, user) = (long(1), long(2));
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
        let mut issue = inserting(info(&owner, &long(3)));
        issue.insert.as_mut().unwrap().idempotency = Some(Idempotency::new(long(4), [1; 32]));
        issue
            .events
            .push(event(&owner, &long(3), AuditAction::Issued));
        store.commit(&issue).await.unwrap();
        assert_eq!(store.credentials(&owner, &all()).await.unwrap().len(), 1);
    }
}

/// The list is the one in the module's documentation.
#[tokio::test]
async fn the_documented_rights_are_enough_for_management() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    fixture.psql(&format!(
        "CREATE ROLE manager LOGIN; GRANT USAGE ON SCHEMA {schema} TO manager;
        GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO manager;
        GRANT INSERT, UPDATE ON organizations, users, memberships, credentials, uses, owner_turns TO manager;
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
        let mut issue = inserting(info(&owner, "k"));
        issue.cap = Some(Cap::new(1, UnixMillis(1_000)));
        issue.events.push(event(&owner, "k", AuditAction::Issued));
        store.commit(&issue).await.unwrap();
        let rotate = altering(&info(&owner, "k"), |after| {
            (after.rotated_to, after.rotated_at) = (Some("k2".into()), Some(UnixMillis(2_000)));
        });
        store.commit(&rotate).await.unwrap();
        let used = Usage {
            kind: owner.kind(),
            id: "k".into(),
            at: UnixMillis(9_000),
            after_rotation: false,
        };
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
    fixture.psql("GRANT UPDATE ON events TO manager; GRANT DELETE ON users, credentials, uses, owner_turns TO manager");
    store.delete_user(USER).await.unwrap();
}

#[tokio::test]
async fn a_role_without_the_audit_trail_is_told_at_the_start() {
    let Some(fixture) = Fixture::make().await else {
        return;
    };
    for (number, table) in ["uses", "events"].into_iter().enumerate() {
        fixture.psql(&format!(
            "CREATE ROLE half_{number} LOGIN; GRANT USAGE ON SCHEMA {schema} TO half_{number};
            GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO half_{number}; REVOKE SELECT ON {table} FROM half_{number}",
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

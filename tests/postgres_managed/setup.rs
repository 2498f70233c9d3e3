//! The schema under management: rows of older versions, rows that make no sense, what cannot be stored, rights.

use sqlx::{AssertSqlSafe, Connection, migrate::Migrator, postgres::PgPoolOptions};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Action, Owner},
    principal::Catalogue,
    store::{Credential, CredentialStore, ListQuery, Lookup, ManagedStore, PostgresStore, StoreAdmin, StoreError, Use},
};

use super::{Fixture, ORG, USER, all, altering, code, event, info, inserting, owners, pg};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// Makes the schema as the first version of it was.
async fn make_first_version(cluster: &pg::Cluster, schema: &str) {
    let mut connection = cluster.connection().await;
    let first = MIGRATIONS.iter().filter(|migration| migration.version == 1).cloned().collect();
    let mut migrator = Migrator::with_migrations(first);
    migrator.dangerous_set_table_name(format!("\"{schema}\"._migrations"));
    let mut transaction = connection.begin().await.unwrap();
    let sql = format!("CREATE SCHEMA {schema}; SET LOCAL search_path TO {schema}, pg_temp");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.unwrap();
    migrator.run_direct(None, &mut *transaction, false).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn the_rows_of_older_versions_are_managed() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    make_first_version(cluster, &schema).await;
    cluster.psql(&format!(
        "SET search_path TO {schema};
        INSERT INTO organizations (id) VALUES ('{ORG}'); INSERT INTO users (id) VALUES ('{USER}');
        INSERT INTO credentials (kind, id, digest, organization_id, role, created_at)
            VALUES ('org_key', 'k', decode(repeat('ab', 32), 'hex'), '{ORG}', 'viewer', 1234);
        INSERT INTO credentials (kind, id, digest, user_id, created_at)
            VALUES ('pat', 'k', decode(repeat('cd', 32), 'hex'), '{USER}', 1234)"
    ));
    let store = cluster.unmade_store(&schema);
    store.migrate().await.unwrap();
    assert!(store.find(&Lookup::new(Credential::OrgKey { id: "k" }, None)).await.unwrap().is_some());
    for (owner, _) in owners() {
        let mut old = info(&owner, "k");
        (old.name, old.created_at, old.scopes) = ("".into(), UnixMillis(1234), None);
        old.role = (owner.kind() == Kind::OrgKey).then(|| "viewer".into());
        assert_eq!(store.credentials(&owner, &all()).await.unwrap(), [old.clone()]);
        let rename = altering(&old, |after| after.name = "renamed".into());
        store.commit(&rename).await.unwrap();
        assert_eq!(store.credential(&owner, "k").await.unwrap().as_ref(), Some(&rename.changes[0].after));
    }
}

fn is_corrupt<T: std::fmt::Debug>(outcome: Result<T, StoreError>, name: &str) {
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{name}: {outcome:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_for_its_own_question() {
    let Some(fixture) = Fixture::make().await else { return };
    let (owner, other) = &owners()[0];
    let mut damaged = inserting(info(owner, "damaged"));
    damaged.insert.as_mut().unwrap().idempotency = Some(("key-test".into(), [1; 32]));
    damaged.events.push(event(owner, "damaged", Action::Issued));
    fixture.store.commit(&damaged).await.unwrap();
    fixture.insert(info(owner, "good")).await;
    fixture.insert(info(other, "others")).await;
    fixture.psql(
        "ALTER TABLE credentials DROP CONSTRAINT standing_is_known;
        UPDATE credentials SET standing = 'odd' WHERE id = 'damaged'",
    );
    is_corrupt(fixture.store.credential(owner, "damaged").await, "question");
    is_corrupt(fixture.store.issued_under(owner, "key-test").await, "idempotency");
    is_corrupt(fixture.store.credentials(owner, &all()).await, "list");
    assert!(fixture.store.credential(owner, "good").await.unwrap().is_some());
    assert_eq!(fixture.store.credentials(other, &all()).await.unwrap().len(), 1);

    for (name, sql) in [
        (
            "scopes",
            "UPDATE credentials SET standing = 'active', scopes = ARRAY['agents:read', NULL] WHERE id = 'damaged'",
        ),
        ("fingerprint", "UPDATE credentials SET scopes = NULL, request = NULL WHERE id = 'damaged'"),
    ] {
        fixture.psql(sql);
        is_corrupt(fixture.store.issued_under(owner, "key-test").await, name);
    }
    for (name, sql) in [
        ("action", "UPDATE events SET action = 'odd'"),
        ("doer", "UPDATE events SET action = 'issued', by_sort = 'odd'"),
        ("doer without a name", "UPDATE events SET by_sort = 'operator', by_id = NULL"),
    ] {
        fixture.psql(sql);
        is_corrupt(fixture.store.events(owner, None, 10).await, name);
    }
    assert_eq!(fixture.store.events(other, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_contains_nul_is_unknown_and_cannot_be_written() {
    let Some(fixture) = Fixture::make().await else { return };
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
        let behind = ListQuery { after: Some((UnixMillis(9_000), "a\0".into())), ..all() };
        assert_eq!(store.credentials(&owner, &behind).await.unwrap(), []);
        assert_eq!(store.events(&nul, None, 10).await.unwrap(), []);
        let used = Use { kind: owner.kind(), id: "a\0".into(), at: UnixMillis(9_000) };
        assert_eq!(store.record_uses(&[used]).await.unwrap(), []);
        assert_eq!(code(&store.commit(&inserting(info(&owner, "b\0"))).await), "store");
        assert_eq!(code(&store.commit(&inserting(info(&nul, "b"))).await), "unknown owner");
        let mut keyed = inserting(info(&owner, "b"));
        keyed.insert.as_mut().unwrap().idempotency = Some(("key\0".into(), [1; 32]));
        assert_eq!(code(&store.commit(&keyed).await), "store");
        assert_eq!(code(&store.commit(&altering(&info(&nul, "a"), |_| {})).await), "store");
        assert_eq!(fixture.everything(), before);
    }
}

/// PostgreSQL compresses what repeats itself, so that only a text that does not can be too long for an index.
fn long(salt: u64) -> String {
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some(char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"[(*state >> 58) as usize]))
    };
    std::iter::repeat_n((), 1_300).scan(salt, |state, ()| next(state)).collect()
}

#[tokio::test]
async fn ids_may_be_as_long_as_documented() {
    let Some(fixture) = Fixture::make().await else { return };
    let store = &fixture.store;
    let (organization, user) = (long(1), long(2));
    store.create_organization(&organization, None).await.unwrap();
    store.create_user(&user).await.unwrap();
    store.set_member(&user, &organization, "viewer").await.unwrap();
    for owner in [Owner::Organization(organization.as_str().into()), Owner::User(user.as_str().into())] {
        let mut issue = inserting(info(&owner, &long(3)));
        issue.insert.as_mut().unwrap().idempotency = Some((long(4).into(), [1; 32]));
        issue.events.push(event(&owner, &long(3), Action::Issued));
        store.commit(&issue).await.unwrap();
        assert_eq!(store.credentials(&owner, &all()).await.unwrap().len(), 1);
    }
}

/// The list is the one in the module's documentation.
#[tokio::test]
async fn the_documented_rights_are_enough_for_management() {
    let Some(fixture) = Fixture::make().await else { return };
    fixture.psql(&format!(
        "CREATE ROLE manager LOGIN; GRANT USAGE ON SCHEMA {schema} TO manager;
        GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO manager;
        GRANT INSERT, UPDATE ON organizations, users, memberships, credentials, uses TO manager;
        GRANT DELETE ON memberships TO manager; GRANT INSERT ON events TO manager",
        schema = fixture.schema
    ));
    let pool = PgPoolOptions::new().connect_lazy_with(fixture.cluster.options().username("manager"));
    let store = PostgresStore::new(pool, Catalogue::documented()).with_schema(&fixture.schema).unwrap();
    store.migrate().await.unwrap();
    for (owner, _) in owners() {
        let mut issue = inserting(info(&owner, "k"));
        issue.insert.as_mut().unwrap().cap = Some(1);
        issue.events.push(event(&owner, "k", Action::Issued));
        store.commit(&issue).await.unwrap();
        let rotate = altering(&info(&owner, "k"), |after| {
            (after.rotated_to, after.rotated_at) = (Some("k2".into()), Some(UnixMillis(2_000)));
        });
        store.commit(&rotate).await.unwrap();
        let used = Use { kind: owner.kind(), id: "k".into(), at: UnixMillis(9_000) };
        assert_eq!(store.record_uses(&[used]).await.unwrap().len(), 1);
        assert_eq!(store.events(&owner, None, 10).await.unwrap().len(), 2);
        store.delete(owner.kind(), "k").await.unwrap();
    }
}

#[tokio::test]
async fn a_role_without_the_audit_trail_is_told_at_the_start() {
    let Some(fixture) = Fixture::make().await else { return };
    for (number, table) in ["uses", "events"].into_iter().enumerate() {
        fixture.psql(&format!(
            "CREATE ROLE half_{number} LOGIN; GRANT USAGE ON SCHEMA {schema} TO half_{number};
            GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO half_{number}; REVOKE SELECT ON {table} FROM half_{number}",
            schema = fixture.schema
        ));
        let pool =
            PgPoolOptions::new().connect_lazy_with(fixture.cluster.options().username(&format!("half_{number}")));
        let store = PostgresStore::new(pool, Catalogue::documented()).with_schema(&fixture.schema).unwrap();
        let refused = store.check().await;
        assert!(matches!(refused, Err(tower_api_key::store::postgres::SetupError::Denied(_))), "{table}: {refused:?}");
    }
}

//! Damaged rows are marked or refused, and can still be ended.

use tower_api_key::{
    id::CredentialId,
    store::{
        AuditAction, AuditActor, CredentialInfo, CredentialStore, Lookup, LookupKey, ManageStore,
        StoreError,
        backend::{EndStatus, EndTarget, Idempotency},
    },
};

use super::{
    Fixture, ORG, USER, digest, event, info, insert_commit, list_all, owners, pg, setup::ending_of,
    update_commit,
};

const DAMAGED_COLUMNS: [&str; 8] = [
    "scopes = ARRAY['agents:read', NULL]",
    "scopes = ARRAY['']",
    "scopes = ARRAY['agents:read', 'two words']",
    "scopes = ARRAY[['agents:read'], ['agents:write']]",
    "status = 'odd'",
    "status = ''",
    "status = 'odd', scopes = ARRAY[NULL]::text[]",
    "status = 'ACTIVE'",
];

fn assert_corrupt<T: std::fmt::Debug>(outcome: Result<T, StoreError>, name: &str) {
    assert!(
        matches!(outcome, Err(StoreError::Corrupt(_))),
        "{name}: {outcome:?}"
    );
}

/// Drops every constraint that would refuse damage.
fn allow_damage(fixture: &Fixture) {
    fixture.psql(
        "DO $$ DECLARE one record; BEGIN
            FOR one IN SELECT conname FROM pg_constraint WHERE contype = 'c' \
            AND conrelid = 'credentials'::regclass LOOP
                EXECUTE format('ALTER TABLE credentials DROP CONSTRAINT %I', one.conname);
            END LOOP;
        END $$",
    );
}

#[tokio::test]
async fn a_damaged_row_is_marked_and_refused_but_can_be_ended() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    allow_damage(&fixture);
    let (owner, _) = &owners()[0];
    let store = &fixture.store;
    fixture.insert(info(owner, "good")).await;
    for (number, damage) in DAMAGED_COLUMNS.iter().enumerate() {
        for (status, ending) in [
            (EndStatus::Disabled, "disabled"),
            (EndStatus::Deleted, "deleted"),
        ] {
            let id = format!("k{number}-{ending}");
            fixture.insert(info(owner, &id)).await;
            fixture.psql(&format!(
                "UPDATE credentials SET {damage} WHERE id = '{id}'"
            ));
            assert_corrupt(
                store
                    .find(&Lookup::new(LookupKey::OrgKey { id: &id }, None))
                    .await,
                damage,
            );
            let found = store.credential(owner, &id).await.unwrap().unwrap();
            assert!(found.damaged, "{damage}: {found:?}");
            let list = store.credentials(owner, &list_all()).await.unwrap();
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
    for (number, damage) in DAMAGED_COLUMNS.iter().enumerate() {
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
    assert_eq!(ended.len(), DAMAGED_COLUMNS.len() + 1);
    assert_eq!(
        fixture.psql("SELECT count(*) FROM credentials WHERE status <> 'deleted'"),
        "0"
    );
}

#[tokio::test]
async fn the_schema_refuses_invalid_rows_but_lets_damaged_ones_be_ended() {
    let Some(cluster) = pg::shared() else { return };
    let schema = pg::fresh_schema();
    let store = cluster.unmigrated_store(&schema);
    store.migrate().await.unwrap();
    let in_schema = |sql: &str| cluster.psql(&format!("SET search_path TO {schema}; {sql}"));
    in_schema(&format!(
        "INSERT INTO organizations (id) VALUES ('{ORG}'); INSERT INTO users (id) VALUES ('{USER}')"
    ));
    // Existing damage, as from a failing disk, is not checked until the row is written.
    let check = in_schema(&format!(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conname = 'scopes_are_scopes' AND connamespace = '{schema}'::regnamespace"
    ));
    in_schema("ALTER TABLE credentials DROP CONSTRAINT scopes_are_scopes");
    let damaged_columns = &DAMAGED_COLUMNS[..4];
    for (number, damage) in damaged_columns.iter().enumerate() {
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
    store
        .commit(&insert_commit(info(owner, "good")))
        .await
        .unwrap();
    for damage in damaged_columns.iter().chain(&[
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
        store.credentials(owner, &list_all()).await.unwrap().len(),
        damaged_columns.len() + 1
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

#[tokio::test]
async fn an_unreadable_event_is_marked() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, other) = &owners()[0];
    let mut damaged = insert_commit(info(owner, "damaged"));
    damaged.insert.as_mut().unwrap().idempotency = Some(Idempotency::new("key-test", [1; 32]));
    damaged
        .events
        .push(event(owner, "damaged", AuditAction::Issued));
    fixture.store.commit(&damaged).await.unwrap();
    allow_damage(&fixture);
    fixture.psql("UPDATE credentials SET request_hash = NULL WHERE id = 'damaged'");
    assert_corrupt(
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

/// PostgreSQL quotes the whole row in the detail of an error about it.
#[tokio::test]
async fn no_error_about_a_refused_row_contains_its_digest() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    let unreadable = |info: &mut CredentialInfo| info.name = "two\nlines".into();
    let mut new = info(owner, "refused");
    unreadable(&mut new);
    fixture.insert(info(owner, "stored")).await;
    for (id, commit) in [
        ("refused", insert_commit(new)),
        ("stored", update_commit(&info(owner, "stored"), unreadable)),
    ] {
        let error = fixture.store.commit(&commit).await.unwrap_err();
        let text = format!("{error:?} {error:#?}");
        assert!(text.contains("name_has_no_control"), "{id}: {text}");
        let part = &digest(owner, id).to_hex()[..16]; // long values are cut off
        assert!(!text.contains(part), "{id}: {text}");
    }
}

//! Rows: what is written is read back, and damage is reported.

use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        AuditAction, AuditActor, CredentialStore, Lookup, LookupKey, ManageStore, Record, Status,
        StoreError,
        backend::{Authority, Commit, EarlierIssue, Idempotency, NewCredential},
    },
};

use super::{
    File, NOW, add, event, in_memory, info, insert_commit, lists, new_credential, organization,
    update_commit, user,
};

#[tokio::test]
async fn credentials_are_read_back_as_written() {
    let store = in_memory().await;
    for owner in [organization("alpha"), user("alpha")] {
        let is_key = owner.kind() == Kind::OrgKey;
        let mut whole = info(&owner, "whole");
        whole.name = "na\0me \u{1f511} ' \" \\".into();
        whole.scopes = is_key.then(|| ["agents:read".into(), "a\0\"b".into()].into());
        whole.status = Status::Disabled;
        whole.created_at = UnixMillis(-1);
        whole.expires_at = Some(UnixMillis(i64::MAX));
        whole.rotated_from = Some("before".into());
        whole.rotated_to = Some("after".into());
        whole.rotated_at = Some(UnixMillis(i64::MIN));
        let mut none = info(&owner, "none");
        none.scopes = is_key.then(|| [].into());
        for expected in [&whole, &none] {
            let key = format!("key of {}", expected.id);
            let idempotency = Some(Idempotency::new(key.clone(), [0xfe; 32]));
            let commit = insert_commit(NewCredential {
                idempotency,
                ..new_credential(expected.clone())
            });
            store.commit(&commit).await.unwrap();
            let found = store
                .credential(&owner, expected.id.as_str())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found, *expected);
            assert_eq!(
                store.issued_under(&owner, &key).await.unwrap(),
                Some(EarlierIssue::new(found, [0xfe; 32]))
            );
        }
        let mut changed = whole.clone();
        changed.name = "".into();
        changed.status = Status::Active;
        changed.expires_at = None;
        changed.rotated_to = None;
        changed.rotated_at = None;
        store
            .commit(&update_commit(&whole, |info| *info = changed.clone()))
            .await
            .unwrap();
        assert_eq!(
            store.credential(&owner, "whole").await.unwrap(),
            Some(changed)
        );
        assert_eq!(
            store
                .credentials(&owner, &lists::list_all())
                .await
                .unwrap()
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn events_are_read_back_as_written() {
    let store = in_memory().await;
    for owner in [organization("alpha"), user("alpha")] {
        let one = info(&owner, "one");
        let actors = [
            AuditActor::Key("k".into()),
            AuditActor::Token {
                id: "t".into(),
                user: "alice".into(),
            },
            AuditActor::User("alice".into()),
            AuditActor::Operator("".into()),
            AuditActor::Bearer,
        ];
        let mut events: Vec<_> = actors
            .map(|by| {
                let mut event = event(&one, AuditAction::Revoked);
                event.by = by;
                event
            })
            .into();
        events.push({
            let mut event = event(&one, AuditAction::Imported);
            event.at = UnixMillis(i64::MIN);
            event.related = Some("an\0other".into());
            event.origin = Some("\u{1f511}".into());
            event
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
            assert!(event.number.take() > Some(0));
        }
        assert_eq!(found, events);
    }
}

#[tokio::test]
async fn issued_credentials_are_found_and_inserted_ones_are_managed() {
    let store = in_memory().await;
    let alpha = organization("alpha");
    add(&store, info(&alpha, "issued")).await;
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: "issued" }, None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.role(), found.status()),
        (Some("viewer"), Status::Active)
    );
    add(&store, info(&user("alpha"), "issued-token")).await;
    let digest = Digest::of(b"test issued-token");
    let found = store
        .find(&Lookup::new(
            LookupKey::PersonalToken { digest: &digest },
            None,
        ))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.id(), found.user().unwrap().as_str()),
        ("issued-token", "alpha")
    );

    let started_at = SystemClock::default().now();
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
        started_at <= found.created_at && found.created_at <= SystemClock::default().now(),
        "{found:?}"
    );
    let mut expected = info(&alpha, "inserted");
    expected.name = "".into();
    expected.role = None;
    expected.scopes = Some(["agents:read".into()].into());
    expected.created_at = found.created_at;
    expected.expires_at = Some(UnixMillis(NOW));
    assert_eq!(found, expected);
    let with_role = Record::org_key("role", Digest::of(b"test"), "alpha");
    store
        .insert(
            with_role
                .with_role("viewer", &Catalogue::anyreach())
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
        "the scopes follow the catalogue"
    );
}

fn is_corrupt<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Corrupt(_)))
}

async fn apply_damage(file: &File, table: &str, damage: &str) {
    file.by_hand(&format!("UPDATE tower_api_key_{table} SET {damage}"))
        .await;
}

#[tokio::test]
async fn a_damaged_request_is_an_error_and_a_damaged_event_is_marked() {
    let alpha = organization("alpha");
    for damage in ["request_hash = NULL", "request_hash = x'00'"] {
        let file = File::new().await;
        let store = file.open().await;
        let keyed = NewCredential {
            idempotency: Some(Idempotency::new("key", [1; 32])),
            ..new_credential(info(&alpha, "one"))
        };
        store.commit(&insert_commit(keyed)).await.unwrap();
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
    let by = AuditActor::Operator("test".into());
    for (damage, action, by, origin) in [
        ("action = 'guessed'", AuditAction::Unknown, by.clone(), None),
        (
            "action = CAST(x'ff' AS TEXT)",
            AuditAction::Unknown,
            by.clone(),
            None,
        ),
        (
            "actor_kind = 'somebody'",
            AuditAction::Issued,
            AuditActor::Unknown,
            None,
        ),
        (
            "actor_id = NULL",
            AuditAction::Issued,
            AuditActor::Unknown,
            None,
        ),
        (
            "actor_user_id = 'x'",
            AuditAction::Issued,
            AuditActor::Unknown,
            None,
        ),
        (
            "origin = CAST(x'ff' AS TEXT)",
            AuditAction::Issued,
            by,
            Some("\u{fffd}"),
        ),
    ] {
        let file = File::new().await;
        let store = file.open().await;
        add(&store, info(&alpha, "one")).await;
        add(&store, info(&alpha, "two")).await;
        apply_damage(
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
            (AuditAction::Issued, "two"),
            "{damage}"
        );
        assert_eq!(
            store.events(&organization("beta"), None, 10).await.unwrap(),
            []
        );
    }
}

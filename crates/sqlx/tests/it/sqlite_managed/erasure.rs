//! A removed user leaves nothing but an anonymous audit trail.

use tower_api_key::{
    credential::Kind,
    secret::Digest,
    store::{
        AuditAction, AuditActor, Change, CredentialStore, Directory, Feed, FeedEvent, Lookup,
        LookupKey, ManageStore, Owner, Status, Usage, WriteError,
        backend::{Authority, Commit, Idempotency, NewCredential},
    },
};

use super::{
    File, NOW, add, event, info, insert_commit, lists, new_credential, organization, user,
};

#[tokio::test]
async fn a_removed_user_leaves_only_an_anonymous_audit_trail() {
    let file = File::new().await;
    let store = file.open().await;
    let alice = user("alpha");
    store.set_member("alpha", "alpha", "viewer").await.unwrap();
    let keyed = NewCredential {
        idempotency: Some(Idempotency::new("key", [1; 32])),
        ..new_credential(info(&alice, "living"))
    };
    store.commit(&insert_commit(keyed)).await.unwrap();
    add(&store, {
        let mut dead = info(&alice, "dead");
        dead.status = Status::Deleted;
        dead
    })
    .await;
    add(&store, info(&user("beta"), "other")).await;
    let used = |id: &str| {
        Usage::new(
            Kind::PersonalToken,
            id,
            tower_api_key::clock::UnixMillis(NOW),
        )
    };
    store
        .record_uses(&[used("living"), used("other")])
        .await
        .unwrap();
    let key = add(&store, info(&organization("alpha"), "key")).await;
    let by = |actor: AuditActor| {
        let mut event = event(&key, AuditAction::Renamed);
        event.by = actor;
        event.origin = Some("origin".into());
        event
    };
    let events = vec![
        by(AuditActor::User("alpha".into())),
        by(AuditActor::Token {
            id: "living".into(),
            user: "alpha".into(),
        }),
        by(AuditActor::User("beta".into())),
    ];
    let commit = Commit {
        events,
        ..Commit::new(key.owner.clone(), Authority::Unconditional)
    };
    store.commit(&commit).await.unwrap();

    let mut feed = store.feed().await.unwrap();
    store.delete_user("alpha").await.unwrap();
    let mut emitted = Vec::new();
    while !emitted.contains(&FeedEvent::Changed(Change::User("alpha".into()))) {
        emitted.push(feed.next().await.unwrap());
    }
    let gone = Change::Credential {
        kind: Kind::PersonalToken,
        id: "living".into(),
    };
    assert!(emitted.contains(&FeedEvent::Changed(gone)), "{emitted:?}");
    let digest = Digest::of(b"test living");
    assert!(
        store
            .find(&Lookup::new(
                LookupKey::PersonalToken { digest: &digest },
                None
            ))
            .await
            .unwrap()
            .is_none()
    );
    for (table, left) in [
        ("credentials", 2),
        ("uses", 1),
        ("memberships", 0),
        ("users", 1),
        ("events", 7),
    ] {
        let sql = match table {
            "credentials" => "SELECT count(*) FROM tower_api_key_credentials",
            "uses" => "SELECT count(*) FROM tower_api_key_uses",
            "memberships" => "SELECT count(*) FROM tower_api_key_memberships",
            "users" => "SELECT count(*) FROM tower_api_key_users",
            _ => "SELECT count(*) FROM tower_api_key_events",
        };
        assert_eq!(file.query_number(sql).await, left, "{table}");
    }
    let named = "SELECT count(*) FROM tower_api_key_events WHERE user_id = 'alpha' OR \
                 actor_user_id = 'alpha'";
    assert_eq!(file.query_number(named).await, 0);
    let erased = "SELECT count(*) FROM tower_api_key_events \
                  WHERE user_id GLOB 'erased-????????????????????????????????'
        OR actor_user_id GLOB 'erased-*' AND origin IS NULL";
    assert_eq!(file.query_number(erased).await, 4);
    let trail = store.events(&key.owner, None, 10).await.unwrap();
    assert_eq!(
        (trail[0].by.clone(), trail[0].origin.as_deref()),
        (AuditActor::User("beta".into()), Some("origin"))
    );

    assert!(matches!(
        store.delete_user("alpha").await,
        Err(WriteError::UnknownUser(_))
    ));
    store.create_user("alpha").await.unwrap();
    assert_eq!(
        store.credentials(&alice, &lists::list_all()).await.unwrap(),
        []
    );
    assert_eq!(store.events(&alice, None, 10).await.unwrap(), []);
    assert_eq!(store.issued_under(&alice, "key").await.unwrap(), None);
    add(&store, info(&Owner::User("alpha".into()), "living")).await;
    assert_eq!(
        store
            .credential(&alice, "living")
            .await
            .unwrap()
            .unwrap()
            .last_used_at,
        None
    );
}

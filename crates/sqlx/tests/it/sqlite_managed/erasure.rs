//! A user who is removed leaves nothing but an audit trail without them.

use tower_api_key::{
    credential::Kind,
    secret::Digest,
    store::{
        AuditAction, AuditActor, Change, CredentialStore, Directory, Feed, FeedEvent, Lookup,
        LookupKey, ManageStore, Owner, Status, Usage, WriteError,
        backend::{Authority, Commit, Idempotency, NewCredential},
    },
};

use super::{File, NOW, add, adding, event, info, insert, lists, organization, user};

#[tokio::test]
async fn a_user_who_is_removed_leaves_a_trail_without_them() {
    let file = File::new().await;
    let store = file.open().await;
    let alice = user("alpha");
    store.set_member("alpha", "alpha", "viewer").await.unwrap();
    let keyed = NewCredential {
        idempotency: Some(Idempotency::new("key", [1; 32])),
        ..insert(info(&alice, "living"))
    };
    store.commit(&adding(keyed)).await.unwrap();
    add(&store, {
        let mut info = info(&alice, "dead");
        info.status = Status::Deleted;
        info
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
    let by = |who: AuditActor| {
        let mut event = event(&key, AuditAction::Renamed);
        event.by = who;
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
    let mut told = Vec::new();
    while !told.contains(&FeedEvent::Changed(Change::User("alpha".into()))) {
        told.push(feed.next().await.unwrap());
    }
    let gone = Change::Credential {
        kind: Kind::PersonalToken,
        id: "living".into(),
    };
    assert!(told.contains(&FeedEvent::Changed(gone)), "{told:?}");
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
        assert_eq!(file.number(sql).await, left, "{table}");
    }
    let theirs = "SELECT count(*) FROM tower_api_key_events WHERE user_id = 'alpha' OR actor_user_id = 'alpha'";
    assert_eq!(file.number(theirs).await, 0);
    let erased =
        "SELECT count(*) FROM tower_api_key_events WHERE user_id GLOB 'erased-????????????????????????????????'
        OR actor_user_id GLOB 'erased-*' AND origin IS NULL";
    assert_eq!(file.number(erased).await, 4);
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
    assert_eq!(store.credentials(&alice, &lists::all()).await.unwrap(), []);
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

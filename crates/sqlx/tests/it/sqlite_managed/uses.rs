//! Uses: recorded at most once a minute, only for existing credentials, and not logged as changes;
//! the first use after a rotation is an event.

use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    store::{AuditAction, AuditActor, AuditEvent, ManageStore, Usage},
};
use tower_api_key_sqlx::SqliteStore;

use super::{File, NOW, add, in_memory, info, organization, update_commit, user};

fn used(kind: Kind, id: &str, at: i64) -> Usage {
    Usage::new(kind, id, UnixMillis(at))
}

#[tokio::test]
async fn a_use_is_written_at_most_once_a_minute() {
    let store = in_memory().await;
    for owner in [organization("alpha"), user("alpha")] {
        let kind = owner.kind();
        add(&store, info(&owner, "one")).await;
        for (name, uses, recorded) in [
            ("the first", &[NOW][..], NOW),
            ("the same", &[NOW], NOW),
            ("earlier", &[NOW - 1_000_000], NOW),
            ("within a minute", &[NOW + 59_999], NOW),
            ("after a minute", &[NOW + 60_000], NOW + 60_000),
            (
                "within the next minute, twice at once",
                &[NOW + 60_001, NOW + 119_999],
                NOW + 60_000,
            ),
            (
                "several at once",
                &[NOW + 120_000, NOW + 179_999, NOW + 120_000],
                NOW + 120_000,
            ),
        ] {
            let uses: Vec<_> = uses.iter().map(|at| used(kind, "one", *at)).collect();
            assert_eq!(store.record_uses(&uses).await.unwrap(), [], "{name}");
            let last = store
                .credential(&owner, "one")
                .await
                .unwrap()
                .unwrap()
                .last_used_at;
            assert_eq!(last, Some(UnixMillis(recorded)), "{name}");
        }
    }
}

/// A node whose clock is ahead must not hide later uses, neither by what it records now nor by what
/// it recorded earlier.
#[tokio::test]
async fn a_use_in_the_future_is_recorded_as_now() {
    let file = File::new().await;
    let store = file.open().await;
    let owner = organization("alpha");
    add(&store, info(&owner, "one")).await;
    let last = async || {
        store
            .credential(&owner, "one")
            .await
            .unwrap()
            .unwrap()
            .last_used_at
            .unwrap()
    };
    let started_at = SystemClock::default().now();
    store
        .record_uses(&[used(Kind::OrgKey, "one", i64::MAX)])
        .await
        .unwrap();
    assert!(started_at <= last().await && last().await <= SystemClock::default().now());
    file.by_hand("UPDATE tower_api_key_uses SET at = 9223372036854775807")
        .await;
    store
        .record_uses(&[used(Kind::OrgKey, "one", NOW)])
        .await
        .unwrap();
    assert_eq!(last().await, UnixMillis(NOW));
}

#[tokio::test]
async fn a_use_after_a_rotation_is_an_event_whatever_the_clocks_show() {
    for owner in [organization("alpha"), user("alpha")] {
        let store = in_memory().await;
        add_rotated(&store, &owner, "old").await;
        // Before the rotation by its node's clock, and a millisecond after a recorded use.
        let late = {
            let mut usage = used(owner.kind(), "old", NOW - 1);
            usage.after_rotation = true;
            usage
        };
        assert_eq!(
            store
                .record_uses(&[used(owner.kind(), "old", NOW - 2)])
                .await
                .unwrap(),
            []
        );
        let events = store
            .record_uses(std::slice::from_ref(&late))
            .await
            .unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        for again in [late.clone(), used(owner.kind(), "old", NOW + 100_000)] {
            assert_eq!(
                store.record_uses(&[again]).await.unwrap(),
                [],
                "the event is emitted once"
            );
        }
    }
}

#[tokio::test]
async fn unknown_credentials_have_no_uses() {
    let file = File::new().await;
    let store = file.open().await;
    add(&store, info(&organization("alpha"), "one")).await;
    let before = file.rows().await;
    for id in ["ONE", "one ", "one\0", "", "two"] {
        store
            .record_uses(&[
                used(Kind::OrgKey, id, NOW),
                used(Kind::PersonalToken, "one", NOW),
            ])
            .await
            .unwrap();
    }
    store.record_uses(&[]).await.unwrap();
    assert_eq!(file.rows().await, before);
}

#[tokio::test]
async fn a_use_is_not_logged_as_a_change() {
    let file = File::new().await;
    let store = file.open().await;
    add(&store, info(&organization("alpha"), "one")).await;
    let log = "SELECT max(seq) FROM tower_api_key_changes";
    let before = file.query_number(log).await;
    store
        .record_uses(&[used(Kind::OrgKey, "one", NOW)])
        .await
        .unwrap();
    assert_eq!(
        file.query_number("SELECT count(*) FROM tower_api_key_uses")
            .await,
        1
    );
    assert_eq!(file.query_number(log).await, before);
}

/// Adds a credential and rotates it at `NOW`.
async fn add_rotated(store: &SqliteStore, owner: &super::Owner, id: &str) {
    let old = add(store, info(owner, id)).await;
    let rotation = update_commit(&old, |info| {
        info.rotated_to = Some("successor".into());
        info.rotated_at = Some(UnixMillis(NOW));
    });
    store.commit(&rotation).await.unwrap();
}

#[tokio::test]
async fn the_first_use_after_a_rotation_is_one_event() {
    for owner in [organization("alpha"), user("alpha")] {
        for (name, uses, expected_at, recorded) in [
            (
                "never used before",
                &[NOW + 5, NOW + 6][..],
                Some(NOW + 5),
                NOW + 6,
            ),
            ("at the moment itself", &[NOW, NOW + 1], Some(NOW), NOW + 1),
            (
                "less than a minute after a recorded use",
                &[NOW - 1, NOW + 1, NOW + 2],
                Some(NOW + 1),
                NOW + 2,
            ),
            (
                "only before the rotation",
                &[NOW - 100_000, NOW - 1],
                None,
                NOW - 1,
            ),
            (
                "earlier, but reported later",
                &[NOW + 1, NOW - 1],
                Some(NOW + 1),
                NOW + 1,
            ),
            (
                "a minute later again",
                &[NOW + 1, NOW + 60_001],
                Some(NOW + 1),
                NOW + 60_001,
            ),
        ] {
            for at_once in [true, false] {
                let store = in_memory().await;
                add_rotated(&store, &owner, "old").await;
                add(&store, info(&owner, "not-rotated")).await;
                let uses: Vec<_> = uses
                    .iter()
                    .map(|at| used(owner.kind(), "old", *at))
                    .collect();
                let mut events = Vec::new();
                for batch in uses.chunks(if at_once { uses.len() } else { 1 }) {
                    let batch = [batch, &[used(owner.kind(), "not-rotated", NOW + 10)]].concat();
                    events.extend(store.record_uses(&batch).await.unwrap());
                }
                let stored = store.events(&owner, None, 100).await.unwrap();
                let stored: Vec<_> = stored
                    .into_iter()
                    .filter(|e| e.action == AuditAction::UsedAfterRotation)
                    .collect();
                assert_eq!(events, stored, "{name}");
                let expected = expected_at.map(|at| {
                    let mut event = AuditEvent::new(
                        UnixMillis(at),
                        AuditAction::UsedAfterRotation,
                        owner.clone(),
                        "old",
                        AuditActor::Bearer,
                    );
                    event.number = events.first().and_then(|event| event.number);
                    event.related = Some("successor".into());
                    event
                });
                assert_eq!(events, Vec::from_iter(expected), "{name}");
                let last = store
                    .credential(&owner, "old")
                    .await
                    .unwrap()
                    .unwrap()
                    .last_used_at;
                assert_eq!(last, Some(UnixMillis(recorded)), "{name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_reporting_one_first_use_emit_one_event() {
    let file = File::new().await;
    let owner = organization("alpha");
    add_rotated(&file.open().await, &owner, "old").await;
    let stores = [file.open().await, file.open().await];
    let nodes = (0..16_usize).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move {
            store
                .record_uses(&[used(Kind::OrgKey, "old", NOW + 1)])
                .await
                .unwrap()
        })
    });
    let mut events = Vec::new();
    for node in nodes.collect::<Vec<_>>() {
        events.extend(node.await.unwrap());
    }
    assert_eq!(events.len(), 1, "{events:?}");
}

#[tokio::test]
async fn a_use_is_not_written_if_its_event_cannot_be() {
    let file = File::new().await;
    let store = file.open().await;
    add_rotated(&store, &organization("alpha"), "old").await;
    add(&store, info(&organization("alpha"), "other")).await;
    file.by_hand(
        "CREATE TRIGGER fault BEFORE INSERT ON tower_api_key_events BEGIN \
         SELECT RAISE(ABORT, 'fault'); END",
    )
    .await;
    let uses = [
        used(Kind::OrgKey, "other", NOW + 1),
        used(Kind::OrgKey, "old", NOW + 1),
    ];
    assert_eq!(
        store.record_uses(&uses).await.unwrap_err().code(),
        "store_unavailable"
    );
    assert_eq!(
        file.query_number("SELECT count(*) FROM tower_api_key_uses")
            .await,
        0
    );
    file.by_hand("DROP TRIGGER fault").await;
    assert_eq!(
        store.record_uses(&uses).await.unwrap().len(),
        1,
        "the next attempt emits the event"
    );
}

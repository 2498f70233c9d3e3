//! Uses: once a minute, only of what exists, unheard by caches; the first after a rotation is an event.

use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    store::{AuditAction, AuditActor, AuditEvent, ManageStore, Usage},
};
use tower_api_key_sqlx::SqliteStore;

use super::{File, NOW, add, altering, in_memory, info, organization, user};

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
            ("before it", &[NOW - 1_000_000], NOW),
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

/// A node whose clock is ahead must not hide the uses that follow, neither by what it records now nor by what it recorded once.
#[tokio::test]
async fn a_use_to_come_is_one_of_now() {
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
    let began = SystemClock::default().now();
    store
        .record_uses(&[used(Kind::OrgKey, "one", i64::MAX)])
        .await
        .unwrap();
    assert!(began <= last().await && last().await <= SystemClock::default().now());
    file.by_hand("UPDATE tower_api_key_uses SET at = 9223372036854775807")
        .await;
    store
        .record_uses(&[used(Kind::OrgKey, "one", NOW)])
        .await
        .unwrap();
    assert_eq!(last().await, UnixMillis(NOW));
}

#[tokio::test]
async fn a_use_after_a_rotation_is_told_whatever_the_clocks_say() {
    for owner in [organization("alpha"), user("alpha")] {
        let store = in_memory().await;
        rotated(&store, &owner, "old").await;
        // Before the rotation by the clock of its node, and a millisecond after a use that is recorded.
        let mut late = used(owner.kind(), "old", NOW - 1);
        late.after_rotation = true;
        assert_eq!(
            store
                .record_uses(&[used(owner.kind(), "old", NOW - 2)])
                .await
                .unwrap(),
            []
        );
        let told = store
            .record_uses(std::slice::from_ref(&late))
            .await
            .unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        for again in [late.clone(), used(owner.kind(), "old", NOW + 100_000)] {
            assert_eq!(
                store.record_uses(&[again]).await.unwrap(),
                [],
                "it is told once"
            );
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_has_no_uses() {
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
async fn no_cache_hears_of_a_use() {
    let file = File::new().await;
    let store = file.open().await;
    add(&store, info(&organization("alpha"), "one")).await;
    let log = "SELECT max(seq) FROM tower_api_key_changes";
    let before = file.number(log).await;
    store
        .record_uses(&[used(Kind::OrgKey, "one", NOW)])
        .await
        .unwrap();
    assert_eq!(
        file.number("SELECT count(*) FROM tower_api_key_uses").await,
        1
    );
    assert_eq!(file.number(log).await, before);
}

/// Rotates at `NOW`.
async fn rotated(store: &SqliteStore, owner: &super::Owner, id: &str) {
    let old = add(store, info(owner, id)).await;
    let rotation = altering(&old, |info| {
        info.rotated_to = Some("successor".into());
        info.rotated_at = Some(UnixMillis(NOW));
    });
    store.commit(&rotation).await.unwrap();
}

#[tokio::test]
async fn the_first_use_since_a_rotation_is_one_event() {
    for owner in [organization("alpha"), user("alpha")] {
        for (name, uses, told, recorded) in [
            (
                "never used before",
                &[NOW + 5, NOW + 6][..],
                Some(NOW + 5),
                NOW + 5,
            ),
            ("at the moment itself", &[NOW, NOW + 1], Some(NOW), NOW),
            (
                "although a minute has not passed",
                &[NOW - 1, NOW + 1, NOW + 2],
                Some(NOW + 1),
                NOW + 1,
            ),
            ("only before it", &[NOW - 100_000, NOW - 1], None, NOW - 1),
            (
                "before, told late",
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
                rotated(&store, &owner, "old").await;
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
                let wanted = told.map(|at| {
                    let mut changed = AuditEvent::new(
                        UnixMillis(at),
                        AuditAction::UsedAfterRotation,
                        owner.clone(),
                        "old",
                        AuditActor::Bearer,
                    );
                    changed.number = events.first().and_then(|event| event.number);
                    changed.related = Some("successor".into());
                    changed
                });
                assert_eq!(events, Vec::from_iter(wanted), "{name}");
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
async fn many_who_see_the_first_use_since_a_rotation_tell_it_once() {
    let file = File::new().await;
    let owner = organization("alpha");
    rotated(&file.open().await, &owner, "old").await;
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
async fn an_event_that_cannot_be_written_leaves_the_use_unwritten() {
    let file = File::new().await;
    let store = file.open().await;
    rotated(&store, &organization("alpha"), "old").await;
    add(&store, info(&organization("alpha"), "other")).await;
    file.by_hand("CREATE TRIGGER fault BEFORE INSERT ON tower_api_key_events BEGIN SELECT RAISE(ABORT, 'fault'); END")
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
        file.number("SELECT count(*) FROM tower_api_key_uses").await,
        0
    );
    file.by_hand("DROP TRIGGER fault").await;
    assert_eq!(
        store.record_uses(&uses).await.unwrap().len(),
        1,
        "it is told the next time"
    );
}

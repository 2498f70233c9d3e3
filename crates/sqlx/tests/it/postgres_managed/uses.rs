//! Last use: written at most once a minute, except for the first use after a rotation.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, postgres::PgPoolOptions};
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    store::{AuditAction, AuditActor, AuditEvent, ManageStore, Owner, Usage},
};
use tower_api_key_sqlx::PostgresStore;

use super::{Fixture, info, owners};

fn used(owner: &Owner, id: &str, at: i64) -> Usage {
    Usage::new(owner.kind(), id, UnixMillis(at))
}

impl Fixture {
    async fn last_use(&self, owner: &Owner, id: &str) -> Option<i64> {
        self.get(owner, id).await.last_used_at.map(|at| at.0)
    }

    /// Records uses and returns the events that result.
    async fn record(&self, uses: &[Usage]) -> Vec<AuditEvent> {
        self.store.record_uses(uses).await.unwrap()
    }
}

#[tokio::test]
async fn a_use_is_written_at_most_once_a_minute() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let table = [
        ("the first", 1_000_000, 1_000_000),
        ("again", 1_000_000, 1_000_000),
        ("within a minute", 1_059_999, 1_000_000),
        ("earlier", 1, 1_000_000),
        ("much earlier", i64::MIN, 1_000_000),
        ("a minute later", 1_060_000, 1_060_000),
    ];
    for (owner, _) in owners() {
        for id in ["k", "other", "never"] {
            fixture.insert(info(&owner, id)).await;
        }
        let log = "SELECT count(*) FROM changes";
        let changes = fixture.psql(log);
        assert_eq!(fixture.last_use(&owner, "k").await, None);
        for (name, at, recorded) in table {
            // The uses in a batch are independent.
            let batch = [
                used(&owner, "k", at),
                used(&owner, "other", i64::MIN),
                used(&owner, "nobody", at),
            ];
            assert_eq!(fixture.record(&batch).await, [], "{name}");
            assert_eq!(
                fixture.last_use(&owner, "k").await,
                Some(recorded),
                "{name}"
            );
        }
        assert_eq!(fixture.last_use(&owner, "other").await, Some(i64::MIN));
        // A node whose clock is ahead cannot hide later uses.
        let clock = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)";
        let before: i64 = fixture.psql(clock).parse().unwrap();
        assert_eq!(fixture.record(&[used(&owner, "k", i64::MAX)]).await, []);
        let recorded = fixture.last_use(&owner, "k").await.unwrap();
        assert!((before..=fixture.psql(clock).parse().unwrap()).contains(&recorded));
        assert_eq!(fixture.last_use(&owner, "never").await, None);
        assert_eq!(
            fixture.psql(log),
            changes,
            "a use is not logged as a change"
        );
    }
    assert_eq!(
        fixture.psql("SELECT count(*) FROM uses"),
        "4",
        "an unknown credential gets no row"
    );
    assert_eq!(fixture.record(&[]).await, []);
}

#[tokio::test]
async fn the_latest_of_several_uses_in_a_batch_counts() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        fixture.insert(info(&owner, "k")).await;
        let batch = [200_000, 300_000, 100_000].map(|at| used(&owner, "k", at));
        assert_eq!(fixture.record(&batch).await, []);
        assert_eq!(fixture.last_use(&owner, "k").await, Some(300_000));
    }
}

#[tokio::test]
async fn the_first_use_after_a_rotation_is_written_and_emits_an_event() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let at = 1_000_000; // when the rotation happened
    let table = [
        ("never used", None, false, at, false, true),
        (
            "never used, and long after",
            None,
            false,
            at + 900_000,
            false,
            true,
        ),
        ("used just before", Some(at - 1), false, at, false, true),
        (
            "used just before, and before again",
            Some(at - 2),
            false,
            at - 1,
            false,
            false,
        ),
        ("never used, and before", None, false, at - 1, false, false),
        (
            "used, by a clock that was ahead",
            Some(at + 10_000),
            false,
            at + 1,
            false,
            true,
        ),
        (
            "earlier, by the clock of a node aware of the rotation",
            Some(at - 2),
            false,
            at - 1,
            true,
            true,
        ),
        ("reported", Some(at), true, at + 1, true, false),
        (
            "reported, and much later",
            Some(at),
            true,
            at + 60_000,
            true,
            false,
        ),
        (
            "used long before",
            Some(at - 900_000),
            false,
            at + 5,
            false,
            true,
        ),
    ];
    for (owner, other) in owners() {
        for (number, (name, recorded, reported, now, aware, is_event)) in
            table.into_iter().enumerate()
        {
            let owner = if number % 2 == 0 { &owner } else { &other };
            let id = format!("k{number}");
            let mut old = info(owner, &id);
            (old.rotated_to, old.rotated_at) = (Some("new".into()), Some(UnixMillis(at)));
            fixture.insert(old).await;
            if let Some(before) = recorded {
                let kind = owner.kind().as_str();
                fixture.psql(&format!(
                    "INSERT INTO uses VALUES ('{kind}', '{id}', {before}, {reported})"
                ));
            }
            let events = fixture
                .record(&[{
                    let mut usage = used(owner, &id, now);
                    usage.after_rotation = aware;
                    usage
                }])
                .await;
            assert_eq!(events.len(), usize::from(is_event), "{name}");
            let written = is_event || recorded.is_none_or(|before| now > before);
            let last = if written {
                recorded.max(Some(now))
            } else {
                recorded
            };
            assert_eq!(fixture.last_use(owner, &id).await, last, "{name}");
            if is_event {
                let mut expected = AuditEvent::new(
                    UnixMillis(now),
                    AuditAction::UsedAfterRotation,
                    owner.clone(),
                    id.as_str(),
                    AuditActor::Bearer,
                );
                expected.number = events[0].number;
                expected.related = Some("new".into());
                assert_eq!(events, [expected], "{name}");
                assert_eq!(
                    fixture.store.events(owner, None, 1).await.unwrap(),
                    events,
                    "{name}"
                );
            }
            let again = fixture
                .record(&[used(owner, &id, now + 60_000)])
                .await
                .len();
            assert_eq!(again, usize::from(!is_event && !reported), "{name}");
        }
    }
}

/// So that the numbers of an owner's events are in the order of the commits.
#[tokio::test]
async fn a_use_that_emits_an_event_takes_the_turn_of_the_owner() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let owners: Vec<_> = owners().into_iter().flat_map(<[_; 2]>::from).collect();
    let mut uses = Vec::new();
    for (number, owner) in owners.iter().enumerate() {
        let mut rotated = info(owner, &format!("k{number}"));
        (rotated.rotated_to, rotated.rotated_at) = (Some("new".into()), Some(UnixMillis(1)));
        uses.push(used(owner, rotated.id.as_str(), 1_000));
        fixture.insert(rotated).await;
    }
    fixture.psql("DELETE FROM owner_turns");
    assert_eq!(fixture.record(&uses).await.len(), owners.len());
    let turns = fixture.psql("SELECT kind || ' ' || id FROM owner_turns");
    let expected = owners
        .iter()
        .map(|owner| format!("{} {}", owner.kind().as_str(), owner.id()));
    let turns: BTreeSet<_> = turns.lines().map(str::to_owned).collect();
    assert_eq!(turns, expected.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_reporting_one_first_use_emit_one_event() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let owners = owners();
    for round in 0..5 {
        let mut batch = Vec::new();
        for (owner, other) in &owners {
            for (number, owner) in [owner, other, owner].into_iter().enumerate() {
                let id = format!("k{round}-{number}");
                let mut old = info(owner, &id);
                (old.rotated_to, old.rotated_at) = (Some("new".into()), Some(UnixMillis(2_000)));
                fixture.insert(old).await;
                batch.push(used(owner, &id, 3_000));
            }
        }
        if round % 2 == 0 {
            fixture.psql(
                "INSERT INTO uses SELECT kind, id, 1000 FROM credentials ON CONFLICT DO NOTHING",
            );
        }
        let nodes = (0..16).map(|node| {
            let (store, mut batch) = (fixture.store.clone(), batch.clone());
            batch.rotate_left(node % 6);
            tokio::spawn(async move { store.record_uses(&batch).await.unwrap() })
        });
        let mut events = Vec::new();
        for node in nodes.collect::<Vec<_>>() {
            events.extend(node.await.unwrap());
        }
        let of: BTreeSet<_> = events
            .iter()
            .map(|event| (event.owner.id(), event.credential.as_str()))
            .collect();
        assert_eq!((events.len(), of.len()), (6, 6));
        for (owner, other) in &owners {
            for owner in [owner, other] {
                let stored = fixture.store.events(owner, None, 100).await.unwrap();
                let events: Vec<_> = events
                    .iter()
                    .filter(|event| event.owner == *owner)
                    .collect();
                assert!(
                    events.iter().all(|event| stored.contains(event)),
                    "the returned events are stored"
                );
            }
        }
        assert_eq!(
            fixture.psql("SELECT count(*) FROM events"),
            ((round + 1) * 6).to_string()
        );
    }
}

/// The nodes visit the rows in different orders, as query planners may when tables grow. The first
/// node is blocked at its second row, while the other does as much as it can.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_recording_the_same_uses_in_different_orders_do_not_fail() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    fixture.psql(
        "INSERT INTO credentials (kind, id, digest, organization_id)
        SELECT 'org_key', 'k' || n, decode(repeat('ab', 32), 'hex'), 'org_test' \
        FROM generate_series(100, 999) n",
    );
    let node = |avoided| {
        let options = [
            "enable_hashjoin",
            "enable_mergejoin",
            "enable_seqscan",
            avoided,
        ]
        .map(|setting| (setting, "off"));
        let pool =
            PgPoolOptions::new().connect_lazy_with(fixture.cluster.options().options(options));
        PostgresStore::new(pool, Catalogue::anyreach())
            .with_schema(&fixture.schema)
            .unwrap()
    };
    let (first, second) = (node("enable_hashagg"), node("enable_sort"));
    for (at, held) in [
        (1_000_000, "INSERT INTO uses VALUES ('org_key', 'k101', 1)"),
        (2_000_000, "SELECT FROM uses WHERE id = 'k101' FOR UPDATE"),
    ] {
        let mut connection = fixture.cluster.connection().await;
        let mut holding = connection.begin().await.unwrap();
        let sql = format!("SET LOCAL search_path TO {}; {held}", fixture.schema);
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *holding)
            .await
            .unwrap();
        let mut batch: Vec<_> = (100..=999)
            .map(|n| used(owner, &format!("k{n}"), at))
            .collect();
        let mut tasks = Vec::new();
        for store in [&first, &second] {
            let (store, uses) = (store.clone(), batch.clone());
            tasks.push(tokio::spawn(async move { store.record_uses(&uses).await }));
            fixture.wait_for_lock(tasks.len(), &tasks[0]).await;
            batch.reverse();
        }
        holding.rollback().await.unwrap();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), [], "{held}");
        }
        assert_eq!(
            fixture.psql(&format!("SELECT count(*) FROM uses WHERE at = {at}")),
            "900"
        );
    }
}

#[tokio::test]
async fn a_failed_write_records_no_use() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    let (owner, _) = &owners()[0];
    for (id, rotated) in [("k1", true), ("k2", false)] {
        let mut old = info(owner, id);
        if rotated {
            (old.rotated_to, old.rotated_at) = (Some("new".into()), Some(UnixMillis(2_000)));
        }
        fixture.insert(old).await;
    }
    fixture.psql("ALTER TABLE events ADD CONSTRAINT test CHECK (action <> 'used_after_rotation')");
    let before = fixture.snapshot();
    let batch = [used(owner, "k1", 3_000), used(owner, "k2", 3_000)];
    fixture.store.record_uses(&batch).await.unwrap_err();
    assert_eq!(fixture.snapshot(), before);
    fixture.psql("ALTER TABLE events DROP CONSTRAINT test");
    assert_eq!(fixture.record(&batch).await.len(), 1);
}

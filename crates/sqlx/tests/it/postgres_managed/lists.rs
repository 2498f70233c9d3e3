//! Lists: complete, ordered, and filtered like the reference implementation.

use std::cmp::Reverse;
use tower_api_key::{
    clock::UnixMillis,
    id::CredentialId,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, EffectiveStatus, Filter, ManageStore,
        Owner, Status,
        backend::{ListQuery, Position},
    },
};

use tower_api_key_sqlx::PostgresStore;

use super::{Fixture, event, info, list_all, owners, update_commit};

fn sorted(mut list: Vec<CredentialInfo>) -> Vec<CredentialInfo> {
    let position = |info: &CredentialInfo| (info.created_at, info.id.as_str().to_owned());
    list.sort_by_key(|info| Reverse(position(info)));
    list
}

/// Every page of a list; `between` runs after each page.
async fn pages(
    store: &PostgresStore,
    owner: &Owner,
    mut query: ListQuery,
    mut between: impl AsyncFnMut(usize),
) -> Vec<CredentialInfo> {
    let mut list: Vec<CredentialInfo> = Vec::new();
    for number in 0.. {
        let page = store.credentials(owner, &query).await.unwrap();
        assert!(
            page.len() <= query.limit as usize && number < 500,
            "page {number} has {}",
            page.len()
        );
        let Some(last) = page.last() else { break };
        query.after = Some(Position::new(last.created_at, last.id.clone()));
        list.extend(page);
        between(number).await;
    }
    list
}

/// Ids whose byte order differs from that of any language.
fn id(number: usize) -> String {
    let prefix = ["a", "B", "_", "~", "Z", "+", "-"][number % 7];
    format!("{prefix}{}", number * 7919 % 1000)
}

#[tokio::test]
async fn every_credential_is_on_exactly_one_page_while_others_are_added() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, other) in owners() {
        let mut expected = Vec::new();
        for number in 0..250 {
            let mut new = info(&owner, &id(number));
            // A hundred with the same time, the rest in groups of five.
            new.created_at = UnixMillis(if number < 100 {
                50_000
            } else {
                40_000 + number as i64 / 5 * 1_000
            });
            fixture.insert(new.clone()).await;
            expected.push(new);
        }
        fixture.insert(info(&other, "others")).await;
        let expected = sorted(expected);
        for limit in [1, 7, 10, 250] {
            let query = ListQuery {
                limit,
                ..list_all()
            };
            let list = pages(&fixture.store, &owner, query, async |number| {
                for (name, created_at) in [("first", 99_000), ("amid", 50_000), ("last", 10)] {
                    let mut new = info(&owner, &format!("new-{limit}-{number}-{name}"));
                    new.created_at = UnixMillis(created_at);
                    if number % 10 == 0 {
                        fixture.insert(new).await;
                    }
                }
            });
            let list: Vec<_> = list
                .await
                .into_iter()
                .filter(|info| !info.id.as_str().starts_with("new-"))
                .collect();
            assert_eq!(list, expected, "by {limit}");
        }
    }
}

#[tokio::test]
async fn a_list_can_start_after_any_position() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        for (id, created_at) in [("a", i64::MIN), ("b", 0), ("d", 0), ("e", i64::MAX)] {
            let mut new = info(&owner, id);
            new.created_at = UnixMillis(created_at);
            fixture.insert(new).await;
        }
        for (created_at, id, expected) in [
            (i64::MAX, "f", "edba"),
            (i64::MAX, "e", "dba"),
            (0, "e", "dba"),
            (0, "d", "ba"),
            (0, "c", "ba"),
            (0, "", "a"),
            (i64::MIN, "a", ""),
        ] {
            let query = ListQuery {
                after: Some(Position::new(UnixMillis(created_at), id)),
                ..list_all()
            };
            let list = fixture.store.credentials(&owner, &query).await.unwrap();
            let ids: String = list.iter().map(|info| info.id.as_str()).collect();
            assert_eq!(ids, expected, "after {created_at} {id:?}");
        }
        let first = fixture
            .store
            .credentials(
                &owner,
                &ListQuery {
                    limit: 1,
                    ..list_all()
                },
            )
            .await
            .unwrap();
        assert_eq!(first[0].id.as_str(), "e");
        assert_eq!(
            fixture
                .store
                .credentials(
                    &owner,
                    &ListQuery {
                        limit: 0,
                        ..list_all()
                    }
                )
                .await
                .unwrap(),
            []
        );
        let unlimited = ListQuery {
            limit: u32::MAX,
            ..list_all()
        };
        assert_eq!(
            fixture
                .store
                .credentials(&owner, &unlimited)
                .await
                .unwrap()
                .len(),
            4
        );
    }
}

const NOW: i64 = 5_000;

/// A credential for each status, expiry, creation and last use at the boundaries of the filters.
async fn one_of_each(fixture: &Fixture, owner: &Owner) -> Vec<CredentialInfo> {
    let mut list = Vec::new();
    let mut uses = Vec::new();
    for status in [Status::Active, Status::Disabled, Status::Deleted] {
        for expires_at in [None, Some(NOW - 1), Some(NOW), Some(NOW + 1)] {
            for created_at in [1_000, 2_000] {
                for last_used_at in [None, Some(1_999), Some(2_000)] {
                    let mut new = info(owner, &format!("k{}", list.len()));
                    (new.status, new.created_at) = (status, UnixMillis(created_at));
                    (new.expires_at, new.last_used_at) =
                        (expires_at.map(UnixMillis), last_used_at.map(UnixMillis));
                    new.first_used_at = new.last_used_at;
                    uses.extend(
                        last_used_at
                            .map(|at| format!("('{}', '{}', {at})", owner.kind().as_str(), new.id)),
                    );
                    fixture.insert(new.clone()).await;
                    list.push(new);
                }
            }
        }
    }
    fixture.psql(&format!("INSERT INTO uses VALUES {}", uses.join(", ")));
    sorted(list)
}

#[tokio::test]
async fn filters_match_the_reference() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        let list = one_of_each(&fixture, &owner).await;
        let states = [
            None,
            Some(EffectiveStatus::Active),
            Some(EffectiveStatus::Disabled),
            Some(EffectiveStatus::Expired),
            Some(EffectiveStatus::Deleted),
        ];
        let moments = |at: [i64; 3]| {
            [
                None,
                Some(UnixMillis(at[0])),
                Some(UnixMillis(at[1])),
                Some(UnixMillis(at[2])),
            ]
        };
        for state in states {
            for expiring_before in moments([NOW, NOW + 1, NOW + 2]) {
                for unused_since in moments([1_999, 2_000, 2_001]) {
                    let filter = Filter::default()
                        .with_state(state)
                        .with_expiring_before(expiring_before)
                        .with_unused_since(unused_since);
                    let now = UnixMillis(NOW);
                    let expected: Vec<_> = list
                        .iter()
                        .filter(|info| filter.shows(info, now))
                        .cloned()
                        .collect();
                    let query = ListQuery {
                        filter: filter.clone(),
                        after: None,
                        limit: 7,
                        now,
                    };
                    let listed = pages(&fixture.store, &owner, query, async |_| {}).await;
                    assert_eq!(listed, expected, "{filter:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_committed_credential_is_read_back_unchanged() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, _) in owners() {
        let mut new = info(&owner, "whole");
        new.expires_at = Some(UnixMillis(-1));
        (new.rotated_from, new.rotated_to) = (Some("before".into()), Some("behind".into()));
        new.rotated_at = Some(UnixMillis(3_000));
        if let Owner::Organization(_) = owner {
            (new.role, new.scopes) = (Some("viewer".into()), Some([].into()));
        }
        fixture.insert(new.clone()).await;
        assert_eq!(fixture.get(&owner, "whole").await, new);
        let commit = update_commit(&new, |after| {
            (after.name, after.status, after.expires_at) = ("".into(), Status::Disabled, None);
            (after.rotated_to, after.rotated_at) = (None, None);
        });
        fixture.store.commit(&commit).await.unwrap();
        assert_eq!(fixture.get(&owner, "whole").await, commit.changes[0].after);
    }
}

fn all_events(owner: &Owner) -> Vec<AuditEvent> {
    use AuditAction::{
        Deleted, Disabled, Enabled, Imported, Issued, Renamed, Revoked, Rotated, UsedAfterRotation,
    };

    let actors = [
        AuditActor::Key("key-test".into()),
        AuditActor::Token {
            id: "token-test".into(),
            user: "user_test".into(),
        },
        AuditActor::User("user_test".into()),
        AuditActor::Operator("".into()),
        AuditActor::Bearer,
    ];
    let actions = [
        Issued,
        Imported,
        Renamed,
        Disabled,
        Enabled,
        Rotated,
        Deleted,
        Revoked,
        UsedAfterRotation,
    ];
    let events = actions.into_iter().enumerate().map(|(number, action)| {
        let mut event = event(owner, &format!("k{number}"), action);
        event.at = UnixMillis(9_000 - number as i64);
        event.related = (number % 2 == 0).then(|| CredentialId::from("related-test"));
        event.by = actors[number % actors.len()].clone();
        event.origin = (number % 3 == 0).then(|| "2001:db8::1".into());
        event
    });
    events.collect()
}

#[tokio::test]
async fn events_are_paginated_and_separate_for_each_owner() {
    let Some(fixture) = Fixture::new().await else {
        return;
    };
    for (owner, other) in owners() {
        let mut expected = Vec::new();
        for event in all_events(&owner) {
            let mut others = event.clone();
            others.owner = other.clone();
            let mut commit = update_commit(&info(&owner, "none"), |_| {});
            commit.changes.clear();
            commit.events = vec![others, event.clone()];
            fixture.store.commit(&commit).await.unwrap();
            expected.insert(0, event);
        }
        let mut read: Vec<AuditEvent> = Vec::new();
        loop {
            let page = fixture
                .store
                .events(&owner, read.last().and_then(|event| event.number), 2)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 2 && read.len() < expected.len(), "{page:?}");
            read.extend(page);
        }
        assert!(read.is_sorted_by(|one, next| one.number > next.number));
        let numbers: Vec<_> = read.iter().map(|event| event.number).collect();
        read.iter_mut().for_each(|event| event.number = None);
        assert_eq!(read, expected);
        for (before, count) in [
            (Some(i64::MIN), 0),
            (numbers[8], 0),
            (numbers[0], 8),
            (Some(i64::MAX), 9),
        ] {
            assert_eq!(
                fixture
                    .store
                    .events(&owner, before, 100)
                    .await
                    .unwrap()
                    .len(),
                count,
                "{before:?}"
            );
        }
    }
}

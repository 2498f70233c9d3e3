//! Lists: newest first, page by page, filtered like the reference implementation.

use tower_api_key::{
    clock::UnixMillis,
    store::{
        CredentialInfo, EffectiveStatus, Filter, ManageStore, Owner, Status, Usage,
        backend::{ListQuery, Position},
    },
};
use tower_api_key_sqlx::SqliteStore;

use super::{AuditEvent, NOW, add, in_memory, info, organization, user};

/// The query for everything that is not deleted.
pub(super) fn list_all() -> ListQuery {
    ListQuery {
        filter: Filter::default(),
        after: None,
        limit: 10_000,
        now: UnixMillis(NOW),
    }
}

/// Adds a credential that was created `millis` after `NOW`.
async fn add_created_at(
    store: &SqliteStore,
    owner: &Owner,
    id: String,
    millis: i64,
) -> CredentialInfo {
    let mut new = info(owner, &id);
    new.created_at = UnixMillis(NOW + millis);
    add(store, new).await
}

#[tokio::test]
async fn pages_are_complete_while_others_are_inserted() {
    for owner in [organization("alpha"), user("alpha")] {
        let store = in_memory().await;
        let other = Owner::of(owner.kind(), "beta");
        let mut first = Vec::new();
        for number in 0..250_i64 {
            let letter = ["a", "B", "~", "~", "Z"][usize::try_from(number % 5).unwrap()];
            first.push(
                add_created_at(&store, &owner, format!("{letter}{number}"), number % 7).await,
            );
            add_created_at(&store, &other, format!("another-{number}"), number % 7).await;
        }
        first.sort_by(|a, b| (b.created_at, b.id.as_str()).cmp(&(a.created_at, a.id.as_str())));

        let mut pages: Vec<CredentialInfo> = Vec::new();
        let mut query = ListQuery {
            limit: 7,
            ..list_all()
        };
        for number in 0.. {
            let page = store.credentials(&owner, &query).await.unwrap();
            assert!(page.len() <= 7);
            let Some(last) = page.last() else { break };
            query.after = Some(Position::new(last.created_at, last.id.clone()));
            pages.extend(page);
            assert!(number < 250, "the list never ends");
            // Before everything, after everything and in between.
            add_created_at(&store, &owner, format!("new{number}"), 100).await;
            add_created_at(&store, &owner, format!("old{number}"), -100 + number % 3).await;
            add_created_at(&store, &owner, format!("mid{number}"), number % 7).await;
        }
        let order = |info: &CredentialInfo| (info.created_at, info.id.as_str().to_owned());
        assert!(
            pages
                .windows(2)
                .all(|pair| order(&pair[0]) > order(&pair[1])),
            "out of order or duplicated"
        );
        pages.retain(|info| first.contains(info));
        assert_eq!(pages, first);
    }
}

#[tokio::test]
async fn the_first_page_starts_at_the_latest_possible_time() {
    let store = in_memory().await;
    let alpha = organization("alpha");
    let mut ids = Vec::new();
    for (id, millis) in [("c", i64::MAX), ("b", i64::MAX), ("a", 0), ("d", i64::MIN)] {
        let mut new = info(&alpha, id);
        new.created_at = UnixMillis(millis);
        ids.push(add(&store, new).await.id);
    }
    let listed = store.credentials(&alpha, &list_all()).await.unwrap();
    assert_eq!(
        listed.iter().map(|info| &info.id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    let query = ListQuery {
        after: Some(Position::new(UnixMillis(i64::MAX), "c")),
        limit: 1,
        ..list_all()
    };
    assert_eq!(
        store.credentials(&alpha, &query).await.unwrap()[0].id,
        ids[1]
    );
    assert_eq!(
        store
            .credentials(
                &alpha,
                &ListQuery {
                    limit: 0,
                    ..list_all()
                }
            )
            .await
            .unwrap(),
        []
    );
}

/// Adds credentials with every status, expiry, creation and last use.
async fn seed_credentials(store: &SqliteStore, owner: &Owner) -> Vec<CredentialInfo> {
    let mut all = Vec::new();
    for status in [Status::Active, Status::Disabled, Status::Deleted] {
        for expires_at in [
            None,
            Some(NOW - 1),
            Some(NOW),
            Some(NOW + 1),
            Some(i64::MAX),
        ] {
            for (created_at, used_at) in [
                (0, None),
                (NOW, None),
                (0, Some(NOW - 1)),
                (0, Some(NOW)),
                (NOW, Some(0)),
            ] {
                let mut new = info(owner, &format!("{}", all.len()));
                new.status = status;
                new.expires_at = expires_at.map(UnixMillis);
                new.created_at = UnixMillis(created_at);
                add(store, new.clone()).await;
                new.last_used_at = used_at.map(UnixMillis);
                new.first_used_at = new.last_used_at;
                let used =
                    used_at.map(|at| Usage::new(owner.kind(), new.id.clone(), UnixMillis(at)));
                store.record_uses(used.as_slice()).await.unwrap();
                all.push(new);
            }
        }
    }
    all
}

#[tokio::test]
async fn filters_match_the_reference() {
    let moments = [
        None,
        Some(NOW - 1),
        Some(NOW),
        Some(NOW + 1),
        Some(i64::MIN),
        Some(i64::MAX),
    ];
    let states = [
        None,
        Some(EffectiveStatus::Active),
        Some(EffectiveStatus::Disabled),
        Some(EffectiveStatus::Expired),
        Some(EffectiveStatus::Deleted),
    ];
    for owner in [organization("alpha"), user("alpha")] {
        let store = in_memory().await;
        let credentials = seed_credentials(&store, &owner).await;
        for state in states {
            for (expiring_before, unused_since) in moments
                .iter()
                .flat_map(|a| moments.iter().map(move |b| (*a, *b)))
            {
                let filter = Filter::default()
                    .with_state(state)
                    .with_expiring_before(expiring_before.map(UnixMillis))
                    .with_unused_since(unused_since.map(UnixMillis));
                let mut expected: Vec<_> = credentials
                    .iter()
                    .filter(|info| filter.shows(info, UnixMillis(NOW)))
                    .collect();
                expected.sort_by(|a, b| {
                    (b.created_at, b.id.as_str()).cmp(&(a.created_at, a.id.as_str()))
                });
                let listed = store
                    .credentials(
                        &owner,
                        &ListQuery {
                            filter: filter.clone(),
                            ..list_all()
                        },
                    )
                    .await
                    .unwrap();
                assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{filter:?}");
            }
        }
    }
}

/// More other rows than the first scan covers, newer than the matches: another index has to find
/// the rest, in the same order.
#[tokio::test]
async fn matches_behind_many_other_rows_are_listed() {
    for owner in [organization("alpha"), user("alpha")] {
        let store = in_memory().await;
        let rare = seed_credentials(&store, &owner).await;
        let states = [
            EffectiveStatus::Active,
            EffectiveStatus::Disabled,
            EffectiveStatus::Expired,
        ];
        for (number, others) in [
            |info: &mut CredentialInfo| info.expires_at = Some(UnixMillis(NOW - 1000)),
            |info: &mut CredentialInfo| info.status = Status::Disabled,
            |info: &mut CredentialInfo| info.expires_at = None,
        ]
        .into_iter()
        .enumerate()
        {
            for other in 0..510 {
                let mut new = info(&owner, &format!("other-{number}-{other}"));
                new.created_at = UnixMillis(NOW + 10);
                others(&mut new);
                add(&store, new).await;
            }
        }
        let filters = states
            .map(|state| Filter::default().with_state(state))
            .into_iter()
            .chain(
                [NOW, NOW + 1, i64::MAX]
                    .map(|end| Filter::default().with_expiring_before(UnixMillis(end))),
            );
        for filter in filters {
            let mut expected: Vec<_> = rare
                .iter()
                .filter(|info| filter.shows(info, UnixMillis(NOW)))
                .collect();
            expected
                .sort_by(|a, b| (b.created_at, b.id.as_str()).cmp(&(a.created_at, a.id.as_str())));
            let mut query = ListQuery {
                filter: filter.clone(),
                limit: 7,
                ..list_all()
            };
            let mut listed = Vec::new();
            loop {
                let page = store.credentials(&owner, &query).await.unwrap();
                let Some(last) = page.last() else { break };
                query.after = Some(Position::new(last.created_at, last.id.clone()));
                listed.extend(page);
            }
            listed.retain(|info| !info.id.as_str().starts_with("other"));
            assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn events_are_paginated_newest_first() {
    let store = in_memory().await;
    for owner in super::owners() {
        for number in 0..10 {
            add(
                &store,
                info(
                    &owner,
                    &format!("{number}-{}-{}", owner.id(), owner.kind().as_str()),
                ),
            )
            .await;
        }
    }
    for owner in super::owners() {
        let whole = store.events(&owner, None, 100).await.unwrap();
        assert_eq!(whole.len(), 10);
        assert!(whole.windows(2).all(|pair| pair[0].number > pair[1].number));
        let mut pages: Vec<AuditEvent> = Vec::new();
        for expected in [3, 3, 3, 1, 0] {
            let page = store
                .events(&owner, pages.last().and_then(|event| event.number), 3)
                .await
                .unwrap();
            assert_eq!(page.len(), expected);
            pages.extend(page);
        }
        assert_eq!(pages, whole);
        assert_eq!(store.events(&owner, Some(i64::MIN), 100).await.unwrap(), []);
    }
}

//! Ids of other owners.

use tower_api_key::store::{Directory, ManageStore};

use crate::{
    errors::CALLS,
    support::{KEYS, TOKENS, UNKNOWN, World},
};

over_each_store! {
    an_id_of_another_organization_answers_as_an_unknown_one
    an_id_of_another_user_answers_as_an_unknown_one
    a_list_and_its_events_show_the_callers_own_alone
}

/// Ids that nothing has, percent-encoded.
fn unknown_ids() -> Vec<String> {
    vec![
        "nope".into(),
        "%00".into(),
        "a%00b".into(),
        "a%0Ab".into(),
        "%2F".into(),
        "..%2F".into(),
        "%C3%A9%F0%9F%94%91".into(),
        "%27%20OR%201=1--".into(),
        "a".repeat(10_000),
    ]
}

async fn all_are_unknown<S>(
    world: &World<S>,
    path: &str,
    by: &crate::support::Held,
    ids: Vec<String>,
) where
    S: ManageStore + Directory + Clone,
{
    let rows = world.rows().await;
    for (method, below, body) in CALLS
        .into_iter()
        .filter(|(_, below, _)| below.contains("{id}"))
    {
        let mut headers = None;
        for id in &ids {
            let path = format!("{path}{}", below.replace("{id}", id));
            let answer = world.send(method, &path, by, body).await;
            assert_eq!(answer.seen(), (404, UNKNOWN), "{method} {path}");
            let seen = headers.get_or_insert_with(|| answer.headers.clone());
            assert_eq!(&answer.headers, seen, "{method} {path}");
        }
    }
    assert_eq!(world.rows().await, rows);
}

async fn an_id_of_another_organization_answers_as_an_unknown_one<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let mut ids = unknown_ids();
    let own = format!("ak_{}", world.admin.id);
    for id in [&world.other.id, &world.alice.id, &world.bob.id, &own] {
        ids.push(id.clone());
    }
    all_are_unknown(&world, KEYS, &world.admin, ids).await;
}

async fn an_id_of_another_user_answers_as_an_unknown_one<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let mut ids = unknown_ids();
    ids.extend([world.bob.id.clone(), world.admin.id.clone()]);
    all_are_unknown(&world, TOKENS, &world.alice, ids).await;
}

async fn a_list_and_its_events_show_the_callers_own_alone<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    let all = [
        &world.admin,
        &world.viewer,
        &world.other,
        &world.alice,
        &world.bob,
    ];
    for (path, by, own) in [
        (KEYS, &world.admin, vec![&world.admin.id, &world.viewer.id]),
        (KEYS, &world.other, vec![&world.other.id]),
        (TOKENS, &world.alice, vec![&world.alice.id]),
        (TOKENS, &world.bob, vec![&world.bob.id]),
    ] {
        for path in [path.to_owned(), format!("{path}/events")] {
            let answer = world.send("GET", &path, by, "").await;
            let items = answer.json()["items"].as_array().unwrap().len();
            assert_eq!((answer.status, items), (200, own.len()), "{path}");
            for key in all {
                let shown = answer.text.contains(&key.id);
                assert_eq!(shown, own.contains(&&key.id), "{path}");
            }
        }
    }
}

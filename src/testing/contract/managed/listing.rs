//! Claims about lists.

use super::{
    Actor, Feature, Fixture, NOW, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, ensure_code,
    org, user,
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{NewKey, PageCursor},
    store::{
        Attributes, CredentialInfo, Directory, EffectiveStatus, Filter, ManageStore, Metadata,
        Usage,
    },
};

const KIND: Kind = Kind::OrgKey;

fn newest_first(credentials: &mut [CredentialInfo]) {
    credentials.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.id.as_str().to_owned())));
}

pub(super) async fn pages_list_each_credential_once_newest_first<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let mut issued = Vec::new();
    for number in 0..25 {
        let key = manager.issue_key(&org(ORG), NewKey::named("key")).await?;
        issued.push(fixture.as_kept(key.info()));
        let other = NewKey::named("other");
        manager.issue_key(&org(OTHER_ORG), other).await?;
        fixture.wait(i64::from(number % 3 == 0)); // several are created at one moment
    }
    newest_first(&mut issued);
    for limit in [1, 2, 7, 24, 25, 26] {
        let listed = list_by_page(fixture, limit).await?;
        let (found, wanted) = (listed.len(), issued.len());
        ensure(
            listed == issued,
            format!("in pages of {limit}, {found} of {wanted} are listed, or in another order"),
        )?;
    }
    Ok(())
}

async fn list_by_page<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    limit: u32,
) -> Result<Vec<CredentialInfo>, Violation> {
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let all = Filter::default();
        let page = fixture
            .manager
            .list(&org(ORG), KIND, &all, cursor.as_ref(), limit)
            .await?;
        ensure(
            page.items.len() <= limit as usize,
            "a page is longer than its limit",
        )?;
        listed.extend(page.items);
        let Some(next) = page.next else {
            return Ok(listed);
        };
        cursor = Some(next.to_string().parse::<PageCursor>()?); // as a client sends it
    }
}

/// Returns attributes in some of which `team` is `a`.
fn paired(number: usize) -> Attributes {
    let pairs: &[(&str, &str)] = match number % 4 {
        0 => &[("team", "a")],
        1 => &[("other", "a"), ("team", "a")],
        2 => &[("team", "b"), ("te", "xx"), ("a", "team")],
        _ => &[],
    };
    Attributes::default().with_metadata(Metadata::from_stored(pairs.iter().copied()))
}

/// Names, in some of which a list looks for [`PARTS`].
const NAMES: [&str; 4] = ["Deploy", "d\u{c9}ploy_1", "ci deploy 100%", "key"];

/// What a name is asked to contain.
const PARTS: [&str; 7] = ["", "deploy", "D\u{c9}P", "\u{e9}", "_", "0%", "keys"];

/// Issues keys of every effective status, and returns their ids.
async fn issue_every_status<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
) -> Result<Vec<CredentialId>, Violation> {
    let (manager, actor, mut ids) = (&fixture.manager, org(ORG), Vec::new());
    let mut names = NAMES.into_iter().cycle();
    for end in [None, Some(fixture.soon(10)), Some(fixture.soon(100_000))] {
        for fate in ["active", "disabled", "deleted"] {
            let key = NewKey::named(names.next().unwrap_or("key")).expiring_at(end);
            let key = match fixture.supports(Feature::Attributes) {
                true => key.with_attributes(paired(ids.len())),
                false => key,
            };
            let id = manager.issue_key(&actor, key).await?.info().id.clone();
            match fate {
                "disabled" => drop(manager.disable(&actor, KIND, id.as_str()).await?),
                "deleted" => drop(manager.delete(&actor, KIND, id.as_str()).await?),
                _ => {}
            }
            ids.push(id);
            fixture.wait(1);
        }
    }
    fixture.wait(1000);
    Ok(ids)
}

/// Every combination of the values that a filter's parts may have, and each part of a name.
fn filters<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Vec<Filter> {
    let at = |ticks: i64| Some(fixture.soon(ticks));
    let uses: [Option<UnixMillis>; 5] = [None, Some(NOW), at(-500), at(0), at(1)];
    let ends = [None, Some(NOW), at(-990), at(200_000)];
    let states = [
        None,
        Some(EffectiveStatus::Active),
        Some(EffectiveStatus::Disabled),
        Some(EffectiveStatus::Expired),
        Some(EffectiveStatus::Deleted),
    ];
    let pairs = match fixture.supports(Feature::Attributes) {
        true => vec![
            None,
            Some(("team", "a")),
            Some(("team", "A")),
            Some(("te", "am")),
        ],
        false => vec![None],
    };
    let mut filters = Vec::new();
    for state in states {
        for (expiring_before, pair) in ends
            .iter()
            .flat_map(|end| pairs.iter().map(move |pair| (end, pair)))
        {
            for unused_since in uses {
                filters.push(Filter {
                    state,
                    expiring_before: *expiring_before,
                    unused_since,
                    name: None,
                    metadata: pair.map(|(key, value)| (key.into(), value.into())),
                });
            }
        }
        for part in PARTS {
            let named = Filter::default().with_state(state).with_name(part);
            filters.extend(ends.map(|end| named.clone().with_expiring_before(end)));
        }
    }
    filters
}

pub(super) async fn filters_match_their_definition<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, actor) = (&fixture.manager, org(ORG));
    let ids = issue_every_status(fixture).await?;
    if fixture.supports(Feature::LastUse) {
        let used = |id: &CredentialId| Usage::new(KIND, id.clone(), fixture.later(0));
        let uses: Vec<_> = ids.iter().step_by(2).map(used).collect();
        fixture.store.record_uses(&uses).await?;
    }
    let (all, _) = fixture.all(&actor, KIND).await?;
    ensure(
        all.len() == ids.len(),
        format!("{} of {} are listed", all.len(), ids.len()),
    )?;
    for filter in filters(fixture) {
        let page = manager.list(&actor, KIND, &filter, None, 200).await?;
        let matches = |one: &&CredentialInfo| filter.shows(one, fixture.later(0));
        let mut wanted: Vec<_> = all.iter().filter(matches).cloned().collect();
        newest_first(&mut wanted);
        ensure(
            page.items == wanted,
            format!("{filter:?} lists {:?} instead of {wanted:?}", page.items),
        )?;
    }
    Ok(())
}

pub(super) async fn a_cursor_works_only_for_its_list<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, here, there) = (&fixture.manager, org(ORG), org(OTHER_ORG));
    for actor in [&here, &there] {
        for _ in 0..3 {
            manager.issue_key(actor, NewKey::named("key")).await?;
        }
    }
    let all = Filter::default();
    let active = Filter {
        state: Some(EffectiveStatus::Active),
        ..all.clone()
    };
    let page = manager.list(&here, KIND, &all, None, 1).await?;
    let next = page.next;
    let next = next.ok_or_else(|| Violation("three keys fit on a page of one".into()))?;
    let refused = async |what: &str, actor: &Actor, kind, filter: &Filter| {
        let listed = manager.list(actor, kind, filter, Some(&next), 1);
        fixture.assert_refused(what, "stale_cursor", listed).await
    };
    refused("another owner's", &there, KIND, &all).await?;
    refused("another filter's", &here, KIND, &active).await?;
    if fixture.supports(Feature::PersonalTokens) {
        let kind = Kind::PersonalToken;
        fixture.issue(kind, "token").await?;
        refused("another kind's", &user(USER), kind, &all).await?;
    }
    damaged_cursors_are_refused(&next)?;
    // A cursor stays valid when the credential that it points to is deleted.
    let [first] = &page.items[..] else {
        return Err(Violation("a page of one has more".into()));
    };
    manager.delete(&here, KIND, first.id.as_str()).await?;
    let rest = manager.list(&here, KIND, &all, Some(&next), 10).await?;
    ensure(
        rest.items.len() == 2 && rest.next.is_none(),
        format!("after the first come {:?}", rest.items),
    )
}

fn damaged_cursors_are_refused(cursor: &PageCursor) -> Outcome {
    let text = cursor.to_string();
    for bad in [
        "",
        "x",
        "..",
        "0.0.",
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text}zz"),
        &format!("{text}ff"),
    ] {
        match bad.parse::<PageCursor>() {
            Ok(parsed) => ensure(parsed != *cursor, format!("{bad:?} is parsed as {text:?}"))?,
            refused => ensure_code(bad, "stale_cursor", refused)?,
        }
    }
    Ok(())
}

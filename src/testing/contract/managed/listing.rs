//! Claims about lists.

use super::{Breach, Claim, NOW, ORG, OTHER_ORG, Site, USER, claim, org, user};
use crate::{
    credential::Kind,
    id::CredentialId,
    manage::{NewKey, PageCursor},
    store::Directory,
    store::{EffectiveStatus, Filter, ManageStore, Usage},
};

pub(super) async fn pages_show_each_credential_once_and_the_newest_first<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let mut made = Vec::new();
    for number in 0..25 {
        made.push(
            site.manager
                .issue_key(&org(ORG), NewKey::named("key"))
                .await?
                .info()
                .clone(),
        );
        site.manager
            .issue_key(&org(OTHER_ORG), NewKey::named("other"))
            .await?;
        site.clock.advance_millis(i64::from(number % 3 == 0)); // several in one millisecond
    }
    made.sort_by(|one, other| {
        (other.created_at, other.id.as_str()).cmp(&(one.created_at, one.id.as_str()))
    });
    for limit in [1, 2, 7, 24, 25, 26] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let filter = Filter::default();
            let page = site
                .manager
                .list(&org(ORG), Kind::OrgKey, &filter, cursor.as_ref(), limit)
                .await?;
            claim(
                page.items.len() <= limit as usize,
                "a page is longer than it was asked to be",
            )?;
            seen.extend(page.items);
            // As a client gives it back.
            cursor = page
                .next
                .map(|next| next.to_string().parse::<PageCursor>())
                .transpose()?;
            if cursor.is_none() {
                break;
            }
        }
        claim(
            seen == made,
            format!(
                "by {limit}: {} of {} in another order or number",
                seen.len(),
                made.len()
            ),
        )?;
    }
    Ok(())
}

pub(super) async fn filters_show_what_they_say<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let manager = &site.manager;
    let mut made = Vec::new();
    for end in [None, Some(site.later(10)), Some(site.later(100_000))] {
        for fate in 0..3 {
            let wish = NewKey::named("key").expiring_at(end);
            let id = manager.issue_key(&org(ORG), wish).await?.info().id.clone();
            match fate {
                1 => drop(
                    manager
                        .disable(&org(ORG), Kind::OrgKey, id.as_str())
                        .await?,
                ),
                2 => drop(manager.delete(&org(ORG), Kind::OrgKey, id.as_str()).await?),
                _ => {}
            }
            made.push(id);
            site.clock.advance_millis(1);
        }
    }
    site.clock.advance_millis(1000);
    let used = |id: &CredentialId, at| Usage {
        kind: Kind::OrgKey,
        id: id.clone(),
        at,
        after_rotation: false,
    };
    let uses: Vec<_> = made
        .iter()
        .step_by(2)
        .map(|id| used(id, site.later(0)))
        .collect();
    site.store.record_uses(&uses).await?;
    let (all, _) = site.all(&org(ORG), Kind::OrgKey).await?;
    claim(
        all.len() == made.len(),
        format!("{} of {}", all.len(), made.len()),
    )?;
    let moments = [
        None,
        Some(NOW),
        Some(site.later(-500)),
        Some(site.later(0)),
        Some(site.later(1)),
    ];
    let ends = [
        None,
        Some(NOW),
        Some(site.later(-990)),
        Some(site.later(200_000)),
    ];
    let states = [
        None,
        Some(EffectiveStatus::Active),
        Some(EffectiveStatus::Disabled),
        Some(EffectiveStatus::Expired),
        Some(EffectiveStatus::Deleted),
    ];
    for state in states {
        for expiring_before in ends {
            for unused_since in moments {
                let filter = Filter {
                    state,
                    expiring_before,
                    unused_since,
                };
                let page = manager
                    .list(&org(ORG), Kind::OrgKey, &filter, None, 200)
                    .await?;
                let mut shown: Vec<_> = all
                    .iter()
                    .filter(|one| filter.shows(one, site.later(0)))
                    .cloned()
                    .collect();
                shown.sort_by_key(|one| {
                    std::cmp::Reverse((one.created_at, one.id.as_str().to_owned()))
                });
                let text = format!(
                    "{filter:?} shows {:?}, and it has to be {shown:?}",
                    page.items
                );
                claim(page.items == shown, text)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn a_cursor_belongs_to_its_list<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    for actor in [org(ORG), org(OTHER_ORG)] {
        for _ in 0..3 {
            site.manager.issue_key(&actor, NewKey::named("key")).await?;
        }
    }
    site.token("token").await?;
    let all = Filter::default();
    let active = Filter {
        state: Some(EffectiveStatus::Active),
        ..all
    };
    let page = site
        .manager
        .list(&org(ORG), Kind::OrgKey, &all, None, 1)
        .await?;
    let next = page
        .next
        .ok_or_else(|| Breach("three do not fit on a page of one".into()))?;
    let list = |actor, kind, filter| {
        let next = next.clone();
        async move {
            site.manager
                .list(&actor, kind, &filter, Some(&next), 1)
                .await
        }
    };
    site.refuses(
        "another owner's",
        "stale_cursor",
        list(org(OTHER_ORG), Kind::OrgKey, all),
    )
    .await?;
    site.refuses(
        "another kind's",
        "stale_cursor",
        list(user(USER), Kind::PersonalToken, all),
    )
    .await?;
    site.refuses(
        "another filter's",
        "stale_cursor",
        list(org(ORG), Kind::OrgKey, active),
    )
    .await?;
    let text = next.to_string();
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
        let told = bad.parse::<PageCursor>().err().map(|error| error.code());
        let other = bad.parse::<PageCursor>().is_ok_and(|cursor| cursor != next);
        claim(
            told == Some("stale_cursor") || other,
            format!("{bad:?} was read as {text:?}"),
        )?;
    }
    // A cursor outlives what it stands on.
    let [first] = &page.items[..] else {
        return Err(Breach("a page of one".into()));
    };
    site.manager
        .delete(&org(ORG), Kind::OrgKey, first.id.as_str())
        .await?;
    let rest = site
        .manager
        .list(&org(ORG), Kind::OrgKey, &all, Some(&next), 10)
        .await?;
    claim(
        rest.items.len() == 2 && rest.next.is_none(),
        format!("behind the first are {:?}", rest.items),
    )
}

//! Claims about rotation.

use std::time::Duration;

use super::{Claim, ORG, Site, both, caller, claim, org};
use crate::{
    credential::Kind,
    manage::{Action, NewKey, Rotation, State},
    store::ManagedStore,
};

const OVERLAP: Duration = Duration::from_secs(3600);

pub(super) async fn without_an_overlap_the_old_one_ends_at_once<S: ManagedStore>(site: &Site<S>) -> Claim {
    for (actor, kind, old, old_secret) in site.one_of_each().await? {
        site.clock.advance_millis(1);
        let (new, new_secret) = both(site.manager.rotate(&actor, kind, old.id.as_str(), Rotation::default()).await?)?;
        claim(!site.accepts(&old_secret).await?, "the old one is accepted")?;
        claim(site.accepts(&new_secret).await?, "the new one is refused")?;
        let same =
            (&new.name, &new.role, &new.scopes, new.expires_at) == (&old.name, &old.role, &old.scopes, old.expires_at);
        claim(same && new.rotated_from.as_ref() == Some(&old.id), format!("{old:?} was rotated to {new:?}"))?;
        let read = site.manager.get(&actor, kind, old.id.as_str()).await?;
        let lineage = read.rotated_to.as_ref() == Some(&new.id) && read.rotated_at == Some(site.later(0));
        claim(lineage && read.state(site.later(0)) == State::Deleted, format!("the old one is read as {read:?}"))?;
        let (_, events) = site.all(&actor, kind).await?;
        let told: Vec<_> =
            events.iter().map(|event| (event.action, &event.credential, event.related.as_ref())).collect();
        let wanted = [
            (Action::Issued, &new.id, Some(&old.id)),
            (Action::Rotated, &old.id, Some(&new.id)),
            (Action::Issued, &old.id, None),
        ];
        claim(told == wanted, format!("{told:?}"))?;
    }
    Ok(())
}

pub(super) async fn with_an_overlap_the_old_one_ends_at_its_moment<S: ManagedStore>(site: &Site<S>) -> Claim {
    let rotation = Rotation::default().with_overlap(OVERLAP);
    for (actor, kind, old, old_secret) in site.one_of_each().await? {
        let (new, new_secret) = both(site.manager.rotate(&actor, kind, old.id.as_str(), rotation).await?)?;
        for (millis, accepted) in [(0, true), (3_599_999, true), (1, false), (1_000_000, false)] {
            site.clock.advance_millis(millis);
            claim(
                site.accepts(&old_secret).await? == accepted,
                format!("{millis} ms later the old one is not {accepted}"),
            )?;
            claim(site.accepts(&new_secret).await?, "the new one is refused")?;
        }
        claim(new.expires_at.is_none(), format!("the overlap was given to the new one: {new:?}"))?;
    }
    // An overlap is no longer life than the old one had.
    let mortal = NewKey::named("mortal").expiring_at(site.later(10));
    let (old, secret) = both(site.manager.issue_key(&org(ORG), mortal).await?)?;
    let (new, _) = both(site.manager.rotate(&org(ORG), Kind::OrgKey, old.id.as_str(), rotation).await?)?;
    claim(new.expires_at == old.expires_at, format!("{old:?} was rotated to {new:?}"))?;
    site.clock.advance_millis(10);
    claim(!site.accepts(&secret).await?, "the overlap has prolonged the life of the old one")
}

pub(super) async fn a_line_has_two_that_count_at_most<S: ManagedStore>(site: &Site<S>) -> Claim {
    let rotation = Rotation::default().with_overlap(OVERLAP);
    let manager = site.manager.clone().with_cap(1);
    let (first, first_secret) = both(manager.issue_key(&org(ORG), NewKey::named("key")).await?)?;
    let (second, second_secret) = both(manager.rotate(&org(ORG), Kind::OrgKey, first.id.as_str(), rotation).await?)?;
    let actor = org(ORG);
    let again = manager.rotate(&actor, Kind::OrgKey, first.id.as_str(), rotation);
    site.refuses("the first again", "already_rotated", again).await?;
    let (_, third_secret) = both(manager.rotate(&org(ORG), Kind::OrgKey, second.id.as_str(), rotation).await?)?;
    // Of the two that count now, the cap counts the one that stays.
    let wider = manager.clone().with_cap(2);
    wider.issue_key(&actor, NewKey::named("another")).await?;
    site.refuses("a third", "cap_reached", wider.issue_key(&actor, NewKey::named("third"))).await?;
    claim(!site.accepts(&first_secret).await?, "three of one line are accepted")?;
    claim(site.accepts(&second_secret).await? && site.accepts(&third_secret).await?, "the last two are not accepted")
}

pub(super) async fn a_rotation_is_refused_like_an_issue<S: ManagedStore>(site: &Site<S>) -> Claim {
    let (manager, kind) = (&site.manager, Kind::OrgKey);
    let (old, secret) = both(site.key("key").await?)?;
    let id = old.id.as_str();
    let plain = Rotation::default();
    let manages = "organizations:manage";
    let weak = caller(&[manages], None);
    let mortal = caller(&[manages, "agents:read"], Some(site.later(5)));
    let strong = caller(&["organizations:manage"], None);
    let week = plain.with_overlap(Duration::from_secs(7 * 24 * 3600 + 1));
    site.refuses("by somebody with less", "scope_not_held", manager.rotate(&weak, kind, id, plain)).await?;
    site.refuses("by somebody with less", "scope_not_held", manager.rotate(&mortal, kind, id, plain)).await?;
    site.refuses("too long an overlap", "overlap_too_long", manager.rotate(&org(ORG), kind, id, week)).await?;
    let past = plain.expiring_at(site.later(0));
    site.refuses("an expiry now", "expiry_in_past", manager.rotate(&org(ORG), kind, id, past)).await?;
    let limited = manager.clone().with_longest_life(Duration::from_secs(60));
    site.refuses("for ever", "expiry_beyond_policy", limited.rotate(&org(ORG), kind, id, plain)).await?;
    let (none, _) = both(manager.issue_key(&org(ORG), NewKey::named("nothing")).await?)?;
    let outlives = manager.rotate(&mortal, kind, none.id.as_str(), plain);
    site.refuses("beyond the creator", "expiry_beyond_creator", outlives).await?;
    manager.rotate(&strong, kind, none.id.as_str(), plain).await?;
    manager.disable(&org(ORG), kind, id).await?;
    site.refuses("of a disabled one", "disabled", manager.rotate(&org(ORG), kind, id, plain)).await?;
    site.refuses("enabled by somebody with less", "scope_not_held", manager.enable(&weak, kind, id)).await?;
    claim(!site.accepts(&secret).await?, "a disabled key is accepted")
}

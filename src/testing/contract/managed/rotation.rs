//! Claims about rotation.

use crate::{
    credential::Kind,
    manage::{NewKey, Rotation},
    store::Directory,
    store::{AuditAction, EffectiveStatus, Filter, ManageStore},
};
use std::time::Duration;

use super::{Breach, Claim, ORG, OTHER_ORG, Site, both, claim, org};

const OVERLAP: Duration = Duration::from_secs(3600);

pub(super) async fn without_an_overlap_the_old_one_ends_at_once<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    for (actor, kind, old, old_secret) in site.one_of_each().await? {
        site.clock.advance_millis(1);
        let (new, new_secret) = both(
            site.manager
                .rotate(&actor, kind, old.id.as_str(), Rotation::default())
                .await?,
        )?;
        claim(!site.accepts(&old_secret).await?, "the old one is accepted")?;
        claim(site.accepts(&new_secret).await?, "the new one is refused")?;
        let same = (&new.name, &new.role, &new.scopes, new.expires_at)
            == (&old.name, &old.role, &old.scopes, old.expires_at);
        claim(
            same && new.rotated_from.as_ref() == Some(&old.id),
            format!("{old:?} was rotated to {new:?}"),
        )?;
        let read = site.manager.get(&actor, kind, old.id.as_str()).await?;
        let lineage =
            read.rotated_to.as_ref() == Some(&new.id) && read.rotated_at == Some(site.later(0));
        claim(
            lineage && read.effective_status(site.later(0)) == EffectiveStatus::Deleted,
            format!("the old one is read as {read:?}"),
        )?;
        let (_, events) = site.all(&actor, kind).await?;
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.action, &event.credential, event.related.as_ref()))
            .collect();
        let wanted = [
            (AuditAction::Issued, &new.id, Some(&old.id)),
            (AuditAction::Rotated, &old.id, Some(&new.id)),
            (AuditAction::Issued, &old.id, None),
        ];
        claim(told == wanted, format!("{told:?}"))?;
    }
    Ok(())
}

pub(super) async fn with_an_overlap_the_old_one_ends_at_its_moment<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let rotation = Rotation::default().with_overlap(OVERLAP);
    for (actor, kind, old, old_secret) in site.one_of_each().await? {
        let (new, new_secret) = both(
            site.manager
                .rotate(&actor, kind, old.id.as_str(), rotation)
                .await?,
        )?;
        for (millis, accepted) in [(0, true), (3_599_999, true), (1, false), (1_000_000, false)] {
            site.clock.advance_millis(millis);
            claim(
                site.accepts(&old_secret).await? == accepted,
                format!("{millis} ms later the old one is not {accepted}"),
            )?;
            claim(site.accepts(&new_secret).await?, "the new one is refused")?;
        }
        claim(
            new.expires_at.is_none(),
            format!("the overlap was given to the new one: {new:?}"),
        )?;
    }
    // An overlap is no longer life than the old one had.
    let mortal = NewKey::named("mortal").expiring_at(site.later(10));
    let (old, secret) = both(site.manager.issue_key(&org(ORG), mortal).await?)?;
    let (new, _) = both(
        site.manager
            .rotate(&org(ORG), Kind::OrgKey, old.id.as_str(), rotation)
            .await?,
    )?;
    claim(
        new.expires_at == old.expires_at,
        format!("{old:?} was rotated to {new:?}"),
    )?;
    site.clock.advance_millis(10);
    claim(
        !site.accepts(&secret).await?,
        "the overlap has prolonged the life of the old one",
    )
}

pub(super) async fn a_line_has_two_that_count_at_most<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let rotation = Rotation::default().with_overlap(OVERLAP);
    let manager = site.manager.clone().with_max_credentials(3);
    let (first, first_secret) = both(manager.issue_key(&org(ORG), NewKey::named("key")).await?)?;
    let (second, second_secret) = both(
        manager
            .rotate(&org(ORG), Kind::OrgKey, first.id.as_str(), rotation)
            .await?,
    )?;
    let actor = org(ORG);
    let again = manager.rotate(&actor, Kind::OrgKey, first.id.as_str(), rotation);
    site.refuses("the first again", "already_rotated", again)
        .await?;
    let (_, third_secret) = both(
        manager
            .rotate(&org(ORG), Kind::OrgKey, second.id.as_str(), rotation)
            .await?,
    )?;
    claim(
        !site.accepts(&first_secret).await?,
        "three of one line are accepted",
    )?;
    claim(
        site.accepts(&second_secret).await? && site.accepts(&third_secret).await?,
        "the last two are not accepted",
    )
}

pub(super) async fn the_cap_counts_what_is_accepted<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (actor, kind, manager) = (
        org(ORG),
        Kind::OrgKey,
        site.manager.clone().with_max_credentials(2),
    );
    let overlap = Rotation::default().with_overlap(OVERLAP);
    let mut secrets = Vec::new();
    for round in 0..10 {
        // Whoever deletes the successor of each rotation must not gain a place with it.
        let Ok(issued) = manager.issue_key(&actor, NewKey::named("key")).await else {
            break;
        };
        let (info, secret) = both(issued)?;
        secrets.push(secret);
        if let Ok(rotated) = manager
            .rotate(&actor, kind, info.id.as_str(), overlap)
            .await
        {
            let (successor, secret) = both(rotated)?;
            secrets.push(secret);
            manager.delete(&actor, kind, successor.id.as_str()).await?;
        }
        claim(round < 2, "a third key was issued under a cap of two")?;
    }
    let mut accepted = 0;
    for secret in &secrets {
        accepted += usize::from(site.accepts(secret).await?);
    }
    claim(
        accepted == 2,
        format!("{accepted} are accepted under a cap of two"),
    )?;
    // Enabling is held to it as well, and what makes room by its end is not.
    let [first, second] = &manager
        .list(&actor, kind, &Filter::default(), None, 10)
        .await?
        .items[..]
    else {
        return Err(Breach("not two keys".into()));
    };
    manager.disable(&actor, kind, first.id.as_str()).await?;
    let (third, _) = both(manager.issue_key(&actor, NewKey::named("third")).await?)?;
    site.refuses(
        "enabled beyond the cap",
        "cap_reached",
        manager.enable(&actor, kind, first.id.as_str()),
    )
    .await?;
    site.refuses(
        "an overlap",
        "cap_reached",
        manager.rotate(&actor, kind, third.id.as_str(), overlap),
    )
    .await?;
    manager
        .rotate(&actor, kind, third.id.as_str(), Rotation::default())
        .await?;
    manager.delete(&actor, kind, second.id.as_str()).await?;
    manager.enable(&actor, kind, first.id.as_str()).await?;
    // What has expired has no place that its successor could take.
    let brief = || NewKey::named("brief").expiring_at(site.later(10));
    let [one, two] = [OTHER_ORG, OTHER_ORG].map(org);
    let (expired, _) = both(manager.issue_key(&one, brief()).await?)?;
    site.clock.advance_millis(10);
    for name in ["a", "b"] {
        manager.issue_key(&two, NewKey::named(name)).await?;
    }
    let revived = manager.rotate(
        &one,
        kind,
        expired.id.as_str(),
        Rotation::default().expiring_at(None),
    );
    site.refuses(
        "an expired one rotated beyond the cap",
        "cap_reached",
        revived,
    )
    .await
}

pub(super) async fn nothing_is_enabled_beyond_its_enabler<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (kind, manages) = (Kind::OrgKey, "organizations:manage");
    let mortal = site
        .caller(&[manages, "agents:read"], Some(site.later(1000)))
        .await?;
    let until = |end| {
        NewKey::named("key")
            .with_scopes(["agents:read"])
            .expiring_at(end)
    };
    for (name, end, outcome) in [
        ("for ever", None, Some("expiry_beyond_creator")),
        (
            "a millisecond longer",
            Some(site.later(1001)),
            Some("expiry_beyond_creator"),
        ),
        ("as long", Some(site.later(1000)), None),
    ] {
        let (info, _) = both(site.manager.issue_key(&org(ORG), until(end)).await?)?;
        site.manager
            .disable(&mortal, kind, info.id.as_str())
            .await?;
        let enabled = site.manager.enable(&mortal, kind, info.id.as_str());
        match outcome {
            Some(code) => site.refuses(name, code, enabled).await?,
            None => drop(enabled.await?),
        }
    }
    Ok(())
}

pub(super) async fn a_rotation_is_refused_like_an_issue<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (manager, kind) = (&site.manager, Kind::OrgKey);
    let (old, secret) = both(site.key("key").await?)?;
    let id = old.id.as_str();
    let plain = Rotation::default();
    let manages = "organizations:manage";
    let weak = site.caller(&[manages], None).await?;
    let mortal = site
        .caller(&[manages, "agents:read"], Some(site.later(5)))
        .await?;
    let strong = site.caller(&["organizations:manage"], None).await?;
    let week = plain.with_overlap(Duration::from_secs(7 * 24 * 3600 + 1));
    site.refuses(
        "by somebody with less",
        "scope_not_held",
        manager.rotate(&weak, kind, id, plain),
    )
    .await?;
    site.refuses(
        "by somebody with less",
        "scope_not_held",
        manager.rotate(&mortal, kind, id, plain),
    )
    .await?;
    site.refuses(
        "too long an overlap",
        "overlap_too_long",
        manager.rotate(&org(ORG), kind, id, week),
    )
    .await?;
    let past = plain.expiring_at(site.later(0));
    site.refuses(
        "an expiry now",
        "expiry_in_past",
        manager.rotate(&org(ORG), kind, id, past),
    )
    .await?;
    let limited = manager.clone().with_max_lifetime(Duration::from_secs(60));
    site.refuses(
        "for ever",
        "expiry_beyond_policy",
        limited.rotate(&org(ORG), kind, id, plain),
    )
    .await?;
    let (none, _) = both(
        manager
            .issue_key(&org(ORG), NewKey::named("nothing"))
            .await?,
    )?;
    let outlives = manager.rotate(&mortal, kind, none.id.as_str(), plain);
    site.refuses("beyond the creator", "expiry_beyond_creator", outlives)
        .await?;
    manager
        .rotate(&strong, kind, none.id.as_str(), plain)
        .await?;
    manager.disable(&org(ORG), kind, id).await?;
    site.refuses(
        "of a disabled one",
        "disabled",
        manager.rotate(&org(ORG), kind, id, plain),
    )
    .await?;
    site.refuses(
        "enabled by somebody with less",
        "scope_not_held",
        manager.enable(&weak, kind, id),
    )
    .await?;
    claim(!site.accepts(&secret).await?, "a disabled key is accepted")
}

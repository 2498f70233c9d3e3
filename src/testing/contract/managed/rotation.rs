//! Claims about rotation, and about enabling, which follow the rules of issuing.

use super::{Feature, Fixture, Managed, ORG, Outcome, ensure, into_pair, org};
use crate::{
    credential::Kind,
    manage::{NewKey, Rotation},
    store::{AuditAction, CredentialInfo, Directory, EffectiveStatus, ManageStore},
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const MANAGES: &str = "organizations:manage";

pub(super) async fn rotation_without_overlap_ends_the_old_credential_at_once<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, at_once) = (&fixture.manager, Rotation::default());
    for managed in fixture.one_of_each().await? {
        let (actor, kind, old) = (&managed.actor, managed.kind, &managed.info);
        fixture.wait(1);
        let id = old.id.as_str();
        let (new, secret) = into_pair(manager.rotate(actor, kind, id, at_once.clone()).await?)?;
        ensure(
            !fixture.accepts(&managed.secret).await?,
            "the old one is accepted",
        )?;
        ensure(fixture.accepts(&secret).await?, "the new one is refused")?;
        let same = (&new.name, &new.role, &new.scopes, new.expires_at)
            == (&old.name, &old.role, &old.scopes, old.expires_at);
        ensure(
            same && new.rotated_from.as_ref() == Some(&old.id),
            format!("{old:?} was rotated to {new:?}"),
        )?;
        let (read, now) = (manager.get(actor, kind, id).await?, fixture.later(0));
        let linked = read.rotated_to.as_ref() == Some(&new.id) && read.rotated_at == Some(now);
        ensure(
            linked && read.effective_status(now) == EffectiveStatus::Deleted,
            format!("the old one is read as {read:?}"),
        )?;
        if fixture.supports(Feature::AuditTrail) {
            ensure_events(fixture, &managed, &new).await?;
        }
    }
    Ok(())
}

/// Ensures that the trail has the issue, the rotation and the issue of the successor.
async fn ensure_events<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    managed: &Managed,
    new: &CredentialInfo,
) -> Outcome {
    let old = &managed.info.id;
    let (_, events) = fixture.all(&managed.actor, managed.kind).await?;
    let found: Vec<_> = events
        .iter()
        .map(|event| (event.action, &event.credential, event.related.as_ref()))
        .collect();
    let wanted = [
        (AuditAction::Issued, &new.id, Some(old)),
        (AuditAction::Rotated, old, Some(&new.id)),
        (AuditAction::Issued, old, None),
    ];
    ensure(found == wanted, format!("the trail has {found:?}"))
}

pub(super) async fn rotation_with_overlap_ends_the_old_credential_on_time<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, overlap) = (&fixture.manager, Rotation::default().with_overlap(HOUR));
    let tick = fixture.contract.resolution;
    for managed in fixture.one_of_each().await? {
        let (actor, kind, id) = (&managed.actor, managed.kind, managed.info.id.as_str());
        let (new, secret) = into_pair(manager.rotate(actor, kind, id, overlap.clone()).await?)?;
        for (millis, accepted) in [
            (0, true),
            (3_600_000 - tick, true),
            (tick, false),
            (1_000_000, false),
        ] {
            fixture.clock.advance_millis(millis);
            ensure(
                fixture.accepts(&managed.secret).await? == accepted,
                format!("{millis} ms later, that the old one is accepted is not {accepted}"),
            )?;
            ensure(fixture.accepts(&secret).await?, "the new one is refused")?;
        }
        ensure(
            new.expires_at.is_none(),
            format!("the new one expires with the overlap: {new:?}"),
        )?;
    }
    // An overlap does not extend the life of the old credential.
    let actor = org(ORG);
    let mortal = NewKey::named("mortal").expiring_at(fixture.soon(10));
    let (old, secret) = into_pair(manager.issue_key(&actor, mortal).await?)?;
    let rotated = manager.rotate(&actor, Kind::OrgKey, old.id.as_str(), overlap);
    let (new, _) = into_pair(rotated.await?)?;
    ensure(
        new.expires_at == old.expires_at,
        format!("{old:?} was rotated to {new:?}"),
    )?;
    fixture.wait(10);
    ensure(
        !fixture.accepts(&secret).await?,
        "the overlap extended the life of the old one",
    )
}

pub(super) async fn a_rotation_chain_has_at_most_two_active_credentials<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (actor, kind, overlap) = (
        org(ORG),
        Kind::OrgKey,
        Rotation::default().with_overlap(HOUR),
    );
    let manager = fixture.manager.clone().with_max_credentials(3);
    let issued = manager.issue_key(&actor, NewKey::named("key")).await?;
    let (first, first_secret) = into_pair(issued)?;
    let first = first.id.as_str();
    let rotated = manager.rotate(&actor, kind, first, overlap.clone()).await?;
    let (second, second_secret) = into_pair(rotated)?;
    let again = manager.rotate(&actor, kind, first, overlap.clone());
    fixture
        .assert_refused("the first again", "already_rotated", again)
        .await?;
    let second = second.id.as_str();
    let rotated = manager.rotate(&actor, kind, second, overlap).await?;
    let (_, third_secret) = into_pair(rotated)?;
    ensure(
        !fixture.accepts(&first_secret).await?,
        "three of one chain are accepted",
    )?;
    ensure(
        fixture.accepts(&second_secret).await? && fixture.accepts(&third_secret).await?,
        "the last two are refused",
    )
}

pub(super) async fn a_disabled_credential_does_not_return_after_two_rotations<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, overlap) = (&fixture.manager, Rotation::default().with_overlap(HOUR));
    for managed in fixture.one_of_each().await? {
        let (actor, kind, first) = (&managed.actor, managed.kind, managed.info.id.as_str());
        let rotated = manager.rotate(actor, kind, first, overlap.clone()).await?;
        let (second, second_secret) = into_pair(rotated)?;
        // During its overlap, it can be disabled and enabled again.
        manager.disable(actor, kind, first).await?;
        manager.enable(actor, kind, first).await?;
        manager.disable(actor, kind, first).await?;
        let rotated = manager.rotate(actor, kind, second.id.as_str(), overlap.clone());
        let (_, third_secret) = into_pair(rotated.await?)?;
        let what = format!("enabling a {} that was replaced twice", kind.as_str());
        let enabled = manager.enable(actor, kind, first);
        fixture.assert_refused(&what, "deleted", enabled).await?;
        ensure(
            !fixture.accepts(&managed.secret).await?,
            "three of one chain are accepted",
        )?;
        ensure(
            fixture.accepts(&second_secret).await? && fixture.accepts(&third_secret).await?,
            "the last two are refused",
        )?;
    }
    Ok(())
}

pub(super) async fn enabling_cannot_outlive_the_actor<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (kind, manager, code) = (Kind::OrgKey, &fixture.manager, "expiry_beyond_creator");
    let (end, tick) = (fixture.later(1000), fixture.contract.resolution);
    let mortal = fixture.caller(&[MANAGES, "agents:read"], Some(end)).await?;
    for (what, end, outlives) in [
        ("no expiry", None, true),
        ("a later expiry", Some(fixture.later(1000 + tick)), true),
        ("the same expiry", Some(end), false),
    ] {
        let key = NewKey::named("key").with_scopes(["agents:read"]);
        let issued = manager.issue_key(&org(ORG), key.expiring_at(end)).await?;
        let id = issued.info().id.as_str();
        manager.disable(&mortal, kind, id).await?;
        let enabled = manager.enable(&mortal, kind, id);
        if outlives {
            fixture.assert_refused(what, code, enabled).await?;
        } else {
            enabled.await?;
        }
    }
    Ok(())
}

pub(super) async fn rotation_follows_the_rules_of_issuing<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, kind, operator) = (&fixture.manager, Kind::OrgKey, org(ORG));
    let (old, secret) = into_pair(fixture.issue(kind, "key").await?)?;
    let (id, at_once) = (old.id.as_str(), Rotation::default());
    let weak = fixture.caller(&[MANAGES], None).await?;
    let end = Some(fixture.soon(5));
    let mortal = fixture.caller(&[MANAGES, "agents:read"], end).await?;
    let past = at_once.clone().expiring_at(fixture.later(0));
    let long = at_once
        .clone()
        .with_overlap(7 * 24 * HOUR + Duration::from_secs(1));
    for (what, actor, rotation, code) in [
        (
            "by an actor with less",
            &weak,
            at_once.clone(),
            "scope_not_held",
        ),
        (
            "by a mortal with less",
            &mortal,
            at_once.clone(),
            "scope_not_held",
        ),
        ("too long an overlap", &operator, long, "overlap_too_long"),
        ("an expiry now", &operator, past, "expiry_in_past"),
    ] {
        let rotated = manager.rotate(actor, kind, id, rotation);
        fixture.assert_refused(what, code, rotated).await?;
    }
    let limited = manager.clone().with_max_lifetime(Duration::from_secs(60));
    let rotated = limited.rotate(&operator, kind, id, at_once.clone());
    fixture
        .assert_refused("no expiry", "expiry_beyond_policy", rotated)
        .await?;
    let powerless = manager.issue_key(&operator, NewKey::named("none")).await?;
    let powerless = powerless.info().id.as_str();
    let outlives = manager.rotate(&mortal, kind, powerless, at_once.clone());
    fixture
        .assert_refused("beyond the actor", "expiry_beyond_creator", outlives)
        .await?;
    manager
        .rotate(&weak, kind, powerless, at_once.clone())
        .await?;
    manager.disable(&operator, kind, id).await?;
    let rotated = manager.rotate(&operator, kind, id, at_once);
    fixture
        .assert_refused("a disabled one", "disabled", rotated)
        .await?;
    let enabled = manager.enable(&weak, kind, id);
    fixture
        .assert_refused("enabled by an actor with less", "scope_not_held", enabled)
        .await?;
    ensure(
        !fixture.accepts(&secret).await?,
        "a disabled key is accepted",
    )
}

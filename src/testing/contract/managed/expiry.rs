//! Claims about reports of credentials that expire, and of overlaps that have ended.

use std::time::Duration;

use super::{
    Feature, Fixture, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, into_pair, operator, org,
};
use crate::{
    credential::Kind,
    manage::{NewKey, NewToken, Rotation},
    secret::Secret,
    store::{
        AuditAction::{self, ExpiresSoon, OverlapEnded},
        AuditActor, AuditEvent, CredentialInfo, Directory, ExpiryWatch, ManageStore,
    },
};

const KEY: Kind = Kind::OrgKey;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

fn watch() -> Result<ExpiryWatch, Violation> {
    let watch = ExpiryWatch::before([millis(3 * DAY), millis(DAY)]);
    watch.map_err(|error| Violation(error.to_string()))
}

/// Issues a credential that expires in so many milliseconds.
async fn expiring<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    kind: Kind,
    life: i64,
) -> Result<(CredentialInfo, Secret), Violation> {
    let (actor, end) = (operator(kind), fixture.later(life));
    into_pair(match kind {
        Kind::OrgKey => {
            let new = fixture
                .granted(NewKey::named("key"), "viewer")
                .expiring_at(end);
            fixture.manager.issue_key(&actor, new).await?
        }
        Kind::PersonalToken => {
            let new = NewToken::named("token").expiring_at(end);
            fixture.manager.issue_token(&actor, new).await?
        }
    })
}

/// Lets the store report expiry, and returns the events after the number `after`.
async fn report<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    after: &mut Option<i64>,
) -> Result<Vec<AuditEvent>, Violation> {
    let count = fixture.manager.watch_expiry(&watch()?).await?;
    let events = fixture.manager.expiry_events(*after, 1000).await?;
    ensure(
        events.len() == count,
        format!("{count} are reported, and {events:?} are listed"),
    )?;
    if let Some(last) = events.last() {
        *after = last.number;
    }
    Ok(events)
}

/// Ensures that exactly these credentials are reported, in any order.
async fn ensure_reported<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    after: &mut Option<i64>,
    action: AuditAction,
    expected: &[&CredentialInfo],
) -> Outcome {
    let events = report(fixture, after).await?;
    ensure(
        events.len() == expected.len(),
        format!("{} are to be reported, and {events:?} are", expected.len()),
    )?;
    for info in expected {
        let is_it = |event: &&AuditEvent| event.credential == info.id && event.owner == info.owner;
        let Some(event) = events.iter().find(is_it) else {
            return Err(Violation(format!("{info:?} is not in {events:?}")));
        };
        let good = event.action == action
            && event.expires_at == info.expires_at
            && event.at == fixture.later(0)
            && matches!(event.by, AuditActor::Operator(_));
        ensure(good, format!("{event:?}"))?;
        let (manager, actor) = (&fixture.manager, operator(info.kind()));
        let trail = manager.events(&actor, info.kind(), None, 200).await?;
        ensure(
            trail.contains(event),
            format!("the owner's trail lacks {event:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn what_expires_soon_is_reported_once_for_each_threshold<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let after = &mut None;
    let mut infos = Vec::new();
    for kind in fixture.kinds() {
        infos.push(expiring(fixture, kind, 10 * DAY).await?.0);
        fixture.issue(kind, "lasting").await?;
    }
    let all: Vec<_> = infos.iter().collect();
    for (step, expected) in [
        (0, &[][..]),
        (7 * DAY - 1, &[]),
        (1, &all), // three days before
        (0, &[]),
        (DAY, &[]),
        (DAY, &all), // one day before
        (0, &[]),
        (DAY, &[]),
        (DAY, &[]),
    ] {
        fixture.clock.advance_millis(step);
        ensure_reported(fixture, after, ExpiresSoon, expected).await?;
    }
    // Of thresholds that passed without a search, only the shortest is reported.
    let (late, _) = expiring(fixture, KEY, 10 * DAY).await?;
    fixture.clock.advance_millis(10 * DAY - 1);
    ensure_reported(fixture, after, ExpiresSoon, &[&late]).await?;
    fixture.clock.advance_millis(-HOUR); // another node, whose clock is behind
    ensure_reported(fixture, after, ExpiresSoon, &[]).await
}

pub(super) async fn what_is_not_accepted_is_not_reported<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, after) = (&fixture.manager, &mut None);
    let (disabled, _) = expiring(fixture, KEY, 4 * DAY).await?;
    manager
        .disable(&org(ORG), KEY, disabled.id.as_str())
        .await?;
    let (deleted, _) = expiring(fixture, KEY, 4 * DAY).await?;
    manager.delete(&org(ORG), KEY, deleted.id.as_str()).await?;
    let (short, _) = expiring(fixture, KEY, 3 * DAY - 1).await?;
    if fixture.supports(Feature::Rotation) {
        let (rotated, _) = expiring(fixture, KEY, 4 * DAY).await?;
        let rotation = Rotation::default()
            .with_overlap(millis(4 * DAY))
            .expiring_at(None);
        manager
            .rotate(&org(ORG), KEY, rotated.id.as_str(), rotation)
            .await?;
    }
    if fixture.supports(Feature::UserDisabling) && fixture.supports(Feature::PersonalTokens) {
        expiring(fixture, Kind::PersonalToken, 4 * DAY).await?;
        fixture.store.set_user_enabled(USER, false).await?;
    }
    if fixture.supports(Feature::OrganizationDeletion) {
        let new = fixture.granted(NewKey::named("gone"), "viewer");
        let new = new.expiring_at(fixture.later(4 * DAY));
        manager.issue_key(&org(OTHER_ORG), new).await?;
        fixture.store.delete_organization(OTHER_ORG).await?;
    }
    fixture.clock.advance_millis(DAY + HOUR);
    ensure_reported(fixture, after, ExpiresSoon, &[]).await?;
    fixture.clock.advance_millis(DAY - HOUR - 1);
    ensure_reported(fixture, after, ExpiresSoon, &[&short]).await
}

pub(super) async fn the_end_of_an_overlap_is_reported_once<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, after) = (&fixture.manager, &mut None);
    let hour = || Rotation::default().with_overlap(millis(HOUR));
    let (mut reported, mut ended) = (Vec::new(), Vec::new());
    for managed in fixture.one_of_each().await? {
        let (actor, kind, old) = (&managed.actor, managed.kind, &managed.info);
        let rotated = manager.rotate(actor, kind, old.id.as_str(), hour());
        let (new, _) = into_pair(rotated.await?)?;
        reported.push((manager.get(actor, kind, old.id.as_str()).await?, new));
    }
    for managed in fixture.one_of_each().await? {
        let (actor, kind, old) = (&managed.actor, managed.kind, &managed.info);
        manager.rotate(actor, kind, old.id.as_str(), hour()).await?;
        ended.push(manager.delete(actor, kind, old.id.as_str()).await?);
    }
    for managed in fixture.one_of_each().await? {
        let id = managed.info.id.as_str();
        let at_once = manager.rotate(&managed.actor, managed.kind, id, Rotation::default());
        at_once.await?;
    }
    let old: Vec<_> = reported.iter().map(|(old, _)| old).collect();
    fixture.clock.advance_millis(HOUR + 59_999);
    ensure_reported(fixture, after, OverlapEnded, &[]).await?;
    fixture.clock.advance_millis(1);
    ensure_reported(fixture, after, OverlapEnded, &old).await?;
    for event in manager.expiry_events(None, 100).await? {
        let pair = reported.iter().find(|(old, _)| old.id == event.credential);
        ensure(
            pair.is_some_and(|(_, new)| event.related.as_ref() == Some(&new.id)),
            format!("{event:?}"),
        )?;
    }
    ensure_reported(fixture, after, OverlapEnded, &[]).await?;
    fixture.clock.advance_millis(DAY);
    ensure_reported(fixture, after, OverlapEnded, &[]).await
}

pub(super) async fn expiry_events_are_an_outbox<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for (organization, days) in [(ORG, 4), (OTHER_ORG, 4), (ORG, 5), (OTHER_ORG, 6)] {
        let new = fixture.granted(NewKey::named("key"), "viewer");
        let new = new.expiring_at(fixture.later(days * DAY));
        manager.issue_key(&org(organization), new).await?;
    }
    ensure(
        manager.expiry_events(None, 10).await?.is_empty(),
        "there are events before any is reported",
    )?;
    let mut read = Vec::new();
    for _ in 0..5 {
        manager.watch_expiry(&watch()?).await?;
        let next = |read: &[AuditEvent]| read.last().and_then(|last| last.number);
        loop {
            let page = manager.expiry_events(next(&read), 1).await?;
            ensure(page.len() <= 1, format!("{page:?} is more than one"))?;
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        fixture.clock.advance_millis(DAY);
    }
    let numbered = read.iter().map(|event| (event.expires_at, event.number));
    let all = manager.expiry_events(None, 0).await?;
    ensure(all.len() == 1, "a limit of 0 is not taken for 1")?;
    let all = manager.expiry_events(None, u32::MAX).await?;
    ensure(
        read == all && numbered.clone().is_sorted_by(|one, other| one.1 < other.1),
        format!("read {read:?}, listed {all:?}"),
    )?;
    // Each of the four three days before, and the first three of them a day before as well.
    ensure(read.len() == 7, format!("reported {}", read.len()))
}

//! Claims about the last use of credentials.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{Fixture, Managed, NOW, ORG, Outcome, Violation, ensure, into_pair, org};
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    id::CredentialId,
    last_use::LastUse,
    manage::Rotation,
    secret::{Digest, Secret},
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, CredentialStore, Directory,
        Granularity, Lookup, LookupKey, ManageStore, Owner, Record, Usage,
    },
};

const KEY: Kind = Kind::OrgKey;

/// Returns when the key was last used, in milliseconds since the start.
async fn last_use<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    id: &CredentialId,
) -> Result<Option<i64>, Violation> {
    let info = fixture.manager.get(&org(ORG), KEY, id.as_str()).await?;
    Ok(info.last_used_at.map(|at| at.0 - NOW.0))
}

async fn record_of<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    info: &CredentialInfo,
    secret: &Secret,
) -> Result<Arc<Record>, Violation> {
    let digest = Digest::of(secret.expose_secret().as_bytes());
    let credential = match info.kind() {
        Kind::OrgKey => LookupKey::OrgKey {
            id: info.id.as_str(),
        },
        Kind::PersonalToken => LookupKey::PersonalToken { digest: &digest },
    };
    let found = fixture.store.find(&Lookup::new(credential, None)).await?;
    found.ok_or_else(|| Violation("a credential is not found".into()))
}

/// Uses in milliseconds since the first one, and the one that is recorded after each.
type Uses = [(i64, i64)];

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

#[rustfmt::skip]
const ADAPTIVE: &Uses = &[
    (0, 0),
    (MINUTE - 1, 0),
    (MINUTE, MINUTE),
    (2 * MINUTE - 1, MINUTE),
    (HOUR - 1, HOUR - 1), // within the first hour, a minute apart
    (HOUR + MINUTE, HOUR - 1),
    (2 * HOUR - 2, HOUR - 1),
    (2 * HOUR - 1, 2 * HOUR - 1),
    (DAY - 1, DAY - 1), // within the first day, an hour apart
    (DAY + HOUR, DAY - 1),
    (2 * DAY - 2, DAY - 1),
    (2 * DAY - 1, 2 * DAY - 1),
    (DAY, 2 * DAY - 1), // an earlier one
    (30 * DAY, 30 * DAY),
];

#[rustfmt::skip]
const EVERY_TEN_SECONDS: &Uses = &[
    (0, 0),
    (10 * SECOND - 1, 0),
    (10 * SECOND, 10 * SECOND),
    (DAY, DAY),
    (DAY + 10 * SECOND - 1, DAY),
    (DAY + 10 * SECOND, DAY + 10 * SECOND),
];

pub(super) async fn uses_are_recorded_as_far_apart_as_their_granularity<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let every = Granularity::every(Duration::from_secs(10));
    let every = every.map_err(|error| Violation(error.to_string()))?;
    for (granularity, uses) in [
        (Granularity::adaptive(), ADAPTIVE),
        (every, EVERY_TEN_SECONDS),
    ] {
        ensure_uses_are_recorded(fixture, granularity, uses).await?;
    }
    Ok(())
}

async fn ensure_uses_are_recorded<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    granularity: Granularity,
    uses: &Uses,
) -> Outcome {
    let (info, _) = into_pair(fixture.issue(KEY, "key").await?)?;
    ensure(
        last_use(fixture, &info.id).await?.is_none(),
        "a new key has been used",
    )?;
    ensure_recorded(fixture, &info.id, granularity, uses).await?;
    let read = fixture
        .manager
        .get(&org(ORG), KEY, info.id.as_str())
        .await?;
    ensure(
        read.first_used_at == Some(NOW),
        format!("not the first use: {read:?}"),
    )
}

/// Ensures what is recorded after each use.
async fn ensure_recorded<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    id: &CredentialId,
    granularity: Granularity,
    uses: &Uses,
) -> Outcome {
    for (at, recorded) in uses {
        let mut used = Usage::new(KEY, id.clone(), UnixMillis(NOW.0 + at));
        used.granularity = granularity;
        fixture.store.record_uses(&[used]).await?;
        let found = last_use(fixture, id).await?;
        ensure(
            found == Some(*recorded),
            format!("{granularity:?}: after a use at {at}, {found:?} is recorded"),
        )?;
    }
    Ok(())
}

/// So that no use hides that the old one is still in use.
pub(super) async fn each_later_use_of_a_rotated_credential_is_recorded<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (info, _) = into_pair(fixture.issue(KEY, "key").await?)?;
    let (id, adaptive) = (&info.id, Granularity::adaptive());
    ensure_recorded(fixture, id, adaptive, &[(0, 0), (DAY, DAY)]).await?;
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let (manager, actor) = (&fixture.manager, org(ORG));
    manager.rotate(&actor, KEY, id.as_str(), overlap).await?;
    let first = 2 * DAY;
    let uses = [
        (first, first),
        (first + 1, first + 1),
        (first, first + 1), // of another node, written later
    ];
    ensure_recorded(fixture, id, adaptive, &uses).await?;
    let daily = Granularity::every(Duration::from_secs(24 * 3600));
    let daily = daily.map_err(|error| Violation(error.to_string()))?;
    ensure_recorded(fixture, id, daily, &[(first + 2, first + 2)]).await
}

pub(super) async fn the_recorder_passes_its_granularity_on<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (uses, presented) = (LastUse::new(), Digest::of(b"test"));
    let (info, secret) = into_pair(fixture.issue(KEY, "key").await?)?;
    let record = record_of(fixture, &info, &secret).await?;
    let every = Granularity::every(Duration::from_secs(1));
    let every = every.map_err(|error| Violation(error.to_string()))?;
    let often = fixture.manager.clone().with_use_granularity(every);
    for (manager, at, recorded) in [
        (&fixture.manager, 0, 0),
        (&fixture.manager, 2_000, 0),
        (&often, 4_000, 4_000),
    ] {
        uses.note(&record, &presented, UnixMillis(NOW.0 + at));
        manager.record_uses(&uses).await?;
        let found = last_use(fixture, &info.id).await?;
        ensure(
            found == Some(recorded),
            format!("after a use at {at}, {found:?} is recorded"),
        )?;
    }
    let idle = often.record_uses(&uses).await?;
    ensure(idle == 0, "without a use, something is recorded")
}

pub(super) async fn the_last_use_has_its_own_origin<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (info, _) = into_pair(fixture.issue(KEY, "key").await?)?;
    let home = IpAddr::from([192, 0, 2, 1]);
    let away = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    for (at, from, recorded) in [
        (0, Some((home, "one")), Some((home, "one"))),
        (MINUTE - 1, Some((away, "two")), Some((home, "one"))), // not recorded
        (
            MINUTE,
            Some((away, "\u{e4} two")),
            Some((away, "\u{e4} two")),
        ),
        (0, Some((home, "earlier")), Some((away, "\u{e4} two"))),
        (2 * MINUTE, None, None),
    ] {
        let mut used = Usage::new(KEY, info.id.clone(), UnixMillis(NOW.0 + at));
        (used.address, used.user_agent) = from.map(|(from, by)| (from, by.into())).unzip();
        fixture.store.record_uses(&[used]).await?;
        let read = fixture
            .manager
            .get(&org(ORG), KEY, info.id.as_str())
            .await?;
        let found = read.last_address.zip(read.last_user_agent.as_deref());
        ensure(
            found == recorded,
            format!("after a use at {at} from {from:?}: {found:?}"),
        )?;
        let (listed, _) = fixture.all(&org(ORG), KEY).await?;
        let listed = listed.iter().find(|one| one.id == info.id);
        ensure(listed == Some(&read), format!("listed as {listed:?}"))?;
    }
    Ok(())
}

pub(super) async fn a_use_creates_no_credential<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.issue(KEY, "key").await?;
    let used = Usage::new(KEY, "unknown", NOW);
    fixture.store.record_uses(&[used]).await?;
    let owner = Owner::Organization(ORG.into());
    let found = fixture.store.credential(&owner, "unknown").await?;
    ensure(found.is_none(), "a use created a credential")
}

pub(super) async fn a_recorded_use_is_never_in_the_future<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (store, manager, actor) = (&fixture.store, &fixture.manager, org(ORG));
    let (info, _) = into_pair(fixture.issue(KEY, "key").await?)?;
    let used = |at, after_rotation| Usage {
        after_rotation,
        ..Usage::new(KEY, info.id.clone(), at)
    };
    store
        .record_uses(&[used(UnixMillis(i64::MAX), false)])
        .await?;
    let read = manager.get(&actor, KEY, info.id.as_str()).await?;
    let latest = UnixMillis(SystemClock.now().0 + 60_000);
    ensure(
        read.last_used_at.is_some_and(|at| at <= latest),
        format!("recorded {read:?}"),
    )?;
    // After a rotation the next use is reported, however close it is to the last one.
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let rotated = manager.rotate(&actor, KEY, info.id.as_str(), overlap);
    let rotated = rotated.await?;
    let again = [used(fixture.later(1000), true)];
    let events = store.record_uses(&again).await?;
    let [event] = &events[..] else {
        return Err(Violation(format!("one use is reported as {events:?}")));
    };
    let good = event.credential == info.id && event.related.as_ref() == Some(&rotated.info().id);
    ensure(good, format!("{event:?}"))?;
    let since = manager.get(&actor, KEY, info.id.as_str()).await?;
    ensure(
        since.last_used_at == read.last_used_at,
        format!("an earlier use replaced a later one: {since:?}"),
    )?;
    let events = store.record_uses(&again).await?;
    ensure(events.is_empty(), format!("reported again: {events:?}"))
}

async fn uses_after_rotation<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    managed: &Managed,
) -> Result<Vec<AuditEvent>, Violation> {
    let (actor, kind) = (&managed.actor, managed.kind);
    let mut events = fixture.manager.events(actor, kind, None, 200).await?;
    events.retain(|event| event.action == AuditAction::UsedAfterRotation);
    Ok(events)
}

pub(super) async fn the_first_use_after_a_rotation_is_an_event<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    for managed in fixture.one_of_each().await? {
        ensure_first_use_is_an_event(fixture, &managed).await?;
    }
    Ok(())
}

async fn ensure_first_use_is_an_event<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    managed: &Managed,
) -> Outcome {
    let (manager, uses, presented) = (&fixture.manager, LastUse::new(), Digest::of(b"test"));
    let old = &managed.info;
    let record = record_of(fixture, old, &managed.secret).await?;
    uses.note(&record, &presented, fixture.later(0));
    manager.record_uses(&uses).await?;
    fixture.clock.advance_millis(10_000);
    // Recorded only after the rotation.
    uses.note(&record, &presented, fixture.later(-1));
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let rotated = manager.rotate(&managed.actor, managed.kind, old.id.as_str(), overlap);
    let (new, secret) = into_pair(rotated.await?)?;
    manager.record_uses(&uses).await?;
    ensure(
        uses_after_rotation(fixture, managed).await?.is_empty(),
        "a use before the rotation is an event",
    )?;
    // The first is an event within a minute of the recorded use; the others are not.
    let first = fixture.later(2000);
    for seconds in [2, 20, 90, 200] {
        uses.note(&record, &presented, fixture.later(seconds * 1000));
        manager.record_uses(&uses).await?;
        let events = uses_after_rotation(fixture, managed).await?;
        let [event] = &events[..] else {
            return Err(Violation(format!("there are {} events", events.len())));
        };
        let good = event.credential == old.id && event.related.as_ref() == Some(&new.id);
        let good = good && event.by == AuditActor::Bearer && event.at == first;
        ensure(good, format!("{event:?}"))?;
    }
    let successor = record_of(fixture, &new, &secret).await?;
    uses.note(&successor, &presented, fixture.later(0));
    manager.record_uses(&uses).await?;
    let events = uses_after_rotation(fixture, managed).await?;
    ensure(events.len() == 1, "a use of the successor is an event")
}

//! Claims about the last use of credentials.

use std::{sync::Arc, time::Duration};

use super::{Fixture, Managed, NOW, ORG, Outcome, Violation, ensure, into_pair, org};
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    id::CredentialId,
    last_use::LastUse,
    manage::Rotation,
    secret::{Digest, Secret},
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, CredentialStore, Directory, Lookup,
        LookupKey, ManageStore, Owner, Record, Usage,
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

pub(super) async fn a_use_is_recorded_at_most_once_a_minute<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, uses, presented) = (&fixture.manager, LastUse::new(), Digest::of(b"test"));
    let (info, secret) = into_pair(fixture.issue(KEY, "key").await?)?;
    let record = record_of(fixture, &info, &secret).await?;
    ensure(
        last_use(fixture, &info.id).await?.is_none(),
        "a new key has been used",
    )?;
    // A use at the first moment leads to this recorded one.
    for (at, recorded) in [
        (0, 0),
        (30_000, 0),
        (59_000, 0),
        (60_000, 60_000),
        (61_000, 60_000),
        (200_000, 200_000),
    ] {
        uses.note(&record, &presented, UnixMillis(NOW.0 + at));
        manager.record_uses(&uses).await?;
        let found = last_use(fixture, &info.id).await?;
        ensure(
            found == Some(recorded),
            format!("after a use at {at}, {found:?} is recorded"),
        )?;
    }
    let idle = manager.record_uses(&uses).await?;
    ensure(idle == 0, "without a use, something is recorded")?;
    let unknown = Record::org_key("unknown", Digest::of(b"test"), ORG);
    uses.note(&unknown, &presented, NOW);
    manager.record_uses(&uses).await?;
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
        kind: KEY,
        id: info.id.clone(),
        at,
        after_rotation,
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

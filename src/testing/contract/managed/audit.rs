//! Claims about the audit trail and the last use.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Actor, Feature, Fixture, NOW, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, into_pair, org,
};
use crate::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    id::CredentialId,
    last_use::LastUse,
    manage::{NewKey, Rotation},
    secret::Digest,
    store::{
        AuditAction, AuditActor, AuditEvent, Credential, CredentialStore, Directory, Lookup,
        ManageStore, Owner, Record, Usage, backend::Authority,
    },
    testing::principal,
};

const KEY: Kind = Kind::OrgKey;
const MANAGES: &str = "organizations:manage";

pub(super) async fn each_change_records_who_made_it_and_from_where<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let notified = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let notified = Arc::clone(&notified);
        move |event: &AuditEvent| {
            let mut notified = notified.lock().unwrap_or_else(PoisonError::into_inner);
            notified.push(event.clone());
        }
    };
    let manager = fixture.manager.clone().on_event(hook);
    let caller = fixture.caller(&[MANAGES], None).await?;
    let by_caller = AuditActor::Key(id_of(&caller)?);
    let mut users = Vec::new();
    if fixture.supports(Feature::Memberships) {
        users = acting_users(fixture).await?;
    }

    let caller = caller.with_origin("192.0.2.1");
    let (info, secret) = into_pair(manager.issue_key(&caller, NewKey::named("key")).await?)?;
    let (id, name) = (info.id.as_str(), "other");
    let wanted = |action, by, origin, after| event(&info.id, action, by, origin, after);
    let mut events = vec![wanted(AuditAction::Issued, by_caller, Some("192.0.2.1"), 0)];
    for (number, (actor, by)) in users.into_iter().enumerate() {
        let name = format!("{name} {number}");
        manager.rename(&actor, KEY, id, &name).await?;
        events.push(wanted(AuditAction::Renamed, by, None, 0));
    }
    manager.disable(&org(ORG), KEY, id).await?;
    manager.enable(&org(ORG), KEY, id).await?;
    fixture.wait(7);
    let token = secret.expose_secret();
    manager.revoke_presented(token, Some("scanner")).await?;
    let operator = || AuditActor::Operator("test".into());
    let tick = fixture.contract.resolution;
    events.extend([
        wanted(AuditAction::Disabled, operator(), None, 0),
        wanted(AuditAction::Enabled, operator(), None, 0),
        wanted(
            AuditAction::Revoked,
            AuditActor::Bearer,
            Some("scanner"),
            7 * tick,
        ),
    ]);
    ensure_stored(fixture, &events).await?;
    let notified = notified
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    ensure(
        notified == events,
        format!("the hook got {notified:?} instead of {events:?}"),
    )
}

fn id_of(actor: &Actor) -> Result<CredentialId, Violation> {
    match actor.authority(NOW) {
        Authority::Credential { id, .. } => Ok(id),
        _ => Err(Violation("a caller is not a credential".into())),
    }
}

/// Returns a user who may manage the organization's keys, and their token if there are any, with
/// how the trail names them.
async fn acting_users<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
) -> Result<Vec<(Actor, AuditActor)>, Violation> {
    let manages = || [MANAGES].into_iter().collect();
    fixture.store.set_member(USER, ORG, "admin").await?;
    let user = Actor::user(USER).acting_in(ORG, manages());
    let mut users = vec![(user, AuditActor::User(USER.into()))];
    if fixture.supports(Feature::PersonalTokens) {
        let token = fixture.issue(Kind::PersonalToken, "token").await?;
        let id = token.info().id.clone();
        let token = Record::personal_token(&id, Digest::of(b"test"), USER)
            .in_organization(ORG)
            .with_scopes(manages());
        let user = USER.into();
        let actor = Actor::from_principal(&principal(token));
        users.push((actor, AuditActor::Token { id, user }));
    }
    Ok(users)
}

fn event(
    credential: &CredentialId,
    action: AuditAction,
    by: AuditActor,
    origin: Option<&str>,
    after: i64,
) -> AuditEvent {
    AuditEvent {
        number: None,
        at: UnixMillis(NOW.0 + after),
        action,
        owner: Owner::Organization(ORG.into()),
        credential: credential.clone(),
        related: None,
        by,
        origin: origin.map(Into::into),
    }
}

/// Ensures that these are the events of the organization, in this order, and no other owner's.
async fn ensure_stored<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    wanted: &[AuditEvent],
) -> Outcome {
    let manager = &fixture.manager;
    let mut stored = manager.events(&org(ORG), KEY, None, 200).await?;
    stored.reverse();
    let numbers: Vec<_> = stored.iter().map(|event| event.number).collect();
    ensure(
        numbers.is_sorted_by(|one, next| one < next),
        format!("{numbers:?} are not in order"),
    )?;
    stored.iter_mut().for_each(|event| event.number = None);
    ensure(
        stored == wanted,
        format!("stored {stored:?} instead of {wanted:?}"),
    )?;
    let elsewhere = fixture.all(&org(OTHER_ORG), KEY).await?.1;
    ensure(
        elsewhere.is_empty(),
        format!("another owner has {elsewhere:?}"),
    )
}

pub(super) async fn audit_events_are_paged<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, actor) = (&fixture.manager, org(ORG));
    for number in 0..11 {
        let key = NewKey::named(&number.to_string());
        manager.issue_key(&actor, key).await?;
        let other = NewKey::named("other");
        manager.issue_key(&org(OTHER_ORG), other).await?;
    }
    let whole = manager.events(&actor, KEY, None, 200).await?;
    ensure(whole.len() == 11, format!("{} of 11", whole.len()))?;
    for limit in [1, 3, 11] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = manager.events(&actor, KEY, before, limit).await?;
            ensure(
                page.len() <= limit as usize,
                "a page is longer than its limit",
            )?;
            let Some(last) = page.last() else { break };
            before = last.number;
            found.extend(page);
        }
        ensure(found == whole, format!("in pages of {limit}: {found:?}"))?;
    }
    Ok(())
}

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
    id: &CredentialId,
) -> Result<Arc<Record>, Violation> {
    let id = id.as_str();
    let lookup = Lookup::new(Credential::OrgKey { id }, None);
    let found = fixture.store.find(&lookup).await?;
    found.ok_or_else(|| Violation("a key is not found".into()))
}

pub(super) async fn a_use_is_recorded_at_most_once_a_minute<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, uses, presented) = (&fixture.manager, LastUse::new(), Digest::of(b"test"));
    let (info, _) = into_pair(fixture.issue(KEY, "key").await?)?;
    let record = record_of(fixture, &info.id).await?;
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
    let events = store.record_uses(&again).await?;
    ensure(events.is_empty(), format!("reported again: {events:?}"))
}

async fn uses_after_rotation<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
) -> Result<Vec<AuditEvent>, Violation> {
    let mut events = fixture.manager.events(&org(ORG), KEY, None, 200).await?;
    events.retain(|event| event.action == AuditAction::UsedAfterRotation);
    Ok(events)
}

pub(super) async fn the_first_use_after_a_rotation_is_an_event<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, uses, presented) = (&fixture.manager, LastUse::new(), Digest::of(b"test"));
    let (old, _) = into_pair(fixture.issue(KEY, "key").await?)?;
    let record = record_of(fixture, &old.id).await?;
    uses.note(&record, &presented, fixture.later(0));
    manager.record_uses(&uses).await?;
    fixture.clock.advance_millis(10_000);
    // Recorded only after the rotation.
    uses.note(&record, &presented, fixture.later(-1));
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    let (actor, id) = (org(ORG), old.id.as_str());
    let (new, _) = into_pair(manager.rotate(&actor, KEY, id, overlap).await?)?;
    manager.record_uses(&uses).await?;
    ensure(
        uses_after_rotation(fixture).await?.is_empty(),
        "a use before the rotation is an event",
    )?;
    // The first is an event within a minute of the recorded use; the others are not.
    for seconds in [2, 20, 90, 200] {
        uses.note(&record, &presented, fixture.later(seconds * 1000));
        manager.record_uses(&uses).await?;
        let events = uses_after_rotation(fixture).await?;
        let [event] = &events[..] else {
            return Err(Violation(format!("there are {} events", events.len())));
        };
        let good = event.credential == old.id
            && event.related.as_ref() == Some(&new.id)
            && event.by == AuditActor::Bearer
            && event.at == fixture.later(2000);
        ensure(good, format!("{event:?}"))?;
    }
    let successor = record_of(fixture, &new.id).await?;
    uses.note(&successor, &presented, fixture.later(0));
    manager.record_uses(&uses).await?;
    let events = uses_after_rotation(fixture).await?;
    ensure(events.len() == 1, "a use of the successor is an event")
}

//! Claims about removing old rows.

use std::time::Duration;

use super::{Feature, Fixture, NOW, ORG, Outcome, USER, ensure, into_pair, operator, org};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::NewKey,
    secret::Digest,
    store::{
        CredentialInfo, Directory, EffectiveStatus, Filter, ManageStore, Record, Retention, Status,
        Swept, Usage, WriteError,
    },
};

const KEY: Kind = Kind::OrgKey;
const HOUR: i64 = 3_600_000;

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// Removes every deleted credential.
fn deleted_now() -> Retention {
    Retention::forever().with_deleted(hours(0))
}

/// Ensures that a sweep removes so many credentials, and is then at its end.
async fn ensure_removed<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    retention: &Retention,
    credentials: u64,
) -> Outcome {
    for expected in [credentials, 0] {
        let swept = fixture.manager.sweep(retention).await?;
        ensure(
            swept.credentials == expected,
            format!("{expected} are to be removed: {swept:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn a_removed_credential_is_unknown<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for kind in fixture.kinds() {
        let (kept, kept_secret) = into_pair(fixture.issue(kind, "kept").await?)?;
        let (info, secret) = into_pair(fixture.issue(kind, "deleted").await?)?;
        let (actor, id) = (operator(kind), info.id.as_str());
        let deleted = manager.delete(&actor, kind, id).await?;
        ensure(
            deleted.deleted_at == Some(fixture.later(0)),
            format!("deleted at {:?}", deleted.deleted_at),
        )?;
        ensure_removed(fixture, &deleted_now(), 1).await?;
        let gone = manager.get(&actor, kind, id);
        fixture
            .assert_refused("a removed credential", "unknown_credential", gone)
            .await?;
        let filter = Filter {
            state: Some(EffectiveStatus::Deleted),
            ..Filter::default()
        };
        let listed = manager.list(&actor, kind, &filter, None, 100).await?.items;
        ensure(listed.is_empty(), format!("still listed: {listed:?}"))?;
        let found = fixture.accepts(&secret).await? || !fixture.accepts(&kept_secret).await?;
        ensure(
            !found,
            "the removed credential is accepted, or the other is not",
        )?;
        let left = manager.get(&actor, kind, kept.id.as_str()).await?;
        ensure(left == kept, format!("{kept:?} is {left:?}"))?;
    }
    Ok(())
}

pub(super) async fn the_id_of_a_removed_credential_stays_taken<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    for kind in fixture.kinds() {
        let stored = fixture.record(kind, "stored").with_status(Status::Deleted);
        fixture.store.insert(stored).await?;
        let (info, _) = into_pair(fixture.issue(kind, "issued").await?)?;
        let id = info.id.as_str();
        fixture.manager.delete(&operator(kind), kind, id).await?;
        ensure_removed(fixture, &deleted_now(), 2).await?;
        for id in [id, "stored"] {
            let again = fixture.store.insert(fixture.record(kind, id)).await;
            ensure(
                matches!(&again, Err(WriteError::Taken(taken)) if **taken == *id),
                format!("its id is given out again: {again:?}"),
            )?;
        }
    }
    if fixture.supports(Feature::PersonalTokens) {
        // A key and a token may have the same id.
        let other = fixture.record(Kind::PersonalToken, "elsewhere");
        let other = other.with_status(Status::Deleted);
        fixture.store.insert(other).await?;
        ensure_removed(fixture, &deleted_now(), 1).await?;
        let key = fixture.record(KEY, "elsewhere");
        fixture.store.insert(key).await?;
    }
    Ok(())
}

pub(super) async fn a_removed_token_stays_taken<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let kind = Kind::PersonalToken;
    let (info, secret) = into_pair(fixture.issue(kind, "deleted").await?)?;
    let id = info.id.as_str();
    fixture.manager.delete(&operator(kind), kind, id).await?;
    ensure_removed(fixture, &deleted_now(), 1).await?;
    let digest = Digest::of(secret.expose_secret().as_bytes());
    let other = Record::personal_token("other", digest, USER);
    let again = fixture.store.insert(other).await;
    ensure(
        matches!(again, Err(WriteError::Taken(_))),
        format!("a removed token is stored under another id: {again:?}"),
    )
}

pub(super) async fn only_what_is_old_enough_is_removed<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for kind in fixture.kinds() {
        let actor = operator(kind);
        let (active, _) = into_pair(fixture.issue(kind, "active").await?)?;
        let (disabled, _) = into_pair(fixture.issue(kind, "disabled").await?)?;
        manager.disable(&actor, kind, disabled.id.as_str()).await?;
        let (deleted, _) = into_pair(fixture.issue(kind, "deleted").await?)?;
        manager.delete(&actor, kind, deleted.id.as_str()).await?;
        let expired = fixture
            .record(kind, "expired")
            .expiring_at(fixture.later(0));
        fixture.store.insert(expired).await?;
        let expiring = fixture
            .record(kind, "expiring")
            .expiring_at(fixture.later(3 * HOUR));
        fixture.store.insert(expiring).await?;
        let both = Retention::forever()
            .with_deleted(hours(1))
            .with_expired(hours(2));
        for (step, removed) in [(HOUR - 1, 0), (1, 1), (HOUR - 1, 0), (1, 1), (HOUR, 0)] {
            fixture.clock.advance_millis(step);
            ensure_removed(fixture, &both, removed).await?;
            ensure_removed(fixture, &Retention::forever(), 0).await?;
        }
        for left in [active.id.as_str(), disabled.id.as_str(), "expiring"] {
            manager.get(&actor, kind, left).await?;
        }
        let taken = fixture.store.insert(fixture.record(kind, "expired")).await;
        ensure(
            matches!(taken, Err(WriteError::Taken(_))),
            format!("the id of an expired credential is given out again: {taken:?}"),
        )?;
        fixture.clock.advance_millis(NOW.0 - fixture.later(0).0);
    }
    Ok(())
}

/// As in a cache that was asked before.
pub(super) async fn what_is_removed_is_not_accepted_by_a_clock_that_is_behind<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let new = fixture.granted(NewKey::named("key"), "viewer");
    let new = new.expiring_at(fixture.later(1));
    let (_, secret) = into_pair(fixture.manager.issue_key(&org(ORG), new).await?)?;
    ensure(fixture.accepts(&secret).await?, "a new key is refused")?;
    fixture.clock.advance_millis(1);
    let at_once = Retention::forever().with_expired(hours(0));
    ensure_removed(fixture, &at_once, 1).await?;
    fixture.clock.advance_millis(-1);
    ensure(
        !fixture.accepts(&secret).await?,
        "a removed key is accepted",
    )
}

pub(super) async fn a_forgotten_request_issues_another_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, day) = (
        &fixture.manager,
        Retention::forever().with_idempotency_keys(hours(24)),
    );
    let request = || {
        fixture
            .granted(NewKey::named("ci"), "viewer")
            .with_idempotency_key("once")
    };
    let issue = async || -> Result<CredentialInfo, super::Violation> {
        Ok(manager
            .issue_key(&org(ORG), request())
            .await?
            .into_parts()
            .0)
    };
    let first = issue().await?;
    fixture.clock.advance_millis(24 * HOUR - 1);
    let swept = manager.sweep(&day).await?;
    ensure(swept == Swept::default(), format!("{swept:?}"))?;
    ensure(
        issue().await? == first,
        "the request is forgotten too early",
    )?;
    fixture.clock.advance_millis(1);
    let swept = manager.sweep(&day).await?;
    ensure(swept.idempotency_keys == 1, format!("{swept:?}"))?;
    let second = issue().await?;
    ensure(second.id != first.id, "the request is not forgotten")?;
    ensure(issue().await? == second, "the new request is not kept")?;
    let left = manager.get(&org(ORG), KEY, first.id.as_str()).await?;
    ensure(left == first, format!("{first:?} is {left:?}"))
}

pub(super) async fn old_events_and_uses_are_removed<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let ages = Retention::forever()
        .with_events(hours(2))
        .with_uses(hours(1));
    for kind in fixture.kinds() {
        let (actor, (info, _)) = (
            operator(kind),
            into_pair(fixture.issue(kind, "name").await?)?,
        );
        let used = |at: UnixMillis| [Usage::new(kind, info.id.clone(), at)];
        fixture.store.record_uses(&used(fixture.later(0))).await?;
        for (step, uses, events) in [(HOUR - 1, 0, 0), (1, 1, 0), (HOUR - 1, 0, 0), (1, 0, 1)] {
            fixture.clock.advance_millis(step);
            let swept = manager.sweep(&ages).await?;
            ensure(
                (swept.uses, swept.events) == (uses, events),
                format!("{uses} uses and {events} events are to be removed: {swept:?}"),
            )?;
        }
        let left = manager.get(&actor, kind, info.id.as_str()).await?;
        ensure(left == info, format!("{info:?} is {left:?}"))?;
        let renamed = manager
            .rename(&actor, kind, info.id.as_str(), "again")
            .await?;
        fixture.store.record_uses(&used(fixture.later(0))).await?;
        let swept = manager.sweep(&ages).await?;
        ensure(swept == Swept::default(), format!("{swept:?}"))?;
        let trail = manager.events(&actor, kind, None, 100).await?;
        ensure(trail.len() == 1, format!("the trail is {trail:?}"))?;
        let left = manager.get(&actor, kind, info.id.as_str()).await?;
        ensure(
            left.last_used_at == Some(fixture.later(0)) && left.name == renamed.name,
            format!("{left:?}"),
        )?;
        fixture.clock.advance_millis(3 * HOUR);
        manager.sweep(&ages).await?;
        fixture.clock.advance_millis(NOW.0 - fixture.later(0).0);
    }
    Ok(())
}

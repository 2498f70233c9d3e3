//! Claims about credentials that are no longer used.

use std::time::Duration;

use super::{Feature, Fixture, Outcome, ensure, into_pair, operator};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    store::{AuditAction::ExpiredUnused, CredentialInfo, Directory, ManageStore, Usage},
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

pub(super) async fn unused_credentials_expire<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let month = Duration::from_secs(30 * 24 * 3600);
    for kind in fixture.kinds() {
        let (actor, long_ago) = (operator(kind), fixture.later(0));
        let (used, _) = into_pair(fixture.issue(kind, "used").await?)?;
        let (old, secret) = into_pair(fixture.issue(kind, "old").await?)?;
        let (never, _) = into_pair(fixture.issue(kind, "never").await?)?;
        let (disabled, _) = into_pair(fixture.issue(kind, "disabled").await?)?;
        let id = disabled.id.as_str();
        fixture.manager.disable(&actor, kind, id).await?;
        record(fixture, &old, long_ago).await?;
        record(fixture, &disabled, long_ago).await?;
        record(fixture, &used, UnixMillis(long_ago.0 + 1)).await?;
        // Recorded uses may be behind, so 25 hours are added.
        fixture.clock.advance_millis(30 * DAY + 25 * HOUR + 1);
        ensure_expired(fixture, kind, month, &[]).await?; // none is recorded at present
        let (recent, _) = into_pair(fixture.issue(kind, "recent").await?)?;
        record(fixture, &recent, fixture.later(-25 * HOUR)).await?;
        ensure_expired(fixture, kind, month, &[&old]).await?;
        ensure(
            !fixture.accepts(&secret).await?,
            "an unused credential is accepted",
        )?;
        let now = fixture.manager.get(&actor, kind, old.id.as_str()).await?;
        ensure(now.expires_at == Some(fixture.later(0)), format!("{now:?}"))?;
        for other in [&used, &disabled, &never, &recent] {
            let id = other.id.as_str();
            let now = fixture.manager.get(&actor, kind, id).await?;
            ensure(now.expires_at.is_none(), format!("{now:?} has expired"))?;
        }
        ensure_expired(fixture, kind, month, &[]).await?;
    }
    Ok(())
}

async fn record<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    info: &CredentialInfo,
    at: UnixMillis,
) -> Outcome {
    let usage = Usage::new(info.kind(), info.id.clone(), at);
    fixture.store.record_uses(&[usage]).await?;
    Ok(())
}

/// Ensures that exactly these credentials expire as unused, with an event each.
async fn ensure_expired<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    kind: Kind,
    unused_for: Duration,
    expected: &[&CredentialInfo],
) -> Outcome {
    let (manager, actor) = (&fixture.manager, operator(kind));
    let before = manager.events(&actor, kind, None, 1).await?;
    let before = before.first().and_then(|event| event.number);
    let expired = manager.expire_unused(kind, unused_for).await?;
    ensure(
        expired == expected.len(),
        format!("{expired} expired instead of {}", expected.len()),
    )?;
    if !fixture.supports(Feature::AuditTrail) {
        return Ok(());
    }
    let mut events = manager.events(&actor, kind, None, 200).await?;
    events.retain(|event| event.number > before);
    let is_reported = |info: &&&CredentialInfo| {
        events
            .iter()
            .filter(|event| event.credential == info.id && event.action == ExpiredUnused)
            .any(|event| event.expires_at == Some(event.at))
    };
    ensure(
        events.len() == expected.len() && expected.iter().all(|info| is_reported(&info)),
        format!("the events are {events:?}"),
    )
}

//! Claims about repeated requests.

use super::{
    Actor, Feature, Fixture, NOW, ORG, OTHER_ORG, Outcome, Violation, ensure, into_pair, operator,
    org,
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Issued, ManageError, Manager, NewKey, NewToken, Rotation},
    store::{Directory, ManageStore},
};
use std::time::Duration;

pub(super) async fn a_repeated_request_returns_the_first_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, actor, elsewhere) = (&fixture.manager, org(ORG), org(OTHER_ORG));
    let end = fixture.later(10_000);
    let named = |name| fixture.granted(NewKey::named(name), "viewer");
    let request = || named("ci").expiring_at(end).with_idempotency_key("key-1");
    let (info, secret) = into_pair(manager.issue_key(&actor, request()).await?)?;
    fixture.clock.advance_millis(5000);
    let repeated = manager.issue_key(&actor, request()).await?;
    let (repeated, again) = repeated.into_parts();
    ensure(again.is_none(), "the secret was returned twice")?;
    ensure(
        repeated == info,
        format!("issued {info:?}, repeated {repeated:?}"),
    )?;
    fixture.clock.advance_millis(-5000);
    ensure(
        fixture.accepts(&secret).await?,
        "after the repetition, the first credential is refused",
    )?;
    let key = NewKey::named("ci").expiring_at(end);
    for (what, other) in [
        ("another name", named("cd").expiring_at(end)),
        ("another role", key.clone().with_role("admin")),
        ("other scopes", key.with_scopes(["agents:read"])),
        ("another expiry", named("ci")),
    ] {
        let issued = manager.issue_key(&actor, other.with_idempotency_key("key-1"));
        fixture
            .assert_refused(what, "idempotency_conflict", issued)
            .await?;
    }
    let (other, secret) = manager.issue_key(&elsewhere, request()).await?.into_parts();
    ensure(
        secret.is_some() && other.id != info.id,
        "another owner's idempotency key counted",
    )
}

/// Issues a credential that expires a second after the start, under `key`.
async fn issue<S: ManageStore>(
    manager: &Manager<S>,
    actor: &Actor,
    kind: Kind,
    key: &str,
) -> Result<Issued, ManageError> {
    let end = UnixMillis(NOW.0 + 1000);
    match kind {
        Kind::OrgKey => {
            let new = NewKey::named("ci").with_idempotency_key(key);
            manager.issue_key(actor, new.expiring_at(end)).await
        }
        Kind::PersonalToken => {
            let new = NewToken::named("ci").with_idempotency_key(key);
            manager.issue_token(actor, new.expiring_at(end)).await
        }
    }
}

pub(super) async fn a_repeated_request_never_returns_an_inactive_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, code) = (&fixture.manager, "issued_inactive");
    for kind in fixture.kinds() {
        let actor = operator(kind);
        let issue = |key: &'static str| issue(manager, &actor, kind, key);
        let deleted = issue("deleted").await?.info().id.clone();
        let disabled = issue("disabled").await?.info().id.clone();
        issue("expired").await?;
        manager.delete(&actor, kind, deleted.as_str()).await?;
        manager.disable(&actor, kind, disabled.as_str()).await?;
        let mut inactive = vec!["deleted", "disabled"];
        if fixture.supports(Feature::Rotation) {
            let rotated = issue("rotated").await?.info().id.clone();
            let at_once = Rotation::default();
            manager
                .rotate(&actor, kind, rotated.as_str(), at_once)
                .await?;
            inactive.push("rotated");
        }
        for key in inactive {
            let what = format!("a {} that is {key}", kind.as_str());
            fixture.assert_refused(&what, code, issue(key)).await?;
        }
        manager.enable(&actor, kind, disabled.as_str()).await?;
        let (info, _) = issue("disabled").await?.into_parts();
        ensure(
            info.id == disabled,
            "after it is enabled, another credential is returned",
        )?;
        fixture.clock.advance_millis(1000);
        let what = format!("a {} that has expired", kind.as_str());
        fixture
            .assert_refused(&what, code, issue("expired"))
            .await?;
        fixture.clock.advance_millis(-1000);
    }
    Ok(())
}

/// It is still accepted, and names its successor.
pub(super) async fn a_repeated_request_during_an_overlap_returns_the_old_credential<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let an_hour = Rotation::default().with_overlap(Duration::from_secs(3600));
    for kind in fixture.kinds() {
        let actor = operator(kind);
        let old = issue(manager, &actor, kind, "overlap").await?;
        let id = old.info().id.as_str();
        manager.rotate(&actor, kind, id, an_hour).await?;
        let again = issue(manager, &actor, kind, "overlap").await?;
        let info = again.info();
        ensure(
            info.rotated_to.is_some() && info.id.as_str() == id,
            format!("{info:?} is returned"),
        )?;
    }
    Ok(())
}

pub(super) async fn concurrent_requests_with_one_idempotency_key_issue_once<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    for kind in fixture.kinds() {
        let tasks = (0..8).map(|_| {
            // The first of them reaches the limit.
            let manager = fixture.manager.clone().with_max_credentials(1);
            tokio::spawn(async move { issue(&manager, &operator(kind), kind, "once").await })
        });
        let (mut ids, mut secrets) = (Vec::new(), 0);
        for task in tasks.collect::<Vec<_>>() {
            let issued = task.await.map_err(|error| Violation(error.to_string()))?;
            let (info, secret) = issued?.into_parts();
            secrets += usize::from(secret.is_some());
            ids.push(info.id);
        }
        ids.dedup();
        ensure(
            secrets == 1 && ids.len() == 1,
            format!("{secrets} secrets, {ids:?}"),
        )?;
    }
    Ok(())
}

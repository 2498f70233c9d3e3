//! Claims about what callers send: names, moments, and the texts of the audit trail.

use super::{
    Actor, Fixture, ORG, Outcome, USER, Violation, ensure, ensure_code, into_pair, operator, org,
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Import, Issued, ManageError, NewKey, NewToken, Rotation},
    secret::Digest,
    store::{AuditActor, Directory, Filter, ManageStore, Owner, Record},
    testing::ManualClock,
};
use std::time::Duration;

/// Names that are invisible, or that look like something else.
#[rustfmt::skip]
const UNREADABLE: [&str; 16] = [
    "\u{200b}", "\u{2060}", "\u{feff}", "\u{3164}", "\u{2800}", "\u{ad}",
    "\u{a0}\u{2800} \u{3000}", "a\u{202e}b", "a\u{2067}b", "a\u{2028}b", "a\u{e0061}", "a\u{e000}",
    "a\u{10fffd}", "a\u{fdd0}", "a\u{200d}b", "a\0",
];

/// Issues a credential that the manager refuses.
async fn issue<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    kind: Kind,
    name: &str,
    expires_at: Option<UnixMillis>,
) -> Result<Issued, ManageError> {
    let (manager, actor) = (&fixture.manager, operator(kind));
    match kind {
        Kind::OrgKey => {
            let new = NewKey::named(name).expiring_at(expires_at);
            manager.issue_key(&actor, new).await
        }
        Kind::PersonalToken => {
            let new = NewToken::named(name).expiring_at(expires_at);
            manager.issue_token(&actor, new).await
        }
    }
}

fn foreign(name: &str) -> Import {
    Import::new("foreign", Digest::of(b"test foreign"), name)
}

pub(super) async fn unreadable_names_are_refused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, code) = (&fixture.manager, "invalid_name");
    for managed in fixture.one_of_each().await? {
        let (actor, kind, id) = (&managed.actor, managed.kind, managed.info.id.as_str());
        let before = fixture.everything().await?;
        for name in UNREADABLE {
            let what = |call: &str| format!("{call} {name:?}");
            let issued = issue(fixture, kind, name, None).await;
            ensure_code(&what("issued as"), code, issued)?;
            let renamed = manager.rename(actor, kind, id, name).await;
            ensure_code(&what("renamed to"), code, renamed)?;
            let imported = manager.import(actor, kind, foreign(name)).await;
            ensure_code(&what("imported as"), code, imported)?;
        }
        ensure(
            fixture.everything().await? == before,
            "a refusal left a trace",
        )?;
    }
    Ok(())
}

/// The last expiry that a manager accepts.
const LATEST: UnixMillis = UnixMillis(7_258_118_400_000);

/// Microseconds and nanoseconds of 2026, and the first millisecond that is refused.
const TOO_FAR: [i64; 4] = [
    1_767_225_600_000_000,
    1_767_225_600_000_000_000,
    LATEST.0 + 1,
    i64::MAX,
];

pub(super) async fn expiries_in_the_wrong_unit_are_refused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, code) = (&fixture.manager, "expiry_too_far");
    for managed in fixture.one_of_each().await? {
        let (actor, kind, id) = (&managed.actor, managed.kind, managed.info.id.as_str());
        let before = fixture.everything().await?;
        for moment in TOO_FAR.map(UnixMillis) {
            let issued = issue(fixture, kind, "name", Some(moment)).await;
            ensure_code("issued", code, issued)?;
            let rotation = Rotation::default().expiring_at(moment);
            let rotated = manager.rotate(actor, kind, id, rotation).await;
            ensure_code("rotated", code, rotated)?;
            let import = foreign("foreign").expiring_at(moment);
            let imported = manager.import(actor, kind, import).await;
            ensure_code("imported", code, imported)?;
        }
        ensure(
            fixture.everything().await? == before,
            "a refusal left a trace",
        )?;
    }
    if fixture.contract.fit(LATEST.0) == LATEST {
        issue(fixture, Kind::OrgKey, "last", Some(LATEST)).await?;
    }
    a_stored_expiry_is_not_granted_again(fixture).await
}

/// A later expiry that was stored by other means.
async fn a_stored_expiry_is_not_granted_again<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, actor, kind) = (&fixture.manager, org(ORG), Kind::OrgKey);
    let end = fixture.contract.fit(i64::MAX);
    if end <= LATEST {
        return Ok(());
    }
    let stored = Record::org_key("stored", Digest::of(b"test stored"), ORG);
    fixture.store.insert(stored.expiring_at(end)).await?;
    let (code, at_once) = ("expiry_too_far", Rotation::default());
    let rotated = manager.rotate(&actor, kind, "stored", at_once);
    fixture.assert_refused("rotated", code, rotated).await?;
    manager.disable(&actor, kind, "stored").await?;
    let enabled = manager.enable(&actor, kind, "stored");
    fixture.assert_refused("enabled", code, enabled).await
}

pub(super) async fn audit_texts_are_stored_without_invisible_characters<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let owner = Owner::Organization(ORG.into());
    let operator = Actor::operator("back\0o\u{202e}ffice\u{200b}", owner);
    let operator = operator.with_origin("192\0.0.2.1\u{2028}\n\u{2066}");
    let issued = manager.issue_key(&operator, NewKey::named("key")).await?;
    let (_, secret) = into_pair(issued)?;
    let origin = Some("sc\0an\u{202e}ner");
    manager
        .revoke_presented(secret.expose_secret(), origin)
        .await?;
    let events = manager.events(&org(ORG), Kind::OrgKey, None, 200).await?;
    let [revoked, issued] = &events[..] else {
        return Err(Violation(format!(
            "the events of two changes are {events:?}"
        )));
    };
    let good = issued.by == AuditActor::Operator("backoffice".into())
        && issued.origin.as_deref() == Some("192.0.2.1")
        && revoked.origin.as_deref() == Some("scanner");
    ensure(good, format!("stored {issued:?} and {revoked:?}"))
}

pub(super) async fn actors_with_unusable_ids_are_refused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manages = || ["organizations:manage"].into_iter().collect();
    let before = fixture.everything().await?;
    for bad in ["a\0", "a\n", "\u{9f}"] {
        let of_user = Actor::operator("test", Owner::User(bad.into()));
        for (actor, kind) in [
            (Actor::user(bad), Kind::PersonalToken),
            (Actor::user(bad).acting_in(ORG, manages()), Kind::OrgKey),
            (Actor::user(USER).acting_in(bad, manages()), Kind::OrgKey),
            (org(bad), Kind::OrgKey),
            (of_user, Kind::PersonalToken),
        ] {
            every_call_is_refused(fixture, &actor, kind).await?;
        }
    }
    ensure(
        fixture.everything().await? == before,
        "a refusal left a trace",
    )
}

async fn every_call_is_refused<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    actor: &Actor,
    kind: Kind,
) -> Outcome {
    let (manager, code, all) = (&fixture.manager, "invalid_id", Filter::default());
    let what = |call: &str| format!("{call} by {actor:?}");
    let listed = manager.list(actor, kind, &all, None, 10).await;
    ensure_code(&what("list"), code, listed)?;
    let events = manager.events(actor, kind, None, 10).await;
    ensure_code(&what("events"), code, events)?;
    let renamed = manager.rename(actor, kind, "id", "new").await;
    ensure_code(&what("rename"), code, renamed)?;
    let deleted = manager.delete(actor, kind, "id").await;
    ensure_code(&what("delete"), code, deleted)?;
    let revoked = manager.revoke_all(actor, kind).await;
    ensure_code(&what("revoke all"), code, revoked)
}

/// The clock of a broken machine, and settings without a limit.
pub(super) async fn extreme_clocks_do_not_panic<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let actor = org(ORG);
    let unlimited = fixture.manager.clone().with_max_overlap(Duration::MAX);
    let overlap = Rotation::default().with_overlap(Duration::MAX);
    if fixture.contract.fit(LATEST.0) != LATEST {
        return Ok(()); // the old credential would expire at a moment that the store cannot hold
    }
    for moment in [i64::MIN, -1, 0, i64::MAX].map(|moment| fixture.contract.fit(moment)) {
        let manager = unlimited.clone().with_clock(ManualClock::at(moment));
        let issued = manager.issue_key(&actor, NewKey::named("key")).await?;
        let id = issued.info().id.as_str();
        manager
            .rotate(&actor, Kind::OrgKey, id, overlap.clone())
            .await?;
        let old = manager.get(&actor, Kind::OrgKey, id).await?;
        ensure(
            old.expires_at.is_some_and(|end| end <= LATEST),
            format!("{old:?} at {moment:?}"),
        )?;
        let limited = manager.with_max_lifetime(Duration::MAX);
        let issued = limited.issue_key(&actor, NewKey::named("key")).await;
        ensure_code("a key without an expiry", "expiry_beyond_policy", issued)?;
    }
    Ok(())
}

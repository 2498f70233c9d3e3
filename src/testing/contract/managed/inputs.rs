//! Claims about what callers send: names, moments, and the texts of the audit trail.

use super::{Actor, Breach, Claim, ORG, Site, USER, both, claim, org, user};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Import, ManageError, NewKey, NewToken, Rotation},
    secret::Digest,
    store::Directory,
    store::{AuditActor, Filter, ManageStore, Owner, Record},
};

/// Names that show nothing, or show something else than they are.
const UNREADABLE: [&str; 16] = [
    "\u{200b}",
    "\u{2060}",
    "\u{feff}",
    "\u{3164}",
    "\u{2800}",
    "\u{ad}",
    "\u{a0}\u{2800} \u{3000}",
    "a\u{202e}b",
    "a\u{2067}b",
    "a\u{2028}b",
    "a\u{e0061}",
    "a\u{e000}",
    "a\u{10fffd}",
    "a\u{fdd0}",
    "a\u{200d}b",
    "a\0",
];

pub(super) async fn names_that_cannot_be_read_are_refused<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let [(_, _, key, _), (_, _, token, _)] = site.one_of_each().await?;
    let (manager, code) = (&site.manager, "invalid_name");
    let (org_actor, user_actor) = (org(ORG), user(USER));
    let before = site.everything().await?;
    for name in UNREADABLE {
        let issued = manager.issue_key(&org_actor, NewKey::named(name));
        answered(&format!("a key named {name:?}"), code, issued.await)?;
        let issued = manager.issue_token(&user_actor, NewToken::named(name));
        answered(&format!("a token named {name:?}"), code, issued.await)?;
        for (actor, kind, id) in [
            (&org_actor, Kind::OrgKey, &key.id),
            (&user_actor, Kind::PersonalToken, &token.id),
        ] {
            let renamed = manager.rename(actor, kind, id.as_str(), name);
            answered(&format!("the new name {name:?}"), code, renamed.await)?;
            let import = Import::new("foreign", Digest::of(b"test foreign"), name);
            let imported = manager.import(actor, kind, import);
            answered(&format!("an import named {name:?}"), code, imported.await)?;
        }
    }
    claim(
        site.everything().await? == before,
        "a refusal has left a trace",
    )
}

fn answered<T>(what: &str, code: &str, outcome: Result<T, ManageError>) -> Claim {
    let told = outcome.err().map(|error| error.code());
    claim(
        told == Some(code),
        format!("{what}: answered with {told:?}, and it has to be {code:?}"),
    )
}

/// Microseconds and nanoseconds of 2026, and the first millisecond that is refused.
const TOO_FAR: [i64; 4] = [
    1_767_225_600_000_000,
    1_767_225_600_000_000_000,
    7_258_118_400_001,
    i64::MAX,
];

pub(super) async fn a_moment_in_another_unit_is_refused<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (manager, code) = (&site.manager, "expiry_too_far");
    let (org_actor, user_actor) = (org(ORG), user(USER));
    let [(_, _, key, _), (_, _, token, _)] = site.one_of_each().await?;
    let before = site.everything().await?;
    for moment in TOO_FAR.map(UnixMillis) {
        let new = NewKey::named("key").expiring_at(moment);
        answered("a key", code, manager.issue_key(&org_actor, new).await)?;
        let new = NewToken::named("token").expiring_at(moment);
        answered("a token", code, manager.issue_token(&user_actor, new).await)?;
        for (actor, kind, id) in [
            (&org_actor, Kind::OrgKey, &key.id),
            (&user_actor, Kind::PersonalToken, &token.id),
        ] {
            let rotation = Rotation::default().expiring_at(moment);
            let rotated = manager.rotate(actor, kind, id.as_str(), rotation);
            answered("a rotation", code, rotated.await)?;
            let import = Import::new("foreign", Digest::of(b"test foreign"), "foreign");
            let imported = manager.import(actor, kind, import.expiring_at(moment));
            answered("an import", code, imported.await)?;
        }
    }
    claim(
        site.everything().await? == before,
        "a refusal has left a trace",
    )?;
    let last = UnixMillis(7_258_118_400_000);
    manager
        .issue_key(&org_actor, NewKey::named("last").expiring_at(last))
        .await?;
    // One that was stored by other means is not handed out again with the same expiry.
    let stored = Record::org_key("stored", Digest::of(b"test stored"), ORG);
    site.store
        .insert(stored.expiring_at(Some(UnixMillis(i64::MAX))))
        .await?;
    let rotated = manager.rotate(&org_actor, Kind::OrgKey, "stored", Rotation::default());
    site.refuses("the rotation of a stored one", code, rotated)
        .await?;
    manager.disable(&org_actor, Kind::OrgKey, "stored").await?;
    let enabled = manager.enable(&org_actor, Kind::OrgKey, "stored");
    site.refuses("a stored one that is enabled", code, enabled)
        .await
}

pub(super) async fn the_audit_trail_keeps_what_can_be_read<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let owner = || Owner::Organization(ORG.into());
    let operator = Actor::operator("back\0o\u{202e}ffice\u{200b}", owner());
    let operator = operator.with_origin("192\0.0.2.1\u{2028}\n\u{2066}");
    let issued = site
        .manager
        .issue_key(&operator, NewKey::named("key"))
        .await?;
    let (_, secret) = both(issued)?;
    let token = secret.expose_secret();
    site.manager
        .revoke_presented(token, Some("sc\0an\u{202e}ner"))
        .await?;
    let events = site
        .manager
        .events(&org(ORG), Kind::OrgKey, None, 200)
        .await?;
    let [revoked, issued] = &events[..] else {
        return Err(Breach(format!("two changes are {events:?}")));
    };
    let good = issued.by == AuditActor::Operator("backoffice".into())
        && issued.origin.as_deref() == Some("192.0.2.1")
        && revoked.origin.as_deref() == Some("scanner");
    claim(good, format!("kept {issued:?} and {revoked:?}"))
}

pub(super) async fn an_actor_whose_id_no_store_can_keep_is_refused<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (manager, code) = (&site.manager, "invalid_id");
    let [(_, _, key, _), _] = site.one_of_each().await?;
    let manages = || ["organizations:manage"].into_iter().collect();
    let before = site.everything().await?;
    for bad in ["a\0", "a\n", "\u{9f}"] {
        let of_user = Actor::operator("test", Owner::User(bad.into()));
        for (actor, kind) in [
            (Actor::user(bad), Kind::PersonalToken),
            (Actor::user(bad).acting_in(ORG, manages()), Kind::OrgKey),
            (Actor::user(USER).acting_in(bad, manages()), Kind::OrgKey),
            (org(bad), Kind::OrgKey),
            (of_user, Kind::PersonalToken),
        ] {
            let id = key.id.as_str();
            let what = |call: &str| format!("{call} by {actor:?}");
            let filter = Filter::default();
            let listed = manager.list(&actor, kind, &filter, None, 10).await;
            answered(&what("list"), code, listed)?;
            answered(
                &what("events"),
                code,
                manager.events(&actor, kind, None, 10).await,
            )?;
            answered(
                &what("rename"),
                code,
                manager.rename(&actor, kind, id, "new").await,
            )?;
            answered(
                &what("delete"),
                code,
                manager.delete(&actor, kind, id).await,
            )?;
            answered(
                &what("revoke all"),
                code,
                manager.revoke_all(&actor, kind).await,
            )?;
        }
    }
    claim(
        site.everything().await? == before,
        "a refusal has left a trace",
    )
}

/// The clock of a broken machine, and settings without a bound.
pub(super) async fn extreme_moments_are_no_panic<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let for_ever = std::time::Duration::MAX;
    let endless = site.manager.clone().with_max_overlap(for_ever);
    let overlap = Rotation::default().with_overlap(for_ever);
    for moment in [i64::MIN, -1, 0, i64::MAX] {
        let clock = crate::testing::ManualClock::at(UnixMillis(moment));
        let manager = endless.clone().with_clock(clock);
        let (key, _) = both(manager.issue_key(&org(ORG), NewKey::named("key")).await?)?;
        let id = key.id.as_str();
        manager.rotate(&org(ORG), Kind::OrgKey, id, overlap).await?;
        let old = manager.get(&org(ORG), Kind::OrgKey, id).await?;
        let latest = UnixMillis(7_258_118_400_000);
        claim(
            old.expires_at.is_some_and(|end| end <= latest),
            format!("{old:?} at {moment}"),
        )?;
        let limited = manager.with_max_lifetime(for_ever);
        let issued = limited.issue_key(&org(ORG), NewKey::named("key")).await;
        let refused = issued.err().map(|error| error.code());
        claim(
            refused == Some("expiry_beyond_policy"),
            format!("for ever: {refused:?}"),
        )?;
    }
    Ok(())
}

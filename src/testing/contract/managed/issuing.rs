//! Claims about issuing: who may grant what, and which requests are refused.

use super::{
    Actor, Feature, Fixture, NOW, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, into_pair, org,
    user,
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, TokenFormat},
    manage::{Import, NewKey, NewToken, Rotation},
    secret::Digest,
    store::{AuditActor, CredentialStore, Directory, Lookup, LookupKey, ManageStore},
};

const MANAGES: &str = "organizations:manage";

pub(super) async fn issued_credentials_are_accepted_and_match_the_request<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let end = fixture.later(60_000);
    let viewer = fixture.granted(NewKey::named("viewer"), "viewer");
    issue_and_read(fixture, viewer.expiring_at(end), Some(end), "agents:read").await?;
    let implied = NewKey::named("scopes").with_scopes(["members:manage"]);
    issue_and_read(fixture, implied, None, "members:read").await?;
    let nothing = NewKey::named("nothing").with_scopes([""; 0]);
    issue_and_read(fixture, nothing, None, "").await?;
    issue_and_read(fixture, NewKey::named("no rights requested"), None, "").await?;
    if !fixture.supports(Feature::PersonalTokens) {
        return Ok(());
    }
    let issued = fixture.issue(Kind::PersonalToken, "laptop").await?;
    let (info, secret) = into_pair(issued)?;
    ensure(fixture.accepts(&secret).await?, "a new token is refused")?;
    ensure(
        TokenFormat::checksum_holds(secret.expose_secret().as_bytes()),
        "a new token has a wrong checksum",
    )?;
    let read = fixture
        .manager
        .get(&user(USER), Kind::PersonalToken, info.id.as_str())
        .await?;
    ensure(
        read == fixture.as_kept(&info) && &*read.name == "laptop",
        format!("issued {info:?}, read {read:?}"),
    )
}

/// Issues a key that must hold `scope`, or nothing if that is empty.
async fn issue_and_read<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    request: NewKey,
    expires_at: Option<UnixMillis>,
    scope: &str,
) -> Outcome {
    let issued = fixture.manager.issue_key(&org(ORG), request).await?;
    let (info, secret) = into_pair(issued)?;
    ensure(
        fixture.accepts(&secret).await?,
        format!("{info:?} is refused"),
    )?;
    let id = info.id.as_str();
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    let found = fixture.store.find(&lookup).await?;
    let found = found.ok_or_else(|| Violation(format!("{info:?} is not found")))?;
    let holds = match scope {
        "" => found.scopes().is_empty(),
        scope => found.scopes().contains(scope),
    };
    ensure(
        found.role() == info.role.as_deref() && found.expires_at() == expires_at && holds,
        format!("{info:?} is found as {found:?}"),
    )?;
    let read = fixture.manager.get(&org(ORG), Kind::OrgKey, id).await?;
    ensure(
        read == fixture.as_kept(&info) && read.created_at == NOW,
        format!("issued {info:?}, read {read:?}"),
    )
}

pub(super) async fn a_credential_shows_who_created_it<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    let import = Import::new("imported", Digest::of(b"imported"), "imported");
    manager.import(&org(ORG), Kind::OrgKey, import).await?;
    let by_operator = manager.issue_key(&org(ORG), NewKey::named("one")).await?;
    let of_operator = by_operator.info().created_by.clone();
    ensure(
        matches!(of_operator, Some(AuditActor::Operator(_))),
        format!("an operator issued {:?}", by_operator.info()),
    )?;
    let person = Actor::user(USER).acting_in(ORG, [MANAGES].into_iter().collect());
    let mut created = vec![
        ("imported".into(), of_operator.clone()),
        (by_operator.info().id.clone(), of_operator),
    ];
    if fixture.supports(Feature::Memberships) {
        fixture.store.set_member(USER, ORG, "admin").await?;
        let by_person = manager.issue_key(&person, NewKey::named("two")).await?;
        let user = Some(AuditActor::User(USER.into()));
        created.push((by_person.info().id.clone(), user));
    }
    let caller = fixture.caller(&[MANAGES], None).await?;
    let by_key = manager.issue_key(&caller, NewKey::named("three")).await?;
    let of_key = by_key.info().created_by.clone();
    ensure(
        matches!(of_key, Some(AuditActor::Key(_))),
        format!("a key issued {:?}", by_key.info()),
    )?;
    created.push((by_key.info().id.clone(), of_key.clone()));
    if fixture.supports(Feature::Rotation) {
        let old = by_operator.info().id.as_str();
        let new = manager
            .rotate(&caller, Kind::OrgKey, old, Rotation::default())
            .await?;
        created.push((new.info().id.clone(), of_key));
    }
    let (listed, _) = fixture.all(&org(ORG), Kind::OrgKey).await?;
    for (id, creator) in created {
        let read = manager.get(&org(ORG), Kind::OrgKey, id.as_str()).await?;
        let listed = listed.iter().find(|info| info.id == id);
        ensure(
            read.created_by == creator && listed.is_none_or(|info| info.created_by == creator),
            format!("{creator:?} created {read:?}, listed as {listed:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn an_actor_cannot_grant_more_than_it_holds<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (soon, late) = (fixture.later(1000), fixture.later(2000));
    let some = fixture.caller(&[MANAGES, "agents:read"], None).await?;
    let mortal = fixture.caller(&[MANAGES], Some(soon)).await?;
    let reader = fixture.caller(&["agents:read"], None).await?;
    let powerless = fixture.caller(&[], None).await?;
    let members = fixture.caller(&[MANAGES, "members:manage"], None).await?;
    let key = || NewKey::named("child");
    let reads = || key().with_scopes(["agents:read"]);
    let two = key().with_scopes(["agents:read", "agents:manage"]);
    let other = key().with_scopes(["agents:manage"]);
    let (stranger, beyond) = (Actor::user(USER), "expiry_beyond_creator");
    #[rustfmt::skip]
    let refused = [
        ("another scope", &some, other, "scope_not_held"),
        ("one scope too many", &some, two, "scope_not_held"),
        ("a role with more scopes", &some, key().with_role("viewer"), "scope_not_held"),
        ("no expiry", &mortal, key(), beyond),
        ("too late an expiry", &mortal, key().expiring_at(late), beyond),
        ("no right to manage", &reader, reads(), "not_allowed"),
        ("no rights at all", &powerless, key(), "not_allowed"),
        ("no organization", &stranger, key(), "not_allowed"),
    ];
    for (what, actor, request, code) in refused {
        let issued = fixture.manager.issue_key(actor, request);
        fixture.assert_refused(what, code, issued).await?;
    }
    let token = fixture.manager.issue_token(&some, NewToken::named("child"));
    fixture
        .assert_refused("a token for a key", "not_allowed", token)
        .await?;
    for (actor, request) in [
        (&some, reads()),
        (&some, key().with_scopes([MANAGES])),
        (&mortal, key().expiring_at(soon)),
        (&members, key().with_scopes(["members:manage"])),
    ] {
        fixture.manager.issue_key(actor, request).await?;
    }
    if fixture.supports(Feature::PersonalTokens) {
        let own = NewToken::named("own");
        fixture.manager.issue_token(&stranger, own).await?;
    }
    Ok(())
}

pub(super) async fn a_user_cannot_grant_more_than_their_role<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.store.set_member(USER, ORG, "admin").await?;
    // The service passes the scopes as they are; the catalogue adds what they imply.
    let stated = [MANAGES, "members:manage"].into_iter().collect();
    let person = Actor::user(USER).acting_in(ORG, stated);
    let key = |scope| NewKey::named("child").with_scopes([scope]);
    let issued = fixture.manager.issue_key(&person, key("agents:read"));
    fixture
        .assert_refused("another scope", "scope_not_held", issued)
        .await?;
    for scope in ["members:manage", "members:read"] {
        fixture.manager.issue_key(&person, key(scope)).await?;
    }
    Ok(())
}

pub(super) async fn invalid_requests_give_the_reason_and_change_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let key = || NewKey::named("key");
    let under = |idempotency_key: &str| key().with_idempotency_key(idempotency_key);
    let (long, fits) = ("x".repeat(101), "\u{e9}".repeat(100));
    let long_ago = key().expiring_at(UnixMillis(i64::MIN));
    let invalid = "invalid_idempotency_key";
    #[rustfmt::skip]
    let requests = [
        ("no name", NewKey::named(""), "invalid_name"),
        ("a blank name", NewKey::named(" \u{a0}"), "invalid_name"),
        ("too long a name", NewKey::named(&long), "invalid_name"),
        ("a name of two lines", NewKey::named("a\nb"), "invalid_name"),
        ("a name with NUL", NewKey::named("a\0"), "invalid_name"),
        ("an expiry now", key().expiring_at(NOW), "expiry_in_past"),
        ("an expiry long ago", long_ago, "expiry_in_past"),
        ("an unknown scope", key().with_scopes(["agents:fly"]), "unknown_scope"),
        ("a wildcard", key().with_scopes(["*"]), "unknown_scope"),
        ("an empty scope", key().with_scopes([""]), "unknown_scope"),
        ("an unknown role", key().with_role("owner"), "unknown_role"),
        ("a role in capitals", key().with_role("Admin"), "unknown_role"),
        ("an empty idempotency key", under(""), invalid),
        ("too long an idempotency key", under(&"k".repeat(256)), invalid),
        ("an idempotency key with a space", under("a b"), invalid),
    ];
    let actor = org(ORG);
    for (what, request, code) in requests {
        let issued = fixture.manager.issue_key(&actor, request);
        fixture.assert_refused(what, code, issued).await?;
    }
    let first = NewKey::named(&fits).expiring_at(fixture.soon(1));
    fixture.manager.issue_key(&actor, first).await?;
    Ok(())
}

pub(super) async fn a_lifetime_beyond_the_maximum_is_refused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (actor, key) = (org(ORG), || NewKey::named("key"));
    let minute = std::time::Duration::from_secs(60);
    let limited = fixture.manager.clone().with_max_lifetime(minute);
    for (what, end) in [
        ("no expiry", None),
        ("a millisecond too late", Some(fixture.later(60_001))),
    ] {
        let issued = limited.issue_key(&actor, key().expiring_at(end));
        fixture
            .assert_refused(what, "expiry_beyond_policy", issued)
            .await?;
    }
    let last = key().expiring_at(fixture.later(60_000));
    limited.issue_key(&actor, last).await?;
    Ok(())
}

pub(super) async fn unknown_owners_get_no_credentials<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, code) = (&fixture.manager, "unknown_owner");
    let key = || NewKey::named("key");
    let (nowhere, nobody, deleted) = (org("org_nowhere"), user("nobody"), org(OTHER_ORG));
    let issued = manager.issue_key(&nowhere, key());
    fixture
        .assert_refused("an unknown organization", code, issued)
        .await?;
    if fixture.supports(Feature::PersonalTokens) {
        let issued = manager.issue_token(&nobody, NewToken::named("token"));
        fixture
            .assert_refused("an unknown user", code, issued)
            .await?;
    }
    if fixture.supports(Feature::OrganizationDeletion) {
        fixture.store.delete_organization(OTHER_ORG).await?;
        let issued = manager.issue_key(&deleted, key());
        fixture
            .assert_refused("a deleted organization", code, issued)
            .await?;
    }
    Ok(())
}

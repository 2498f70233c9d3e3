//! Claims about a user who is deleted with everything that is stored about them.

use super::{
    Actor, Feature, Fixture, ORG, OTHER_USER, Outcome, USER, Violation, ensure, into_pair, org,
    user,
};
use crate::{
    credential::Kind,
    last_use::LastUse,
    manage::{NewKey, NewToken},
    secret::{Digest, Secret},
    store::{
        Attributes, AuditActor, AuditEvent, Conditions, CredentialInfo, CredentialStore, Directory,
        EffectiveStatus, Filter, Lookup, LookupKey, ManageStore, Metadata, Owner, Record,
        WriteError,
    },
    testing::principal,
};

const TOKEN: Kind = Kind::PersonalToken;
const OTHER_ORIGIN: &str = "198.51.100.1";

pub(super) async fn a_deleted_user_leaves_only_a_pseudonymous_audit_trail<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (store, manager, actor) = (&fixture.store, &fixture.manager, user(USER));
    for member in [USER, OTHER_USER] {
        store.set_member(member, ORG, "admin").await?;
    }
    let own = NewToken::named("own");
    let own = match fixture.supports(Feature::Attributes) {
        true => own.with_attributes(about_them()),
        false => own,
    };
    let (token, secret) = into_pair(manager.issue_token(&Actor::user(USER), own).await?)?;
    leave_traces(fixture, &token, &secret).await?;
    let other = NewToken::named("other");
    let (_, other) = into_pair(manager.issue_token(&user(OTHER_USER), other).await?)?;

    store.delete_user(USER).await?;

    ensure_nothing_left(fixture, &secret).await?;
    let issued = manager.issue_token(&actor, NewToken::named("again"));
    fixture
        .assert_refused("a token for a deleted user", "unknown_owner", issued)
        .await?;
    let again = store.delete_user(USER).await;
    ensure(
        matches!(again, Err(WriteError::UnknownUser(_))),
        format!("deleting them again is {again:?}"),
    )?;
    ensure_pseudonymous_trail(fixture).await?;
    ensure_pseudonymous_creator(fixture).await?;
    ensure(
        fixture.accepts(&other).await?,
        "another user's token was deleted too",
    )?;

    // The id may be created again; the new user inherits nothing.
    store.create_user(USER).await?;
    ensure_nothing_left(fixture, &secret).await?;
    let stated = ["organizations:manage"].into_iter().collect();
    let heir = Actor::user(USER).acting_in(ORG, stated);
    let inherited = manager.issue_key(&heir, NewKey::named("inherited"));
    fixture
        .assert_refused("an inherited membership", "not_allowed", inherited)
        .await
}

fn about_them() -> Attributes {
    Attributes {
        description: Some("of a person".into()),
        metadata: Metadata::from_stored([("name", "of a person")]),
        conditions: Conditions::default()
            .with_networks([])
            .with_environment("theirs"),
    }
}

/// Uses the token, and changes the organization's keys as the user, with their token, and as
/// another user.
async fn leave_traces<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    token: &CredentialInfo,
    secret: &Secret,
) -> Outcome {
    let manager = &fixture.manager;
    let digest = Digest::of(secret.expose_secret().as_bytes());
    let lookup = Lookup::new(LookupKey::PersonalToken { digest: &digest }, Some(ORG));
    let record = fixture.store.find(&lookup).await?;
    let record = record.ok_or_else(|| Violation("a new token is not found".into()))?;
    let uses = LastUse::new();
    uses.note(&record, &digest, fixture.later(0));
    manager.record_uses(&uses).await?;

    let manages = || ["organizations:manage"].into_iter().collect();
    let person = Actor::user(USER).acting_in(ORG, manages());
    let person = person.with_origin("192.0.2.1");
    let key = manager.issue_key(&person, NewKey::named("key")).await?;
    let with_token = Record::personal_token(&token.id, digest.clone(), USER)
        .in_organization(ORG)
        .with_scopes(manages())
        .with_attributes(match fixture.supports(Feature::Attributes) {
            true => about_them(),
            false => Attributes::default(),
        });
    let with_token = Actor::from_principal(&principal(with_token)).with_origin("192.0.2.2");
    let id = key.info().id.as_str();
    manager
        .rename(&with_token, Kind::OrgKey, id, "renamed")
        .await?;
    let other = Actor::user(OTHER_USER).acting_in(ORG, manages());
    let other = other.with_origin(OTHER_ORIGIN);
    manager.disable(&other, Kind::OrgKey, id).await?;
    Ok(())
}

async fn ensure_nothing_left<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    secret: &Secret,
) -> Outcome {
    let digest = Digest::of(secret.expose_secret().as_bytes());
    let lookup = Lookup::new(LookupKey::PersonalToken { digest: &digest }, Some(ORG));
    ensure(
        fixture.store.find(&lookup).await?.is_none() && !fixture.accepts(secret).await?,
        "the token is accepted",
    )?;
    let (tokens, events) = fixture.all(&user(USER), TOKEN).await?;
    ensure(
        tokens.is_empty() && events.is_empty(),
        format!("{tokens:?} and {events:?} are left"),
    )
}

/// Ensures that the key that they issued has a creator without their id.
async fn ensure_pseudonymous_creator<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Outcome {
    let (keys, _) = fixture.all(&org(ORG), Kind::OrgKey).await?;
    let creators: Vec<_> = keys.into_iter().map(|key| key.created_by).collect();
    let pseudonymous = match &creators[..] {
        [Some(AuditActor::User(id))] => id.as_str().starts_with("erased-"),
        [None] => !fixture.supports(Feature::Creator),
        _ => false,
    };
    ensure(
        pseudonymous,
        format!("the creator of their key is {creators:?}"),
    )
}

/// Ensures that what they did to the organization's keys is recorded, without their id and origin,
/// and that what another user did is as it was.
async fn ensure_pseudonymous_trail<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Outcome {
    let events = fixture
        .manager
        .events(&org(ORG), Kind::OrgKey, None, 200)
        .await?;
    let text = format!("{events:?}");
    let mut traces = [USER, "192.0.2.1", "192.0.2.2"].into_iter();
    let trace = traces.find(|word| text.contains(word));
    let erased = |who: &AuditActor| match who {
        AuditActor::User(id) | AuditActor::Token { user: id, .. } => {
            id.as_str().starts_with("erased-")
        }
        _ => false,
    };
    let [other, own @ ..] = &events[..] else {
        return Err(Violation("the trail is empty".into()));
    };
    ensure(
        own.len() == 2 && trace.is_none() && own.iter().all(|event| erased(&event.by)),
        format!("the trail still has {trace:?}: {text}"),
    )?;
    let as_it_was = other.by == AuditActor::User(OTHER_USER.into())
        && other.origin.as_deref() == Some(OTHER_ORIGIN);
    ensure(as_it_was, format!("another user's event is now {other:?}"))?;
    let pseudonyms = own.iter().filter_map(|event| match &event.by {
        AuditActor::User(id) | AuditActor::Token { user: id, .. } => Some(id.as_str()),
        _ => None,
    });
    for pseudonym in pseudonyms {
        let theirs = fixture
            .manager
            .events(&user(pseudonym), TOKEN, None, 200)
            .await?;
        let erased = |event: &AuditEvent| event.attributes.is_empty();
        ensure(
            !theirs.is_empty() && theirs.iter().all(erased),
            format!("the trail of their tokens is {theirs:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn the_id_of_a_deleted_user_owns_nothing<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let token = fixture.issue(TOKEN, "token").await?;
    fixture.store.delete_user(USER).await?;
    fixture.store.create_user("newcomer").await?;
    fixture.store.delete_user("newcomer").await?;
    let (owner, id) = (Owner::User(USER.into()), token.info().id.as_str());
    let found = fixture.store.credential(&owner, id).await?;
    ensure(found.is_none(), format!("{found:?} is left"))?;
    let deleted = Filter {
        state: Some(EffectiveStatus::Deleted),
        ..Filter::default()
    };
    let page = fixture
        .manager
        .list(&user(USER), TOKEN, &deleted, None, 10)
        .await?;
    ensure(
        page.items.is_empty(),
        format!("{:?} are listed", page.items),
    )
}

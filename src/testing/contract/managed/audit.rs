//! Claims about the audit trail.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Actor, Feature, Fixture, NOW, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, into_pair, org,
};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::NewKey,
    secret::Digest,
    store::{
        Attributes, AuditAction, AuditActor, AuditEvent, Directory, ManageStore, Owner, Record,
        backend::Authority,
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
    let notified = Notified::default();
    let manager = fixture.manager.clone().on_event(notified.hook());
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
    let notified = notified.events();
    ensure(
        notified == events,
        format!("the hook got {notified:?} instead of {events:?}"),
    )
}

/// The events that a manager passed to its hook.
#[derive(Clone, Default)]
struct Notified(Arc<Mutex<Vec<AuditEvent>>>);

impl Notified {
    fn hook(&self) -> impl Fn(&AuditEvent) + Send + Sync + 'static {
        let events = Arc::clone(&self.0);
        move |event| {
            let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
            events.push(event.clone());
        }
    }

    fn events(&self) -> Vec<AuditEvent> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.clone()
    }
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
        expires_at: None,
        attributes: Attributes::default(),
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

//! Claims about the audit trail and the last use.

use crate::{
    credential::Kind,
    id::CredentialId,
    last_use::LastUse,
    manage::{Actor, NewKey, Rotation},
    secret::Digest,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialStore, ManageStore, Owner, Record,
        backend::Authority,
    },
    testing::{contract::Directory, principal},
};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Breach, Claim, NOW, ORG, OTHER_ORG, Site, USER, both, claim, org};

pub(super) async fn each_change_is_one_event_that_says_who_and_from_where<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let hook = move |event: &AuditEvent| {
        ear.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone())
    };
    let manager = site.manager.clone().on_event(hook);
    let key = site.caller(&["organizations:manage"], None).await?;
    let Authority::Credential { id: caller, .. } = key.authority(NOW) else {
        return Err(Breach("a caller is a credential".into()));
    };
    site.store.set_member(USER, ORG, "admin").await?;
    let token = site.token("token").await?.into_parts().0.id;
    let holder = Record::personal_token(&token, Digest::of(b"test"), USER).in_organization(ORG);
    let holder = holder.with_scopes(["organizations:manage"].into_iter().collect());
    let person = Actor::user(USER).acting_in(ORG, ["organizations:manage"].into_iter().collect());

    let (info, secret) = both(
        manager
            .issue_key(&key.with_origin("192.0.2.1"), NewKey::named("key"))
            .await?,
    )?;
    let id = info.id.as_str();
    manager
        .rename(
            &Actor::from_principal(&principal(holder)),
            Kind::OrgKey,
            id,
            "name",
        )
        .await?;
    manager.disable(&person, Kind::OrgKey, id).await?;
    manager.enable(&org(ORG), Kind::OrgKey, id).await?;
    site.clock.advance_millis(7);
    manager
        .revoke_presented(secret.expose_secret(), Some("scanner"))
        .await?;

    let wanted = told_of(&info.id, caller, token);
    let mut stored = manager.events(&org(ORG), Kind::OrgKey, None, 200).await?;
    stored.reverse();
    let numbers: Vec<_> = stored.iter().map(|event| event.number).collect();
    claim(
        numbers.is_sorted_by(|one, next| one < next),
        format!("{numbers:?} are not in order"),
    )?;
    let stored: Vec<_> = stored
        .into_iter()
        .map(|event| AuditEvent {
            number: None,
            ..event
        })
        .collect();
    claim(
        stored == wanted,
        format!("stored {stored:?}, and it has to be {wanted:?}"),
    )?;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    claim(
        heard == wanted,
        format!("heard {heard:?}, and it has to be {wanted:?}"),
    )?;
    let elsewhere = site.all(&org(OTHER_ORG), Kind::OrgKey).await?.1;
    claim(
        elsewhere.is_empty(),
        format!("another owner reads {elsewhere:?}"),
    )
}

/// What the claim above does, as events.
fn told_of(id: &CredentialId, caller: CredentialId, token: CredentialId) -> [AuditEvent; 5] {
    let wanted = [
        (
            AuditAction::Issued,
            AuditActor::Key(caller),
            Some("192.0.2.1"),
            0,
        ),
        (
            AuditAction::Renamed,
            AuditActor::Token {
                id: token,
                user: USER.into(),
            },
            None,
            0,
        ),
        (
            AuditAction::Disabled,
            AuditActor::User(USER.into()),
            None,
            0,
        ),
        (
            AuditAction::Enabled,
            AuditActor::Operator("test".into()),
            None,
            0,
        ),
        (AuditAction::Revoked, AuditActor::Bearer, Some("scanner"), 7),
    ];
    wanted.map(|(action, by, origin, after)| AuditEvent {
        number: None,
        at: crate::clock::UnixMillis(super::NOW.0 + after),
        action,
        owner: Owner::Organization(ORG.into()),
        credential: id.clone(),
        related: None,
        by,
        origin: origin.map(Into::into),
    })
}

pub(super) async fn events_are_read_by_page<S: ManageStore + Directory>(site: &Site<S>) -> Claim {
    for number in 0..11 {
        site.manager
            .issue_key(&org(ORG), NewKey::named(&number.to_string()))
            .await?;
        site.manager
            .issue_key(&org(OTHER_ORG), NewKey::named("other"))
            .await?;
    }
    let whole = site
        .manager
        .events(&org(ORG), Kind::OrgKey, None, 200)
        .await?;
    claim(whole.len() == 11, format!("{} of 11", whole.len()))?;
    for limit in [1, 3, 11] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = site
                .manager
                .events(&org(ORG), Kind::OrgKey, before, limit)
                .await?;
            claim(
                page.len() <= limit as usize,
                "a page is longer than it was asked to be",
            )?;
            let Some(last) = page.last() else { break };
            before = last.number;
            seen.extend(page);
        }
        claim(seen == whole, format!("by {limit}: {seen:?}"))?;
    }
    Ok(())
}

async fn last_use<S: ManageStore + Directory>(
    site: &Site<S>,
    id: &CredentialId,
) -> Result<Option<i64>, Breach> {
    let info = site
        .manager
        .get(&org(ORG), Kind::OrgKey, id.as_str())
        .await?;
    Ok(info.last_used_at.map(|at| at.0 - super::NOW.0))
}

async fn record_of<S: ManageStore + Directory>(
    site: &Site<S>,
    id: &CredentialId,
) -> Result<Arc<Record>, Breach> {
    let lookup =
        crate::store::Lookup::new(crate::store::LookupKey::OrgKey { id: id.as_str() }, None);
    site.store
        .find(&lookup)
        .await?
        .ok_or_else(|| Breach("a key is gone".into()))
}

pub(super) async fn a_use_is_written_at_most_once_a_minute<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (info, _) = both(site.key("key").await?)?;
    let record = record_of(site, &info.id).await?;
    let (uses, presented) = (LastUse::new(), Digest::of(b"test"));
    claim(
        last_use(site, &info.id).await?.is_none(),
        "a key was used before anybody has",
    )?;
    // Used at each of these moments and then flushed; what is recorded after that.
    for (at, recorded) in [
        (0, 0),
        (30_000, 0),
        (59_000, 0),
        (60_000, 60_000),
        (61_000, 60_000),
        (200_000, 200_000),
    ] {
        let moment = crate::clock::UnixMillis(super::NOW.0 + at);
        uses.note(&record, &presented, moment);
        site.manager.record_uses(&uses).await?;
        let found = last_use(site, &info.id).await?;
        claim(
            found == Some(recorded),
            format!("used at {at}, recorded {found:?}"),
        )?;
    }
    let idle = site.manager.record_uses(&uses).await?;
    claim(idle == 0, "without a use there is something to write")?;
    let unknown = Record::org_key("nobody", Digest::of(b"test"), ORG);
    uses.note(&unknown, &presented, super::NOW);
    site.manager.record_uses(&uses).await?;
    let found = site
        .store
        .credential(&Owner::Organization(ORG.into()), "nobody")
        .await?;
    claim(found.is_none(), "a use has made a credential")
}

pub(super) async fn the_first_use_after_a_rotation_is_an_event<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (old, _) = both(site.key("key").await?)?;
    let record = record_of(site, &old.id).await?;
    let (uses, presented) = (LastUse::new(), Digest::of(b"test"));
    uses.note(&record, &presented, site.later(0));
    site.manager.record_uses(&uses).await?;
    site.clock.advance_millis(10_000);
    uses.note(&record, &presented, site.later(-1)); // and written after the rotation
    let overlap = Rotation::default().with_overlap(std::time::Duration::from_secs(3600));
    let (new, _) = both(
        site.manager
            .rotate(&org(ORG), Kind::OrgKey, old.id.as_str(), overlap)
            .await?,
    )?;
    let told = || async {
        let events = site
            .manager
            .events(&org(ORG), Kind::OrgKey, None, 200)
            .await?;
        Ok::<_, Breach>(
            events
                .into_iter()
                .filter(|event| event.action == AuditAction::UsedAfterRotation)
                .collect::<Vec<_>>(),
        )
    };
    site.manager.record_uses(&uses).await?;
    claim(
        told().await?.is_empty(),
        "a use before the rotation was told",
    )?;
    // Within a minute of the recorded use, and told all the same; then not again.
    for seconds in [2, 20, 90, 200] {
        uses.note(&record, &presented, site.later(seconds * 1000));
        site.manager.record_uses(&uses).await?;
        let events = told().await?;
        let [event] = &events[..] else {
            return Err(Breach(format!("{} events", events.len())));
        };
        let good = event.credential == old.id
            && event.related.as_ref() == Some(&new.id)
            && event.by == AuditActor::Bearer;
        claim(good && event.at == site.later(2000), format!("{event:?}"))?;
    }
    uses.note(&*record_of(site, &new.id).await?, &presented, site.later(0));
    site.manager.record_uses(&uses).await?;
    claim(told().await?.len() == 1, "a use of the new one was told")
}

//! Claims about a user who is removed with everything that is stored about them.

use super::{Actor, Breach, Claim, ORG, OTHER_USER, Site, USER, both, claim, org, user};
use crate::{
    credential::Kind,
    last_use::LastUse,
    manage::{NewKey, NewToken},
    secret::Digest,
    store::Directory,
    store::{
        AuditActor, EffectiveStatus, Filter, Lookup, LookupKey, ManageStore, Owner, Record,
        WriteError,
    },
};

pub(super) async fn a_removed_user_leaves_the_audit_trail_and_nothing_else<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let (store, manager) = (&site.store, &site.manager);
    store.set_member(USER, ORG, "admin").await?;
    let (token, secret) = both(
        manager
            .issue_token(&Actor::user(USER), NewToken::named("own"))
            .await?,
    )?;
    let digest = Digest::of(secret.expose_secret().as_bytes());
    let seen_from = async |organization| {
        let lookup = Lookup::new(LookupKey::PersonalToken { digest: &digest }, organization);
        Ok::<_, Breach>(store.find(&lookup).await?)
    };
    let uses = LastUse::new();
    let record = seen_from(Some(ORG))
        .await?
        .ok_or_else(|| Breach("a token is gone".into()))?;
    uses.note(&record, &digest, site.later(0));
    manager.record_uses(&uses).await?;
    let stated = ["organizations:manage"].into_iter().collect();
    let person = Actor::user(USER)
        .acting_in(ORG, stated)
        .with_origin("192.0.2.1");
    let key = manager
        .issue_key(&person, NewKey::named("by the user"))
        .await?
        .info()
        .id
        .clone();
    let with_token = Record::personal_token(&token.id, digest.clone(), USER).in_organization(ORG);
    let with_token = with_token.with_scopes(["organizations:manage"].into_iter().collect());
    let with_token = Actor::from_principal(&crate::testing::principal(with_token));
    manager
        .rename(
            &with_token.with_origin("192.0.2.2"),
            Kind::OrgKey,
            key.as_str(),
            "renamed",
        )
        .await?;
    let other = manager
        .issue_token(&user(OTHER_USER), NewToken::named("other"))
        .await?;

    store.delete_user(USER).await?;

    claim(
        seen_from(Some(ORG)).await?.is_none() && !site.accepts(&secret).await?,
        "the token is accepted",
    )?;
    let (tokens, events) = site.all(&user(USER), Kind::PersonalToken).await?;
    claim(
        tokens.is_empty() && events.is_empty(),
        format!("left are {tokens:?} and {events:?}"),
    )?;
    let nobody = user(USER);
    let issued = manager.issue_token(&nobody, NewToken::named("again"));
    site.refuses("a token for nobody", "unknown_owner", issued)
        .await?;
    let gone = store.delete_user(USER).await;
    claim(
        matches!(gone, Err(WriteError::UnknownUser(_))),
        format!("removed twice: {gone:?}"),
    )?;

    // Of what they did to the organization's keys the trail is there, without their name and from where they acted.
    let trail = manager.events(&org(ORG), Kind::OrgKey, None, 200).await?;
    let text = format!("{trail:?}");
    let named = [USER, "192.0.2.1", "192.0.2.2"]
        .into_iter()
        .find(|word| text.contains(word));
    claim(
        trail.len() == 2 && named.is_none(),
        format!("the trail says {named:?}: {trail:?}"),
    )?;
    let erased = |who: &AuditActor| match who {
        AuditActor::User(id) | AuditActor::Token { user: id, .. } => {
            id.as_str().starts_with("erased-")
        }
        _ => false,
    };
    claim(
        trail.iter().all(|event| erased(&event.by)),
        format!("who did it: {trail:?}"),
    )?;
    claim(
        site.accepts(&both(other)?.1).await?,
        "another user's token went too",
    )?;

    // The id is free again, and whoever gets it has nothing of what the earlier one had.
    store.create_user(USER).await?;
    claim(
        seen_from(Some(ORG)).await?.is_none() && !site.accepts(&secret).await?,
        "the token came back",
    )?;
    let (tokens, events) = site.all(&user(USER), Kind::PersonalToken).await?;
    claim(
        tokens.is_empty() && events.is_empty(),
        format!("inherited: {tokens:?} and {events:?}"),
    )?;
    let stated = ["organizations:manage"].into_iter().collect();
    let heir = Actor::user(USER).acting_in(ORG, stated);
    let inherited = manager.issue_key(&heir, NewKey::named("inherited"));
    site.refuses("an inherited membership", "not_allowed", inherited)
        .await
}

pub(super) async fn a_use_is_never_later_than_the_stores_clock<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    use crate::clock::{Clock, SystemClock, UnixMillis};
    let (info, _) = both(site.key("key").await?)?;
    let ahead = crate::store::Usage {
        kind: Kind::OrgKey,
        id: info.id.clone(),
        at: UnixMillis(i64::MAX),
        after_rotation: false,
    };
    site.store.record_uses(std::slice::from_ref(&ahead)).await?;
    let read = site
        .manager
        .get(&org(ORG), Kind::OrgKey, info.id.as_str())
        .await?;
    let latest = UnixMillis(SystemClock.now().0 + 60_000);
    claim(
        read.last_used_at.is_some_and(|at| at <= latest),
        format!("recorded {read:?}"),
    )?;
    // Rotated after that, its next use is reported, however near it is to the one before.
    let overlap = crate::manage::Rotation::default();
    let overlap = overlap.with_overlap(std::time::Duration::from_secs(3600));
    let rotated = site
        .manager
        .rotate(&org(ORG), Kind::OrgKey, info.id.as_str(), overlap)
        .await?;
    let again = crate::store::Usage {
        at: site.later(1),
        after_rotation: true,
        ..ahead
    };
    let told = site.store.record_uses(std::slice::from_ref(&again)).await?;
    let [event] = &told[..] else {
        return Err(Breach(format!("one event is {told:?}")));
    };
    let good = event.credential == info.id && event.related.as_ref() == Some(&rotated.info().id);
    claim(good, format!("{event:?}"))?;
    let told = site.store.record_uses(&[again]).await?;
    claim(told.is_empty(), format!("it was reported again: {told:?}"))
}

pub(super) async fn the_id_of_a_removed_user_names_no_owner<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let (info, _) = both(site.token("token").await?)?;
    site.store.delete_user(USER).await?;
    let owner = Owner::User(USER.into());
    let found = site.store.credential(&owner, info.id.as_str()).await?;
    claim(found.is_none(), format!("{found:?} is there still"))?;
    let filter = Filter {
        state: Some(EffectiveStatus::Deleted),
        ..Filter::default()
    };
    let page = site
        .manager
        .list(&user(USER), Kind::PersonalToken, &filter, None, 10)
        .await?;
    claim(
        page.items.is_empty(),
        format!("deleted ones are listed: {:?}", page.items),
    )
}

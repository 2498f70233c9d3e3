//! Claims about small changes and the end of credentials.

use super::{Claim, ORG, OTHER_ORG, Site, USER, both, claim, org, user};
use crate::{
    credential::{Kind, TokenFormat},
    manage::{NewKey, Rotation},
    secret::{Digest, Secret},
    store::{
        CredentialInfo, Directory, EffectiveStatus, ManageStore, Owner, Status, WriteError,
        backend::{Authority, Commit, NewCredential, Update},
    },
    testing::UnixMillis,
};

pub(super) async fn a_name_changes_and_nothing_else<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    for (actor, kind, info, secret) in site.one_of_each().await? {
        let id = info.id.as_str();
        let renamed = site
            .manager
            .rename(&actor, kind, id, "n\u{fc}w name")
            .await?;
        claim(
            renamed
                == CredentialInfo {
                    name: "n\u{fc}w name".into(),
                    ..info.clone()
                },
            format!("{renamed:?}"),
        )?;
        let read = site.manager.get(&actor, kind, id).await?;
        claim(
            read == renamed,
            format!("renamed {renamed:?}, read {read:?}"),
        )?;
        claim(site.accepts(&secret).await?, "renamed, it is refused")?;
        for bad in ["", " ", "a\tb", &"x".repeat(101)] {
            site.refuses(
                "a bad name",
                "invalid_name",
                site.manager.rename(&actor, kind, id, bad),
            )
            .await?;
        }
    }
    Ok(())
}

pub(super) async fn a_disabled_credential_is_refused_until_it_is_enabled<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    for (actor, kind, info, secret) in site.one_of_each().await? {
        let id = info.id.as_str();
        for _ in 0..2 {
            let off = site.manager.disable(&actor, kind, id).await?;
            claim(off.status == Status::Disabled, format!("{off:?}"))?;
            claim(!site.accepts(&secret).await?, "disabled, it is accepted")?;
            site.manager.disable(&actor, kind, id).await?; // changes nothing
            let on = site.manager.enable(&actor, kind, id).await?;
            claim(on == info, format!("was {info:?}, is {on:?}"))?;
            claim(site.accepts(&secret).await?, "enabled, it is refused")?;
        }
        let (_, events) = site.all(&actor, kind).await?;
        claim(
            events.len() == 5,
            format!("four changes and the issue are {events:?}"),
        )?;
        // Its organization or owner may go while it is off.
        site.manager.disable(&actor, kind, id).await?;
        match kind {
            Kind::OrgKey => site.store.delete_organization(ORG).await?,
            Kind::PersonalToken => site.store.set_user_enabled(USER, false).await?,
        }
        site.manager.enable(&actor, kind, id).await?;
        claim(
            !site.accepts(&secret).await?,
            "enabled after its owner was gone, it is accepted",
        )?;
    }
    Ok(())
}

pub(super) async fn a_deleted_credential_is_refused_and_stays_as_it_is<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    for (actor, kind, info, secret) in site.one_of_each().await? {
        let (manager, id) = (&site.manager, info.id.as_str());
        claim(site.accepts(&secret).await?, "a good credential is refused")?;
        manager.delete(&actor, kind, id).await?;
        claim(!site.accepts(&secret).await?, "deleted, it is accepted")?;
        let read = manager.get(&actor, kind, id).await?;
        claim(
            read.effective_status(site.later(0)) == EffectiveStatus::Deleted,
            format!("deleted, it is read as {read:?}"),
        )?;
        site.refuses("delete", "deleted", manager.delete(&actor, kind, id))
            .await?;
        site.refuses(
            "rename",
            "deleted",
            manager.rename(&actor, kind, id, "name"),
        )
        .await?;
        site.refuses("disable", "deleted", manager.disable(&actor, kind, id))
            .await?;
        site.refuses("enable", "deleted", manager.enable(&actor, kind, id))
            .await?;
        site.refuses(
            "rotate",
            "deleted",
            manager.rotate(&actor, kind, id, Rotation::default()),
        )
        .await?;
        let presented = manager.revoke_presented(secret.expose_secret(), None);
        site.refuses("revoke", "deleted", presented).await?;
    }
    Ok(())
}

pub(super) async fn whoever_has_a_credential_can_end_it_and_nobody_else<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    for (actor, kind, info, secret) in site.one_of_each().await? {
        let whole = secret.expose_secret();
        let foreign = TokenFormat::default().mint(kind)?.secret;
        let cut = whole.get(..whole.len() - 1).unwrap_or_default();
        for (what, text) in [
            ("nothing", ""),
            ("nonsense", "nonsense"),
            ("its id alone", info.id.as_str()),
            ("cut short", cut),
            ("another end", &format!("{cut}-")),
            ("another credential", foreign.expose_secret()),
        ] {
            site.refuses(
                what,
                "unknown_credential",
                site.manager.revoke_presented(text, None),
            )
            .await?;
        }
        // Also one that is switched off can still be ended.
        site.manager.disable(&actor, kind, info.id.as_str()).await?;
        let ended = site
            .manager
            .revoke_presented(whole, Some("scanner"))
            .await?;
        claim(
            ended.id == info.id && ended.status == Status::Deleted,
            format!("{ended:?}"),
        )?;
        claim(!site.accepts(&secret).await?, "ended, it is accepted")?;
    }
    Ok(())
}

pub(super) async fn a_commit_changes_what_was_read_or_nothing<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    for (actor, kind, read, _) in site.one_of_each().await? {
        let owner = read.owner.clone();
        let changed = |change: fn(&mut CredentialInfo)| {
            let mut other = read.clone();
            change(&mut other);
            other
        };
        let event = site.manager.events(&actor, kind, None, 1).await?;
        let fresh = changed(|info| info.id = "fresh".into());
        let insert = NewCredential {
            info: fresh,
            digest: Digest::of(b"fresh"),
            idempotency: None,
        };
        let gone = || changed(|info| info.status = Status::Deleted);
        let otherwise = [
            ("name", changed(|info| info.name = "other".into())),
            ("status", changed(|info| info.status = Status::Disabled)),
            ("expiry", changed(|info| info.expires_at = Some(super::NOW))),
            (
                "successor",
                changed(|info| info.rotated_to = Some("other".into())),
            ),
            ("id", changed(|info| info.id = "nobody".into())),
        ];
        for (what, before) in otherwise {
            let all = site.everything().await?;
            let changes = vec![Update {
                before,
                after: gone(),
            }];
            let commit = Commit {
                insert: Some(insert.clone()),
                changes,
                events: event.clone(),
                ..Commit::new(owner.clone(), Authority::Unconditional)
            };
            let told = site.store.commit(&commit).await;
            claim(
                matches!(told, Err(WriteError::Changed)),
                format!("another {what} is answered {told:?}"),
            )?;
            claim(
                site.everything().await? == all,
                format!("another {what} has left a trace"),
            )?;
        }
        let changes = vec![Update {
            before: read.clone(),
            after: gone(),
        }];
        let commit = Commit::new(owner, Authority::Unconditional);
        site.store
            .commit(&Commit {
                insert: Some(insert),
                changes,
                events: event,
                ..commit
            })
            .await?;
    }
    Ok(())
}

pub(super) async fn a_commit_refuses_an_id_that_no_token_can_carry<S: ManageStore + Directory>(
    site: &Site<S>,
) -> Claim {
    let before = site.everything().await?;
    for id in ["", "a.b", "a=", "a b", "a\n", "\u{e9}"] {
        let insert = NewCredential {
            info: CredentialInfo::new(id, Owner::Organization(ORG.into()), UnixMillis(0)),
            digest: Digest::of(b"a digest of a test"),
            idempotency: None,
        };
        let owner = Owner::Organization(ORG.into());
        let told = site
            .store
            .commit(&Commit {
                insert: Some(insert),
                ..Commit::new(owner, Authority::Unconditional)
            })
            .await;
        claim(
            matches!(told, Err(WriteError::InvalidId(_))),
            format!("a key called {id:?} is answered {told:?}"),
        )?;
    }
    claim(
        site.everything().await? == before,
        "a refused commit has left a trace",
    )
}

pub(super) async fn all_of_an_owner_is_revoked_and_nothing_of_another<
    S: ManageStore + Directory,
>(
    site: &Site<S>,
) -> Claim {
    let manager = site.manager.clone().with_max_credentials(1000);
    let mut secrets: Vec<Secret> = Vec::new();
    for number in 0..120 {
        let name = NewKey::named(&format!("key {number}"));
        let (info, secret) = both(manager.issue_key(&org(ORG), name).await?)?;
        secrets.push(secret);
        if number % 10 == 0 {
            manager
                .disable(&org(ORG), Kind::OrgKey, info.id.as_str())
                .await?;
        }
    }
    let (_, other) = both(
        manager
            .issue_key(&org(OTHER_ORG), NewKey::named("other"))
            .await?,
    )?;
    let (_, token) = both(site.token("token").await?)?;
    let caller = site.caller(&["agents:read"], None).await?;
    site.refuses(
        "without the right",
        "not_allowed",
        manager.revoke_all(&caller, Kind::OrgKey),
    )
    .await?;
    let revoked = manager.revoke_all(&org(ORG), Kind::OrgKey).await?;
    claim(
        revoked.len() == 121,
        format!("{} of 121, the caller's among them", revoked.len()),
    )?;
    for secret in &secrets {
        claim(
            !site.accepts(secret).await?,
            "one of the revoked is accepted",
        )?;
    }
    claim(
        site.accepts(&other).await?,
        "another organization's key went too",
    )?;
    claim(site.accepts(&token).await?, "a token went too")?;
    claim(
        manager
            .revoke_all(&org(ORG), Kind::OrgKey)
            .await?
            .is_empty(),
        "something was left",
    )?;
    claim(
        manager
            .revoke_all(&user(USER), Kind::PersonalToken)
            .await?
            .len()
            == 1,
        "the token was not revoked",
    )
}

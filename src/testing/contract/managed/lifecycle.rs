//! Claims about changes to a credential, and about its end.

use super::{
    Feature, Fixture, Managed, NOW, ORG, OTHER_ORG, Outcome, USER, ensure, into_pair, operator, org,
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, TokenFormat},
    manage::{NewKey, Rotation},
    secret::{Digest, Secret},
    store::{
        AuditEvent, CredentialInfo, Directory, EffectiveStatus, ManageStore, Owner, Status,
        WriteError,
        backend::{Authority, Commit, NewCredential, Update},
    },
};

pub(super) async fn renaming_changes_only_the_name<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for managed in fixture.one_of_each().await? {
        let Managed {
            actor, kind, info, ..
        } = &managed;
        let (kind, id) = (*kind, info.id.as_str());
        let renamed = manager.rename(actor, kind, id, "n\u{fc}w name").await?;
        let mut wanted = info.clone();
        wanted.name = "n\u{fc}w name".into();
        ensure(renamed == wanted, format!("{renamed:?}"))?;
        let read = manager.get(actor, kind, id).await?;
        ensure(
            read == renamed,
            format!("renamed {renamed:?}, read {read:?}"),
        )?;
        ensure(
            fixture.accepts(&managed.secret).await?,
            "after renaming, it is refused",
        )?;
        for bad in ["", " ", "a\tb", &"x".repeat(101)] {
            let renamed = manager.rename(actor, kind, id, bad);
            fixture
                .assert_refused("an invalid name", "invalid_name", renamed)
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn a_disabled_credential_is_refused_until_it_is_enabled<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for managed in fixture.one_of_each().await? {
        let (actor, kind, secret) = (&managed.actor, managed.kind, &managed.secret);
        let id = managed.info.id.as_str();
        for _ in 0..2 {
            let disabled = manager.disable(actor, kind, id).await?;
            ensure(disabled.status == Status::Disabled, format!("{disabled:?}"))?;
            ensure(
                !fixture.accepts(secret).await?,
                "a disabled credential is accepted",
            )?;
            manager.disable(actor, kind, id).await?; // changes nothing
            let enabled = manager.enable(actor, kind, id).await?;
            ensure(
                enabled == managed.info,
                format!("issued {:?}, enabled {enabled:?}", managed.info),
            )?;
            ensure(
                fixture.accepts(secret).await?,
                "an enabled credential is refused",
            )?;
        }
        if fixture.supports(Feature::AuditTrail) {
            let (_, events) = fixture.all(actor, kind).await?;
            ensure(
                events.len() == 5,
                format!("the events of five changes are {events:?}"),
            )?;
        }
    }
    Ok(())
}

pub(super) async fn enabling_does_not_restore_a_credential_whose_owner_is_gone<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for managed in fixture.one_of_each().await? {
        let (actor, kind, id) = (&managed.actor, managed.kind, managed.info.id.as_str());
        manager.disable(actor, kind, id).await?;
        match kind {
            Kind::OrgKey if fixture.supports(Feature::OrganizationDeletion) => {
                fixture.store.delete_organization(ORG).await?;
            }
            Kind::PersonalToken if fixture.supports(Feature::UserDisabling) => {
                fixture.store.set_user_enabled(USER, false).await?;
            }
            _ => continue,
        }
        manager.enable(actor, kind, id).await?;
        ensure(
            !fixture.accepts(&managed.secret).await?,
            "enabled after its owner was gone, it is accepted",
        )?;
    }
    Ok(())
}

pub(super) async fn a_deleted_credential_is_refused_and_never_changes<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for managed in fixture.one_of_each().await? {
        let (actor, kind, secret) = (&managed.actor, managed.kind, &managed.secret);
        let id = managed.info.id.as_str();
        ensure(fixture.accepts(secret).await?, "a new one is refused")?;
        manager.delete(actor, kind, id).await?;
        ensure(
            !fixture.accepts(secret).await?,
            "a deleted credential is accepted",
        )?;
        let read = manager.get(actor, kind, id).await?;
        ensure(
            read.effective_status(fixture.later(0)) == EffectiveStatus::Deleted,
            format!("after its deletion it is read as {read:?}"),
        )?;
        let deleted = manager.delete(actor, kind, id);
        fixture.assert_refused("delete", "deleted", deleted).await?;
        let renamed = manager.rename(actor, kind, id, "other");
        fixture.assert_refused("rename", "deleted", renamed).await?;
        let disabled = manager.disable(actor, kind, id);
        fixture
            .assert_refused("disable", "deleted", disabled)
            .await?;
        let enabled = manager.enable(actor, kind, id);
        fixture.assert_refused("enable", "deleted", enabled).await?;
        let rotated = manager.rotate(actor, kind, id, Rotation::default());
        fixture.assert_refused("rotate", "deleted", rotated).await?;
        let revoked = manager.revoke_presented(secret.expose_secret(), None);
        fixture.assert_refused("revoke", "deleted", revoked).await?;
    }
    Ok(())
}

pub(super) async fn only_a_bearer_of_the_whole_token_can_revoke_it<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let manager = &fixture.manager;
    for managed in fixture.one_of_each().await? {
        let (kind, id) = (managed.kind, managed.info.id.as_str());
        let whole = managed.secret.expose_secret();
        let foreign = TokenFormat::default().mint(kind)?.secret;
        let cut = whole.get(..whole.len() - 1).unwrap_or_default();
        for (what, text) in [
            ("nothing", ""),
            ("nonsense", "nonsense"),
            ("its id alone", id),
            ("cut short", cut),
            ("another last character", &format!("{cut}-")),
            ("another credential", foreign.expose_secret()),
        ] {
            let revoked = manager.revoke_presented(text, None);
            fixture
                .assert_refused(what, "unknown_credential", revoked)
                .await?;
        }
        // A disabled credential can be revoked too.
        manager.disable(&managed.actor, kind, id).await?;
        let revoked = manager.revoke_presented(whole, Some("scanner")).await?;
        ensure(
            revoked.id.as_str() == id && revoked.status == Status::Deleted,
            format!("{revoked:?}"),
        )?;
        ensure(
            !fixture.accepts(&managed.secret).await?,
            "a revoked credential is accepted",
        )?;
    }
    Ok(())
}

pub(super) async fn a_commit_applies_only_to_what_was_read<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    for managed in fixture.one_of_each().await? {
        let read = managed.info;
        let changed = |change: fn(&mut CredentialInfo)| {
            let mut other = read.clone();
            change(&mut other);
            other
        };
        let events = fixture
            .manager
            .events(&managed.actor, managed.kind, None, 1);
        let events = events.await?;
        let mut others = vec![
            ("name", changed(|info| info.name = "other".into())),
            ("status", changed(|info| info.status = Status::Disabled)),
            ("expiry", changed(|info| info.expires_at = Some(NOW))),
            ("id", changed(|info| info.id = "unknown".into())),
        ];
        if fixture.supports(Feature::Rotation) {
            let rotated = changed(|info| info.rotated_to = Some("other".into()));
            others.push(("successor", rotated));
        }
        for (what, before) in others {
            let known = fixture.everything().await?;
            let outcome = fixture
                .store
                .commit(&deleting(&before, &read, &events))
                .await;
            ensure(
                matches!(outcome, Err(WriteError::Changed)),
                format!("read with another {what}, its change is {outcome:?}"),
            )?;
            ensure(
                fixture.everything().await? == known,
                format!("read with another {what}, its change left a trace"),
            )?;
        }
        let commit = deleting(&read, &read, &events);
        fixture.store.commit(&commit).await?;
    }
    Ok(())
}

/// Creates a commit that adds a credential and deletes another, taken to be `before`.
fn deleting(before: &CredentialInfo, read: &CredentialInfo, events: &[AuditEvent]) -> Commit {
    let mut after = read.clone();
    after.status = Status::Deleted;
    let mut fresh = read.clone();
    fresh.id = "fresh".into();
    let mut commit = Commit::new(read.owner.clone(), Authority::Unconditional);
    commit.insert = Some(NewCredential {
        info: fresh,
        digest: Digest::of(b"fresh"),
        idempotency: None,
    });
    commit.changes.push(Update {
        before: before.clone(),
        after,
    });
    commit.events = events.to_vec();
    commit
}

pub(super) async fn a_commit_refuses_unusable_ids<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let before = fixture.everything().await?;
    for id in ["", "a.b", "a=", "a b", "a\n", "\u{e9}"] {
        let owner = Owner::Organization(ORG.into());
        let mut commit = Commit::new(owner.clone(), Authority::Unconditional);
        commit.insert = Some(NewCredential {
            info: CredentialInfo::new(id, owner, UnixMillis(0)),
            digest: Digest::of(b"a digest of a test"),
            idempotency: None,
        });
        let outcome = fixture.store.commit(&commit).await;
        ensure(
            matches!(outcome, Err(WriteError::InvalidId(_))),
            format!("a new key with the id {id:?} is {outcome:?}"),
        )?;
    }
    ensure(
        fixture.everything().await? == before,
        "a refused commit left a trace",
    )
}

pub(super) async fn revoke_all_ends_every_credential_of_one_owner<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (actor, kind) = (org(ORG), Kind::OrgKey);
    let manager = fixture.manager.clone().with_max_credentials(1000);
    let mut secrets: Vec<Secret> = Vec::new();
    for number in 0..120 {
        let key = NewKey::named(&format!("key {number}"));
        let (info, secret) = into_pair(manager.issue_key(&actor, key).await?)?;
        secrets.push(secret);
        if number % 10 == 0 {
            manager.disable(&actor, kind, info.id.as_str()).await?;
        }
    }
    let other = NewKey::named("other");
    let (_, other) = into_pair(manager.issue_key(&org(OTHER_ORG), other).await?)?;
    let mut others = vec![other];
    if fixture.supports(Feature::PersonalTokens) {
        let token = fixture.issue(Kind::PersonalToken, "token").await?;
        others.push(into_pair(token)?.1);
    }
    let caller = fixture.caller(&["agents:read"], None).await?;
    let revoked = manager.revoke_all(&caller, kind);
    fixture
        .assert_refused("without the right", "not_allowed", revoked)
        .await?;
    let revoked = manager.revoke_all(&actor, kind).await?;
    ensure(
        revoked.len() == 121,
        format!("{} of 121 revoked, including the caller's", revoked.len()),
    )?;
    for secret in &secrets {
        let accepted = fixture.accepts(secret).await?;
        ensure(!accepted, "a revoked key is accepted")?;
    }
    for secret in &others {
        let accepted = fixture.accepts(secret).await?;
        ensure(accepted, "another owner's credential was revoked")?;
    }
    let again = manager.revoke_all(&actor, kind).await?;
    ensure(again.is_empty(), format!("{again:?} were left"))?;
    if fixture.supports(Feature::PersonalTokens) {
        let kind = Kind::PersonalToken;
        let revoked = manager.revoke_all(&operator(kind), kind).await?;
        ensure(revoked.len() == 1, "the token was not revoked")?;
    }
    Ok(())
}

//! Claims about changes to a credential.

use super::{Feature, Fixture, Managed, NOW, ORG, Outcome, USER, ensure};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    secret::Digest,
    store::{
        AuditEvent, CredentialInfo, Directory, ManageStore, Owner, Status, WriteError,
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
        salt: None,
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
            salt: None,
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

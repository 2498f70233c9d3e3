//! Claims about the end of credentials.

use super::{
    Feature, Fixture, ORG, OTHER_ORG, Outcome, Violation, ensure, into_pair, operator, org,
};
use crate::{
    credential::{Kind, TokenFormat},
    manage::{Manager, NewKey, Rotation},
    secret::Secret,
    store::{Directory, EffectiveStatus, ManageStore, Status},
};

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
            let found = manager.find_presented(text);
            fixture
                .assert_refused(what, "unknown_credential", found)
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
        let again = manager.revoke_presented(whole, None);
        fixture
            .assert_refused("revoked again", "deleted", again)
            .await?;
        let found = manager.find_presented(whole).await?;
        ensure(found == revoked, format!("{found:?} is not {revoked:?}"))?;
    }
    Ok(())
}

/// Issues keys, and disables every tenth.
async fn issue_120<S: ManageStore>(manager: &Manager<S>) -> Result<Vec<Secret>, Violation> {
    let (actor, mut secrets) = (org(ORG), Vec::new());
    for number in 0..120 {
        let key = NewKey::named(&format!("key {number}"));
        let (info, secret) = into_pair(manager.issue_key(&actor, key).await?)?;
        secrets.push(secret);
        if number % 10 == 0 {
            let id = info.id.as_str();
            manager.disable(&actor, Kind::OrgKey, id).await?;
        }
    }
    Ok(secrets)
}

pub(super) async fn revoke_all_ends_every_credential_of_one_owner<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (actor, kind) = (org(ORG), Kind::OrgKey);
    let manager = fixture.manager.clone().with_max_credentials(1000);
    let secrets = issue_120(&manager).await?;
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

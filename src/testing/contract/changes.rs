//! Claims about changes: the next lookup sees each of them, and nothing else has changed.

use super::{
    Feature,
    fixture::{Fixture, ORG, OTHER_ORG, Outcome, USER, ensure, is_active, owner, role_of},
};
use crate::{
    credential::Kind,
    store::{Directory, ManageStore, Status},
};

pub(super) async fn a_deleted_credential_is_inactive_from_the_next_lookup<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("first").await?;
    for kind in fixture.kinds() {
        fixture.store.insert(fixture.record(kind, "second")).await?;
    }
    // Looked up before, so that a cache has something to invalidate.
    for kind in fixture.kinds() {
        for id in ["first", "second"] {
            let found = fixture.find(kind, id).await?;
            ensure(
                is_active(&found),
                format!("a new {} is inactive", kind.as_str()),
            )?;
        }
    }
    let mut deleted = Vec::new();
    for kind in fixture.kinds() {
        fixture.token("first", None).await?;
        fixture.store.delete(&owner(kind), "first").await?;
        deleted.push(kind);
        for other in fixture.kinds() {
            let found = fixture.find(other, "first").await?;
            ensure(
                is_active(&found) != deleted.contains(&other),
                format!("deleted {deleted:?}, and a lookup returns {found:?}"),
            )?;
            let found = fixture.find(other, "second").await?;
            ensure(is_active(&found), "another credential was deleted too")?;
        }
    }
    let found = fixture.token("first", None).await?;
    ensure(
        !is_active(&found),
        format!("without an organization, a deleted token is {found:?}"),
    )
}

pub(super) async fn a_disabled_users_tokens_are_inactive_until_the_user_is_enabled<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (store, kind) = (&fixture.store, Kind::PersonalToken);
    fixture.seed("pat").await?;
    store.insert(fixture.record(kind, "later")).await?;
    for enabled in [false, false, true, true, false, true] {
        store.set_user_enabled(USER, enabled).await?;
        for (id, organization) in [("pat", Some(ORG)), ("pat", None), ("later", Some(ORG))] {
            let found = fixture.token(id, organization).await?;
            ensure(
                is_active(&found) == enabled,
                format!("enabled is {enabled}, and {id:?} from {organization:?} is {found:?}"),
            )?;
        }
    }
    ensure(
        is_active(&fixture.key("pat").await?),
        "disabling a user disabled their organization's key",
    )?;
    store.set_user_enabled(USER, false).await?;
    store.insert(fixture.record(kind, "meanwhile")).await?;
    ensure(
        !is_active(&fixture.token("meanwhile", Some(ORG)).await?),
        "a token stored while its owner is disabled is active",
    )?;
    store.delete(&owner(kind), "pat").await?;
    store.set_user_enabled(USER, true).await?;
    ensure(
        is_active(&fixture.token("meanwhile", Some(ORG)).await?),
        "a token stored meanwhile is inactive once its owner is enabled",
    )?;
    ensure(
        !is_active(&fixture.token("pat", Some(ORG)).await?),
        "enabling its owner restored a deleted token",
    )
}

pub(super) async fn membership_changes_apply_from_the_next_lookup<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    const ROLES: [Option<&str>; 8] = [
        Some("admin"),
        Some("viewer"),
        Some("viewer"),
        None,
        None,
        Some("admin"),
        None,
        Some("viewer"),
    ];
    fixture.seed("pat").await?;
    for role in ROLES {
        match role {
            Some(role) => fixture.store.set_member(USER, ORG, role).await?,
            None => fixture.store.remove_member(USER, ORG).await?,
        }
        let found = fixture.token("pat", Some(ORG)).await?;
        ensure(
            role_of(&found) == role,
            format!("the role is {:?} instead of {role:?}", role_of(&found)),
        )?;
        ensure(
            is_active(&fixture.token("pat", None).await?),
            "without an organization, a token depends on a membership",
        )?;
    }
    Ok(())
}

pub(super) async fn memberships_are_independent<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("pat").await?;
    fixture.seed_users(&["user_second"]).await?;
    store.set_member("user_second", ORG, "admin").await?;
    store.set_member(USER, OTHER_ORG, "admin").await?;
    let here = fixture.token("pat", Some(ORG)).await?;
    ensure(
        role_of(&here) == Some("viewer"),
        format!("another membership changed the role here: {here:?}"),
    )?;
    let there = fixture.token("pat", Some(OTHER_ORG)).await?;
    ensure(
        role_of(&there) == Some("admin"),
        format!("the second membership is {there:?}"),
    )?;
    store.remove_member(USER, ORG).await?;
    store.remove_member("user_second", OTHER_ORG).await?; // not a member
    let there = fixture.token("pat", Some(OTHER_ORG)).await?;
    ensure(
        role_of(&there) == Some("admin"),
        format!("removing one membership ended another: {there:?}"),
    )
}

pub(super) async fn deleting_an_organization_ends_its_keys_and_memberships<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("first").await?;
    let in_other =
        crate::store::Record::org_key("other", super::fixture::digest("other"), OTHER_ORG);
    fixture.store.insert(in_other).await?;
    let is_member = fixture.supports(Feature::Memberships);
    if is_member {
        fixture.store.set_member(USER, OTHER_ORG, "admin").await?;
    }
    ensure(
        is_active(&fixture.key("first").await?) && is_active(&fixture.key("other").await?),
        "a new key is inactive",
    )?;
    fixture.store.delete_organization(ORG).await?;
    let gone = fixture.key("first").await?;
    let ended = gone
        .as_ref()
        .is_none_or(|record| record.status() == Status::OrganizationGone);
    ensure(
        ended,
        format!("a key of a deleted organization is {gone:?}"),
    )?;
    ensure(
        is_active(&fixture.key("other").await?),
        "the key of another organization is inactive",
    )?;
    if is_member && fixture.supports(Feature::PersonalTokens) {
        ensure_membership_ended(fixture).await?;
    }
    Ok(())
}

async fn ensure_membership_ended<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Outcome {
    let member = fixture.token("first", Some(ORG)).await?;
    ensure(
        role_of(&member).is_none(),
        format!("a membership outlived its organization: {member:?}"),
    )?;
    ensure(
        is_active(&fixture.token("first", None).await?),
        "without an organization, the token is inactive",
    )?;
    let elsewhere = fixture.token("first", Some(OTHER_ORG)).await?;
    ensure(
        role_of(&elsewhere) == Some("admin"),
        format!("a membership elsewhere ended too: {elsewhere:?}"),
    )
}

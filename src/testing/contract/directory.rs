//! Claims about refused changes of organizations, users and memberships.

use super::{
    fixture::{Fixture, ORG, OTHER_ORG, Outcome, USER, Violation, digest, ensure, role_of},
    refusals::{UNUSABLE, ensure_unchanged, refused, snapshot},
};
use crate::store::{Directory, ManageStore, Record, WriteError};

pub(super) async fn owner_ids_are_never_reused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("first").await?;
    refused!(store.create_user(USER), Taken);
    refused!(store.create_organization(ORG, None), Taken);
    refused!(store.create_organization(OTHER_ORG, Some(ORG)), Taken);
    store.delete_organization(OTHER_ORG).await?;
    refused!(store.create_organization(OTHER_ORG, None), Taken);
    Ok(())
}

pub(super) async fn refused_directory_changes_give_the_reason_and_change_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("good").await?;
    store.create_organization("org_deleted", None).await?;
    store.delete_organization("org_deleted").await?;
    let before = snapshot(fixture).await?;
    for unknown in ["org_nowhere", "org_deleted"] {
        let below = store.create_organization("org_new", Some(unknown));
        refused!(below, UnknownOrganization);
        refused!(store.delete_organization(unknown), UnknownOrganization);
        let member = store.set_member(USER, unknown, "viewer");
        refused!(member, UnknownOrganization);
    }
    refused!(store.set_user_enabled("nobody", false), UnknownUser);
    refused!(store.set_member("nobody", ORG, "viewer"), UnknownUser);
    refused!(store.remove_member("nobody", ORG), UnknownUser);
    refused!(store.set_member(USER, ORG, "no-such-role"), UnknownRole);
    refused!(store.set_member(USER, ORG, "Admin"), UnknownRole);
    ensure_unchanged(fixture, &before).await?;
    // Nothing half-made occupies the id.
    store.create_organization("org_new", None).await?;
    Ok(())
}

pub(super) async fn unusable_directory_ids_are_refused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("good").await?;
    let long = "x".repeat(257);
    for id in UNUSABLE.into_iter().chain([long.as_str()]) {
        refused!(store.create_organization(id, None), InvalidId);
        refused!(store.create_organization(id, Some(ORG)), InvalidId);
        refused!(store.create_user(id), InvalidId);
        // Such an id was never created, so it is unknown.
        let below = store.create_organization("org_new", Some(id));
        refused!(below, UnknownOrganization);
        refused!(store.delete_organization(id), UnknownOrganization);
        refused!(store.set_user_enabled(id, false), UnknownUser);
        refused!(store.set_member(id, ORG, "viewer"), UnknownUser);
        refused!(store.set_member(USER, id, "viewer"), UnknownOrganization);
        refused!(store.remove_member(id, ORG), UnknownUser);
        store.remove_member(USER, id).await?;
    }
    Ok(())
}

pub(super) async fn the_longest_ids_are_usable<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    let longest = "x".repeat(256);
    let every_character = ('!'..='~').collect::<String>();
    for id in [longest.as_str(), every_character.as_str()] {
        store.create_organization(id, None).await?;
        store.create_user(id).await?;
        store.set_member(id, id, "viewer").await?;
        let token = Record::personal_token(id, digest(id), id);
        store.insert(token).await?;
        let found = fixture.token(id, Some(id)).await?;
        ensure(
            role_of(&found) == Some("viewer"),
            format!("from {id:?}, its token is {found:?}"),
        )?;
    }
    Ok(())
}

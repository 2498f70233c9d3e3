//! Claims about changes: each is seen by the next lookup, and by nobody whom it does not concern.

use crate::{
    credential::Kind,
    store::{Directory, ManageStore, Status},
    testing::contract::owner,
};
use std::sync::Arc;

use super::{
    Claim, ORG, OTHER_ORG, USER, claim, counts, furnish, key_of, role_of, token, token_of,
};

pub(super) async fn a_deleted_credential_does_not_count_from_the_next_look_up_on<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "first").await?;
    store.insert(super::key("second")?).await?;
    store.insert(token("second")).await?;
    // Seen before, so that a cache has something to forget.
    claim(
        counts(&key_of(store, "first").await?),
        "a good key does not count",
    )?;
    claim(
        counts(&token_of(store, "first", Some(ORG)).await?),
        "a good token does not count",
    )?;
    claim(
        counts(&token_of(store, "first", None).await?),
        "a good token does not count",
    )?;

    store.delete(&owner(Kind::OrgKey), "first").await?;
    claim(
        !counts(&key_of(store, "first").await?),
        "a deleted key counts",
    )?;
    claim(
        counts(&token_of(store, "first", Some(ORG)).await?),
        "a token went with a key of the same name",
    )?;
    store.delete(&owner(Kind::PersonalToken), "first").await?;
    for organization in [None, Some(ORG)] {
        let found = token_of(store, "first", organization).await?;
        claim(
            !counts(&found),
            format!("a deleted token counts, seen from {organization:?}"),
        )?;
    }
    claim(
        counts(&key_of(store, "second").await?),
        "another key went too",
    )?;
    claim(
        counts(&token_of(store, "second", Some(ORG)).await?),
        "another token went too",
    )
}

pub(super) async fn a_person_is_switched_off_and_on_again<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    store.insert(token("later")).await?;
    for on in [false, false, true, true, false, true] {
        store.set_user_enabled(USER, on).await?;
        for (id, organization) in [("pat", Some(ORG)), ("pat", None), ("later", Some(ORG))] {
            let found = token_of(store, id, organization).await?;
            claim(
                counts(&found) == on,
                format!("enabled is {on}, and {id:?} from {organization:?} is {found:?}"),
            )?;
        }
    }
    claim(
        counts(&key_of(store, "pat").await?),
        "the organization's key is not the person's",
    )?;
    store.set_user_enabled(USER, false).await?;
    store.insert(token("while-off")).await?;
    claim(
        !counts(&token_of(store, "while-off", Some(ORG)).await?),
        "a token made while its owner is off counts",
    )?;
    store.delete(&owner(Kind::PersonalToken), "pat").await?;
    store.set_user_enabled(USER, true).await?;
    claim(
        counts(&token_of(store, "while-off", Some(ORG)).await?),
        "it does not count once its owner is on again",
    )?;
    claim(
        !counts(&token_of(store, "pat", Some(ORG)).await?),
        "a token deleted while its owner was off woke up",
    )
}

pub(super) async fn a_membership_begins_changes_and_ends_with_the_next_look_up<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    for role in [
        Some("admin"),
        Some("viewer"),
        Some("viewer"),
        None,
        None,
        Some("admin"),
        None,
        Some("viewer"),
    ] {
        match role {
            Some(role) => store.set_member(USER, ORG, role).await?,
            None => store.remove_member(USER, ORG).await?,
        }
        let found = token_of(store, "pat", Some(ORG)).await?;
        claim(
            role_of(&found) == role,
            format!("the role was made {role:?} and is {:?}", role_of(&found)),
        )?;
        claim(
            counts(&token_of(store, "pat", None).await?),
            "without any membership the token is still the person's",
        )?;
    }
    Ok(())
}

pub(super) async fn memberships_of_one_person_are_apart<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    store.create_user("user_second").await?;
    store.set_member("user_second", ORG, "admin").await?;
    store.set_member(USER, OTHER_ORG, "admin").await?;
    let here = token_of(store, "pat", Some(ORG)).await?;
    let there = token_of(store, "pat", Some(OTHER_ORG)).await?;
    claim(
        role_of(&here) == Some("viewer"),
        format!("a role elsewhere, or of somebody else, counts here: {here:?}"),
    )?;
    claim(
        role_of(&there) == Some("admin"),
        format!("the second membership is {there:?}"),
    )?;
    store.remove_member(USER, ORG).await?;
    store.remove_member("user_second", OTHER_ORG).await?; // there is none
    let there = token_of(store, "pat", Some(OTHER_ORG)).await?;
    claim(
        role_of(&there) == Some("admin"),
        format!("one membership ended with another: {there:?}"),
    )
}

pub(super) async fn a_deleted_organization_takes_its_keys_and_memberships_along<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "first").await?;
    store.set_member(USER, OTHER_ORG, "admin").await?;
    claim(
        counts(&key_of(store, "first").await?),
        "a good key does not count",
    )?;
    store.delete_organization(ORG).await?;
    let gone = key_of(store, "first").await?;
    let told = gone
        .as_ref()
        .is_none_or(|record| record.status() == Status::OrganizationGone);
    claim(told, format!("a key of a deleted organization is {gone:?}"))?;
    let member = token_of(store, "first", Some(ORG)).await?;
    claim(
        role_of(&member).is_none(),
        format!("a membership outlived its organization: {member:?}"),
    )?;
    claim(
        counts(&token_of(store, "first", None).await?),
        "the token is still the person's",
    )?;
    let elsewhere = token_of(store, "first", Some(OTHER_ORG)).await?;
    claim(
        role_of(&elsewhere) == Some("admin"),
        format!("a membership elsewhere went too: {elsewhere:?}"),
    )
}

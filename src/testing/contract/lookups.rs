//! Claims about lookups: what is found, what is not, and that no id has an alias.

use std::ops::Deref;

use super::{
    Feature,
    fixture::{
        Fixture, ORG, OTHER_ORG, Outcome, Reading, USER, Violation, ensure, is_active, key_of,
        owner, role_of, same, scopes_of, token_of,
    },
};
use crate::{
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    store::{
        CredentialStore, Directory, ManageStore, Status,
        backend::{Authority, Commit, Update},
    },
};

pub(super) async fn unknown_credentials_are_not_found<P>(reading: &Reading<'_, P>) -> Outcome
where
    P: Deref<Target: CredentialStore + Sized>,
{
    let store = &*reading.store;
    ensure(
        key_of(store, "unknown").await?.is_none(),
        "a key that was never stored was found",
    )?;
    for organization in [None, Some(ORG), Some("org_nowhere")] {
        let found = token_of(store, "unknown", organization).await?;
        ensure(
            found.is_none(),
            format!("a token that was never stored was found from {organization:?}"),
        )?;
    }
    let found = token_of(store, "Case", Some(ORG)).await?;
    ensure(found.is_none(), "a key's digest was accepted as a token")
}

pub(super) async fn keys_are_returned_as_stored<P>(reading: &Reading<'_, P>) -> Outcome
where
    P: Deref<Target: CredentialStore + Sized>,
{
    let store = &*reading.store;
    for stored in reading.contract.records() {
        let found = key_of(store, stored.id()).await?;
        let found = found.ok_or_else(|| Violation(format!("{:?} was not found", stored.id())))?;
        // A scope outside the catalogue grants nothing, however it was stored.
        let known = Catalogue::anyreach().expand(stored.scopes().iter());
        let wanted = stored.with_scopes(known);
        ensure(
            same(&wanted, &found),
            format!("stored {wanted:?}, found {found:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn scopes_outside_the_catalogue_grant_nothing<P>(
    reading: &Reading<'_, P>,
) -> Outcome
where
    P: Deref<Target: CredentialStore + Sized>,
{
    let store = &*reading.store;
    let found = key_of(store, "explicit").await?;
    let held = found
        .as_ref()
        .map(|record| record.scopes().iter().collect::<Vec<_>>());
    ensure(
        held.as_deref() == Some(&["agents:read"]),
        format!("the key holds {held:?}"),
    )
}

#[rustfmt::skip]
const ALIASES: [&str; 29] = [
    "case", "CASE", "cASE", // case
    "Case ", " Case", "Case\t", "Case\n", "Case\u{a0}", // blanks
    "Case\0", "\0Case", "Case\0x", "\0", // NUL
    "Ca\u{17f}e", "\u{ff23}ase", "C\u{430}se", "Case\u{301}", "Case\u{200b}", // look-alikes
    "", "Cas", "Casee", "Case%", "Cas_", "C*", "Case'", "Case\\", // patterns and quotes
    "000", "0.0", "0e0", "+0", // numbers
];

pub(super) async fn key_ids_have_no_aliases<P>(reading: &Reading<'_, P>) -> Outcome
where
    P: Deref<Target: CredentialStore + Sized>,
{
    let store = &*reading.store;
    let long = "Case".repeat(50_000);
    for alias in ALIASES.into_iter().chain([long.as_str()]) {
        let found = key_of(store, alias).await?;
        let shown: String = alias.chars().take(20).collect();
        ensure(found.is_none(), format!("{shown:?} found {found:?}"))?;
    }
    Ok(())
}

pub(super) async fn a_token_has_its_owners_role_in_the_named_organization<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("pat").await?;
    for (organization, role) in [
        (Some(ORG), Some("viewer")),
        (Some(OTHER_ORG), None), // exists; not a member
        (Some("org_nowhere"), None),
        (Some(""), None),
        (Some(USER), None),
        (None, None),
    ] {
        let found = fixture.token("pat", organization).await?;
        let Some(record) = found.as_ref().filter(|_| is_active(&found)) else {
            let text = format!("from {organization:?}, a valid token is {found:?}");
            return Err(Violation(text));
        };
        let owner = record.user().map(|user| user.as_str());
        let there = record.organization().map(|id| id.as_str());
        let scopes = role.map_or_else(ScopeSet::empty, scopes_of);
        let right = owner == Some(USER)
            && record.id() == "pat"
            && role_of(&found) == role
            && there == organization.filter(|_| role.is_some())
            && *record.scopes() == scopes;
        ensure(right, format!("from {organization:?}: {record:?}"))?;
    }
    Ok(())
}

/// A store may refuse such an id, but must not take it for another one.
pub(super) async fn organization_ids_have_no_aliases<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("pat").await?;
    for alias in [
        "ORG_TEST",
        "Org_test",
        "org_test ",
        " org_test",
        "org_test\0",
        "org_tes\u{21}",
        "org_te\u{17f}t",
    ] {
        let before = fixture.token("pat", Some(alias)).await?;
        ensure(
            role_of(&before).is_none(),
            format!("{alias:?} is an alias of another organization"),
        )?;
        let creates = fixture.supports(Feature::Directory);
        if creates && fixture.store.create_organization(alias, None).await.is_ok() {
            let after = fixture.token("pat", Some(alias)).await?;
            ensure(
                role_of(&after).is_none(),
                format!("{alias:?}, just created, has another organization's members"),
            )?;
        }
    }
    ensure(
        is_active(&fixture.token("pat", Some(ORG)).await?),
        "creating an organization with a similar id ended a token",
    )
}

/// A store may refuse such an id, but must not take it for another one.
pub(super) async fn user_ids_have_no_aliases<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("pat").await?;
    for alias in ["USER_TEST", "user_test ", "user_test\0"] {
        if fixture.store.create_user(alias).await.is_ok() {
            fixture.store.set_user_enabled(alias, false).await?;
        }
    }
    ensure(
        is_active(&fixture.token("pat", Some(ORG)).await?),
        "disabling a user with a similar id disabled this one",
    )
}

pub(super) async fn credentials_stored_as_inactive_stay_inactive<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("good").await?;
    for (id, status) in [
        ("disabled", Status::Disabled),
        ("deleted", Status::Deleted),
        ("owner-gone", Status::OwnerGone),
        ("organization-gone", Status::OrganizationGone),
    ] {
        for kind in fixture.kinds() {
            let record = fixture.record(kind, id).with_status(status);
            fixture.store.insert(record).await?;
            let stored_as = format!("a {} stored as {status:?} is active", kind.as_str());
            ensure(!is_active(&fixture.find(kind, id).await?), &*stored_as)?;
            rename(fixture, kind, id).await?;
            let renamed = format!("{stored_as} once it is renamed");
            ensure(!is_active(&fixture.find(kind, id).await?), renamed)?;
        }
    }
    if fixture.supports(Feature::PersonalTokens) && fixture.supports(Feature::UserDisabling) {
        fixture.store.set_user_enabled(USER, true).await?;
    }
    ensure(
        !is_active(&fixture.token("disabled", Some(ORG)).await?),
        "enabling its owner enabled a disabled token",
    )
}

/// Changes the name of a credential, and nothing else.
async fn rename<S: ManageStore>(fixture: &Fixture<S>, kind: Kind, id: &str) -> Outcome {
    let owner = owner(kind);
    let Some(before) = fixture.store.credential(&owner, id).await? else {
        return Err(Violation(format!(
            "the {} {id:?} is missing",
            kind.as_str()
        )));
    };
    let mut after = before.clone();
    after.name = "renamed".into();
    let mut commit = Commit::new(owner, Authority::Unconditional);
    commit.changes.push(Update { before, after });
    Ok(fixture.store.commit(&commit).await?)
}

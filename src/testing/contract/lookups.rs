//! Claims about answers: the three outcomes, what a record says, and that nothing has a second name.

use std::sync::Arc;

use super::{
    Breach, Claim, ORG, OTHER_ORG, USER, claim, counts, digest, furnish, key, key_of, role_of,
    same, token, token_of,
};
use crate::{
    clock::UnixMillis,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{CredentialStore, Directory, ManageStore, Record, Status},
};

/// The keys that a store has to hold for [`run_reading`](super::run_reading): of one organization, with every kind of
/// expiry, digest and grant.
#[must_use]
pub fn records() -> Vec<Record> {
    let plain = |id: &str| Record::org_key(id, digest(id), ORG);
    let viewer = |record: Record| {
        record
            .clone()
            .with_role("viewer", &Catalogue::anyreach())
            .unwrap_or(record)
    };
    let expiring = |id: &str, at| viewer(plain(id)).expiring_at(UnixMillis(at));
    vec![
        viewer(plain("Case")),
        viewer(plain("case-a")),
        viewer(plain("CASE-A")),
        viewer(plain("0")),
        viewer(plain("00")),
        viewer(plain("~+/_-")),
        viewer(plain(&"long".repeat(64))),
        expiring("ends-last", i64::MAX),
        expiring("ended-first", i64::MIN),
        expiring("ended-early", -1),
        expiring("ended-at-0", 0),
        expiring("ends-2026", 1_767_225_600_000),
        viewer(Record::org_key(
            "digest-zeros",
            Digest::from_bytes([0; 32]),
            ORG,
        )),
        viewer(Record::org_key(
            "digest-ones",
            Digest::from_bytes([0xff; 32]),
            ORG,
        )),
        plain("grants-nothing"),
        plain("explicit").with_scopes(ScopeSet::from_iter([
            "agents:read",
            "unknown:to-the-catalogue",
        ])),
        plain("admin")
            .with_role("admin", &Catalogue::anyreach())
            .unwrap_or_else(|_| plain("admin")),
    ]
}

pub(super) async fn what_does_not_exist_is_not_found(store: &impl CredentialStore) -> Claim {
    claim(
        key_of(store, "nobody").await?.is_none(),
        "a key that was never stored was found",
    )?;
    for organization in [None, Some(ORG), Some("org_nowhere")] {
        let found = token_of(store, "nobody", organization).await?;
        claim(
            found.is_none(),
            format!("a token that was never stored was found, seen from {organization:?}"),
        )?;
    }
    let keys_digest = token_of(store, "Case", Some(ORG)).await?;
    claim(
        keys_digest.is_none(),
        "a key was found by its digest, as a token",
    )
}

pub(super) async fn a_key_comes_back_as_it_was_stored(store: &impl CredentialStore) -> Claim {
    for stored in records() {
        let found = key_of(store, stored.id()).await?;
        let found = found.ok_or_else(|| Breach(format!("{:?} was not found", stored.id())))?;
        // What the catalogue does not know grants nothing, however it was stored.
        let known = Catalogue::anyreach().expand(stored.scopes().iter());
        let wanted = stored.with_scopes(known);
        claim(
            same(&wanted, &found),
            format!("wanted {wanted:?}, found {found:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn what_the_catalogue_does_not_know_grants_nothing(
    store: &impl CredentialStore,
) -> Claim {
    let found = key_of(store, "explicit").await?;
    let held = found
        .as_ref()
        .map(|record| record.scopes().iter().collect::<Vec<_>>());
    claim(
        held.as_deref() == Some(&["agents:read"]),
        format!("the key holds {held:?}"),
    )
}

pub(super) async fn ids_of_keys_have_no_aliases(store: &impl CredentialStore) -> Claim {
    let long = "Case".repeat(50_000);
    for alias in [
        "case",
        "CASE",
        "cASE", // case
        "Case ",
        " Case",
        "Case\t",
        "Case\n",
        "Case\u{a0}", // blanks
        "Case\0",
        "\0Case",
        "Case\0x",
        "\0", // NUL
        "Ca\u{17f}e",
        "\u{ff23}ase",
        "C\u{430}se",
        "Case\u{301}",
        "Case\u{200b}", // look-alikes
        "",
        "Cas",
        "Casee",
        "Case%",
        "Cas_",
        "C*",
        "Case'",
        "Case\\", // patterns and quotes
        "000",
        "0.0",
        "0e0",
        "+0", // numbers
        &long,
    ] {
        let found = key_of(store, alias).await?;
        let shown: String = alias.chars().take(20).collect();
        claim(found.is_none(), format!("{shown:?} found {found:?}"))?;
    }
    Ok(())
}

pub(super) async fn a_token_says_what_its_owner_may_do_where_it_is_asked<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    for (organization, role) in [
        (Some(ORG), Some("viewer")),
        (Some(OTHER_ORG), None), // exists; not a member
        (Some("org_nowhere"), None),
        (Some(""), None),
        (Some(USER), None),
        (None, None),
    ] {
        let found = token_of(store, "pat", organization).await?;
        claim(
            counts(&found),
            format!("a good token does not count, seen from {organization:?}"),
        )?;
        let Some(record) = &found else { continue };
        let owner = record.user().map(|user| user.as_str());
        claim(
            owner == Some(USER) && record.id() == "pat",
            format!("another's token was found: {record:?}"),
        )?;
        claim(
            role_of(&found) == role,
            format!("seen from {organization:?}: {record:?}"),
        )?;
        let there = record
            .organization()
            .map(|organization| organization.as_str());
        claim(
            there == organization.filter(|_| role.is_some()),
            format!("seen from {organization:?}: {record:?}"),
        )?;
        let scopes = role.and_then(|role| Catalogue::anyreach().scopes_of(role).cloned());
        let wanted = scopes.unwrap_or_else(ScopeSet::empty);
        claim(
            *record.scopes() == wanted,
            format!("wrong scopes, seen from {organization:?}: {record:?}"),
        )?;
    }
    Ok(())
}

/// A store may refuse such a name. It must not take it for another's.
pub(super) async fn names_of_organizations_and_people_have_no_aliases<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "pat").await?;
    for alias in [
        "ORG_TEST",
        "Org_test",
        "org_test ",
        " org_test",
        "org_test\0",
        "org_tes\u{21}",
        "org_te\u{17f}t",
    ] {
        let before = token_of(store, "pat", Some(alias)).await?;
        claim(
            role_of(&before).is_none(),
            format!("{alias:?} is an alias of another organization"),
        )?;
        if store.create_organization(alias, None).await.is_ok() {
            let after = token_of(store, "pat", Some(alias)).await?;
            claim(
                role_of(&after).is_none(),
                format!("{alias:?}, just created, has somebody else's members"),
            )?;
        }
    }
    for alias in ["USER_TEST", "user_test ", "user_test\0"] {
        if store.create_user(alias).await.is_ok() {
            store.set_user_enabled(alias, false).await?;
        }
    }
    claim(
        counts(&token_of(store, "pat", Some(ORG)).await?),
        "a person with a similar name was switched off instead",
    )
}

pub(super) async fn what_was_stored_as_dead_does_not_count<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "good").await?;
    for (id, status) in [("off", Status::Disabled), ("gone", Status::Deleted)] {
        store.insert(key(id)?.with_status(status)).await?;
        store.insert(token(id).with_status(status)).await?;
        claim(
            !counts(&key_of(store, id).await?),
            format!("a key stored as {status:?} counts"),
        )?;
        claim(
            !counts(&token_of(store, id, Some(ORG)).await?),
            format!("a token stored as {status:?} counts"),
        )?;
    }
    // Switching the owner on must not wake them.
    store.set_user_enabled(USER, true).await?;
    claim(
        !counts(&token_of(store, "off", Some(ORG)).await?),
        "a disabled token woke up with its owner",
    )
}

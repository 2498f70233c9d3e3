//! Claims about refused changes: told apart by type, and without a trace.

use crate::{
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    store::{Directory, ManageStore, Record, WriteError},
    testing::contract::owner,
};
use std::sync::Arc;

use super::{
    Breach, Claim, ORG, OTHER_ORG, USER, claim, counts, digest, furnish, key, key_of, role_of,
    same, token, token_of,
};

/// Takes a refusal of the named variant for granted.
macro_rules! refused {
    ($change:expr, $variant:ident) => {
        match $change.await {
            Err(WriteError::$variant { .. }) => {}
            other => {
                let text = format!(
                    "{} has to be {}, and is {other:?}",
                    stringify!($change),
                    stringify!($variant)
                );
                return Err(Breach(text));
            }
        }
    };
}

pub(super) async fn an_id_is_given_once_even_after_deletion<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "first").await?;
    let stranger = || Ok::<_, Breach>(key("first")?.with_status(crate::store::Status::Active));
    let other = Record::org_key("first", digest("another"), ORG);
    refused!(store.insert(stranger()?), Taken);
    refused!(store.insert(other.clone()), Taken);
    refused!(
        store.insert(Record::personal_token("first", digest("another"), USER)),
        Taken
    );
    let kept = key_of(store, "first")
        .await?
        .ok_or_else(|| Breach("the key is gone".into()))?;
    claim(
        same(&kept, &key("first")?),
        format!("a refused insert changed the key to {kept:?}"),
    )?;
    let nobody = token_of(store, "another", None).await?;
    claim(nobody.is_none(), "a refused token can be found")?;

    store.delete(&owner(Kind::OrgKey), "first").await?;
    store.delete(&owner(Kind::PersonalToken), "first").await?;
    refused!(store.insert(key("first")?), Taken);
    refused!(store.insert(other), Taken);
    refused!(store.insert(token("first")), Taken);
    refused!(
        store.insert(Record::personal_token("first", digest("another"), USER)),
        Taken
    );
    claim(
        !counts(&key_of(store, "first").await?),
        "a deleted key came back",
    )?;
    claim(
        !counts(&token_of(store, "first", Some(ORG)).await?),
        "a deleted token came back",
    )?;

    refused!(store.create_user(USER), Taken);
    refused!(store.create_organization(ORG, None), Taken);
    refused!(store.create_organization(OTHER_ORG, Some(ORG)), Taken);
    store.delete_organization(OTHER_ORG).await?;
    refused!(store.create_organization(OTHER_ORG, None), Taken);
    Ok(())
}

pub(super) async fn a_tokens_digest_is_taken_once_even_after_deletion<
    S: ManageStore + Directory,
>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "first").await?;
    store.create_user("user_second").await?;
    let thief = || Record::personal_token("second", digest("first"), "user_second");
    refused!(store.insert(thief()), Taken);
    store.delete(&owner(Kind::PersonalToken), "first").await?;
    refused!(store.insert(thief()), Taken);
    claim(
        !counts(&token_of(store, "first", None).await?),
        "a deleted token came back under another name",
    )
}

pub(super) async fn a_key_and_a_token_may_have_the_same_id<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "both").await?; // makes one of each
    store.delete(&owner(Kind::PersonalToken), "both").await?;
    claim(
        counts(&key_of(store, "both").await?),
        "a key went with a token of the same name",
    )
}

pub(super) async fn every_refusal_is_told_apart_and_changes_nothing<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "good").await?;
    store.create_organization("org_deleted", None).await?;
    store.delete_organization("org_deleted").await?;
    store.insert(key("deleted")?).await?;
    store.delete(&owner(Kind::OrgKey), "deleted").await?;
    let documented = Catalogue::anyreach();
    let before = (
        key_of(store, "good").await?,
        token_of(store, "good", Some(ORG)).await?,
    );

    refused!(
        store.create_organization("org_new", Some("org_nowhere")),
        UnknownOrganization
    );
    refused!(
        store.create_organization("org_new", Some("org_deleted")),
        UnknownOrganization
    );
    refused!(
        store.delete_organization("org_nowhere"),
        UnknownOrganization
    );
    refused!(
        store.delete_organization("org_deleted"),
        UnknownOrganization
    );
    refused!(store.set_user_enabled("nobody", false), UnknownUser);
    refused!(store.set_member("nobody", ORG, "viewer"), UnknownUser);
    refused!(
        store.set_member(USER, "org_nowhere", "viewer"),
        UnknownOrganization
    );
    refused!(
        store.set_member(USER, "org_deleted", "viewer"),
        UnknownOrganization
    );
    refused!(store.set_member(USER, ORG, "no-such-role"), UnknownRole);
    refused!(store.set_member(USER, ORG, "Admin"), UnknownRole);
    refused!(store.remove_member("nobody", ORG), UnknownUser);
    refused!(
        store.delete(&owner(Kind::OrgKey), "nobody"),
        UnknownCredential
    );
    refused!(
        store.delete(&owner(Kind::PersonalToken), "nobody"),
        UnknownCredential
    );
    refused!(
        store.delete(&owner(Kind::OrgKey), "deleted"),
        UnknownCredential
    );
    refused!(
        store.delete(&owner(Kind::OrgKey), "GOOD"),
        UnknownCredential
    );
    refused!(
        store.delete(&owner(Kind::OrgKey), "good "),
        UnknownCredential
    );
    refused!(
        store.insert(Record::org_key("new", digest("new"), "org_nowhere")),
        UnknownOrganization
    );
    refused!(
        store.insert(Record::org_key("new", digest("new"), "org_deleted")),
        UnknownOrganization
    );
    refused!(
        store.insert(Record::personal_token("new", digest("new"), "nobody")),
        UnknownUser
    );
    // What no bearer token can carry, and what would end the id.
    let unusable = (0..=0x7f_u8).map(char::from).chain(['\u{e9}', '\u{200b}']);
    let unusable = unusable.filter(|c| !c.is_ascii_alphanumeric() && !"-_~+/".contains(*c));
    for id in unusable.map(|character| format!("a{character}b")) {
        refused!(
            store.insert(Record::org_key(id.as_str(), digest("new"), ORG)),
            InvalidId
        );
    }
    let granted = token("new").with_scopes(ScopeSet::from_iter(["agents:read"]));
    refused!(store.insert(granted), GrantOnToken);
    refused!(
        store.insert(token("new").in_organization(ORG)),
        GrantOnToken
    );
    let with_role = token("new")
        .with_role("viewer", &documented)
        .map_err(|error| Breach(error.to_string()))?;
    refused!(store.insert(with_role), GrantOnToken);

    let after = (
        key_of(store, "good").await?,
        token_of(store, "good", Some(ORG)).await?,
    );
    let unchanged = [(&before.0, &after.0), (&before.1, &after.1)]
        .into_iter()
        .all(|pair| match pair {
            (Some(before), Some(after)) => same(before, after),
            _ => false,
        });
    claim(
        unchanged,
        format!("before the refusals {before:?}, after them {after:?}"),
    )?;
    claim(
        key_of(store, "new").await?.is_none(),
        "a refused key can be found",
    )?;
    claim(
        token_of(store, "new", None).await?.is_none(),
        "a refused token can be found",
    )?;
    // What was refused can still be created: nothing half-made takes its name.
    store.create_organization("org_new", None).await?;
    store.insert(key("new")?).await?;
    store.insert(token("new")).await?;
    claim(
        role_of(&token_of(store, "new", Some(ORG)).await?) == Some("viewer"),
        "the token made at last is not whole",
    )
}

/// Ids that neither a header nor a token can carry, or that look like another.
const UNUSABLE: [&str; 12] = [
    "",
    " ",
    "org b",
    "org_b ",
    " org_b",
    "org_b\t",
    "org_b\n",
    "org_b\0",
    "\0",
    "org_\u{e9}",
    "org_\u{200b}",
    "org_\u{7f}",
];

pub(super) async fn an_id_that_no_request_can_name_is_refused<S: ManageStore + Directory>(
    store: &Arc<S>,
) -> Claim {
    furnish(store, "good").await?;
    let long = "x".repeat(257);
    for id in UNUSABLE.into_iter().chain([long.as_str()]) {
        refused!(store.create_organization(id, None), InvalidId);
        refused!(store.create_organization(id, Some(ORG)), InvalidId);
        refused!(store.create_user(id), InvalidId);
        refused!(
            store.insert(Record::org_key(id, digest("new"), ORG)),
            InvalidId
        );
        refused!(
            store.insert(Record::personal_token(id, digest("new"), USER)),
            InvalidId
        );
        // What was never created is unknown, whatever it is called.
        refused!(
            store.create_organization("org_new", Some(id)),
            UnknownOrganization
        );
        refused!(store.delete_organization(id), UnknownOrganization);
        refused!(store.set_user_enabled(id, false), UnknownUser);
        refused!(store.set_member(id, ORG, "viewer"), UnknownUser);
        refused!(store.set_member(USER, id, "viewer"), UnknownOrganization);
        refused!(store.remove_member(id, ORG), UnknownUser);
        store.remove_member(USER, id).await?;
        refused!(store.delete(&owner(Kind::OrgKey), id), UnknownCredential);
        refused!(
            store.delete(&owner(Kind::PersonalToken), id),
            UnknownCredential
        );
        refused!(
            store.insert(Record::org_key("new", digest("new"), id)),
            UnknownOrganization
        );
        refused!(
            store.insert(Record::personal_token("new", digest("new"), id)),
            UnknownUser
        );
    }
    let longest = "x".repeat(256);
    let every_character = ('!'..='~').collect::<String>();
    for id in [longest.as_str(), every_character.as_str()] {
        store.create_organization(id, None).await?;
        store.create_user(id).await?;
        store.set_member(id, id, "viewer").await?;
        store
            .insert(Record::personal_token(id, digest(id), id))
            .await?;
        let found = token_of(store, id, Some(id)).await?;
        claim(
            role_of(&found) == Some("viewer"),
            format!("{id:?} is not seen from {id:?}"),
        )?;
    }
    store.insert(key(&longest)?).await?;
    claim(
        counts(&key_of(store, &longest).await?),
        "a key with the longest id does not count",
    )
}

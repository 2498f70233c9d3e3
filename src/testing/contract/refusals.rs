//! Claims about refused credentials: each refusal gives its reason, and none leaves a trace.

use std::sync::Arc;

use super::{
    Feature,
    fixture::{
        Fixture, ORG, Outcome, USER, Violation, digest, ensure, is_active, owner, role_of, same,
    },
};
use crate::{
    credential::Kind,
    scope::{Catalogue, ScopeSet},
    store::{Directory, ManageStore, Record, Status, WriteError},
};

/// Ensures that a change is refused with this variant.
macro_rules! refused {
    ($change:expr, $variant:ident) => {
        match $change.await {
            Err(WriteError::$variant { .. }) => {}
            other => {
                let (change, variant) = (stringify!($change), stringify!($variant));
                let text = format!("{change} must be refused with {variant}, and is {other:?}");
                return Err(Violation(text));
            }
        }
    };
}

pub(super) use refused;

fn new_key(id: &str) -> Record {
    Record::org_key(id, digest("new"), ORG)
}

fn new_token(id: &str) -> Record {
    Record::personal_token(id, digest("another"), USER)
}

pub(super) async fn an_id_is_never_reused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("first").await?;
    for kind in fixture.kinds() {
        let (stored, other) = (
            fixture.record(kind, "first"),
            match kind {
                Kind::OrgKey => new_key("first"),
                Kind::PersonalToken => new_token("first"),
            },
        );
        refused!(store.insert(stored.clone()), Taken);
        refused!(store.insert(other.clone()), Taken);
        let kept = fixture.find(kind, "first").await?;
        let changed = kept.as_ref().is_none_or(|it| it.status() != Status::Active);
        ensure(!changed, format!("a refused insert left {kept:?}"))?;
        if let (Kind::OrgKey, Some(kept)) = (kind, &kept) {
            ensure(
                same(kept, &stored),
                format!("a refused insert changed the key to {kept:?}"),
            )?;
        }
        let found = fixture.token("another", None).await?;
        ensure(found.is_none(), "a refused token was found")?;

        store.delete(&owner(kind), "first").await?;
        refused!(store.insert(stored), Taken);
        refused!(store.insert(other), Taken);
        ensure(
            !is_active(&fixture.find(kind, "first").await?),
            "an insert restored a deleted credential",
        )?;
    }
    Ok(())
}

pub(super) async fn a_token_digest_is_never_reused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("first").await?;
    fixture.seed_users(&["user_second"]).await?;
    let thief = || Record::personal_token("second", digest("first"), "user_second");
    refused!(store.insert(thief()), Taken);
    store.delete(&owner(Kind::PersonalToken), "first").await?;
    refused!(store.insert(thief()), Taken);
    ensure(
        !is_active(&fixture.token("first", None).await?),
        "an insert restored a deleted token under another id",
    )
}

pub(super) async fn a_key_and_a_token_may_have_the_same_id<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    fixture.seed("both").await?;
    let token = owner(Kind::PersonalToken);
    fixture.store.delete(&token, "both").await?;
    ensure(
        is_active(&fixture.key("both").await?),
        "deleting a token deleted the key with the same id",
    )
}

pub(super) async fn refused_credentials_give_the_reason_and_change_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("good").await?;
    store
        .insert(fixture.record(Kind::OrgKey, "deleted"))
        .await?;
    store.delete(&owner(Kind::OrgKey), "deleted").await?;
    let before = snapshot(fixture).await?;
    for id in ["unknown", "deleted", "GOOD", "good "] {
        refused!(store.delete(&owner(Kind::OrgKey), id), UnknownCredential);
    }
    let nowhere = Record::org_key("new", digest("new"), "org_nowhere");
    refused!(store.insert(nowhere), UnknownOrganization);
    if fixture.supports(Feature::Roles) {
        let others = Catalogue::builder()
            .role("of-another-product", ["agents:read"])
            .build();
        let others = others.map_err(|error| Violation(error.to_string()))?;
        let foreign = new_key("new").with_role("of-another-product", &others);
        let foreign = foreign.map_err(|error| Violation(error.to_string()))?;
        refused!(store.insert(foreign), UnknownRole);
    }
    if fixture.supports(Feature::OrganizationDeletion) {
        store.create_organization("org_deleted", None).await?;
        store.delete_organization("org_deleted").await?;
        let late = Record::org_key("new", digest("new"), "org_deleted");
        refused!(store.insert(late), UnknownOrganization);
    }
    if fixture.supports(Feature::PersonalTokens) {
        refuse_tokens(fixture).await?;
    }
    ensure_unchanged(fixture, &before).await?;
    let found = fixture.key("new").await?;
    ensure(found.is_none(), "a refused key was found")?;
    let found = fixture.token("new", None).await?;
    ensure(found.is_none(), "a refused token was found")?;
    // Nothing half-made occupies the id.
    for kind in fixture.kinds() {
        store.insert(fixture.record(kind, "new")).await?;
        let found = fixture.find(kind, "new").await?;
        ensure(
            is_active(&found),
            format!("inserted after the refusals, it is {found:?}"),
        )?;
        let is_member = kind == Kind::PersonalToken && fixture.supports(Feature::Memberships);
        ensure(
            !is_member || role_of(&found) == Some("viewer"),
            format!("inserted after the refusals, it has no role: {found:?}"),
        )?;
    }
    Ok(())
}

async fn refuse_tokens<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Outcome {
    let store = &fixture.store;
    let kind = Kind::PersonalToken;
    let token = || fixture.record(kind, "new");
    refused!(store.delete(&owner(kind), "unknown"), UnknownCredential);
    let unowned = Record::personal_token("new", digest("new"), "user_nobody");
    refused!(store.insert(unowned), UnknownUser);
    let granted = token().with_scopes(ScopeSet::from_iter(["agents:read"]));
    refused!(store.insert(granted), GrantOnToken);
    refused!(store.insert(token().in_organization(ORG)), GrantOnToken);
    let with_role = token().with_role("viewer", store.catalogue());
    let with_role = with_role.map_err(|error| Violation(error.to_string()))?;
    refused!(store.insert(with_role), GrantOnToken);
    Ok(())
}

pub(super) type Snapshot = Vec<Option<Arc<Record>>>;

pub(super) async fn snapshot<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
) -> Result<Snapshot, Violation> {
    let mut records = Vec::new();
    for kind in fixture.kinds() {
        records.push(fixture.find(kind, "good").await?);
    }
    Ok(records)
}

pub(super) async fn ensure_unchanged<S: ManageStore + Directory>(
    fixture: &Fixture<S>,
    before: &Snapshot,
) -> Outcome {
    let after = snapshot(fixture).await?;
    let unchanged = before.iter().zip(&after).all(|pair| match pair {
        (Some(before), Some(after)) => same(before, after),
        _ => false,
    });
    ensure(
        unchanged,
        format!("before the refusals {before:?}, after them {after:?}"),
    )
}

pub(super) async fn unusable_credential_ids_are_refused<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let store = &fixture.store;
    fixture.seed("good").await?;
    // What no bearer token can carry, and what would end the id.
    let unusable = (0..=0x7f_u8).map(char::from).chain(['\u{e9}', '\u{200b}']);
    let unusable = unusable.filter(|c| !c.is_ascii_alphanumeric() && !"-_~+/".contains(*c));
    for id in unusable.map(|character| format!("a{character}b")) {
        refused!(store.insert(new_key(&id)), InvalidId);
    }
    let long = "x".repeat(257);
    for id in UNUSABLE.into_iter().chain([long.as_str()]) {
        for kind in fixture.kinds() {
            let record = match kind {
                Kind::OrgKey => new_key(id),
                Kind::PersonalToken => new_token(id),
            };
            refused!(store.insert(record), InvalidId);
            refused!(store.delete(&owner(kind), id), UnknownCredential);
        }
        let key = Record::org_key("new", digest("new"), id);
        refused!(store.insert(key), UnknownOrganization);
        if fixture.supports(Feature::PersonalTokens) {
            let token = Record::personal_token("new", digest("new"), id);
            refused!(store.insert(token), UnknownUser);
        }
    }
    let longest = "x".repeat(256);
    store.insert(fixture.record(Kind::OrgKey, &longest)).await?;
    ensure(
        is_active(&fixture.key(&longest).await?),
        "a key with the longest id is inactive",
    )
}

/// Ids that neither a header nor a token can carry, or that look like another.
#[rustfmt::skip]
pub(super) const UNUSABLE: [&str; 12] = [
    "", " ", "org b", "org_b ", " org_b", "org_b\t", "org_b\n", "org_b\0", "\0", "org_\u{e9}",
    "org_\u{200b}", "org_\u{7f}",
];

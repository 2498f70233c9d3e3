//! Claims about credentials that another system issued.

use super::{Feature, Fixture, ORG, OTHER_ORG, Outcome, USER, ensure, org, scopes_of, user};
use crate::{
    credential::{Kind, TokenFormat},
    manage::Import,
    secret::{Digest, Secret},
    store::{Directory, ManageStore},
};

/// A key and a token of another system.
fn foreign() -> [String; 2] {
    let format = TokenFormat::default();
    let (key, token) = (format.org_key_prefix(), format.personal_token_prefix());
    [
        format!("{key}foreign-id.test-secret-of-another-system"),
        format!("{token}test-token-of-another-system"),
    ]
}

fn digest_of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An import of the key, as a viewer.
fn foreign_key<S: ManageStore + Directory>(fixture: &Fixture<S>) -> Import {
    let [key, _] = foreign();
    let import = Import::new("foreign-id", digest_of(&key), "old key");
    let import = import.with_created_at(fixture.contract.fit(5000));
    if fixture.supports(Feature::Roles) {
        import.with_role("viewer")
    } else {
        import.with_scopes(scopes_of("viewer").iter())
    }
}

fn foreign_token() -> Import {
    let [_, token] = foreign();
    Import::new("t-1", digest_of(&token), "old token")
}

pub(super) async fn imported_digests_are_accepted_unchanged<S>(fixture: &Fixture<S>) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, [key, token]) = (&fixture.manager, foreign());
    let import = foreign_key(fixture);
    let info = manager.import(&org(ORG), Kind::OrgKey, import).await?;
    let read = manager
        .get(&org(ORG), Kind::OrgKey, info.id.as_str())
        .await?;
    ensure(
        info.created_at == fixture.contract.fit(5000) && read == info,
        format!("imported {info:?}, read {read:?}"),
    )?;
    let mut imported = vec![key];
    if fixture.supports(Feature::PersonalTokens) {
        let kind = Kind::PersonalToken;
        manager.import(&user(USER), kind, foreign_token()).await?;
        imported.push(token);
    }
    for text in imported {
        let accepted = fixture.accepts(&Secret::new(text.clone())).await?;
        ensure(accepted, format!("{text} is refused"))?;
    }
    Ok(())
}

pub(super) async fn invalid_imports_give_the_reason_and_change_nothing<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, kind, here, there) = (&fixture.manager, Kind::OrgKey, org(ORG), org(OTHER_ORG));
    manager.import(&here, kind, foreign_key(fixture)).await?;
    let caller = fixture.caller(&["organizations:manage"], None).await?;
    let other = |id: &str| Import::new(id, digest_of("another secret"), "other");
    let role = other("x").with_role("owner");
    let scope = other("x").with_scopes(["agents:fly"]);
    for (what, actor, import, code) in [
        ("an import by a caller", &caller, other("x"), "not_allowed"),
        ("the same id", &there, foreign_key(fixture), "taken"),
        ("an invalid id", &here, other("a.b"), "invalid_id"),
        ("an unknown role", &here, role, "unknown_role"),
        ("an unknown scope", &here, scope, "unknown_scope"),
    ] {
        let imported = manager.import(actor, kind, import);
        fixture.assert_refused(what, code, imported).await?;
    }
    if !fixture.supports(Feature::PersonalTokens) {
        return Ok(());
    }
    let (kind, owner, [_, token]) = (Kind::PersonalToken, user(USER), foreign());
    manager.import(&owner, kind, foreign_token()).await?;
    let again = Import::new("t-2", digest_of(&token), "thief");
    let nameless = Import::new("t-3", digest_of("another secret"), " ");
    for (what, import, code) in [
        ("the same digest", again, "taken"),
        ("no name", nameless, "invalid_name"),
        ("a role", foreign_token().with_role("viewer"), "not_allowed"),
    ] {
        let imported = manager.import(&owner, kind, import);
        fixture.assert_refused(what, code, imported).await?;
    }
    Ok(())
}

//! Claims about credentials that another system issued.

use super::{
    Feature, Fixture, ORG, OTHER_ORG, Outcome, USER, Violation, ensure, into_pair, org, scopes_of,
    user,
};
use crate::{
    credential::{Kind, TokenFormat, key_id_of_digest},
    id::CredentialId,
    manage::{Import, Rotation},
    secret::{Digest, Salt, SaltedDigests, SaltedSha256, Secret},
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
    key_with_digest(fixture, digest_of(&key))
}

fn key_with_digest<S>(fixture: &Fixture<S>, digest: Digest) -> Import
where
    S: ManageStore + Directory,
{
    let import = Import::new("foreign-id", digest, "old key");
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
        info.created_at == fixture.contract.fit(5000) && read == fixture.as_kept(&info),
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

/// A salt of the store's, or if it has none, one that it does not know.
fn salt_of(store: &impl ManageStore) -> Option<(Salt, bool)> {
    let foreign = || SaltedDigests::new(SaltedSha256::SaltFirst).ok();
    let (salted, known) = match store.salted_digests() {
        Some(salted) => (salted.clone(), true),
        None => (foreign()?, false),
    };
    let name = salted.all().next()?.name();
    Some((salted.salt(name, b"contract-salt").ok()?, known))
}

pub(super) async fn a_salted_import_is_accepted_with_its_secret_or_refused<S>(
    fixture: &Fixture<S>,
) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, operator, kind) = (&fixture.manager, org(ORG), Kind::OrgKey);
    let found = salt_of(&*fixture.store);
    let (salt, known) = found.ok_or_else(|| Violation("no salted digest is usable".into()))?;
    let [key, _] = foreign();
    let digest = salt.digest(key.as_bytes());
    let import = || key_with_digest(fixture, digest.clone()).with_salt(salt.clone());
    if !known {
        let refused = manager.import(&operator, kind, import());
        let what = "a salt that the store does not know";
        let code = "unknown_salted_digest";
        return fixture.assert_refused(what, code, refused).await;
    }
    let derived = Import::new(key_id_of_digest(&digest), digest.clone(), "no id");
    let refused = manager.import(&operator, kind, derived.with_salt(salt.clone()));
    let code = "salt_needs_id";
    fixture
        .assert_refused("a salt without an id", code, refused)
        .await?;
    if fixture.supports(Feature::PersonalTokens) {
        let token = foreign_token().with_salt(salt.clone());
        let owner = user(USER);
        let refused = manager.import(&owner, Kind::PersonalToken, token);
        fixture
            .assert_refused("a salt on a token", code, refused)
            .await?;
    }

    let id = manager.import(&operator, kind, import()).await?.id;
    let wrong = key.replace("test-secret", "wrong-secret");
    for (text, wanted) in [(&key, true), (&wrong, false)] {
        let accepted = fixture.accepts(&Secret::new(text.clone())).await?;
        ensure(
            accepted == wanted,
            format!("{text}: accepted is {accepted}"),
        )?;
    }
    let owned = manager.find_presented(&key).await?;
    ensure(
        owned.id == id,
        format!("{owned:?} was found by the token of {id:?}"),
    )?;
    let presented = digest_of(&key);
    let rehashed = fixture.store.rehash(kind, id.as_str(), &presented).await?;
    ensure(!rehashed, "a salted digest was rehashed")?;
    salted_key_ends(fixture, &id, &key).await
}

/// A salted key is rotated to one without a salt, or revoked by its bearer.
async fn salted_key_ends<S>(fixture: &Fixture<S>, id: &CredentialId, key: &str) -> Outcome
where
    S: ManageStore + Directory,
{
    let (manager, operator, kind) = (&fixture.manager, org(ORG), Kind::OrgKey);
    if fixture.supports(Feature::Rotation) {
        let rotation = Rotation::default();
        let rotated = manager.rotate(&operator, kind, id.as_str(), rotation);
        let (_, successor) = into_pair(rotated.await?)?;
        let accepted = fixture.accepts(&successor).await?;
        ensure(accepted, "its successor is refused")?;
    } else {
        manager.revoke_presented(key, None).await?;
    }
    let accepted = fixture.accepts(&Secret::new(key.to_owned())).await?;
    ensure(!accepted, "it is accepted after its end")
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

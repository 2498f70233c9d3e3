//! Narrowing a catalogue: what a role loses, and what individually stored scopes lose.

use std::path::Path;

use tower_api_key::{
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey, Rotation},
    scope::Catalogue,
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, LookupKey, ManageStore, MemoryStore, Owner, Record,
    },
};
use tower_api_key_sqlx::SqliteStore;

/// A catalogue in which `editor` has `scopes` and `posts:write` implies `posts:read`.
fn catalogue(scopes: &[&str]) -> Catalogue {
    let builder = Catalogue::builder().role("editor", scopes.iter().copied());
    let builder = if scopes.contains(&"posts:write") {
        builder.implies("posts:write", "posts:read")
    } else {
        builder
    };
    builder.build().unwrap()
}

async fn open(path: &Path, scopes: &[&str]) -> Manager<SqliteStore> {
    Manager::new(SqliteStore::open(path, catalogue(scopes)).await.unwrap())
}

fn org() -> Actor {
    Actor::operator("test", Owner::Organization("org_test".into()))
}

/// The scopes that a lookup of the key returns.
async fn effective_scopes(store: &impl CredentialStore, id: &CredentialId) -> Vec<String> {
    let lookup = Lookup::new(LookupKey::OrgKey { id: id.as_str() }, None);
    let record = store.find(&lookup).await.unwrap().unwrap();
    record.scopes().iter().map(Into::into).collect()
}

const WIDE: [&str; 3] = ["posts:delete", "posts:read", "posts:write"];
const NARROW: [&str; 1] = ["posts:read"];

#[tokio::test]
async fn a_narrowed_catalogue_applies_to_roles_and_stored_scopes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.db");
    let manager = open(&path, &WIDE).await;
    manager
        .store()
        .create_organization("org_test", None)
        .await
        .unwrap();
    let issue = async |new: NewKey| {
        manager
            .issue_key(&org(), new)
            .await
            .unwrap()
            .info()
            .id
            .clone()
    };
    let by_role = issue(NewKey::named("role").with_role("editor")).await;
    let by_scopes =
        issue(NewKey::named("scopes").with_scopes(["posts:write", "posts:delete"])).await;
    let one = issue(NewKey::named("one").with_scopes(["posts:delete"])).await;
    for id in [&by_role, &by_scopes] {
        assert_eq!(effective_scopes(manager.store(), id).await, WIDE, "before");
    }

    let narrowed = open(&path, &["posts:read", "posts:write"]).await;
    for id in [&by_role, &by_scopes] {
        assert_eq!(
            effective_scopes(narrowed.store(), id).await,
            ["posts:read", "posts:write"]
        );
    }
    assert!(effective_scopes(narrowed.store(), &one).await.is_empty());

    // Rotation copies the scopes that the catalogue knows, so the old catalogue does not restore
    // the others.
    let rotate = async |id: &CredentialId| {
        let rotated = narrowed
            .rotate(&org(), Kind::OrgKey, id.as_str(), Rotation::default())
            .await;
        rotated.unwrap().info().clone()
    };
    let successor = rotate(&by_scopes).await;
    assert_eq!(
        successor.scopes.as_deref(),
        Some(&[Box::from("posts:write")][..])
    );
    let nothing = rotate(&one).await;
    let role = rotate(&by_role).await;
    let again = open(&path, &WIDE).await;
    assert_eq!(
        effective_scopes(again.store(), &successor.id).await,
        ["posts:read", "posts:write"]
    );
    assert!(
        effective_scopes(again.store(), &nothing.id)
            .await
            .is_empty(),
        "an empty list of scopes grants nothing"
    );
    assert_eq!(
        effective_scopes(again.store(), &role.id).await,
        WIDE,
        "a role follows the catalogue"
    );

    let read_only = open(&path, &NARROW).await;
    assert!(
        effective_scopes(read_only.store(), &successor.id)
            .await
            .is_empty()
    );
    assert_eq!(effective_scopes(read_only.store(), &role.id).await, NARROW);
}

#[tokio::test]
async fn the_memory_store_restricts_records_of_another_catalogue() {
    let store = MemoryStore::with_catalogue(catalogue(&NARROW));
    store.create_organization("org_test", None).await.unwrap();
    let key = |id: &str| Record::org_key(id, Digest::of(id.as_bytes()), "org_test");
    store
        .insert(key("scopes").with_scopes(WIDE.into_iter().collect()))
        .await
        .unwrap();
    store
        .insert(key("role").with_role("editor", &catalogue(&WIDE)).unwrap())
        .await
        .unwrap();
    for id in ["scopes", "role"] {
        assert_eq!(effective_scopes(&store, &id.into()).await, NARROW, "{id}");
    }
}

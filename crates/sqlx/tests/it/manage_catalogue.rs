//! A catalogue that is narrowed: what a role loses, and what scopes that were stored one by one lose.

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

/// The scopes that the role `editor` has in a catalogue, where `posts:write` implies `posts:read`.
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

/// What a lookup says that a key may do.
async fn held(store: &impl CredentialStore, id: &CredentialId) -> Vec<String> {
    let lookup = Lookup::new(LookupKey::OrgKey { id: id.as_str() }, None);
    let record = store.find(&lookup).await.unwrap().unwrap();
    record.scopes().iter().map(Into::into).collect()
}

const WIDE: [&str; 3] = ["posts:delete", "posts:read", "posts:write"];
const NARROW: [&str; 1] = ["posts:read"];

#[tokio::test]
async fn a_narrowed_catalogue_reaches_roles_and_stored_scopes() {
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
        assert_eq!(held(manager.store(), id).await, WIDE, "before");
    }

    let narrowed = open(&path, &["posts:read", "posts:write"]).await;
    for id in [&by_role, &by_scopes] {
        assert_eq!(
            held(narrowed.store(), id).await,
            ["posts:read", "posts:write"]
        );
    }
    assert!(held(narrowed.store(), &one).await.is_empty());

    // A rotation hands on what the catalogue knows, and nothing comes back with the old catalogue.
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
        held(again.store(), &successor.id).await,
        ["posts:read", "posts:write"]
    );
    assert!(
        held(again.store(), &nothing.id).await.is_empty(),
        "no scopes are no rights"
    );
    assert_eq!(
        held(again.store(), &role.id).await,
        WIDE,
        "a role follows the catalogue"
    );

    let read_only = open(&path, &NARROW).await;
    assert!(held(read_only.store(), &successor.id).await.is_empty());
    assert_eq!(held(read_only.store(), &role.id).await, NARROW);
}

#[tokio::test]
async fn a_record_of_another_catalogue_is_restricted_in_memory_too() {
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
        assert_eq!(held(&store, &id.into()).await, NARROW, "{id}");
    }
}

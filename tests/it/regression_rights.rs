//! Rights that grew with a catalogue that was replaced, or with a list that repeats itself.

use std::time::Duration;

use tower_api_key::{
    AuthLayer, Principal,
    credential::Kind,
    manage::{Actor, ManageError, Manager, NewKey, NewToken, Rotation},
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{
        Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, MemoryStore, Owner,
        Record, Restrictions,
    },
};
use tower_api_key_sqlx::SqliteStore;

use crate::support::{ask, bearer};

const ORG: &str = "org_1";
const USER: &str = "alice";
const MANAGE: &str = "organizations:manage";

/// A catalogue in which `a` implies `b` and the right to manage.
fn implying() -> Catalogue {
    let catalogue = Catalogue::builder()
        .role("admin", [MANAGE, "a", "b", "c"])
        .role("viewer", ["c"])
        .implies("a", "b")
        .implies("a", MANAGE);
    catalogue.build().unwrap()
}

/// The same with a wider `viewer`, in which `a` implies nothing.
fn not_implying() -> Catalogue {
    let catalogue = Catalogue::builder()
        .role("admin", [MANAGE, "a", "b", "c"])
        .role("viewer", ["b", "c"]);
    catalogue.build().unwrap()
}

async fn filled<S: ManageStore + Directory>(store: S) -> S {
    store.create_organization(ORG, None).await.unwrap();
    store.create_user(USER).await.unwrap();
    store.set_member(USER, ORG, "admin").await.unwrap();
    store
}

async fn memory() -> MemoryStore {
    filled(MemoryStore::with_catalogue(implying())).await
}

async fn sqlite() -> SqliteStore {
    filled(SqliteStore::in_memory(implying()).await.unwrap()).await
}

/// Whom a user-scoped route takes the bearer of a token for.
async fn caller<S: CredentialStore + Clone>(store: &S, token: &str) -> Principal {
    let auth = AuthLayer::new(store.clone()).user_scoped();
    ask(&auth, bearer(token)).await.principal().unwrap().clone()
}

/// A caller who was accepted before an implication ended keeps the request open, and then asks for
/// what it implied.
async fn a_slow_caller_grants_nothing_that_ended<S>(store: S)
where
    S: ManageStore + Directory + Clone,
{
    let (manager, alice) = (Manager::new(store.clone()), Actor::user(USER));
    let narrow = NewToken::named("narrow").with_scopes(["a"]);
    let issued = manager.issue_token(&alice, narrow).await.unwrap();
    let (_, secret) = issued.into_parts();
    let secret = secret.unwrap();
    let other = manager.issue_token(&alice, NewToken::named("other")).await;
    let (other, _) = other.unwrap().into_parts();
    let token = secret.expose_secret();
    let early = Actor::from_principal(&caller(&store, token).await);
    store.catalogue().replace(not_implying());
    let late = Actor::from_principal(&caller(&store, token).await);
    for (name, actor) in [("early", early), ("late", late)] {
        let wider = NewToken::named("wider").with_scopes(["b"]);
        let issued = manager.issue_token(&actor, wider).await;
        assert!(issued.is_err(), "{name}");
        let kind = tower_api_key::credential::Kind::PersonalToken;
        let deleted = manager.delete(&actor, kind, other.id.as_str()).await;
        let refused = matches!(deleted, Err(ManageError::NotAllowed));
        assert!(refused, "{name}: {deleted:?}");
    }
}

#[tokio::test]
async fn a_caller_from_before_a_replacement_grants_nothing_that_ended_with_it() {
    a_slow_caller_grants_nothing_that_ended(memory().await).await;
    a_slow_caller_grants_nothing_that_ended(sqlite().await).await;
}

/// What a key holds according to a lookup.
async fn held(store: &impl CredentialStore, id: &str) -> Vec<String> {
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    let found = store.find(&lookup).await.unwrap().expect("it is stored");
    assert!(found.is_current(), "{id}");
    found.scopes().iter().map(str::to_owned).collect()
}

async fn keys_keep_their_own_scopes<S>(store: S)
where
    S: ManageStore + Directory + Clone,
{
    let catalogue = store.catalogue().clone();
    let viewer = |id: &str| {
        let record = Record::org_key(id, Digest::of(id.as_bytes()), ORG);
        record.with_role("viewer", &catalogue).unwrap()
    };
    let only = |scope| ScopeSet::from_iter([scope]);
    let restricted = Restrictions::default().with_scopes(only("c"));
    store.insert(viewer("role")).await.unwrap();
    for record in [
        viewer("explicit").with_scopes(only("c")),
        viewer("restricted").restricted_to(restricted),
    ] {
        store.insert(record).await.unwrap();
    }
    catalogue.replace(not_implying());
    let manager = Manager::new(store.clone());
    let operator = Actor::operator("test", Owner::Organization(ORG.into()));
    let kind = Kind::OrgKey;
    for (id, expected) in [
        ("role", ["b", "c"].as_slice()),
        ("explicit", &["c"]),
        ("restricted", &["c"]),
    ] {
        assert_eq!(held(&store, id).await, expected, "{id}");
        let cached = Cached::new(store.clone()).with_ttl(Duration::MAX);
        assert_eq!(held(&cached, id).await, expected, "{id}, cached");
        let rotation = Rotation::default().with_overlap(Duration::from_secs(60));
        let rotated = manager.rotate(&operator, kind, id, rotation).await.unwrap();
        let (successor, _) = rotated.into_parts();
        let successor = successor.id.as_str();
        assert_eq!(held(&store, successor).await, expected, "after {id}");
    }
}

#[tokio::test]
async fn a_key_that_was_given_its_scopes_keeps_them_when_a_role_that_had_the_same_widens() {
    keys_keep_their_own_scopes(memory().await).await;
    keys_keep_their_own_scopes(sqlite().await).await;
}

/// The scopes of its own are those of its role, as long as the role has no others.
#[tokio::test]
async fn a_key_that_is_copied_to_another_store_keeps_its_own_scopes() {
    let (one, other) = (memory().await, memory().await);
    let record = Record::org_key("copied", Digest::of(b"ak_copied.test"), ORG);
    let record = record.with_role("viewer", one.catalogue()).unwrap();
    one.insert(record.with_scopes(ScopeSet::from_iter(["c"])))
        .await
        .unwrap();
    let lookup = Lookup::new(LookupKey::OrgKey { id: "copied" }, None);
    let found = one.find(&lookup).await.unwrap().unwrap();
    other.insert(Record::clone(&found)).await.unwrap();
    other.catalogue().replace(not_implying());
    assert_eq!(held(&other, "copied").await, ["c"]);
}

/// A list may repeat a scope as often as a body has room for it. Each expansion of such a list took
/// time in proportion to the square of its length, in every lookup that no cache answered.
#[tokio::test]
async fn a_scope_that_is_listed_many_times_is_stored_once() {
    let store = memory().await;
    let (manager, alice) = (Manager::new(store.clone()), Actor::user(USER));
    let many = || ["c", "a"].into_iter().cycle().take(100_000);
    let issued = manager
        .issue_token(&alice, NewToken::named("t").with_scopes(many()))
        .await;
    let (token, _) = issued.unwrap().into_parts();
    let scopes = token.scopes.unwrap();
    assert_eq!(*scopes, ["c".into(), "a".into()]);
    let operator = Actor::operator("test", Owner::Organization(ORG.into()));
    let key = NewKey::named("k").with_scopes(many());
    let (key, _) = manager
        .issue_key(&operator, key)
        .await
        .unwrap()
        .into_parts();
    assert_eq!(*key.scopes.unwrap(), ["c".into(), "a".into()]);
    let expanded = store.catalogue().expand(many());
    assert_eq!(expanded.iter().collect::<Vec<_>>(), ["a", "b", "c", MANAGE]);
}

/// Asks with each of these tokens, and returns the answers without those parts that differ between
/// any two requests.
async fn answers<S: CredentialStore + Clone>(store: &S, tokens: &[&str]) -> Vec<(u16, String)> {
    let auth = AuthLayer::new(store.clone());
    let mut answers = Vec::new();
    for token in tokens {
        let answer = ask(&auth, bearer(token)).await;
        answers.push((answer.status, answer.body));
    }
    answers
}

/// Whether a credential exists is told to nobody who does not have it, also while its role is
/// missing; and a leaked one can be revoked.
async fn an_unknown_role_shows_no_credential<S>(store: S)
where
    S: ManageStore + Directory + Clone,
{
    let catalogue = store.catalogue().clone();
    for id in ["known", "dead", "leaked"] {
        let record = Record::org_key(id, Digest::of(format!("ak_{id}.test").as_bytes()), ORG);
        let record = record.with_role("viewer", &catalogue).unwrap();
        store.insert(record).await.unwrap();
    }
    let owner = Owner::Organization(ORG.into());
    store.delete(&owner, "dead").await.unwrap();
    let cached = Cached::new(store.clone()).with_ttl(Duration::MAX);
    let without = Catalogue::builder().role("admin", ["a"]).build().unwrap();
    catalogue.replace(without);
    let tokens = [
        "ak_unknown.x",
        "ak_known.x",
        "ak_dead.x",
        "ak_dead.test",
        "ak_known.test",
    ];
    for answers in [
        answers(&store, &tokens).await,
        answers(&cached, &tokens).await,
    ] {
        let [unknown, others @ .., good] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert_eq!(unknown.0, 401);
        assert!(others.iter().all(|answer| answer == unknown), "{answers:?}");
        assert_eq!(good.0, 503);
    }
    let manager = Manager::new(cached.clone());
    let found = manager.find_presented("ak_leaked.test").await.unwrap();
    assert_eq!(found.id.as_str(), "leaked");
    let wrong = manager.revoke_presented("ak_leaked.x", None).await;
    assert!(matches!(wrong, Err(ManageError::UnknownCredential)));
    manager
        .revoke_presented("ak_leaked.test", None)
        .await
        .unwrap();
    catalogue.replace(implying());
    let revoked = answers(&store, &["ak_leaked.test", "ak_known.test"]).await;
    assert_eq!((revoked[0].0, revoked[1].0), (401, 200));
}

#[tokio::test]
async fn a_credential_with_an_unknown_role_is_shown_to_its_bearer_alone_and_can_be_revoked() {
    an_unknown_role_shows_no_credential(memory().await).await;
    an_unknown_role_shows_no_credential(sqlite().await).await;
}

/// A key that may manage, and one with scopes beside its role, after both roles are gone.
async fn a_role_that_is_gone_grants_no_change<S>(store: S)
where
    S: ManageStore + Directory + Clone,
{
    let catalogue = store.catalogue().clone();
    let of_role = |id: &str, role: &str| {
        let record = Record::org_key(id, Digest::of(format!("ak_{id}.test").as_bytes()), ORG);
        record.with_role(role, &catalogue).unwrap()
    };
    store.insert(of_role("actor", "admin")).await.unwrap();
    let own = of_role("own", "viewer").with_scopes(ScopeSet::from_iter(["a"]));
    store.insert(own).await.unwrap();
    let auth = AuthLayer::new(store.clone());
    let answer = ask(&auth, bearer("ak_actor.test")).await;
    let actor = Actor::from_principal(answer.principal().unwrap());
    let others = Catalogue::builder().role("other", [MANAGE, "a", "b", "c"]);
    catalogue.replace(others.build().unwrap());

    let (manager, kind) = (Manager::new(store), Kind::OrgKey);
    let renamed = manager.rename(&actor, kind, "own", "renamed").await;
    assert_eq!(renamed.unwrap_err().code(), "not_allowed");
    let operator = Actor::operator("test", Owner::Organization(ORG.into()));
    let rotated = manager.rotate(&operator, kind, "own", Rotation::default());
    let refused = rotated.await.map(drop).unwrap_err();
    assert_eq!(refused.code(), "unknown_role");
}

#[tokio::test]
async fn an_actor_or_a_key_whose_role_is_gone_is_refused_alike_by_every_store() {
    a_role_that_is_gone_grants_no_change(memory().await).await;
    a_role_that_is_gone_grants_no_change(sqlite().await).await;
}

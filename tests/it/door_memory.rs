//! The store in memory behind the door: each change shows in the next request, and a refused change changes nothing.

use crate::support;

use std::sync::Arc;

use http::Request;
use support::{
    DELETED_ORG, KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in, key, key_record, memory,
    pat_record,
};
use tower_api_key::{
    AuthLayer,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{MemoryStore, Record, WriteError as Refused},
};

/// What happens to a request before and after a change.
struct Change {
    name: &'static str,
    change: fn(&MemoryStore) -> Result<(), Refused>,
    request: Request<String>,
    before: &'static str,
    after: &'static str,
}

fn changes() -> Vec<Change> {
    let (here, there) = (bearer_in(TOKEN, ORG), bearer_in(TOKEN, OTHER_ORG));
    let change = |name, change, request: &Request<String>, before, after| {
        let request = request.clone();
        Change {
            name,
            change,
            request,
            before,
            after,
        }
    };
    let (key_here, owner_gone) = (bearer(KEY), bearer_in(support::pat("ownerless"), ORG));
    vec![
        change(
            "delete_key",
            |s| s.delete_key("testkey"),
            &key_here,
            "accepted",
            "deleted",
        ),
        change(
            "delete_key of another",
            |s| s.delete_key("expired"),
            &key_here,
            "accepted",
            "accepted",
        ),
        change(
            "delete_token",
            |s| s.delete_token("token"),
            &here,
            "accepted",
            "deleted",
        ),
        change(
            "delete_token, other organization",
            |s| s.delete_token("token"),
            &there,
            "accepted",
            "deleted",
        ),
        change(
            "disable_user",
            |s| s.disable_user(USER),
            &here,
            "accepted",
            "owner_gone",
        ),
        change(
            "disable_user and a key",
            |s| s.disable_user(USER),
            &key_here,
            "accepted",
            "accepted",
        ),
        change(
            "enable_user",
            |s| s.enable_user("user_gone"),
            &owner_gone,
            "owner_gone",
            "accepted",
        ),
        change(
            "remove_member",
            |s| s.remove_member(USER, ORG),
            &here,
            "accepted",
            "not_a_member",
        ),
        change(
            "remove_member elsewhere",
            |s| s.remove_member(USER, ORG),
            &there,
            "accepted",
            "accepted",
        ),
        change(
            "delete_organization, token",
            |s| s.delete_organization(ORG),
            &here,
            "accepted",
            "not_a_member",
        ),
        change(
            "delete_organization, key",
            |s| s.delete_organization(ORG),
            &key_here,
            "accepted",
            "organization_gone",
        ),
        change(
            "delete_organization, another",
            |s| s.delete_organization(OTHER_ORG),
            &here,
            "accepted",
            "accepted",
        ),
        change(
            "disable_organization, token",
            |s| s.disable_organization(ORG),
            &here,
            "accepted",
            "not_a_member",
        ),
        change(
            "disable_organization, key",
            |s| s.disable_organization(ORG),
            &key_here,
            "accepted",
            "organization_gone",
        ),
        change(
            "disable_organization, another",
            |s| s.disable_organization(OTHER_ORG),
            &here,
            "accepted",
            "accepted",
        ),
        change(
            "create_organization",
            |s| s.create_organization("org_new", None),
            &here,
            "accepted",
            "accepted",
        ),
        change(
            "insert",
            |s| s.insert(key_record("new", ORG)),
            &bearer(key("new")),
            "unknown_credential",
            "accepted",
        ),
        change(
            "insert of a token",
            |s| s.insert(pat_record("new", USER)),
            &bearer_in(support::pat("new"), ORG),
            "unknown_credential",
            "accepted",
        ),
    ]
}

#[tokio::test]
async fn each_change_shows_in_the_next_request() {
    for Change {
        name,
        change,
        request,
        before,
        after,
    } in changes()
    {
        let store = memory();
        let auth = AuthLayer::new(Arc::clone(&store));
        assert_eq!(
            ask(&auth, request.clone()).await.cause(),
            before,
            "before {name}"
        );
        change(&store).unwrap();
        assert_eq!(ask(&auth, request).await.cause(), after, "after {name}");
    }
}

#[tokio::test]
async fn a_new_member_gets_in_and_a_changed_role_counts_at_once() {
    let store = memory();
    store.create_organization("org_new", None).unwrap();
    let auth = AuthLayer::new(Arc::clone(&store));
    let request = || bearer_in(TOKEN, "org_new");
    assert_eq!(ask(&auth, request()).await.cause(), "not_a_member");
    for role in ["viewer", "admin", "viewer"] {
        store.set_member(USER, "org_new", role).unwrap();
        let answer = ask(&auth, request()).await;
        let principal = answer.principal().expect(role);
        assert_eq!(principal.role(), Some(role));
        assert_eq!(
            principal.scopes(),
            Catalogue::anyreach().scopes_of(role).unwrap()
        );
    }
}

#[tokio::test]
async fn a_deleted_token_stays_deleted_whatever_happens_to_its_owner() {
    let store = memory();
    let auth = AuthLayer::new(Arc::clone(&store));
    store.delete_token("token").unwrap();
    store.disable_user(USER).unwrap();
    store.enable_user(USER).unwrap();
    store.set_member(USER, ORG, "admin").unwrap();
    assert_eq!(ask(&auth, bearer_in(TOKEN, ORG)).await.cause(), "deleted");
}

#[tokio::test]
async fn changes_that_happen_while_the_owner_is_off_count_when_they_are_back() {
    let store = memory();
    let auth = AuthLayer::new(Arc::clone(&store));
    store.disable_user(USER).unwrap();
    store.remove_member(USER, ORG).unwrap();
    store.set_member(USER, OTHER_ORG, "admin").unwrap();
    store.enable_user(USER).unwrap();
    assert_eq!(
        ask(&auth, bearer_in(TOKEN, ORG)).await.cause(),
        "not_a_member"
    );
    assert_eq!(
        ask(&auth, bearer_in(TOKEN, OTHER_ORG))
            .await
            .principal()
            .unwrap()
            .role(),
        Some("admin")
    );
}

#[tokio::test]
async fn an_organization_that_is_switched_on_again_brings_back_what_was_not_deleted() {
    let store = memory();
    let auth = AuthLayer::new(Arc::clone(&store));
    store.disable_organization(ORG).unwrap();
    store.delete_key("testkey").unwrap();
    store.enable_organization(ORG).unwrap();
    for (request, cause) in [
        (bearer_in(TOKEN, ORG), "accepted"),
        (bearer(KEY), "deleted"),
        (bearer(key("disabled")), "disabled"),
        (bearer(key("expired")), "expired"),
    ] {
        assert_eq!(ask(&auth, request).await.cause(), cause);
    }
    store.delete_organization(ORG).unwrap();
    assert_eq!(
        ask(&auth, bearer_in(TOKEN, ORG)).await.cause(),
        "not_a_member"
    );
    for refused in [
        store.enable_organization(ORG),
        store.disable_organization(ORG),
    ] {
        assert_eq!(
            shown(refused),
            shown(Err(Refused::UnknownOrganization(ORG.into()))),
            "deleted is for good"
        );
    }
}

#[test]
fn a_change_that_makes_no_sense_is_refused_by_name() {
    let unknown_organization = |id: &str| Refused::UnknownOrganization(id.into());
    let (unknown_user, taken) = (
        |id: &str| Refused::UnknownUser(id.into()),
        |id: &str| Refused::Taken(id.into()),
    );
    let unknown = |id: &str| Refused::UnknownCredential(id.into());
    let store = memory();
    let s = &*store;
    for (name, outcome, wanted) in [
        (
            "a taken organization",
            s.create_organization(ORG, None),
            taken(ORG),
        ),
        (
            "a deleted organization's id",
            s.create_organization(DELETED_ORG, None),
            taken(DELETED_ORG),
        ),
        (
            "below nothing",
            s.create_organization("org_new", Some("org_no")),
            unknown_organization("org_no"),
        ),
        (
            "below a deleted one",
            s.create_organization("org_new", Some(DELETED_ORG)),
            unknown_organization(DELETED_ORG),
        ),
        (
            "no organization to delete",
            s.delete_organization("org_no"),
            unknown_organization("org_no"),
        ),
        (
            "an organization twice",
            s.delete_organization(DELETED_ORG),
            unknown_organization(DELETED_ORG),
        ),
        ("a taken user", s.create_user(USER), taken(USER)),
        (
            "nobody to disable",
            s.disable_user("nobody"),
            unknown_user("nobody"),
        ),
        (
            "nobody to enable",
            s.enable_user("nobody"),
            unknown_user("nobody"),
        ),
        (
            "nobody as a member",
            s.set_member("nobody", ORG, "viewer"),
            unknown_user("nobody"),
        ),
        (
            "a member of nothing",
            s.set_member(USER, "org_no", "viewer"),
            unknown_organization("org_no"),
        ),
        (
            "a member of a deleted one",
            s.set_member(USER, DELETED_ORG, "viewer"),
            unknown_organization(DELETED_ORG),
        ),
        (
            "a role of no catalogue",
            s.set_member(USER, ORG, "Admin"),
            Refused::UnknownRole("Admin".into()),
        ),
        (
            "nobody to remove",
            s.remove_member("nobody", ORG),
            unknown_user("nobody"),
        ),
        (
            "an unknown key to delete",
            s.delete_key("unknown"),
            unknown("unknown"),
        ),
        ("a key twice", s.delete_key("deleted"), unknown("deleted")),
        (
            "a token's id for a key's",
            s.delete_key("token"),
            unknown("token"),
        ),
        (
            "an unknown token to delete",
            s.delete_token("unknown"),
            unknown("unknown"),
        ),
        (
            "a token twice",
            s.delete_token("deleted"),
            unknown("deleted"),
        ),
        (
            "a key's id for a token's",
            s.delete_token("testkey"),
            unknown("testkey"),
        ),
    ] {
        assert_eq!(shown(outcome), shown(Err(wanted)), "{name}");
    }
}

#[test]
fn a_credential_that_makes_no_sense_is_refused_by_name() {
    let catalogue = Catalogue::anyreach();
    let scopes: ScopeSet = ["agents:read"].into_iter().collect();
    let store = memory();
    let taken_digest = Record::personal_token("another", Digest::of(TOKEN.as_bytes()), USER);
    let fresh = || pat_record("new", USER);
    for (name, record, wanted) in [
        (
            "a taken key",
            key_record("testkey", ORG),
            Refused::Taken("testkey".into()),
        ),
        (
            "a deleted key's id",
            key_record("deleted", ORG),
            Refused::Taken("deleted".into()),
        ),
        (
            "a taken token id",
            Record::personal_token("token", Digest::of(b"test"), USER),
            Refused::Taken("token".into()),
        ),
        (
            "a taken digest",
            taken_digest,
            Refused::Taken("another".into()),
        ),
        (
            "a deleted token's digest",
            pat_record("deleted", USER),
            Refused::Taken("deleted".into()),
        ),
        (
            "an empty id",
            key_record("", ORG),
            Refused::InvalidId("".into()),
        ),
        (
            "a dot in an id",
            key_record("a.b", ORG),
            Refused::InvalidId("a.b".into()),
        ),
        (
            "a blank in an id",
            key_record("a b", ORG),
            Refused::InvalidId("a b".into()),
        ),
        (
            "an equals sign in an id",
            key_record("a=", ORG),
            Refused::InvalidId("a=".into()),
        ),
        (
            "a key of nothing",
            key_record("new", "org_no"),
            Refused::UnknownOrganization("org_no".into()),
        ),
        (
            "a key of a deleted one",
            key_record("new", DELETED_ORG),
            Refused::UnknownOrganization(DELETED_ORG.into()),
        ),
        (
            "a token of nobody",
            pat_record("new", "nobody"),
            Refused::UnknownUser("nobody".into()),
        ),
        (
            "a token in an organization",
            fresh().in_organization(ORG),
            Refused::GrantOnToken,
        ),
        (
            "a token with a role",
            fresh().with_role("viewer", &catalogue).unwrap(),
            Refused::GrantOnToken,
        ),
        (
            "a token with scopes",
            fresh().with_scopes(scopes),
            Refused::GrantOnToken,
        ),
    ] {
        assert_eq!(shown(store.insert(record)), shown(Err(wanted)), "{name}");
    }
    // Nothing of what was refused has left a trace.
    store.insert(key_record("new", ORG)).unwrap();
    store.insert(fresh()).unwrap();
    store.create_organization("org_no", None).unwrap();
    store.create_user("nobody").unwrap();
}

#[tokio::test]
async fn a_refused_insert_leaves_the_one_before_in_force() {
    let store = memory();
    let auth = AuthLayer::new(Arc::clone(&store));
    let other_secret = Record::org_key("testkey", Digest::of(b"ak_testkey.test-other"), OTHER_ORG);
    store.insert(other_secret).unwrap_err();
    assert_eq!(
        ask(&auth, bearer("ak_testkey.test-other")).await.cause(),
        "wrong_secret"
    );
    assert_eq!(
        ask(&auth, bearer(KEY))
            .await
            .principal()
            .unwrap()
            .organization(),
        Some(ORG)
    );
    let other_owner = Record::personal_token("another", Digest::of(TOKEN.as_bytes()), "user_gone");
    store.insert(other_owner).unwrap_err();
    assert_eq!(
        ask(&auth, bearer_in(TOKEN, ORG))
            .await
            .principal()
            .unwrap()
            .user(),
        Some(USER)
    );
}

/// Write errors carry a store's own error, so that they cannot be compared themselves.
fn shown(outcome: Result<(), Refused>) -> String {
    format!("{outcome:?}")
}

//! The memory store behind the layer: each change applies to the next request, and a refused change
//! has no effect.

use crate::support::{self, now};
use tower_api_key::credential::Kind;
use tower_api_key::store::Owner;
use tower_api_key::{
    AuthLayer,
    scope::{Catalogue, ScopeSet},
    secret::Digest,
    store::{Directory, ManageStore, MemoryStore, Record, Status, WriteError as Refused},
};

use http::Request;
use support::{
    DELETED_ORG, KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in, key, key_record, memory,
    pat_record,
};

/// The results of a request before and after a change.
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
            |s| now(s.delete(&Owner::of(Kind::OrgKey, ORG), "testkey")),
            &key_here,
            "accepted",
            "deleted",
        ),
        change(
            "delete_key of another key",
            |s| now(s.delete(&Owner::of(Kind::OrgKey, ORG), "expired")),
            &key_here,
            "accepted",
            "accepted",
        ),
        change(
            "delete_token",
            |s| now(s.delete(&Owner::of(Kind::PersonalToken, USER), "token")),
            &here,
            "accepted",
            "deleted",
        ),
        change(
            "delete_token, other organization",
            |s| now(s.delete(&Owner::of(Kind::PersonalToken, USER), "token")),
            &there,
            "accepted",
            "deleted",
        ),
        change(
            "disable_user",
            |s| now(s.set_user_enabled(USER, false)),
            &here,
            "accepted",
            "owner_gone",
        ),
        change(
            "disable_user and a key",
            |s| now(s.set_user_enabled(USER, false)),
            &key_here,
            "accepted",
            "accepted",
        ),
        change(
            "enable_user",
            |s| now(s.set_user_enabled("user_gone", true)),
            &owner_gone,
            "owner_gone",
            "accepted",
        ),
        change(
            "remove_member",
            |s| now(s.remove_member(USER, ORG)),
            &here,
            "accepted",
            "not_a_member",
        ),
        change(
            "remove_member, other organization",
            |s| now(s.remove_member(USER, ORG)),
            &there,
            "accepted",
            "accepted",
        ),
        change(
            "delete_organization, token",
            |s| now(s.delete_organization(ORG)),
            &here,
            "accepted",
            "not_a_member",
        ),
        change(
            "delete_organization, key",
            |s| now(s.delete_organization(ORG)),
            &key_here,
            "accepted",
            "organization_gone",
        ),
        change(
            "delete_organization, another",
            |s| now(s.delete_organization(OTHER_ORG)),
            &here,
            "accepted",
            "accepted",
        ),
        change(
            "create_organization",
            |s| now(s.create_organization("org_new", None)),
            &here,
            "accepted",
            "accepted",
        ),
        change(
            "insert",
            |s| now(s.insert(key_record("new", ORG))),
            &bearer(key("new")),
            "unknown_credential",
            "accepted",
        ),
        change(
            "insert of a token",
            |s| now(s.insert(pat_record("new", USER))),
            &bearer_in(support::pat("new"), ORG),
            "unknown_credential",
            "accepted",
        ),
    ]
}

#[tokio::test]
async fn every_change_applies_to_the_next_request() {
    for Change {
        name,
        change,
        request,
        before,
        after,
    } in changes()
    {
        let store = memory();
        let auth = AuthLayer::new(store.clone());
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
async fn a_new_membership_or_role_applies_at_once() {
    let store = memory();
    store.create_organization("org_new", None).await.unwrap();
    let auth = AuthLayer::new(store.clone());
    let request = || bearer_in(TOKEN, "org_new");
    assert_eq!(ask(&auth, request()).await.cause(), "not_a_member");
    for role in ["viewer", "admin", "viewer"] {
        store.set_member(USER, "org_new", role).await.unwrap();
        let answer = ask(&auth, request()).await;
        let principal = answer.principal().expect(role);
        assert_eq!(principal.role(), Some(role));
        assert_eq!(
            *principal.scopes(),
            Catalogue::anyreach().scopes_of(role).unwrap()
        );
    }
}

#[tokio::test]
async fn a_deleted_token_stays_deleted_when_its_owner_changes() {
    let store = memory();
    let auth = AuthLayer::new(store.clone());
    store
        .delete(&Owner::of(Kind::PersonalToken, USER), "token")
        .await
        .unwrap();
    store.set_user_enabled(USER, false).await.unwrap();
    store.set_user_enabled(USER, true).await.unwrap();
    store.set_member(USER, ORG, "admin").await.unwrap();
    assert_eq!(ask(&auth, bearer_in(TOKEN, ORG)).await.cause(), "deleted");
}

#[tokio::test]
async fn changes_made_while_the_owner_is_disabled_apply_after_reenabling() {
    let store = memory();
    let auth = AuthLayer::new(store.clone());
    store.set_user_enabled(USER, false).await.unwrap();
    store.remove_member(USER, ORG).await.unwrap();
    store.set_member(USER, OTHER_ORG, "admin").await.unwrap();
    store.set_user_enabled(USER, true).await.unwrap();
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

#[test]
fn an_invalid_change_returns_a_specific_error() {
    let unknown_organization = |id: &str| Refused::UnknownOrganization(id.into());
    let (unknown_user, taken) = (
        |id: &str| Refused::UnknownUser(id.into()),
        |id: &str| Refused::Taken(id.into()),
    );
    let unknown = |id: &str| Refused::UnknownCredential(id.into());
    let store = memory();
    let s = &store;
    for (name, outcome, wanted) in [
        (
            "an existing organization",
            now(s.create_organization(ORG, None)),
            taken(ORG),
        ),
        (
            "the id of a deleted organization",
            now(s.create_organization(DELETED_ORG, None)),
            taken(DELETED_ORG),
        ),
        (
            "below nothing",
            now(s.create_organization("org_new", Some("org_no"))),
            unknown_organization("org_no"),
        ),
        (
            "a child of a deleted organization",
            now(s.create_organization("org_new", Some(DELETED_ORG))),
            unknown_organization(DELETED_ORG),
        ),
        (
            "deleting an unknown organization",
            now(s.delete_organization("org_no")),
            unknown_organization("org_no"),
        ),
        (
            "deleting an organization twice",
            now(s.delete_organization(DELETED_ORG)),
            unknown_organization(DELETED_ORG),
        ),
        ("an existing user", now(s.create_user(USER)), taken(USER)),
        (
            "disabling an unknown user",
            now(s.set_user_enabled("unknown", false)),
            unknown_user("unknown"),
        ),
        (
            "enabling an unknown user",
            now(s.set_user_enabled("unknown", true)),
            unknown_user("unknown"),
        ),
        (
            "an unknown user as a member",
            now(s.set_member("unknown", ORG, "viewer")),
            unknown_user("unknown"),
        ),
        (
            "a member of an unknown organization",
            now(s.set_member(USER, "org_no", "viewer")),
            unknown_organization("org_no"),
        ),
        (
            "a member of a deleted organization",
            now(s.set_member(USER, DELETED_ORG, "viewer")),
            unknown_organization(DELETED_ORG),
        ),
        (
            "a role outside the catalogue",
            now(s.set_member(USER, ORG, "Admin")),
            Refused::UnknownRole("Admin".into()),
        ),
        (
            "removing an unknown member",
            now(s.remove_member("unknown", ORG)),
            unknown_user("unknown"),
        ),
        (
            "deleting an unknown key",
            now(s.delete(&Owner::of(Kind::OrgKey, ORG), "unknown")),
            unknown("unknown"),
        ),
        (
            "deleting a key twice",
            now(s.delete(&Owner::of(Kind::OrgKey, ORG), "deleted")),
            unknown("deleted"),
        ),
        (
            "deleting a key by the id of a token",
            now(s.delete(&Owner::of(Kind::OrgKey, ORG), "token")),
            unknown("token"),
        ),
        (
            "deleting an unknown token",
            now(s.delete(&Owner::of(Kind::PersonalToken, USER), "unknown")),
            unknown("unknown"),
        ),
        (
            "deleting a token twice",
            now(s.delete(&Owner::of(Kind::PersonalToken, USER), "deleted")),
            unknown("deleted"),
        ),
        (
            "deleting a token by the id of a key",
            now(s.delete(&Owner::of(Kind::PersonalToken, USER), "testkey")),
            unknown("testkey"),
        ),
    ] {
        assert_eq!(formatted(outcome), formatted(Err(wanted)), "{name}");
    }
}

#[test]
fn an_invalid_credential_returns_a_specific_error() {
    let catalogue = Catalogue::anyreach();
    let scopes: ScopeSet = ["agents:read"].into_iter().collect();
    let store = memory();
    let taken_digest = Record::personal_token("another", Digest::of(TOKEN.as_bytes()), USER);
    let fresh = || pat_record("new", USER);
    for (name, record, wanted) in [
        (
            "an existing key id",
            key_record("testkey", ORG),
            Refused::Taken("testkey".into()),
        ),
        (
            "the id of a deleted key",
            key_record("deleted", ORG),
            Refused::Taken("deleted".into()),
        ),
        (
            "an existing token id",
            Record::personal_token("token", Digest::of(b"test"), USER),
            Refused::Taken("token".into()),
        ),
        (
            "an existing digest",
            taken_digest,
            Refused::Taken("another".into()),
        ),
        (
            "the digest of a deleted token",
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
            "a key of an unknown organization",
            key_record("new", "org_no"),
            Refused::UnknownOrganization("org_no".into()),
        ),
        (
            "a key of a deleted organization",
            key_record("new", DELETED_ORG),
            Refused::UnknownOrganization(DELETED_ORG.into()),
        ),
        (
            "a token of an unknown user",
            pat_record("new", "unknown"),
            Refused::UnknownUser("unknown".into()),
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
        assert_eq!(
            formatted(now(store.insert(record))),
            formatted(Err(wanted)),
            "{name}"
        );
    }
    // The refused changes had no effect.
    now(store.insert(key_record("new", ORG))).unwrap();
    now(store.insert(fresh())).unwrap();
    now(store.create_organization("org_no", None)).unwrap();
    now(store.create_user("unknown")).unwrap();
}

#[tokio::test]
async fn a_refused_insert_leaves_the_existing_credential_valid() {
    let store = memory();
    let auth = AuthLayer::new(store.clone());
    let other_secret = Record::org_key("testkey", Digest::of(b"ak_testkey.test-other"), OTHER_ORG);
    store.insert(other_secret).await.unwrap_err();
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
    store.insert(other_owner).await.unwrap_err();
    assert_eq!(
        ask(&auth, bearer_in(TOKEN, ORG))
            .await
            .principal()
            .unwrap()
            .user(),
        Some(USER)
    );
}

/// Formats an outcome, because write errors hold a store error and cannot be compared.
fn formatted(outcome: Result<(), Refused>) -> String {
    format!("{outcome:?}")
}

/// A credential whose owner is gone is refused, and shown as it is itself.
#[tokio::test]
async fn that_an_owner_is_gone_is_not_the_status_of_its_credentials() {
    let store = memory();
    for (kind, owner, id) in [
        (Kind::OrgKey, DELETED_ORG, "orphan"),
        (Kind::PersonalToken, "user_gone", "ownerless"),
    ] {
        let info = store.credential(&Owner::of(kind, owner), id).await.unwrap();
        assert_eq!(info.unwrap().status, Status::Active, "{id}");
    }
}

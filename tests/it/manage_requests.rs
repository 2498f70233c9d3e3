//! What the builders of management set: the last setter counts, and each setting has an effect.

use std::time::Duration;

use tower_api_key::{
    clock::{Clock as _, SystemClock, UnixMillis},
    credential::{Kind, TokenFormat},
    id::OrgId,
    manage::{Actor, Import, ManageError, Manager, NewKey, NewToken, Rotation},
    scope::ScopeSet,
    secret::Digest,
    store::{
        Attributes, CredentialInfo, EffectiveStatus, Filter, InvalidAttributes, ManageStore as _,
        MemoryStore, Owner, Record, Restrictions, Status,
    },
};

use crate::support::{ORG, OTHER_ORG, USER, memory};

const KEY: Kind = Kind::OrgKey;

fn manager() -> Manager<MemoryStore> {
    Manager::new(memory())
}

fn operator() -> Actor {
    Actor::operator("test", Owner::Organization(ORG.into()))
}

fn import(id: &str) -> Import {
    Import::new(id, Digest::of(id.as_bytes()), "imported")
}

/// Imports it for the organization, or for the user.
async fn imported(manager: &Manager<MemoryStore>, kind: Kind, import: Import) -> CredentialInfo {
    let owner = match kind {
        Kind::OrgKey => Owner::Organization(ORG.into()),
        Kind::PersonalToken => Owner::User(USER.into()),
    };
    let actor = Actor::operator("test", owner);
    manager.import(&actor, kind, import).await.unwrap()
}

/// The role and the scopes.
fn rights(info: &CredentialInfo) -> (Option<&str>, Option<Vec<&str>>) {
    let scopes = info.scopes.as_deref();
    let scopes = scopes.map(|scopes| scopes.iter().map(|scope| &**scope).collect());
    (info.role.as_deref(), scopes)
}

#[tokio::test]
async fn a_role_replaces_scopes_and_scopes_a_role() {
    let manager = manager();
    let scopes = || ["agents:read"];
    for (new, brought, expected) in [
        (
            NewKey::named("role")
                .with_scopes(scopes())
                .with_role("viewer"),
            import("role").with_scopes(scopes()).with_role("viewer"),
            (Some("viewer"), None),
        ),
        (
            NewKey::named("scopes")
                .with_role("viewer")
                .with_scopes(scopes()),
            import("scopes").with_role("viewer").with_scopes(scopes()),
            (None, Some(vec!["agents:read"])),
        ),
    ] {
        let issued = manager.issue_key(&operator(), new).await.unwrap();
        assert_eq!(rights(issued.info()), expected, "issued");
        let info = imported(&manager, KEY, brought).await;
        assert_eq!(rights(&info), expected, "imported");
    }
}

#[tokio::test]
async fn an_import_without_rights_is_a_key_without_scopes_or_a_token() {
    let manager = manager();
    let key = imported(&manager, KEY, import("key")).await;
    assert_eq!(rights(&key), (None, Some(vec![])));
    let token = imported(&manager, Kind::PersonalToken, import("t-1")).await;
    assert_eq!(rights(&token), (None, None));
}

#[tokio::test]
async fn an_import_keeps_its_name_and_its_expiry() {
    let (manager, past) = (manager(), UnixMillis(1));
    let expired = imported(&manager, KEY, import("late").expiring_at(past)).await;
    assert_eq!(
        (&*expired.name, expired.expires_at),
        ("imported", Some(past))
    );
    assert_eq!(expired.effective_status(past), EffectiveStatus::Expired);
    let unset = import("unset").expiring_at(past).expiring_at(None);
    assert_eq!(imported(&manager, KEY, unset).await.expires_at, None);
}

#[tokio::test]
async fn an_import_keeps_its_attributes_and_the_organizations_of_a_token() {
    let manager = manager();
    let attributes = Attributes::default().with_description("of the other system");
    for kind in [KEY, Kind::PersonalToken] {
        let brought = import("described").with_attributes(attributes.clone());
        let info = imported(&manager, kind, brought).await;
        assert_eq!(
            (info.attributes, info.organizations),
            (attributes.clone(), None)
        );
    }
    let brought = import("restricted").with_organizations([OTHER_ORG]);
    let info = imported(&manager, Kind::PersonalToken, brought).await;
    let expected: [OrgId; 1] = [OTHER_ORG.into()];
    assert_eq!(info.organizations.as_deref(), Some(&expected[..]));
}

#[tokio::test]
async fn a_description_is_refused_that_reorders_what_is_around_it() {
    let described = |text: &str| {
        NewKey::named("key").with_attributes(Attributes::default().with_description(text))
    };
    for (text, refused) in [
        ("first line\nsecond line", false),
        ("\u{202e}reordered", true),
        ("with\ttab", true),
        ("\n", true),
    ] {
        let issued = manager().issue_key(&operator(), described(text)).await;
        let invalid = matches!(
            issued,
            Err(ManageError::InvalidAttributes(
                InvalidAttributes::Description
            ))
        );
        assert_eq!(invalid, refused, "{text:?}");
    }
}

#[tokio::test]
async fn an_error_shows_the_first_200_characters_of_what_is_unknown() {
    for (characters, shown) in [(1, 1), (200, 200), (201, 200)] {
        let role = "\u{e4}".repeat(characters);
        let new = NewKey::named("key").with_role(&role);
        let issued = manager().issue_key(&operator(), new).await;
        let error = issued.map(drop).unwrap_err();
        let expected = format!("unknown role {:?}", "\u{e4}".repeat(shown));
        assert_eq!(error.to_string(), expected);
    }
}

/// As a lookup returns it, so that credentials can be copied from one store to another.
#[tokio::test]
async fn a_record_is_managed_with_all_that_it_has() {
    let store = memory();
    let attributes = Attributes::default().with_description("of another store");
    let organizations = Restrictions::default().with_organizations([OTHER_ORG]);
    let token = Record::personal_token("copied", Digest::of(b"pat_copied"), USER)
        .restricted_to(organizations)
        .with_attributes(attributes.clone());
    store.insert(token).await.unwrap();
    let user = Actor::user(USER);
    let manager = Manager::new(store);
    let info = manager
        .get(&user, Kind::PersonalToken, "copied")
        .await
        .unwrap();
    assert_eq!(info.attributes, attributes);
    let expected: [OrgId; 1] = [OTHER_ORG.into()];
    assert_eq!(info.organizations.as_deref(), Some(&expected[..]));
}

#[tokio::test]
async fn the_scopes_for_managing_keys_are_those_that_were_set() {
    let manager = manager().with_management_scopes(["agents:read"]).unwrap();
    let acting = |scope: &str| {
        let held: ScopeSet = [scope].into_iter().collect();
        Actor::user(USER).acting_in(ORG, held)
    };
    let all = Filter::default();
    let (reader, other) = (acting("agents:read"), acting("organizations:manage"));
    let listed = manager.list(&reader, KEY, &all, None, 10).await;
    assert!(!listed.unwrap().items.is_empty());
    let refused = manager.list(&other, KEY, &all, None, 10).await;
    assert_eq!(refused.unwrap_err().code(), "not_allowed");
}

#[tokio::test]
async fn the_longest_overlap_is_the_one_that_was_set() {
    let hour = Duration::from_secs(3600);
    let manager = manager().with_max_overlap(hour);
    for (overlap, code) in [
        (hour + Duration::from_millis(1), Some("overlap_too_long")),
        (hour, None),
    ] {
        let rotation = Rotation::default().with_overlap(overlap);
        let rotated = manager.rotate(&operator(), KEY, "testkey", rotation).await;
        assert_eq!(rotated.err().map(|error| error.code()), code);
    }
}

/// At most two of a chain are valid.
#[tokio::test]
async fn a_second_rotation_within_the_overlap_ends_the_first_key_and_records_when() {
    let manager = manager();
    let hour = || Rotation::default().with_overlap(Duration::from_secs(3600));
    let second = manager.rotate(&operator(), KEY, "testkey", hour()).await;
    let second = second.unwrap().info().id.clone();
    let before = SystemClock::default().now();
    let third = manager
        .rotate(&operator(), KEY, second.as_str(), hour())
        .await;
    third.unwrap();
    let first = manager.get(&operator(), KEY, "testkey").await.unwrap();
    assert_eq!(first.status, Status::Deleted);
    assert!(first.deleted_at.is_some_and(|at| at >= before), "{first:?}");
}

#[tokio::test]
async fn a_key_has_the_prefix_that_was_set() {
    let format = TokenFormat::default().with_prefixes("k_", "t_").unwrap();
    let manager = manager().with_token_format(format);
    let issued = manager.issue_key(&operator(), NewKey::named("key")).await;
    let secret = issued.unwrap().into_secret().unwrap();
    let minted = manager.token_format().mint(KEY).unwrap();
    for secret in [secret, minted.secret] {
        assert!(secret.expose_secret().starts_with("k_"));
    }
}

#[tokio::test]
async fn beyond_a_lowered_limit_keys_can_be_renamed_and_not_enabled() {
    let manager = manager().with_max_credentials(0);
    for id in ["testkey", "disabled", "expired"] {
        let renamed = manager.rename(&operator(), KEY, id, "new name").await;
        assert_eq!(&*renamed.unwrap().name, "new name", "{id}");
    }
    let enabled = manager.enable(&operator(), KEY, "disabled").await;
    assert_eq!(enabled.unwrap_err().code(), "cap_reached");
}

#[tokio::test]
async fn a_maximum_lifetime_of_one_kind_is_none_of_the_other() {
    let minute = Duration::from_secs(60);
    let user = Actor::user(USER);
    for (limited, codes) in [
        (KEY, [Some("expiry_beyond_policy"), None]),
        (Kind::PersonalToken, [None, Some("expiry_beyond_policy")]),
    ] {
        let manager = manager().with_max_lifetime_of(limited, minute);
        let key = manager.issue_key(&operator(), NewKey::named("key")).await;
        let token = manager.issue_token(&user, NewToken::named("token")).await;
        let refused = [key, token].map(|issued| issued.err().map(|error| error.code()));
        assert_eq!(refused, codes, "{limited:?}");
    }
}

#[tokio::test]
async fn debug_output_of_a_manager_shows_its_limits_and_of_a_cursor_its_text() {
    let manager = manager().with_max_lifetime_of(KEY, Duration::from_secs(60));
    let shown = "Manager { accepted: {\"organizations:manage\"}, cap: 100, \
                 max_key_life: Some(60s), max_token_life: None, max_overlap: 604800s, \
                 deadline: 5s, .. }";
    assert_eq!(format!("{manager:?}"), shown);
    let page = manager
        .list(&operator(), KEY, &Filter::default(), None, 1)
        .await;
    let cursor = page.unwrap().next.unwrap();
    assert_eq!(format!("{cursor:?}"), format!("PageCursor({cursor})"));
}

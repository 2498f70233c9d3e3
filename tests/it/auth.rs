//! Every way to be refused: what the client sees, what the operator sees, and that both kinds of
//! store give the same result.

use crate::support;

use std::{collections::BTreeSet, sync::Arc};

use http::Request;
use support::{
    DELETED_ORG, KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, USER, ask, authorization, bearer,
    bearer_in, key, memory, pat,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower_api_key::{
    AuthLayer, CredentialStore, Principal, Reason, Rejection,
    condition::{ClientAddress, RequestHead, Unmet},
    credential::TokenFormat,
    store::MemoryStore,
};

type Auth = AuthLayer<Arc<dyn CredentialStore>>;

/// A layer whose store answers at once and one whose store has to wait, over the same credentials.
fn layers() -> [(&'static str, Auth); 2] {
    let store: MemoryStore = memory();
    let remote = RemoteStore::new(store.clone(), Behaviour::Answers);
    [
        (
            "at once",
            AuthLayer::new(Arc::new(store) as Arc<dyn CredentialStore>),
        ),
        ("after a wait", AuthLayer::new(remote)),
    ]
}

/// The published status, text and challenge of a reason.
fn published(reason: Reason) -> (u16, &'static str, Option<&'static str>) {
    let bare = Some(r#"Bearer realm="api""#);
    let invalid = Some(r#"Bearer realm="api", error="invalid_token""#);
    let insufficient = Some(r#"Bearer realm="api", error="insufficient_scope""#);
    match reason {
        Reason::MissingCredential => (401, "Missing Bearer token", bare),
        Reason::UnrecognizedToken => (
            401,
            concat!(
                "Unrecognized token format. ",
                "Expected a personal access token (pat_...) or organization API key (ak_...)."
            ),
            invalid,
        ),
        Reason::InvalidToken => (401, "Invalid or expired token", invalid),
        Reason::MissingOrganization => (401, "Token is missing organization claim.", bare),
        Reason::OrganizationDenied => (
            403,
            "Token does not grant access to this organization",
            insufficient,
        ),
        Reason::ExposedCredential => (403, "Tokens must not be sent from a browser", None),
        other => panic!("AuthLayer never returns {other:?}"),
    }
}

struct Case {
    name: &'static str,
    request: Request<String>,
    set_up: fn(Auth) -> Auth,
    cause: &'static str,
    reason: Reason,
}

/// A key whose conditions, or those of the layer, refuse the request.
fn conditional(
    name: &'static str,
    id: &str,
    cause: &'static str,
    set_up: fn(Auth) -> Auth,
) -> Case {
    Case {
        set_up,
        ..case(name, bearer(key(id)), cause, Reason::OrganizationDenied)
    }
}

fn case(name: &'static str, request: Request<String>, cause: &'static str, reason: Reason) -> Case {
    Case {
        name,
        request,
        set_up: |auth| auth,
        cause,
        reason,
    }
}

fn malformed_credentials() -> Vec<Case> {
    use Reason::{
        InvalidToken as Invalid, MissingCredential as Missing, UnrecognizedToken as Unrecognized,
    };
    let twice = with(bearer(KEY), "authorization", format!("Bearer {KEY}"));
    let long = bearer(format!("pat_{}", "A".repeat(509)));
    vec![
        case("no header", request(), "no_credential", Missing),
        case(
            "a key under Proxy-Authorization",
            with(request(), "proxy-authorization", bearer_of(KEY)),
            "no_credential",
            Missing,
        ),
        case(
            "a key in a cookie",
            with(request(), "cookie", format!("token={KEY}")),
            "no_credential",
            Missing,
        ),
        case(
            "Basic",
            authorization("Basic dGVzdDp0ZXN0"),
            "other_scheme",
            Missing,
        ),
        case(
            "a key without a scheme",
            authorization(KEY),
            "other_scheme",
            Missing,
        ),
        case(
            "an empty header",
            authorization(""),
            "other_scheme",
            Missing,
        ),
        case(
            "only a scheme",
            authorization("Bearer "),
            "empty_bearer",
            Missing,
        ),
        case("the same key twice", twice, "several_credentials", Invalid),
        case(
            "a valid and another header",
            with(bearer(KEY), "authorization", "Basic x"),
            "several_credentials",
            Invalid,
        ),
        case(
            "another prefix",
            bearer("sk_test-token"),
            "unknown_prefix",
            Unrecognized,
        ),
        case(
            "a prefix in capitals",
            bearer("AK_testkey.test-secret"),
            "unknown_prefix",
            Unrecognized,
        ),
        case(
            "a key without a dot",
            bearer("ak_testkey"),
            "malformed_token",
            Invalid,
        ),
        case(
            "two keys in one value",
            bearer(format!("{KEY}, Bearer {KEY}")),
            "malformed_token",
            Invalid,
        ),
        case(
            "junk after a key",
            bearer(format!("{KEY} x")),
            "malformed_token",
            Invalid,
        ),
        case(
            "a tab after the scheme",
            authorization(format!("Bearer\t{KEY}")),
            "malformed_token",
            Invalid,
        ),
        case("513 bytes", long, "token_too_long", Invalid),
        Case {
            set_up: |auth| auth.with_token_format(TokenFormat::default().with_required_checksum()),
            ..case(
                "a missing required checksum",
                bearer(KEY),
                "wrong_checksum",
                Invalid,
            )
        },
    ]
}

fn bearer_of(token: &str) -> String {
    format!("Bearer {token}")
}

fn invalid_credentials() -> Vec<Case> {
    use Reason::InvalidToken as Invalid;
    let wrong = bearer("ak_testkey.test-wrong");
    vec![
        case(
            "an unknown key",
            bearer(key("unknown")),
            "unknown_credential",
            Invalid,
        ),
        case(
            "an unknown token",
            bearer_in(pat("unknown"), ORG),
            "unknown_credential",
            Invalid,
        ),
        case("a wrong secret", wrong, "wrong_secret", Invalid),
        case("a deleted key", bearer(key("deleted")), "deleted", Invalid),
        case(
            "a deleted token",
            bearer_in(pat("deleted"), ORG),
            "deleted",
            Invalid,
        ),
        case("an expired key", bearer(key("expired")), "expired", Invalid),
        case(
            "an expired token",
            bearer_in(pat("expired"), ORG),
            "expired",
            Invalid,
        ),
        case(
            "a disabled key",
            bearer(key("disabled")),
            "disabled",
            Invalid,
        ),
        case(
            "a disabled token",
            bearer_in(pat("disabled"), ORG),
            "disabled",
            Invalid,
        ),
        case(
            "a token whose owner is gone",
            bearer_in(pat("ownerless"), ORG),
            "owner_gone",
            Invalid,
        ),
        case(
            "a key whose organization is gone",
            bearer(key("orphan")),
            "organization_gone",
            Invalid,
        ),
    ]
}

fn misused_credentials() -> Vec<Case> {
    use Reason::{MissingOrganization as Unnamed, OrganizationDenied as Denied};
    let twice = with(bearer_in(TOKEN, ORG), ORG_HEADER, ORG);
    let twice_for_key = with(bearer_in(KEY, ORG), ORG_HEADER, OTHER_ORG);
    let browser = with(bearer(KEY), "origin", "https://page.test");
    vec![
        case("no organization", bearer(TOKEN), "no_organization", Unnamed),
        case(
            "an empty organization",
            bearer_in(TOKEN, ""),
            "no_organization",
            Unnamed,
        ),
        case(
            "a blank organization",
            bearer_in(TOKEN, "  "),
            "no_organization",
            Unnamed,
        ),
        case(
            "the organization header twice",
            twice,
            "several_organizations",
            Unnamed,
        ),
        case(
            "two organizations in one value",
            bearer_in(TOKEN, "org_test, org_test"),
            "malformed_organization",
            Denied,
        ),
        case(
            "an organization of 257 bytes",
            bearer_in(TOKEN, &"o".repeat(257)),
            "malformed_organization",
            Denied,
        ),
        case(
            "an organization without membership",
            bearer_in(pat("token"), "org_unknown"),
            "not_a_member",
            Denied,
        ),
        case(
            "a deleted organization",
            bearer_in(TOKEN, DELETED_ORG),
            "not_a_member",
            Denied,
        ),
        case(
            "an organization in capitals",
            bearer_in(TOKEN, "ORG_TEST"),
            "not_a_member",
            Denied,
        ),
        case(
            "an organization that is not on the token's list",
            bearer_in(pat("elsewhere"), ORG),
            "organization_not_allowed",
            Denied,
        ),
        case(
            "a key in another organization",
            bearer_in(KEY, OTHER_ORG),
            "other_organization",
            Denied,
        ),
        case(
            "a key in two organizations",
            twice_for_key,
            "other_organization",
            Denied,
        ),
        Case {
            set_up: AuthLayer::user_scoped,
            ..case(
                "a key where a user is required",
                bearer(KEY),
                "key_on_user_route",
                Denied,
            )
        },
        conditional(
            "networks that the layer cannot check",
            "office",
            "condition_unchecked",
            |auth| auth,
        ),
        conditional(
            "networks, and nobody knows from where",
            "office",
            "address_unknown",
            |auth| auth.with_client_address(ClientAddress::of_peer(|_| None)),
        ),
        conditional("another network", "office", "address_not_allowed", |auth| {
            auth.with_client_address(ClientAddress::of_peer(|_| Some([192, 0, 2, 1].into())))
        }),
        conditional(
            "an environment that the layer does not know",
            "staging",
            "condition_unchecked",
            |auth| auth,
        ),
        conditional(
            "another environment",
            "staging",
            "other_environment",
            |auth| auth.with_environment("live").unwrap(),
        ),
        conditional(
            "a condition of the service",
            "testkey",
            "condition_not_met",
            |auth| {
                auth.with_condition(|_: &Principal, _: &RequestHead<'_>| {
                    Err(Unmet::forbidden("test"))
                })
            },
        ),
        Case {
            reason: Reason::InvalidToken,
            ..conditional(
                "a hidden condition",
                "testkey",
                "condition_not_met",
                |auth| {
                    auth.with_condition(|_: &Principal, _: &RequestHead<'_>| {
                        Err(Unmet::unauthorized("test"))
                    })
                },
            )
        },
        Case {
            set_up: |auth| auth.with_browser_guard(|_| {}),
            ..case(
                "a key in a browser",
                browser,
                "sent_by_browser",
                Reason::ExposedCredential,
            )
        },
    ]
}

fn cases() -> Vec<Case> {
    [
        malformed_credentials(),
        invalid_credentials(),
        misused_credentials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[tokio::test]
async fn every_cause_has_its_published_answer_with_both_kinds_of_store() {
    let layers = layers();
    for Case {
        name,
        request,
        set_up,
        cause,
        reason,
    } in cases()
    {
        let (status, detail, challenge) = published(reason);
        for (kind, auth) in &layers {
            let answer = ask(&set_up(auth.clone()), request.clone()).await;
            assert_eq!(
                (answer.cause(), answer.reason()),
                (cause, Some(reason)),
                "{name}, {kind}"
            );
            assert_eq!(answer.status, status, "{name}, {kind}");
            assert_eq!(
                answer.body,
                serde_json::json!({ "detail": detail }).to_string(),
                "{name}, {kind}"
            );
            let mut headers = vec![
                ("content-type", "application/json"),
                ("cache-control", "no-store"),
            ];
            headers.extend(challenge.map(|challenge| ("www-authenticate", challenge)));
            let seen: BTreeSet<_> = answer
                .headers
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            assert_eq!(seen, BTreeSet::from_iter(headers), "{name}, {kind}");
            assert_eq!(
                answer.rejection.as_ref().map(Rejection::detail),
                Some(detail),
                "{name}, {kind}"
            );
        }
    }
}

#[tokio::test]
async fn peeked_and_awaited_answers_give_byte_identical_refusals() {
    let [(_, at_once), (_, waiting)] = layers();
    for Case {
        name,
        request,
        set_up,
        ..
    } in cases()
    {
        let (one, other) = (
            ask(&set_up(at_once.clone()), request.clone()).await,
            ask(&set_up(waiting.clone()), request).await,
        );
        assert_eq!(one.wire(), other.wire(), "{name}");
    }
}

#[test]
fn the_cases_cover_every_cause_that_a_request_can_trigger() {
    let covered: BTreeSet<_> = cases().iter().map(|case| case.cause).collect();
    let (_, code) = include_str!("../../src/rejection/cause.rs")
        .split_once("fn code")
        .unwrap();
    let codes = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1));
    // Causes that only other layers report, and one that is no refusal: see `conditions`.
    let elsewhere = [
        "anonymous",
        "condition_panicked",
        "no_accepted_scope",
        "no_auth_layer",
        "no_origin",
        "no_other_caller",
        "not_a_descendant",
        "null_origin",
        "origin_not_listed",
        "other_caller",
        "several_origins",
        "undecided",
        "unlisted_route",
    ];
    let wanted: BTreeSet<_> = codes.filter(|code| !elsewhere.contains(code)).collect();
    assert_eq!(covered, wanted);
}

#[tokio::test]
async fn unknown_wrong_deleted_expired_and_orphaned_get_identical_responses() {
    for (kind, auth) in layers() {
        let unknown = ask(&auth, bearer(key("unknown"))).await;
        for Case { name, request, .. } in invalid_credentials() {
            assert_eq!(
                ask(&auth, request).await.wire(),
                unknown.wire(),
                "{name}, {kind}"
            );
        }
    }
}

#[tokio::test]
async fn valid_credentials_reach_the_service_with_their_principal() {
    for (kind, auth) in layers() {
        for (name, request, id, organization, user, role) in [
            ("a key", bearer(KEY), "testkey", ORG, None, "admin"),
            (
                "a key that names its organization",
                bearer_in(KEY, ORG),
                "testkey",
                ORG,
                None,
                "admin",
            ),
            (
                "a key that names no organization",
                bearer_in(KEY, ""),
                "testkey",
                ORG,
                None,
                "admin",
            ),
            (
                "the scheme in another case",
                authorization(format!("bEARER   {KEY}")),
                "testkey",
                ORG,
                None,
                "admin",
            ),
            (
                "a token",
                bearer_in(TOKEN, ORG),
                "token",
                ORG,
                Some(USER),
                "admin",
            ),
            (
                "a token in another organization",
                bearer_in(TOKEN, OTHER_ORG),
                "token",
                OTHER_ORG,
                Some(USER),
                "viewer",
            ),
        ] {
            let answer = ask(&auth, request).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (200, "reached"),
                "{name}, {kind}"
            );
            let principal = answer.principal().expect(name);
            assert_eq!(principal.credential_id(), id, "{name}, {kind}");
            assert_eq!(
                principal.organization(),
                Some(organization),
                "{name}, {kind}"
            );
            assert_eq!(
                (principal.user(), principal.role()),
                (user, Some(role)),
                "{name}, {kind}"
            );
            assert_eq!(
                principal.has("agents:manage"),
                role == "admin",
                "{name}, {kind}"
            );
            assert!(principal.has("agents:read"), "{name}, {kind}");
        }
    }
}

#[tokio::test]
async fn a_bad_credential_is_refused_before_the_organization_is_checked() {
    for (kind, auth) in layers() {
        for (name, request, cause) in [
            (
                "an unknown token without organization",
                bearer(pat("unknown")),
                "unknown_credential",
            ),
            (
                "an expired token without organization",
                bearer(pat("expired")),
                "expired",
            ),
            (
                "an unknown token in a deleted organization",
                bearer_in(pat("unknown"), DELETED_ORG),
                "unknown_credential",
            ),
            (
                "a malformed token with a malformed organization",
                bearer_in("pat_", "a b"),
                "malformed_token",
            ),
            (
                "a wrong secret with another organization",
                bearer_in("ak_testkey.test-wrong", OTHER_ORG),
                "wrong_secret",
            ),
            (
                "an expired key with another organization",
                bearer_in(key("expired"), OTHER_ORG),
                "expired",
            ),
        ] {
            let answer = ask(&auth, request).await;
            assert_eq!(
                (answer.reason(), answer.cause()),
                (Some(Reason::InvalidToken), cause),
                "{name}, {kind}"
            );
        }
    }
}

#[tokio::test]
async fn an_outage_does_not_affect_decisions_that_need_no_store() {
    let store = RemoteStore::new(memory(), Behaviour::Fails);
    let auth: Auth = AuthLayer::new(Arc::clone(&store) as Arc<dyn CredentialStore>);
    for Case {
        name,
        request,
        set_up,
        cause,
        ..
    } in malformed_credentials()
    {
        assert_eq!(
            ask(&set_up(auth.clone()), request).await.cause(),
            cause,
            "{name}"
        );
    }
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn a_request_makes_at_most_one_lookup() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let auth = AuthLayer::new(Arc::clone(&store));
    for Case { name, request, .. } in cases() {
        let before = store.calls();
        ask(&auth, request).await;
        assert!(store.calls() - before <= 1, "{name}");
    }
}

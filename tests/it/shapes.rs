//! Tokens of other systems: further prefixes, keys without an id, and tokens without a prefix, from
//! their import to their revocation.

use crate::support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::{
    KEY, ORG, ORG_HEADER, TOKEN, USER, ask, bearer, bearer_in, grpc_call, memory, now,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower::layer::util::Identity;
use tower_api_key::{
    AuthLayer, CredentialSource, Principal,
    credential::{Kind, TokenFormat, TokenShape, key_id_of_digest},
    manage::{Actor, Import, Manager},
    secret::Digest,
    store::{Cached, MemoryStore, Owner},
};

const SECRET_KEY: &str = "sk_live_billing.not-a-real-secret";
const SINGLE: &str = "ghx_not-a-real-secret";
const PERSONAL: &str = "user-not-a-real-secret";
const BY_SECRET: &str = "mine_short_not-a-real-secret";
const UNPREFIXED: &str = "0123456789abcdef0123456789abcdef";

fn format() -> TokenFormat {
    let format = TokenFormat::default();
    let format = format.with_further_prefix("sk_live_", TokenShape::OrgKey);
    let format = format.unwrap();
    let format = format.with_further_prefix("ghx_", TokenShape::OrgKeyWithoutId);
    let format = format.unwrap();
    let hashed_by_secret = TokenShape::OrgKeyHashedBySecret { separator: '_' };
    let format = format.with_further_prefix("mine_", hashed_by_secret);
    let format = format.unwrap();
    let format = format.with_further_prefix("user-", TokenShape::PersonalToken);
    format.unwrap().with_unprefixed(TokenShape::OrgKeyWithoutId)
}

fn auth(store: MemoryStore) -> AuthLayer<MemoryStore> {
    AuthLayer::new(store).with_token_format(format())
}

fn id(answer: &support::Answer) -> Option<&str> {
    answer.principal().map(Principal::credential_id)
}

/// A store with a token of each shape, as their digests were imported.
fn moved() -> MemoryStore {
    let store = memory();
    let manager = Manager::new(store.clone()).with_token_format(format());
    let import = |owner, id: &str, digest: Digest, role: Option<&str>| {
        let operator = Actor::operator("move", owner);
        let kind = match role {
            Some(_) => Kind::OrgKey,
            None => Kind::PersonalToken,
        };
        let import = Import::new(id, digest, "moved");
        let import = match role {
            Some(role) => import.with_role(role),
            None => import,
        };
        now(manager.import(&operator, kind, import)).unwrap();
    };
    let digest = |token: &str| Digest::of(token.as_bytes());
    let organization = || Owner::of(Kind::OrgKey, ORG);
    import(organization(), "billing", digest(SECRET_KEY), Some("admin"));
    let of_secret = digest("not-a-real-secret");
    import(organization(), "short", of_secret, Some("admin"));
    for token in [SINGLE, UNPREFIXED] {
        let id = key_id_of_digest(&digest(token));
        import(organization(), id.as_str(), digest(token), Some("admin"));
    }
    let user = Owner::of(Kind::PersonalToken, USER);
    import(user, "moved-1", digest(PERSONAL), None);
    store
}

fn derived(token: &str) -> String {
    let id = key_id_of_digest(&Digest::of(token.as_bytes()));
    id.as_str().to_owned()
}

#[tokio::test]
async fn imported_tokens_are_accepted_as_their_clients_send_them() {
    let store = moved();
    let header = CredentialSource::header("x-api-key".parse().unwrap());
    let waiting = RemoteStore::new(store.clone(), Behaviour::Answers);
    let waiting = AuthLayer::new(waiting).with_token_format(format());
    let cached = AuthLayer::new(Cached::new(store.clone())).with_token_format(format());
    let direct = auth(store).with_source(header).unwrap();
    for (token, wanted) in [
        (KEY, "testkey".to_owned()),
        (TOKEN, "token".to_owned()),
        (SECRET_KEY, "billing".to_owned()),
        (BY_SECRET, "short".to_owned()),
        (SINGLE, derived(SINGLE)),
        (UNPREFIXED, derived(UNPREFIXED)),
        (PERSONAL, "moved-1".to_owned()),
    ] {
        let in_header = with(with(request(), "x-api-key", token), ORG_HEADER, ORG);
        for answer in [
            ask(&direct, bearer_in(token, ORG)).await,
            ask(&direct, in_header).await,
            ask(&waiting, bearer_in(token, ORG)).await,
            ask(&cached, bearer_in(token, ORG)).await,
            ask(&cached, bearer_in(token, ORG)).await,
        ] {
            assert_eq!(id(&answer), Some(&*wanted), "{token}");
        }
    }
    let call = grpc_call(bearer(SINGLE), "application/grpc");
    assert_eq!(id(&ask(&direct, call).await), Some(&*derived(SINGLE)));
}

#[tokio::test]
async fn the_default_format_accepts_none_of_them() {
    let default = AuthLayer::new(moved());
    for token in [SECRET_KEY, SINGLE, BY_SECRET, PERSONAL, UNPREFIXED] {
        let answer = ask(&default, bearer_in(token, ORG)).await;
        assert_eq!(answer.cause(), "unknown_prefix", "{token}");
    }
}

#[tokio::test]
async fn wrong_tokens_of_every_shape_are_refused_alike() {
    let auth = auth(moved());
    let wrong = ask(&auth, bearer("ak_testkey.test-wrong")).await;
    assert_eq!(wrong.cause(), "wrong_secret");
    let by_id = |token: &str| format!("{}.x", derived(token));
    for (token, cause) in [
        ("sk_live_billing.wrong".to_owned(), "wrong_secret"),
        ("ak_billing.not-a-real-secret".to_owned(), "wrong_secret"),
        ("sk_live_billing".to_owned(), "malformed_token"),
        ("mine_short_wrong".to_owned(), "wrong_secret"),
        ("mine_billing_not-a-real-secret".to_owned(), "wrong_secret"),
        ("ak_short.not-a-real-secret".to_owned(), "wrong_secret"),
        ("not-a-real-secret".to_owned(), "unknown_credential"),
        (format!("{SINGLE}x"), "unknown_credential"),
        (derived(SINGLE), "unknown_credential"),
        (format!("ghx_{}", derived(SINGLE)), "unknown_credential"),
        (format!("ak_{}", by_id(SINGLE)), "wrong_secret"),
        (format!("sk_live_{}", by_id(UNPREFIXED)), "wrong_secret"),
        (Digest::of(SINGLE.as_bytes()).to_hex(), "unknown_credential"),
        (UNPREFIXED.to_uppercase(), "unknown_credential"),
        (format!("{PERSONAL}x"), "unknown_credential"),
    ] {
        let answer = ask(&auth, bearer_in(&token, ORG)).await;
        assert_eq!(answer.cause(), cause, "{token}");
        assert_eq!(answer.wire(), wrong.wire(), "{token}");
    }
}

#[tokio::test]
async fn a_leaked_token_of_another_system_is_revoked_by_itself() {
    let store = moved();
    let manager = Manager::new(store.clone()).with_token_format(format());
    for token in [SECRET_KEY, SINGLE, BY_SECRET, UNPREFIXED, PERSONAL] {
        let found = manager.find_presented(token).await.unwrap();
        let revoked = manager.revoke_presented(token, None).await.unwrap();
        assert_eq!(found.id, revoked.id, "{token}");
        let answer = ask(&auth(store.clone()), bearer_in(token, ORG)).await;
        assert_eq!(answer.cause(), "deleted", "{token}");
    }
}

#[tokio::test]
async fn no_token_of_these_goes_to_another_authenticator() {
    let prefixed = TokenFormat::default();
    let prefixed = prefixed.with_further_prefix("ghx_", TokenShape::OrgKeyWithoutId);
    for (format, other) in [(prefixed.unwrap(), 500), (format(), 401)] {
        let auth = AuthLayer::new(moved()).with_token_format(format);
        let either = auth.with_other_authenticator::<(), _>(Identity::new());
        assert_eq!(ask(&either, bearer(SINGLE)).await.status, 200);
        assert_eq!(ask(&either, bearer("ghx_x")).await.status, 401);
        // 500 says that the other authenticator was asked, and added no caller.
        let jwt = ask(&either, bearer("eyJ0ZXN0.test.good")).await;
        assert_eq!(jwt.status, other);
    }
}

static MOVED: LazyLock<AuthLayer<MemoryStore>> = LazyLock::new(|| auth(moved()));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn only_imported_tokens_are_accepted(
        token in "(ak_|sk_live_|ghx_|mine_|user-|)(billing|short|not|0123)?[._-]?(not-a-real-secret|[a-z._-]{0,4})",
    ) {
        let answer = now(ask(&*MOVED, bearer_in(&token, ORG)));
        let is_moved = [SECRET_KEY, SINGLE, BY_SECRET, PERSONAL].contains(&&*token);
        prop_assert_eq!(answer.status == 200, is_moved, "{}", answer.cause());
    }

    #[test]
    fn a_token_is_parsed_as_a_request_reads_it(token in "(ak_|sk_live_|ghx_|mine_|user-|)([a-f._=][a-f._= ]{0,5})?") {
        let parsed = format().parse(&token).map(|parsed| parsed.kind);
        let answer = now(ask(&*MOVED, bearer(&token)));
        let is_read = ["unknown_credential", "wrong_secret", "accepted"].contains(&answer.cause());
        prop_assert_eq!(parsed.is_ok(), is_read, "{:?} {}", parsed, answer.cause());
    }
}

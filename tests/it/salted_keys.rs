//! Keys of another system whose digests are salted, from their import to their end.

use crate::support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use base64ct::{Base64, Encoding as _};
use support::{
    KEY, ORG, ask, authorization, bearer, memory, now,
    remote_store::{Behaviour, RemoteStore},
    request, with,
};
use tower_api_key::{
    AuthLayer, CredentialSource, CredentialStore, Principal,
    credential::{Kind, TokenFormat, TokenShape, key_id_of_digest},
    manage::{Actor, Import, ManageError, Manager, Rotation},
    secret::{Digest, Salt, SaltedDigest, SaltedDigests, SaltedSha256},
    store::{
        Cached, Lookup, LookupKey, ManageStore, MemoryStore, Owner, Record, StoreError, WriteError,
    },
};

/// The other system hashed the whole token, after the salt.
const WHOLE: &str = "sk_live_billing.not-a-real-secret";
/// It hashed the secret alone.
const BY_SECRET: &str = "mine_short_not-a-real-secret";
const SALT: &[u8] = b"8f3a1c";

fn format() -> TokenFormat {
    let by_secret = TokenShape::OrgKeyHashedBySecret { separator: '_' };
    let format = TokenFormat::default().with_further_prefix("sk_live_", TokenShape::OrgKey);
    let format = format.and_then(|format| format.with_further_prefix("mine_", by_secret));
    format.unwrap()
}

fn salted() -> SaltedDigests {
    SaltedDigests::new(SaltedSha256::SaltFirst)
        .and_then(|salted| salted.with(SaltedSha256::SaltLast))
        .unwrap()
}

fn salt() -> Salt {
    salted().salt("sha256-prefix", SALT).unwrap()
}

fn operator() -> Actor {
    Actor::operator("move", Owner::of(Kind::OrgKey, ORG))
}

fn manager<S: ManageStore>(store: S) -> Manager<S> {
    Manager::new(store).with_token_format(format())
}

/// The digest, as the other system would have computed it.
fn digest(salt: &[u8], secret: &str) -> Digest {
    Digest::of(&[salt, secret.as_bytes()].concat())
}

/// A store with both keys.
fn moved() -> MemoryStore {
    let store = memory().with_salted_digests(salted());
    let manager = manager(store.clone());
    for (id, secret) in [("billing", WHOLE), ("short", "not-a-real-secret")] {
        let import = Import::new(id, digest(SALT, secret), "moved")
            .with_salt(salt())
            .with_role("admin");
        now(manager.import(&operator(), Kind::OrgKey, import)).unwrap();
    }
    store
}

fn auth<S: CredentialStore>(store: S) -> AuthLayer<S> {
    AuthLayer::new(store).with_token_format(format())
}

/// A store, and the same behind a cache.
fn alone_and_cached(store: impl CredentialStore) -> [Arc<dyn CredentialStore>; 2] {
    let store: Arc<dyn CredentialStore> = Arc::new(store);
    [Arc::clone(&store), Arc::new(Cached::new(store))]
}

fn id(answer: &support::Answer) -> Option<&str> {
    answer.principal().map(Principal::credential_id)
}

/// The secret is read where it is in the request, before and after the store was asked.
#[tokio::test]
async fn a_salted_key_is_accepted_wherever_its_client_puts_it() {
    let store = moved();
    let waiting = RemoteStore::new(store.clone(), Behaviour::Answers);
    let cached = Cached::new(RemoteStore::new(store.clone(), Behaviour::Answers));
    for (name, answers) in [
        ("memory", from_each_place(auth(store)).await),
        ("waiting", from_each_place(auth(waiting)).await),
        ("cached", from_each_place(auth(cached)).await),
    ] {
        for (token, place, answer) in answers {
            let wanted = match token {
                WHOLE => "billing",
                _ => "short",
            };
            assert_eq!(
                id(&answer),
                Some(wanted),
                "{name}, {place}: {}",
                answer.cause()
            );
        }
    }
}

type Answers = Vec<(&'static str, &'static str, support::Answer)>;

/// Sends each key in each place, twice in a row.
async fn from_each_place<S: CredentialStore>(auth: AuthLayer<S>) -> Answers {
    let header = CredentialSource::header("x-api-key".parse().unwrap());
    let with_header = auth.clone().with_source(header).unwrap();
    let with_basic = auth.clone().with_source(CredentialSource::basic_username());
    let with_basic = with_basic.unwrap();
    let mut answers = Vec::new();
    for token in [WHOLE, BY_SECRET] {
        for _ in 0..2 {
            let basic = format!(
                "Basic {}",
                Base64::encode_string(format!("{token}:").as_bytes())
            );
            let answer = ask(&auth, bearer(token)).await;
            answers.push((token, "bearer", answer));
            let answer = ask(&with_header, with(request(), "x-api-key", token)).await;
            answers.push((token, "header", answer));
            let answer = ask(&with_header, bearer(token)).await;
            answers.push((token, "bearer beside a header", answer));
            let answer = ask(&with_basic, authorization(basic)).await;
            answers.push((token, "basic", answer));
            let answer = ask(&with_basic, bearer(token)).await;
            answers.push((token, "bearer beside basic", answer));
        }
    }
    answers
}

#[tokio::test]
async fn wrong_salted_keys_and_the_stored_digest_are_refused_alike() {
    let store = moved();
    let stored = digest(SALT, WHOLE);
    for auth in alone_and_cached(store).map(auth) {
        let wrong = ask(&auth, bearer("ak_testkey.test-wrong")).await;
        assert_eq!(wrong.cause(), "wrong_secret");
        for (token, cause) in [
            ("sk_live_billing.wrong".to_owned(), "wrong_secret"),
            ("mine_short_wrong".to_owned(), "wrong_secret"),
            ("ak_billing.not-a-real-secret".to_owned(), "wrong_secret"),
            (
                "sk_live_nobody.not-a-real-secret".to_owned(),
                "unknown_credential",
            ),
            (
                format!("sk_live_billing.{}", stored.to_hex()),
                "wrong_secret",
            ),
            (format!("sk_live_billing.8f3a1c{WHOLE}"), "wrong_secret"),
        ] {
            let answer = ask(&auth, bearer(&token)).await;
            assert_eq!(answer.cause(), cause, "{token}");
            assert_eq!(answer.wire(), wrong.wire(), "{token}");
        }
        assert_eq!(ask(&auth, bearer(KEY)).await.status, 200, "a plain key");
    }
}

#[tokio::test]
async fn a_salted_key_is_rotated_to_a_plain_one() {
    let store = moved();
    let manager = manager(store.clone());
    let operator = operator();
    let rotated = manager.rotate(&operator, Kind::OrgKey, "billing", Rotation::default());
    let (info, secret) = rotated.await.unwrap().into_parts();
    let auth = auth(store.clone());
    let new = ask(&auth, bearer(secret.unwrap().expose_secret())).await;
    assert_eq!(id(&new), Some(info.id.as_str()));
    assert_eq!(ask(&auth, bearer(WHOLE)).await.cause(), "deleted");
    // It is accepted by a store that knows no salts.
    let key = LookupKey::OrgKey {
        id: info.id.as_str(),
    };
    let found = store.find(&Lookup::new(key, None)).await.unwrap().unwrap();
    let plain = memory();
    plain.insert(Record::clone(&found)).await.unwrap();
}

#[tokio::test]
async fn a_leaked_salted_key_is_found_and_revoked_by_its_token_alone() {
    let manager = manager(moved());
    for (token, id) in [(WHOLE, "billing"), (BY_SECRET, "short")] {
        let wrong = token.replace("not-a", "not-the");
        let refused = manager.revoke_presented(&wrong, None).await;
        assert!(matches!(refused, Err(ManageError::UnknownCredential)));
        let found = manager.find_presented(token).await.unwrap();
        let revoked = manager.revoke_presented(token, None).await.unwrap();
        assert_eq!((found.id.as_str(), revoked.id.as_str()), (id, id));
        let answer = ask(&auth(manager.store().clone()), bearer(token)).await;
        assert_eq!(answer.cause(), "deleted");
        let found = manager.find_presented(token).await.unwrap();
        assert_eq!(found.id.as_str(), id, "deleted");
    }
}

#[tokio::test]
async fn what_could_not_be_verified_is_not_imported() {
    let without = memory();
    let one = SaltedDigests::new(SaltedSha256::SaltLast).unwrap();
    let other = memory().with_salted_digests(one);
    let all = memory().with_salted_digests(salted());
    let stored = digest(SALT, WHOLE);
    let by_id = |id: &str| Import::new(id, stored.clone(), "moved").with_salt(salt());
    let derived = key_id_of_digest(&stored);
    let (key, token) = (Kind::OrgKey, Kind::PersonalToken);
    for (name, store, kind, id, code) in [
        (
            "no salted digests",
            &without,
            key,
            "k1",
            "unknown_salted_digest",
        ),
        ("another one", &other, key, "k1", "unknown_salted_digest"),
        ("a token", &all, token, "t1", "salt_needs_id"),
        ("no id", &all, key, derived.as_str(), "salt_needs_id"),
    ] {
        let owner = match kind {
            Kind::OrgKey => Owner::of(kind, ORG),
            Kind::PersonalToken => Owner::of(kind, support::USER),
        };
        let operator = Actor::operator("move", owner);
        let refused = manager(store.clone())
            .import(&operator, kind, by_id(id))
            .await;
        let error = refused.unwrap_err();
        assert_eq!(
            (error.code(), error.status().as_u16()),
            (code, 422),
            "{name}"
        );
    }
    let key = Record::org_key("k1", stored.clone(), ORG).with_salt(salt());
    let refused = without.insert(key).await.unwrap_err();
    let WriteError::Store(StoreError::UnknownSaltedDigest(name)) = refused else {
        panic!("{refused}")
    };
    assert_eq!(&*name, "sha256-prefix");
    let token = Record::personal_token("t1", stored, support::USER).with_salt(salt());
    let refused = all.insert(token).await.unwrap_err();
    assert!(matches!(refused, WriteError::SaltOnToken), "{refused}");
}

/// Keys in a table of one's own, one of which names a salted digest that is not known.
struct OwnTable(SaltedDigests);

#[tower_api_key::async_trait]
impl CredentialStore for OwnTable {
    fn salted_digests(&self) -> Option<&SaltedDigests> {
        Some(&self.0)
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let LookupKey::OrgKey { id } = lookup.key() else {
            return Ok(None);
        };
        let name = match id {
            "known" => "sha256-prefix",
            "unknown" => "sha256-gone",
            _ => return Ok(None),
        };
        let digest = digest(SALT, &support::key(id));
        let key = Record::org_key(id, digest, ORG).with_salt(self.0.salt(name, SALT)?);
        Ok(Some(Arc::new(key)))
    }
}

#[tokio::test]
async fn a_store_of_ones_own_verifies_salted_keys_and_an_unknown_salted_digest_is_an_outage() {
    for auth in alone_and_cached(OwnTable(salted())).map(auth) {
        let token = support::key;
        for _ in 0..2 {
            assert_eq!(ask(&auth, bearer(token("known"))).await.status, 200);
            let outage = ask(&auth, bearer(token("unknown"))).await;
            assert_eq!(
                (outage.status, outage.cause()),
                (503, "unknown_salted_digest")
            );
            let unknown = ask(&auth, bearer(token("nobody"))).await;
            assert_eq!(unknown.cause(), "unknown_credential");
        }
    }
}

/// Counts how often it is computed.
#[derive(Debug)]
struct Counting(&'static str, Arc<AtomicUsize>);

impl SaltedDigest for Counting {
    fn name(&self) -> &str {
        self.0
    }

    fn digest(&self, _: &[u8], secret: &[u8]) -> Digest {
        self.1.fetch_add(1, SeqCst);
        Digest::of(secret)
    }
}

/// A key with one of the digests costs what an unknown one does.
#[tokio::test]
async fn each_salted_digest_of_the_store_is_computed_once_for_each_key() {
    let names = ["first", "second", "third"];
    let computed = names.map(|_| Arc::new(AtomicUsize::new(0)));
    let [first, second, third] = [0, 1, 2].map(|at| Counting(names[at], Arc::clone(&computed[at])));
    let salted = SaltedDigests::new(first)
        .and_then(|salted| salted.with(second))
        .and_then(|salted| salted.with(third))
        .unwrap();
    let store = memory().with_salted_digests(salted.clone());
    let manager = manager(store.clone());
    let secret = Digest::of(b"ak_second.not-a-real-secret");
    let import =
        Import::new("second", secret, "moved").with_salt(salted.salt("second", SALT).unwrap());
    manager
        .import(&operator(), Kind::OrgKey, import)
        .await
        .unwrap();
    let auth = auth(store);
    for token in [
        "ak_second.not-a-real-secret",
        "ak_second.wrong",
        "ak_unknown.test",
        KEY,
    ] {
        computed.iter().for_each(|count| count.store(0, SeqCst));
        ask(&auth, bearer(token)).await;
        let counts = computed.each_ref().map(|count| count.load(SeqCst));
        assert_eq!(counts, [1, 1, 1], "{token}");
    }
}

/// An unknown id computes a salted digest too, as a wrong secret does: also behind what forwards to
/// the store.
#[tokio::test]
async fn an_unknown_id_computes_the_salted_digests_of_the_store_behind_a_cache() {
    let computed = Arc::new(AtomicUsize::new(0));
    let salted = SaltedDigests::new(Counting("counting", Arc::clone(&computed))).unwrap();
    let store = memory().with_salted_digests(salted);
    let cache = Cached::new(Arc::new(RemoteStore::new(store, Behaviour::Answers)));
    assert!(cache.store().salted_digests().is_some());
    let auth = auth(Arc::new(cache));
    for token in ["ak_unknown.test", "ak_testkey.test-wrong", KEY] {
        for request in ["from the store", "from the cache"] {
            computed.store(0, SeqCst);
            ask(&auth, bearer(token)).await;
            assert_eq!(computed.load(SeqCst), 1, "{token}, {request}");
        }
    }
}

/// As another system names it, which hashes in another way.
#[derive(Debug)]
struct Imitation;

impl SaltedDigest for Imitation {
    fn name(&self) -> &str {
        "sha256-prefix"
    }

    fn digest(&self, _: &[u8], secret: &[u8]) -> Digest {
        Digest::of(secret)
    }
}

/// As a SQL store does, which keeps the name and the salt.
#[tokio::test]
async fn a_store_verifies_with_its_own_salted_digest_of_a_name() {
    let store = memory().with_salted_digests(salted());
    let foreign = SaltedDigests::new(Imitation).unwrap();
    let foreign = || foreign.salt("sha256-prefix", SALT).unwrap();
    let (right, wrong) = (digest(SALT, "ak_right.test"), Digest::of(b"ak_wrong.test"));
    let import = Import::new("right", right.clone(), "moved").with_salt(foreign());
    let manager = manager(store.clone());
    manager
        .import(&operator(), Kind::OrgKey, import)
        .await
        .unwrap();
    store
        .insert(Record::org_key("wrong", wrong, ORG).with_salt(foreign()))
        .await
        .unwrap();
    let auth = auth(store);
    assert_eq!(ask(&auth, bearer("ak_right.test")).await.status, 200);
    assert_eq!(
        ask(&auth, bearer("ak_wrong.test")).await.cause(),
        "wrong_secret"
    );
}

/// Takes only the salts of its own system.
#[derive(Debug)]
struct OfEightBytes;

impl SaltedDigest for OfEightBytes {
    fn name(&self) -> &str {
        "eight"
    }

    fn digest(&self, salt: &[u8], secret: &[u8]) -> Digest {
        let salt: [u8; 8] = salt.try_into().expect("test panic about a salt");
        digest(&salt, std::str::from_utf8(secret).unwrap())
    }
}

#[tokio::test]
async fn a_digest_that_panics_about_other_salts_refuses_no_other_key() {
    let salted = SaltedDigests::new(OfEightBytes).unwrap();
    let store = memory().with_salted_digests(salted.clone());
    let own = |salt: &[u8]| salted.salt("eight", salt).unwrap();
    for (id, salt) in [("own", b"8-bytes." as &[u8]), ("other", b"another")] {
        let digest = digest(salt, &format!("ak_{id}.test"));
        let key = Record::org_key(id, digest, ORG).with_salt(own(salt));
        store.insert(key).await.unwrap();
    }
    let auth = auth(store);
    for (token, status) in [
        (KEY, 200),
        ("ak_unknown.test", 401),
        ("ak_testkey.wrong", 401),
        ("ak_own.test", 200),
        ("ak_own.wrong", 401),
        ("ak_other.test", 503), // its own salt makes it panic
    ] {
        assert_eq!(ask(&auth, bearer(token)).await.status, status, "{token}");
    }
}

//! How the layer treats its store: wrong answers, outages, expiry, and requests that need no
//! lookup.

use crate::support;
use tower_api_key::store::Owner;
use tower_api_key::{
    AuthLayer, CredentialStore, Reason,
    clock::{Clock, UnixMillis},
    credential::{Kind, TokenFormat},
    secret::{Digest, Pepper},
    store::{Directory, Lookup, LookupKey, ManageStore, MemoryStore, Peek, Record, StoreError},
};

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use support::{
    KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer, bearer_in, key, key_record, memory, pat_record,
    remote_store::{Behaviour, OUTAGE, RemoteStore},
};

/// A store that gives the same answer to every lookup, at once or after a wait.
struct FixedAnswer {
    record: Arc<Record>,
    at_once: bool,
}

#[async_trait]
impl CredentialStore for FixedAnswer {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        if self.at_once {
            Peek::Found(Arc::clone(&self.record))
        } else {
            Peek::Unknown
        }
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(Some(Arc::clone(&self.record)))
    }
}

#[tokio::test]
async fn a_record_of_another_credential_or_organization_is_an_outage() {
    let digest = |token: &str| Digest::of(token.as_bytes());
    let foreign_id = Record::org_key("other", digest(KEY), ORG);
    let foreign_kind = Record::personal_token("testkey", digest(KEY), USER);
    let key_for_a_token = Record::org_key("token", digest(TOKEN), ORG);
    let in_another_organization = pat_record("token", USER).in_organization(OTHER_ORG);
    let in_an_organization = pat_record("token", USER).in_organization(ORG);
    let as_is: fn(AuthLayer<FixedAnswer>) -> AuthLayer<FixedAnswer> = |auth| auth;
    for (name, record, request, set_up) in [
        ("another id", foreign_id, bearer(KEY), as_is),
        ("a token for a key", foreign_kind, bearer(KEY), as_is),
        (
            "a key for a token",
            key_for_a_token,
            bearer_in(TOKEN, ORG),
            as_is,
        ),
        (
            "another organization",
            in_another_organization,
            bearer_in(TOKEN, ORG),
            as_is,
        ),
        (
            "an organization when none was named",
            in_an_organization,
            bearer_in(TOKEN, ORG),
            AuthLayer::user_scoped,
        ),
    ] {
        for at_once in [true, false] {
            let auth = set_up(AuthLayer::new(FixedAnswer {
                record: Arc::new(record.clone()),
                at_once,
            }));
            let answer = ask(&auth, request.clone()).await;
            assert_eq!(
                (answer.status, answer.cause()),
                (503, "store_mismatched"),
                "{name}, at once: {at_once}"
            );
            assert_eq!(answer.header("retry-after"), Some("1"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_digest_copied_to_another_row_is_refused() {
    let copied = Record::org_key("other", Digest::of(KEY.as_bytes()), OTHER_ORG);
    for at_once in [true, false] {
        let auth = AuthLayer::new(FixedAnswer {
            record: Arc::new(copied.clone()),
            at_once,
        });
        for secret in ["ak_other.test-secret", "ak_other.testkey.test-secret"] {
            assert_eq!(
                ask(&auth, bearer(secret)).await.cause(),
                "wrong_secret",
                "{secret}"
            );
        }
    }
}

/// A store that cannot read its row, or that panics in `peek`.
enum Broken {
    Row,
    AtOnce,
}

#[async_trait]
impl CredentialStore for Broken {
    fn peek(&self, _: &Lookup<'_>) -> Peek {
        match self {
            Self::Row => Peek::Unknown,
            Self::AtOnce => panic!("test panic of the store"),
        }
    }

    async fn find(&self, _: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Err(StoreError::corrupt(OUTAGE))
    }
}

#[tokio::test]
async fn a_corrupt_record_or_a_panic_is_an_outage() {
    for (store, cause) in [
        (Broken::Row, "record_corrupt"),
        (Broken::AtOnce, "store_panicked"),
    ] {
        let answer = ask(&AuthLayer::new(store), bearer(KEY)).await;
        assert_eq!((answer.status, answer.cause()), (503, cause));
        assert_eq!(answer.header("retry-after"), Some("1"), "{cause}");
        assert!(!format!("{:?}", answer.wire()).contains(OUTAGE), "{cause}");
    }
}

/// Answers like a memory store, and panics in `decoy_pepper`.
struct WithoutDecoy {
    store: MemoryStore,
    at_once: bool,
}

#[async_trait]
impl CredentialStore for WithoutDecoy {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        if self.at_once {
            self.store.peek(lookup)
        } else {
            Peek::Unknown
        }
    }

    fn decoy_pepper(&self) -> Option<&Pepper> {
        panic!("test panic of the store")
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.store.find(lookup).await
    }
}

#[tokio::test]
async fn a_panic_in_decoy_pepper_fails_no_request() {
    for at_once in [true, false] {
        let store = MemoryStore::new();
        store.create_organization(ORG, None).await.unwrap();
        store.insert(key_record("testkey", ORG)).await.unwrap();
        let auth = AuthLayer::new(WithoutDecoy { store, at_once });
        assert_eq!(
            ask(&auth, bearer(KEY)).await.status,
            200,
            "at once: {at_once}"
        );
        assert_eq!(
            ask(&auth, bearer(key("unknown"))).await.cause(),
            "unknown_credential",
            "at once: {at_once}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_503_with_retry_after_and_hides_its_cause() {
    let body = r#"{"detail":"Authentication is temporarily unavailable"}"#;
    for (behaviour, cause) in [
        (Behaviour::Fails, "store_unavailable"),
        (Behaviour::Panics, "store_panicked"),
        (Behaviour::Hangs, "store_timed_out"),
    ] {
        let auth = AuthLayer::new(RemoteStore::new(memory(), behaviour))
            .with_deadline(Duration::from_millis(50));
        for request in [
            bearer(KEY),
            bearer(TOKEN),
            bearer_in(TOKEN, ORG),
            bearer(key("unknown")),
        ] {
            let answer = ask(&auth, request).await;
            assert_eq!(
                (answer.status, answer.cause(), &*answer.body),
                (503, cause, body)
            );
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("www-authenticate"), None);
            assert!(!format!("{:?}", answer.wire()).contains(OUTAGE));
        }
    }
}

/// A clock that stands at a fixed time.
struct FixedClock(i64);

impl Clock for FixedClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0)
    }
}

#[tokio::test]
async fn a_credential_expires_exactly_at_its_expiry() {
    let store = memory();
    store
        .insert(key_record("limited", ORG).expiring_at(UnixMillis(1_000)))
        .await
        .unwrap();
    store
        .insert(pat_record("limited", USER).expiring_at(UnixMillis(1_000)))
        .await
        .unwrap();
    for (now, cause) in [
        (i64::MIN, "accepted"),
        (999, "accepted"),
        (1_000, "expired"),
        (1_001, "expired"),
        (i64::MAX, "expired"),
    ] {
        let at_once = AuthLayer::new(store.clone()).with_clock(FixedClock(now));
        let waiting = AuthLayer::new(RemoteStore::new(store.clone(), Behaviour::Answers))
            .with_clock(FixedClock(now));
        for request in [
            bearer(key("limited")),
            bearer_in(support::pat("limited"), ORG),
        ] {
            assert_eq!(
                ask(&at_once, request.clone()).await.cause(),
                cause,
                "at {now}"
            );
            assert_eq!(
                ask(&waiting, request).await.cause(),
                cause,
                "at {now}, after a wait"
            );
        }
        assert_eq!(
            ask(&at_once, bearer(KEY)).await.cause(),
            "accepted",
            "without expiry, at {now}"
        );
    }
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn expiry_is_checked_on_every_request() {
    let (store, clock) = (
        memory(),
        tower_api_key::testing::ManualClock::at(UnixMillis(999)),
    );
    store
        .insert(key_record("limited", ORG).expiring_at(UnixMillis(1_000)))
        .await
        .unwrap();
    let auth = AuthLayer::new(store).with_clock(clock.clone());
    assert_eq!(ask(&auth, bearer(key("limited"))).await.cause(), "accepted");
    clock.advance_millis(1);
    assert_eq!(ask(&auth, bearer(key("limited"))).await.cause(), "expired");
    clock.advance_millis(-1);
    assert_eq!(ask(&auth, bearer(key("limited"))).await.cause(), "accepted");
}

#[tokio::test]
async fn a_required_checksum_keeps_junk_from_the_store() {
    let format = TokenFormat::default().with_required_checksum();
    let memory = memory();
    let minted = format.mint(Kind::OrgKey).unwrap();
    memory
        .insert(Record::org_key(&minted.id, minted.digest, ORG))
        .await
        .unwrap();
    let store = RemoteStore::new(memory, Behaviour::Answers);
    let auth = AuthLayer::new(Arc::clone(&store)).with_token_format(format);
    let good = minted.secret.expose_secret();
    for junk in [
        KEY.to_owned(),
        TOKEN.to_owned(),
        format!("{good}0"),
        good.replacen("ak_", "ak_0", 1),
    ] {
        assert_eq!(
            ask(&auth, bearer_in(junk, ORG)).await.reason(),
            Some(Reason::InvalidToken)
        );
    }
    assert_eq!(store.calls(), 0);
    assert_eq!(ask(&auth, bearer(good)).await.status, 200);
    assert_eq!(store.calls(), 1);
}

#[tokio::test]
async fn a_store_can_be_a_shared_trait_object() {
    let memory: MemoryStore = memory();
    let remote = RemoteStore::new(memory.clone(), Behaviour::Answers);
    let chosen: [Arc<dyn CredentialStore>; 2] =
        [Arc::new(memory.clone()) as _, Arc::clone(&remote) as _];
    for (store, lookups) in chosen.into_iter().zip([0, 1]) {
        let auth: AuthLayer<Arc<dyn CredentialStore>> = AuthLayer::new(store);
        assert_eq!(ask(&auth, bearer(KEY)).await.status, 200);
        assert_eq!(
            remote.calls(),
            lookups,
            "`peek` is forwarded as well as `find`"
        );
    }
    memory
        .delete(&Owner::of(Kind::OrgKey, ORG), "testkey")
        .await
        .unwrap();
    let auth: AuthLayer<Arc<dyn CredentialStore>> = AuthLayer::new(Arc::new(memory));
    assert_eq!(ask(&auth, bearer(KEY)).await.cause(), "deleted");
}

/// A store that writes down what it is asked for.
#[derive(Clone, Default)]
struct Inquisitive(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl CredentialStore for Inquisitive {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let asked = match lookup.key() {
            LookupKey::OrgKey { id } => id.to_owned(),
            LookupKey::PersonalToken { digest } => digest.to_hex(),
        };
        let asked = format!("{asked} {:?}", lookup.organization());
        self.0.lock().unwrap().push(asked);
        Ok(None)
    }
}

#[tokio::test]
async fn a_store_is_asked_for_an_id_or_a_digest_and_never_for_a_token() {
    let store = Inquisitive::default();
    let auth = AuthLayer::new(store.clone());
    ask(&auth, bearer(KEY)).await;
    ask(&auth, bearer_in(TOKEN, ORG)).await;
    let asked = store.0.lock().unwrap();
    let (id, secret) = KEY.trim_start_matches("ak_").split_once('.').unwrap();
    let digest = Digest::of(TOKEN.as_bytes()).to_hex();
    assert_eq!(
        *asked,
        [format!("{id} None"), format!("{digest} {:?}", Some(ORG))]
    );
    let all = asked.join(" ");
    assert!(!all.contains(secret) && !all.contains(TOKEN.trim_start_matches("pat_")));
}

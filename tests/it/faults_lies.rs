//! A store that lies: it answers for another credential, of the wrong kind, from the past, with
//! odd expiries or huge scopes, for another organization, or differently each time. No layer
//! accepts another principal than the one that was asked for.
//!
//! What a store alone can know, no layer can contradict: that a credential is revoked by now, and
//! the organization of a key unless the request names one.

use crate::support::{
    Answer, KEY, ORG, OTHER_ORG, TOKEN, USER, ask, bearer_in, clocks::TokioClock, key_record,
    pat_record,
};
use tower_api_key::{
    AuthLayer, CredentialStore,
    clock::UnixMillis,
    scope::ScopeSet,
    secret::Digest,
    store::{Cached, Lookup, LookupKey, Peek, Record, StoreError},
};

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::sleep;

/// Makes an answer out of the true one.
type Lie = fn(Record) -> Record;

/// A store that lies.
struct LyingStore {
    /// Answers one lie after the other; `None` is the answer that there is no such credential.
    lies: Vec<Option<Lie>>,
    at_once: bool,
    asked: AtomicUsize,
}

impl LyingStore {
    fn new(lies: &[Option<Lie>], at_once: bool) -> Arc<Self> {
        Arc::new(Self {
            lies: lies.to_vec(),
            at_once,
            asked: AtomicUsize::new(0),
        })
    }

    fn answer(&self, lookup: &Lookup<'_>) -> Option<Arc<Record>> {
        let number = self.asked.fetch_add(1, Relaxed);
        let lie = self.lies[number % self.lies.len()]?;
        let truth = match lookup.key() {
            LookupKey::OrgKey { .. } => key_record("testkey", ORG),
            LookupKey::PersonalToken { .. } => {
                let token = pat_record("token", USER);
                match lookup.organization() {
                    Some(organization) => token.in_organization(organization),
                    None => token,
                }
            }
        };
        Some(Arc::new(lie(truth)))
    }
}

#[async_trait]
impl CredentialStore for LyingStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        match self.at_once {
            true => self.answer(lookup).map_or(Peek::NotFound, Peek::Found),
            false => Peek::Unknown,
        }
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        Ok(self.answer(lookup))
    }
}

fn another(truth: Record) -> Record {
    match truth.user() {
        None => Record::org_key("other", Digest::of(b"ak_other.test-secret"), OTHER_ORG),
        Some(_) => Record::personal_token("other", Digest::of(b"pat_test-other"), "user_other")
            .in_organization(ORG),
    }
}

/// The same id or digest, but a row of the other kind.
fn of_the_wrong_kind(truth: Record) -> Record {
    match truth.user() {
        None => Record::personal_token(truth.id(), truth.digest().clone(), USER),
        Some(_) => Record::org_key(truth.id(), truth.digest().clone(), ORG),
    }
}

/// The right credential, in another organization.
fn elsewhere(truth: Record) -> Record {
    match truth.user() {
        None => Record::org_key(truth.id(), truth.digest().clone(), OTHER_ORG),
        Some(_) => truth.in_organization(OTHER_ORG),
    }
}

/// Another credential whose row has the digest of this one.
fn with_a_copied_digest(truth: Record) -> Record {
    match truth.user() {
        None => Record::org_key("other", truth.digest().clone(), OTHER_ORG),
        Some(_) => truth,
    }
}

fn with_huge_scopes(truth: Record) -> Record {
    truth.with_scopes(ScopeSet::from_iter(
        (0..100_000).map(|n| format!("scope:{n}")),
    ))
}

/// What each lie makes of a request with a key and of one with a token: the status and its cause.
const TABLE: [(&str, Lie, [&str; 2]); 11] = [
    ("the truth", |truth| truth, ["200 accepted", "200 accepted"]),
    ("another credential", another, [MISMATCHED, MISMATCHED]),
    (
        "the wrong kind",
        of_the_wrong_kind,
        [MISMATCHED, MISMATCHED],
    ),
    (
        "another organization",
        elsewhere,
        ["403 other_organization", MISMATCHED],
    ),
    (
        "another id, the digest copied",
        with_a_copied_digest,
        [MISMATCHED, "200 accepted"],
    ),
    (
        "expiry i64::MIN",
        |truth| truth.expiring_at(UnixMillis(i64::MIN)),
        ["401 expired", "401 expired"],
    ),
    (
        "expiry -1",
        |truth| truth.expiring_at(UnixMillis(-1)),
        ["401 expired", "401 expired"],
    ),
    (
        "expiry 0",
        |truth| truth.expiring_at(UnixMillis(0)),
        ["401 expired", "401 expired"],
    ),
    (
        "expiry i64::MAX",
        |truth| truth.expiring_at(UnixMillis(i64::MAX)),
        ["200 accepted", "200 accepted"],
    ),
    (
        "100 000 scopes",
        with_huge_scopes,
        ["200 accepted", "200 accepted"],
    ),
    (
        "the digest zeroed",
        |truth| match truth.user() {
            None => Record::org_key(truth.id(), Digest::from_bytes([0; 32]), ORG),
            Some(_) => Record::personal_token(truth.id(), Digest::from_bytes([0; 32]), USER)
                .in_organization(ORG),
        },
        ["401 wrong_secret", MISMATCHED],
    ),
];

const MISMATCHED: &str = "503 store_mismatched";

const REQUESTS: [&str; 2] = [KEY, TOKEN];

/// Returns what a layer said, and asserts that it accepted nobody else.
fn said(name: &str, token: &str, answer: &Answer) -> String {
    if let Some(principal) = answer.principal() {
        let (id, user) = match token {
            KEY => ("testkey", None),
            _ => ("token", Some(USER)),
        };
        let whose = (principal.credential_id(), principal.user());
        assert_eq!(whose, (id, user), "{name}");
        assert_eq!(principal.organization(), Some(ORG), "{name}");
    }
    format!("{} {}", answer.status, answer.cause())
}

#[tokio::test]
async fn no_layer_accepts_another_principal_from_a_store_that_lies() {
    println!("\n| the store answers | a key | a token |\n|---|---|---|");
    for (name, lie, expected) in TABLE {
        for (token, expected) in REQUESTS.into_iter().zip(expected) {
            for at_once in [true, false] {
                let store = LyingStore::new(&[Some(lie)], at_once);
                let bare = AuthLayer::new(Arc::clone(&store));
                let cached = AuthLayer::new(Cached::new(store));
                for _ in 0..2 {
                    let request = bearer_in(token, ORG);
                    let direct = said(name, token, &ask(&bare, request.clone()).await);
                    let through_cache = said(name, token, &ask(&cached, request).await);
                    assert_eq!(direct, expected, "{name}: {token}, at once: {at_once}");
                    assert_eq!(through_cache, expected, "{name}: {token}, cached");
                }
            }
        }
        println!("| {name} | {} |", expected.join(" | "));
    }
}

/// Whatever the time to live, a cache keeps an answer about something else no longer than a
/// failure.
#[tokio::test(start_paused = true)]
async fn a_lie_is_not_cached() {
    let truth: Lie = |truth| truth;
    for (token, lie) in [
        (KEY, another as Lie),
        (KEY, of_the_wrong_kind),
        (TOKEN, another),
        (TOKEN, of_the_wrong_kind),
        (TOKEN, elsewhere),
    ] {
        let store = LyingStore::new(&[Some(lie), Some(truth)], false);
        let cache = Cached::new(store)
            .with_ttl(Duration::MAX)
            .with_negative_ttl(Duration::MAX)
            .with_monotonic_clock(TokioClock::start());
        let auth = AuthLayer::new(cache);
        let first = ask(&auth, bearer_in(token, ORG)).await;
        assert_eq!(said("once", token, &first), MISMATCHED);
        sleep(Duration::from_secs(2)).await;
        let second = ask(&auth, bearer_in(token, ORG)).await;
        assert_eq!(said("once", token, &second), "200 accepted", "{token}");
    }
}

/// Flips between the truth and every lie, so that what one answer proved may not be used for the
/// next.
#[tokio::test]
async fn a_store_that_flips_between_answers_accepts_nobody_else() {
    let lies: Vec<_> = TABLE.iter().map(|(_, lie, _)| Some(*lie)).collect();
    for step in [1, 2, 3, 5] {
        let mut order: Vec<Option<Lie>> = vec![None];
        order.extend(lies.iter().cycle().step_by(step).take(lies.len()).copied());
        for at_once in [true, false] {
            let auth = AuthLayer::new(LyingStore::new(&order, at_once));
            let mut accepted = 0;
            for round in 0..3 * order.len() {
                let token = REQUESTS[round % 2];
                let answer = ask(&auth, bearer_in(token, ORG)).await;
                said("flips", token, &answer);
                accepted += usize::from(answer.status == 200);
            }
            assert!(accepted > 0, "the truth is among the answers");
        }
    }
}

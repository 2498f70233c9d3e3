//! A store that fails, hangs or panics: every call of a manager ends in time, reports it, and can
//! be repeated.

use crate::support::faulty_store;
use tower_api_key::{
    AuthLayer, LastUse,
    clock::UnixMillis,
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Import, ManageError, Manager, NewKey, NewToken, Rotation},
    secret::Digest,
    store::{AuditEvent, CredentialInfo, Directory, Filter, Owner},
    testing::ManualClock,
};

use std::{convert::Infallible, future::ready, time::Duration};

use faulty_store::{Behaviour, FaultyStore};
use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

const NOW: UnixMillis = UnixMillis(1_000_000);
const DEADLINE: Duration = Duration::from_secs(3);

const CALLS: [&str; 14] = [
    "issue_key",
    "issue_key again",
    "issue_token",
    "rename",
    "disable",
    "enable",
    "rotate",
    "import",
    "revoke_presented",
    "delete",
    "revoke_all",
    "get",
    "list",
    "events",
];

struct Fixture {
    store: FaultyStore,
    manager: Manager<FaultyStore>,
    /// A key, and its token.
    key: CredentialInfo,
    token: String,
    /// A disabled key.
    disabled: CredentialInfo,
}

fn org() -> Actor {
    Actor::operator("test", Owner::Organization("org_test".into()))
}

fn user() -> Actor {
    Actor::operator("test", Owner::User("user_test".into()))
}

impl Fixture {
    async fn new() -> Self {
        let store = FaultyStore::new();
        store
            .memory
            .create_organization("org_test", None)
            .await
            .unwrap();
        store.memory.create_user("user_test").await.unwrap();
        let manager = Manager::new(store.clone())
            .with_clock(ManualClock::at(NOW))
            .with_deadline(DEADLINE);
        let key = NewKey::named("key").with_role("viewer");
        let (key, secret) = manager.issue_key(&org(), key).await.unwrap().into_parts();
        let disabled = manager
            .issue_key(&org(), NewKey::named("disabled"))
            .await
            .unwrap()
            .info()
            .clone();
        manager
            .disable(&org(), Kind::OrgKey, disabled.id.as_str())
            .await
            .unwrap();
        let token = secret.unwrap().expose_secret().to_owned();
        Self {
            store,
            manager,
            key,
            token,
            disabled,
        }
    }

    /// Makes a call and returns the ids it changed.
    async fn call(&self, name: &str) -> Result<Vec<CredentialId>, ManageError> {
        let (manager, id, kind) = (&self.manager, self.key.id.as_str(), Kind::OrgKey);
        let id_of = |info: CredentialInfo| vec![info.id];
        match name {
            "issue_key" => {
                let new = NewKey::named("new").with_idempotency_key("once");
                manager
                    .issue_key(&org(), new)
                    .await
                    .map(|issued| vec![issued.info().id.clone()])
            }
            "issue_key again" => {
                let issued = manager.issue_key(&org(), NewKey::named("new")).await;
                issued.map(|issued| vec![issued.info().id.clone()])
            }
            "issue_token" => {
                let new = NewToken::named("new").with_idempotency_key("once");
                manager
                    .issue_token(&user(), new)
                    .await
                    .map(|issued| vec![issued.info().id.clone()])
            }
            "rename" => manager.rename(&org(), kind, id, "renamed").await.map(id_of),
            "disable" => manager.disable(&org(), kind, id).await.map(id_of),
            "enable" => manager
                .enable(&org(), kind, self.disabled.id.as_str())
                .await
                .map(id_of),
            "rotate" => {
                let rotated = manager.rotate(&org(), kind, id, Rotation::default()).await;
                rotated.map(|issued| vec![issued.info().id.clone()])
            }
            "import" => {
                let import = Import::new("foreign", Digest::of(b"test foreign"), "foreign");
                manager.import(&org(), kind, import).await.map(id_of)
            }
            "revoke_presented" => manager.revoke_presented(&self.token, None).await.map(id_of),
            "delete" => manager.delete(&org(), kind, id).await.map(id_of),
            "revoke_all" => manager.revoke_all(&org(), kind).await,
            "get" => manager.get(&org(), kind, id).await.map(id_of),
            "list" => {
                let page = manager
                    .list(&org(), kind, &Filter::default(), None, 50)
                    .await;
                page.map(|page| page.items.into_iter().map(|info| info.id).collect())
            }
            "events" => manager
                .events(&org(), kind, None, 50)
                .await
                .map(|_| Vec::new()),
            other => panic!("{other}"),
        }
    }

    /// Everything the store holds about credentials, read while it works.
    async fn contents(&self) -> (Vec<CredentialInfo>, Vec<AuditEvent>) {
        let (mut all, mut events) = (Vec::new(), Vec::new());
        for (actor, kind) in [(org(), Kind::OrgKey), (user(), Kind::PersonalToken)] {
            for state in [None, Some(tower_api_key::store::EffectiveStatus::Deleted)] {
                let filter = Filter::default().with_state(state);
                all.extend(
                    self.manager
                        .list(&actor, kind, &filter, None, 200)
                        .await
                        .unwrap()
                        .items,
                );
            }
            events.extend(self.manager.events(&actor, kind, None, 200).await.unwrap());
        }
        (all, events)
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_ends_in_time_and_writes_nothing() {
    for (behaviour, code, takes) in [
        (Behaviour::Hangs, "store_timed_out", DEADLINE),
        (Behaviour::Fails, "store_unavailable", Duration::ZERO),
        (Behaviour::Panics, "store_panicked", Duration::ZERO),
    ] {
        for name in CALLS {
            let fixture = Fixture::new().await;
            let before = fixture.contents().await;
            fixture.store.set_behaviour(behaviour);
            let began = Instant::now();
            let error = fixture.call(name).await.expect_err(name);
            let what = format!("{name} of a store that {behaviour:?}: {error:?}");
            assert!(matches!(error, ManageError::Unavailable(_)), "{what}");
            assert_eq!(
                (error.code(), error.status()),
                (code, StatusCode::SERVICE_UNAVAILABLE),
                "{what}"
            );
            let took = began.elapsed();
            assert!(
                took >= takes && took < takes + Duration::from_millis(10),
                "{what}: {took:?}"
            );
            fixture.store.set_behaviour(Behaviour::Works);
            assert_eq!(fixture.contents().await, before, "{what}");
            fixture.call(name).await.expect(name); // the next call succeeds
        }
    }
}

/// The one case in which something was written: the store was committing when the connection or the
/// deadline ended.
#[tokio::test(start_paused = true)]
async fn a_call_whose_outcome_is_unknown_can_be_repeated() {
    let repeated = [
        ("issue_key", None),
        ("issue_token", None),
        ("rename", None),
        ("disable", None),
        ("enable", None),
        ("rotate", Some("deleted")),
        ("import", Some("taken")),
        ("revoke_presented", Some("deleted")),
        ("delete", Some("deleted")),
        ("revoke_all", None),
    ];
    for behaviour in [Behaviour::HangsWhenDone, Behaviour::FailsWhenDone] {
        for (name, code) in repeated {
            let fixture = Fixture::new().await;
            // Run once successfully on a second fixture, for the expected result.
            let reference = Fixture::new().await;
            reference.call(name).await.expect(name);
            let wanted = reference.contents().await.0.len();
            fixture.store.set_behaviour(behaviour);
            let unknown = fixture.call(name).await.expect_err(name);
            assert!(
                matches!(unknown, ManageError::Unavailable(_)),
                "{name}: {unknown:?}"
            );
            fixture.store.set_behaviour(Behaviour::Works);
            let again = fixture.call(name).await;
            assert_eq!(
                again.err().map(|error| error.code()),
                code,
                "{name} repeated"
            );
            assert_eq!(fixture.contents().await.0.len(), wanted, "{name} repeated");
        }
    }
}

#[tokio::test]
async fn a_revocation_succeeds_even_if_the_result_cannot_be_read() {
    for name in ["disable", "delete"] {
        let fixture = Fixture::new().await;
        fixture.store.set_behaviour(Behaviour::ReadsFail);
        assert_eq!(
            fixture.call(name).await.unwrap(),
            std::slice::from_ref(&fixture.key.id),
            "{name}"
        );
    }
}

/// A memory store answers at once, without a timer or a runtime.
#[test]
fn a_memory_store_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fixture = Fixture::new().await;
        for name in CALLS {
            let outcome = fixture.call(name).await;
            assert!(
                !matches!(outcome, Err(ManageError::Unavailable(_))),
                "{name}: {outcome:?}"
            );
        }
    });
}

#[tokio::test(start_paused = true)]
async fn an_infinite_deadline_never_fires() {
    let fixture = Fixture::new().await;
    let manager = fixture.manager.clone().with_deadline(Duration::MAX);
    fixture.store.set_behaviour(Behaviour::Hangs);
    let id = fixture.key.id.clone();
    let call = tokio::spawn(async move { manager.delete(&org(), Kind::OrgKey, id.as_str()).await });
    tokio::time::sleep(Duration::from_secs(365 * 24 * 3600)).await;
    assert!(!call.is_finished());
    call.abort();
}

/// The task that writes last uses survives every failure of its store.
#[tokio::test(start_paused = true)]
async fn the_usage_recorder_continues_after_an_outage() {
    for behaviour in [Behaviour::Fails, Behaviour::Hangs, Behaviour::Panics] {
        let fixture = Fixture::new().await;
        let uses = LastUse::new();
        let auth = AuthLayer::new(fixture.store.clone()).with_last_use(uses.clone());
        let inner =
            service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
        let request =
            Request::builder().header("authorization", format!("Bearer {}", fixture.token));
        let answer = auth
            .layer(inner)
            .oneshot(request.body(()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let task = tokio::spawn(fixture.manager.clone().run_usage_recorder(uses));
        fixture.store.set_behaviour(behaviour);
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert!(!task.is_finished(), "{behaviour:?} has ended the task");
        fixture.store.set_behaviour(Behaviour::Works);
        tokio::time::sleep(Duration::from_secs(70)).await;
        let info = fixture
            .manager
            .get(&org(), Kind::OrgKey, fixture.key.id.as_str())
            .await
            .unwrap();
        assert!(
            info.last_used_at.is_some(),
            "after {behaviour:?} the use was lost"
        );
        task.abort();
    }
}

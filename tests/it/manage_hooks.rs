//! A hook, subscriber or recorder that panics loses its own event, but no secret, no change and no
//! task.

use crate::support::{logs, now, recorder};
use tower_api_key::{
    AuthLayer, LastUse,
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Import, Manager, NewKey, Rotation},
    secret::Digest,
    store::{AuditAction, Directory, MemoryStore, Owner},
    testing::ManualClock,
};

use std::{
    convert::Infallible,
    future::ready,
    panic::panic_any,
    sync::{Arc, Mutex},
    time::Duration,
};

use ::metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use http::{Request, Response, StatusCode};
use recorder::TestRecorder;
use tower::{Layer, ServiceExt, service_fn};

type Store = MemoryStore;

/// Panics again when it is dropped.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("test panic of a payload");
    }
}

fn org() -> Actor {
    Actor::operator("test", Owner::Organization("org_test".into()))
}

/// A manager whose hook records each event and then panics.
fn manager() -> (Manager<Store>, ManualClock, Arc<Mutex<Vec<AuditAction>>>) {
    let store = MemoryStore::new();
    now(store.create_organization("org_test", None)).unwrap();
    let (clock, received) = (
        ManualClock::at(UnixMillis(1_000_000)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let noted = Arc::clone(&received);
    let manager = Manager::new(store)
        .with_clock(clock.clone())
        .on_event(move |event| {
            noted.lock().unwrap().push(event.action);
            panic_any(PanicsOnDrop);
        });
    (manager, clock, received)
}

#[tokio::test]
async fn a_panicking_hook_loses_no_secret_and_no_change() {
    let recorder = TestRecorder::default();
    let _recording = metrics::set_default_local_recorder(&recorder);
    logs::start();
    let (manager, _, received) = manager();
    let kind = Kind::OrgKey;
    let (key, secret) = manager
        .issue_key(&org(), NewKey::named("key"))
        .await
        .unwrap()
        .into_parts();
    let secret = secret.expect("the secret of a new key");
    let id = key.id.as_str();
    manager.rename(&org(), kind, id, "renamed").await.unwrap();
    manager.disable(&org(), kind, id).await.unwrap();
    manager.enable(&org(), kind, id).await.unwrap();
    let overlap = Rotation::default().with_overlap(Duration::from_secs(60));
    let rotated = manager.rotate(&org(), kind, id, overlap).await.unwrap();
    assert!(
        rotated.into_secret().is_some(),
        "the secret of the successor"
    );
    manager
        .revoke_presented(secret.expose_secret(), None)
        .await
        .unwrap();
    let import = Import::new("foreign", Digest::of(b"test foreign"), "foreign");
    manager.import(&org(), kind, import).await.unwrap();
    manager.revoke_all(&org(), kind).await.unwrap();

    let mut stored = manager.events(&org(), kind, None, 200).await.unwrap();
    stored.reverse();
    let stored = stored.iter().map(|event| event.action).collect::<Vec<_>>();
    assert_eq!(stored.len(), 10, "{stored:?}");
    assert_eq!(
        *received.lock().unwrap(),
        stored,
        "the hook received every event"
    );
    let count = stored.len() as f64;
    assert_eq!(
        recorder.of("hook_panics_total{}"),
        count,
        "{:?}",
        recorder.all()
    );
    let reported = logs::events("tower_api_key::manage");
    let actions = reported
        .iter()
        .map(|event| event["fields"]["action"].as_str().unwrap());
    assert_eq!(
        actions.collect::<Vec<_>>(),
        stored
            .iter()
            .map(|action| action.as_str())
            .collect::<Vec<_>>()
    );
    assert!(reported.iter().all(|event| event["level"] == "ERROR"));
}

/// The first use after a rotation is an event too, and the task calls the hook.
#[tokio::test(start_paused = true)]
async fn a_panicking_hook_does_not_stop_the_usage_recorder() {
    let (manager, clock, received) = manager();
    let (key, secret) = manager
        .issue_key(&org(), NewKey::named("key"))
        .await
        .unwrap()
        .into_parts();
    let overlap = Rotation::default().with_overlap(Duration::from_secs(3600));
    manager
        .rotate(&org(), Kind::OrgKey, key.id.as_str(), overlap)
        .await
        .unwrap();
    let uses = LastUse::new();
    let auth = AuthLayer::new(manager.store().clone()).with_clock(clock.clone());
    let auth = auth.with_last_use(uses.clone());
    let service = auth.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    let bearer = format!("Bearer {}", secret.unwrap().expose_secret());
    let task = tokio::spawn(manager.clone().run_usage_recorder(uses));
    for minute in 1..4 {
        clock.advance_millis(61_000);
        let request = Request::builder()
            .header("authorization", &bearer)
            .body(())
            .unwrap();
        assert_eq!(
            service.clone().oneshot(request).await.unwrap().status(),
            StatusCode::OK
        );
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(!task.is_finished());
        let info = manager
            .get(&org(), Kind::OrgKey, key.id.as_str())
            .await
            .unwrap();
        let recorded = info.last_used_at.map(|at| at.0 - 1_000_000);
        assert_eq!(recorded, Some(61_000 * minute), "minute {minute}");
    }
    assert_eq!(
        received.lock().unwrap().last(),
        Some(&AuditAction::UsedAfterRotation)
    );
    task.abort();
}

/// Panics on every registration.
struct PanickingRecorder;

impl Recorder for PanickingRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        panic!("test panic of a recorder")
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("test panic of a recorder")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("test panic of a recorder")
    }
}

#[tokio::test]
async fn a_panicking_recorder_fails_no_request_and_loses_no_secret() {
    let _recording = metrics::set_default_local_recorder(&PanickingRecorder);
    let (manager, clock, _) = manager();
    let (_, secret) = manager
        .issue_key(&org(), NewKey::named("key"))
        .await
        .unwrap()
        .into_parts();
    let auth = AuthLayer::new(manager.store().clone()).with_clock(clock);
    let service = auth.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    let good = format!("Bearer {}", secret.unwrap().expose_secret());
    for (bearer, status) in [
        (good.as_str(), StatusCode::OK),
        ("Bearer nonsense", StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::builder()
            .header("authorization", bearer)
            .body(())
            .unwrap();
        assert_eq!(
            service.clone().oneshot(request).await.unwrap().status(),
            status
        );
    }
}

//! One table of faults: what a service said while its store failed, hung, panicked, was slow, or
//! lost an acknowledgement. The stores in databases have the same table in their own tests.
//!
//! ```sh
//! cargo test --all-features --test it faults -- --nocapture
//! ```

use crate::support::{
    ORG, ask, bearer,
    clocks::TokioClock,
    faulty_store::{Behaviour, FaultyStore},
    key, key_record,
};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    manage::{Actor, Manager, Rotation},
    store::{AuditAction, Cached, Directory, ManageStore, Owner},
};

use std::time::Duration;

use tokio::time::sleep;

/// The deadline of a request, and of a lookup of the cache.
const DEADLINE: Duration = Duration::from_millis(300);
const MANAGE_DEADLINE: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(5);

struct Scene {
    store: FaultyStore,
    auth: AuthLayer<Cached<FaultyStore>>,
    manager: Manager<Cached<FaultyStore>>,
}

fn operator() -> Actor {
    Actor::operator("test", Owner::of(Kind::OrgKey, ORG))
}

impl Scene {
    /// A service that has cached a good key and refused a revoked one.
    async fn start() -> Self {
        let store = FaultyStore::new();
        store.memory.create_organization(ORG, None).await.unwrap();
        for id in ["good", "revoked", "cold", "late", "during", "after"] {
            let key = key_record(id, ORG).with_role("viewer", store.memory.catalogue());
            store.memory.insert(key.unwrap()).await.unwrap();
        }
        let cache = Cached::new(store.clone())
            .with_ttl(TTL)
            .with_lookup_deadline(DEADLINE)
            .with_monotonic_clock(TokioClock::start());
        let scene = Self {
            store,
            auth: AuthLayer::new(cache.clone()).with_deadline(DEADLINE),
            manager: Manager::new(cache).with_deadline(MANAGE_DEADLINE),
        };
        assert_eq!(scene.status("good").await, 200);
        assert_eq!(scene.status("revoked").await, 200);
        let by = operator();
        let revoked = scene.manager.delete(&by, Kind::OrgKey, "revoked").await;
        revoked.unwrap();
        assert_eq!(scene.status("revoked").await, 401);
        scene
    }

    async fn status(&self, id: &str) -> u16 {
        ask(&self.auth, bearer(key(id))).await.status
    }

    /// Asks each view during the fault: a cold key, a cached one before and after its time to live,
    /// a revoked one, and a change.
    async fn during(&self) -> [String; 5] {
        let cached = self.status("good").await;
        let cold = self.status("cold").await;
        sleep(TTL).await;
        let later = self.status("good").await;
        let revoked = self.status("revoked").await;
        let rotation = Rotation::default();
        let rotated = self
            .manager
            .rotate(&operator(), Kind::OrgKey, "during", rotation)
            .await;
        let management = rotated.map_or_else(|error| error.code(), |_| "done");
        let statuses = [cold, cached, later, revoked].map(|status| status.to_string());
        let [cold, cached, later, revoked] = statuses;
        [cold, cached, later, revoked, management.to_owned()]
    }

    /// Asserts that all is as before, and returns whether the change was made. It was made as a
    /// whole or not at all.
    async fn after(&self, name: &str) -> bool {
        self.store.set_behaviour(Behaviour::Works);
        sleep(DEADLINE * 20).await; // the cache keeps a failure, and a slow call may go on
        for (id, status) in [
            ("good", 200),
            ("revoked", 401),
            ("cold", 200),
            ("late", 200),
        ] {
            assert_eq!(self.status(id).await, status, "{name}: {id}, healed");
        }
        let (by, kind) = (operator(), Kind::OrgKey);
        let rotation = Rotation::default();
        self.manager
            .rotate(&by, kind, "after", rotation)
            .await
            .unwrap();
        let info = self.manager.get(&by, kind, "during").await.unwrap();
        let events = self.manager.events(&by, kind, None, 200).await.unwrap();
        let audited = events.iter().any(|event| {
            event.credential.as_str() == "during" && event.action == AuditAction::Rotated
        });
        assert_eq!(info.rotated_to.is_some(), audited, "{name}: half a change");
        if let Some(successor) = info.rotated_to {
            self.manager
                .get(&by, kind, successor.as_str())
                .await
                .unwrap();
        }
        audited
    }
}

const SLOW: Duration = Duration::from_millis(200);
const TOO_SLOW: Duration = Duration::from_millis(600);

/// The fault, and what the cold key, the cached key at once, the cached key after its time to live,
/// the revoked key and the change must say.
const ROWS: [(&str, Behaviour, [&str; 5]); 8] = [
    (
        "fails",
        Behaviour::Fails,
        ["503", "200", "503", "503", "store_unavailable, not made"],
    ),
    (
        "hangs",
        Behaviour::Hangs,
        ["503", "200", "503", "503", "store_timed_out, not made"],
    ),
    (
        "panics",
        Behaviour::Panics,
        ["503", "200", "503", "503", "store_panicked, not made"],
    ),
    (
        "is slow, within the deadlines",
        Behaviour::WorksAfter(SLOW),
        ["200", "200", "200", "401", "done, made"],
    ),
    // The manager gives up, but a change that was begun through a cache runs to its end.
    (
        "is slower than the deadlines",
        Behaviour::WorksAfter(TOO_SLOW),
        ["503", "200", "503", "503", "store_timed_out, made"],
    ),
    (
        "cannot read",
        Behaviour::ReadsFail,
        ["503", "200", "503", "503", "store_unavailable, not made"],
    ),
    (
        "loses the acknowledgement",
        Behaviour::FailsWhenDone,
        ["200", "200", "200", "401", "store_unavailable, made"],
    ),
    (
        "hangs in the commit",
        Behaviour::HangsWhenDone,
        ["200", "200", "200", "401", "store_timed_out, made"],
    ),
];

#[tokio::test(start_paused = true)]
async fn the_views_of_a_store_in_each_fault() {
    println!(
        "\n| the store | cold lookup | cached good | after its time to live | revoked | management \
         | healed |\n{}|",
        "|---".repeat(7)
    );
    let mut unexpected = Vec::new();
    for (name, behaviour, expected) in ROWS {
        let scene = Scene::start().await;
        scene.store.set_behaviour(behaviour);
        let mut said = scene.during().await;
        let made = scene.after(name).await;
        said[4] += if made { ", made" } else { ", not made" };
        println!("| {name} | {} | as before |", said.join(" | "));
        if said != expected {
            unexpected.push(format!("{name}: {said:?}, and must be {expected:?}"));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}

//! A service in front of a database that is about to break, and its four views.

use std::{cell::Cell, convert::Infallible, future::ready, time::Duration};

use http::{Request, Response};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer,
    credential::Kind,
    manage::Manager,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditAction, AuditEvent, Cached, Change, Directory, FeedEvent, ManageStore, Owner, Record,
    },
};

use super::{
    manage::{operator, rotate},
    table::Cells,
    tested::{Shown, Tested},
    words::{changed, check_word, is_lost, last_word, words},
};
use crate::support::{clocks::ManualMonotonicClock, feeds::TEST_TIMEOUT};

/// The deadline of a request.
const DEADLINE: Duration = Duration::from_millis(300);

/// The deadline of a management call.
const MANAGE_DEADLINE: Duration = Duration::from_secs(1);

/// When a check counts as hanging: it gives up after 10 s.
const CHECK_DEADLINE: Duration = Duration::from_secs(12);

/// How long what is cached stays valid after the feed is lost.
const BOUND: Duration = Duration::from_secs(5);

const ORG: &str = "org_test";

/// A service: a cache that follows a feed, a layer, and a manager. What is cached is kept for ever,
/// so that only the feed and the bound after its loss end it.
pub(super) struct Scene<S> {
    pub(super) store: S,
    auth: AuthLayer<Cached<S>>,
    manager: Manager<Cached<S>>,
    clock: ManualMonotonicClock,
    events: UnboundedReceiver<FeedEvent>,
    following: JoinHandle<()>,
    cold: Cell<u32>,
    lost: bool,
    leaked: bool,
}

fn token(id: &str) -> String {
    format!("ak_{id}.test-secret")
}

/// The owner of every key.
pub(super) fn owner() -> Owner {
    Owner::of(Kind::OrgKey, ORG)
}

/// Stores an organization and the keys that the views ask about.
pub(super) async fn seed(store: &(impl ManageStore + Directory)) {
    store.create_organization(ORG, None).await.unwrap();
    let cold = (0..12).map(|number| format!("cold-{number}"));
    let named = ["good", "revoked", "leaked", "before", "during", "after"];
    for id in named.map(str::to_owned).into_iter().chain(cold) {
        let key = Record::org_key(&*id, Digest::of(token(&id).as_bytes()), ORG);
        let key = key.with_role("viewer", &Catalogue::anyreach()).unwrap();
        store.insert(key).await.unwrap();
    }
}

impl<S: Tested> Scene<S> {
    /// Starts a service over a store that was [seeded](seed).
    pub(super) async fn start(store: S) -> Self {
        let feed = store.open_feed().await.unwrap();
        let clock = ManualMonotonicClock::default();
        let cache = Cached::new(store.clone())
            .with_ttl(Duration::MAX)
            .with_lookup_deadline(DEADLINE)
            .with_max_staleness_after_disconnect(BOUND)
            .with_monotonic_clock(clock.clone());
        let (sender, events) = unbounded_channel();
        let following = tokio::spawn(cache.follow(Shown(feed, sender)));
        Self {
            store,
            auth: AuthLayer::new(cache.clone()).with_deadline(DEADLINE),
            manager: Manager::new(cache).with_deadline(MANAGE_DEADLINE),
            clock,
            events,
            following,
            cold: Cell::new(0),
            lost: false,
            leaked: false,
        }
    }

    async fn status(&self, id: &str) -> String {
        let service = ServiceBuilder::new()
            .layer(self.auth.clone())
            .service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
        let request = Request::builder().header("authorization", format!("Bearer {}", token(id)));
        let answer = service.oneshot(request.body(()).unwrap()).await.unwrap();
        answer.status().as_str().to_owned()
    }

    /// A good key that was never looked up.
    fn next_cold(&self) -> String {
        let number = self.cold.replace(self.cold.get() + 1);
        format!("cold-{number}")
    }

    /// A manager for when there is no fault: a loaded machine may be slow.
    fn patient_manager(&self) -> Manager<Cached<S>> {
        self.manager.clone().with_deadline(TEST_TIMEOUT)
    }

    /// Asserts that the service works, and fills its cache.
    pub(super) async fn assert_before(&mut self, name: &str) {
        for id in ["good", "leaked", "revoked"] {
            assert_eq!(self.status(id).await, "200", "{name}: {id}, before");
        }
        // As another node: only the feed informs the cache.
        self.store.delete(&owner(), "revoked").await.unwrap();
        self.told_of("revoked").await;
        assert_eq!(self.status("revoked").await, "401", "{name}: before");
        let cold = self.next_cold();
        assert_eq!(self.status(&cold).await, "200", "{name}: {cold}, before");
        rotate(&self.patient_manager(), "before").await.unwrap();
        self.told_of("before").await;
        self.store.checked().await.unwrap();
        while self.events.try_recv().is_ok() {}
    }

    /// Drops the feed.
    pub(super) fn stop_following(&self) {
        self.following.abort();
    }

    /// Waits until the feed has emitted a change. On a loaded machine it may lose its connection
    /// once more, and then emits that anything may have changed.
    async fn told_of(&mut self, id: &str) {
        let (change, anything) = (changed(id), FeedEvent::Changed(Change::Everything));
        let told = timeout(TEST_TIMEOUT, async {
            while let Some(event) = self.events.recv().await {
                if event == change || event == anything {
                    return;
                }
            }
            panic!("the follower has ended");
        });
        told.await.unwrap_or_else(|_| panic!("not told of {id}"));
    }

    /// Waits until the feed has emitted `event`, and returns what it emitted until then.
    async fn heard(&mut self, event: &FeedEvent) -> Vec<FeedEvent> {
        let mut heard = Vec::new();
        while heard.last() != Some(event) {
            let next = timeout(TEST_TIMEOUT, self.events.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("no {event:?} after {heard:?}"));
            heard.push(next.expect("the follower runs"));
        }
        heard
    }

    /// Asks every view.
    pub(super) async fn during(&mut self, expected: &Cells<&'static str>) -> Cells<String> {
        let at_once = self.status("good").await;
        self.leaked = expected.leaked != "-";
        let mut heard = match expected.feed.split('|').next().and_then(last_word) {
            Some("lost") => self.heard(&FeedEvent::Lost).await,
            Some("everything") => self.heard(&FeedEvent::Changed(Change::Everything)).await,
            Some("restored") => self.heard(&FeedEvent::Restored).await,
            Some("changed") => self.heard(&changed("leaked")).await,
            _ => Vec::new(),
        };
        if heard.last() == Some(&FeedEvent::Lost) {
            self.clock.advance(BOUND);
        }
        let later = self.status("good").await;
        let leaked = match self.leaked {
            true => self.status("leaked").await,
            false => "-".to_owned(),
        };
        let revoked = self.status("revoked").await;
        let cold = self.status(&self.next_cold()).await;
        let check = timeout(CHECK_DEADLINE, self.store.checked()).await;
        let check = check.map_or_else(|_| "hangs".to_owned(), check_word);
        heard.extend(std::iter::from_fn(|| self.events.try_recv().ok()));
        self.lost = is_lost(&heard);
        let management = match rotate(&self.manager, "during").await {
            Ok(()) => "done".to_owned(),
            Err(error) => error.code().to_owned(),
        };
        let cached = match at_once == later {
            true => at_once,
            false => format!("{at_once}, {later}"),
        };
        Cells {
            cold,
            cached,
            revoked,
            leaked,
            management,
            feed: words(&heard),
            check,
        }
    }

    /// Waits until the service works again, without a restart, and asks every view.
    pub(super) async fn after(&mut self, name: &str) -> String {
        let heard = match self.lost {
            true => self.heard(&FeedEvent::Restored).await,
            false => Vec::new(),
        };
        let expected = [
            ("good", "200"),
            ("revoked", "401"),
            ("leaked", self.leaked_status()),
        ];
        for (id, expected) in expected {
            self.settles(name, id, expected).await;
        }
        let cold = self.next_cold();
        self.settles(name, &cold, "200").await;
        rotate(&self.patient_manager(), "after").await.unwrap();
        self.told_of("after").await;
        if let Err(refusal) = self.store.checked().await {
            panic!("{name}, healed: {refusal}");
        }
        match words(&heard) {
            none if none == "silent" => "as before".to_owned(),
            events => format!("{events}, as before"),
        }
    }

    fn leaked_status(&self) -> &'static str {
        if self.leaked { "401" } else { "200" }
    }

    /// Asks until the outage of a credential is over. The cache keeps a failure up to the deadline
    /// of a lookup, and a pool discards its dead connections one by one; until then the only other
    /// answer is 503.
    async fn settles(&self, name: &str, id: &str, expected: &str) {
        let settled = timeout(TEST_TIMEOUT, async {
            loop {
                match self.status(id).await {
                    status if status == expected => return,
                    status => assert_eq!(status, "503", "{name}: {id}, after"),
                }
                tokio::task::yield_now().await;
            }
        });
        let settled = settled.await;
        settled.unwrap_or_else(|_| panic!("{name}: {id} stays unavailable"));
    }

    /// Asserts that the service is out of order until it is restarted, and works then.
    pub(super) async fn after_restart(&mut self, name: &str, store: S) -> String {
        for id in ["good", "revoked", "leaked"] {
            assert_eq!(self.status(id).await, "503", "{name}: {id}, not restarted");
        }
        assert!(
            rotate(&self.manager, "after").await.is_err(),
            "{name}: not restarted"
        );
        let number = self.cold.get();
        let leaked = self.leaked;
        *self = Self::start(store).await;
        (self.cold, self.leaked) = (Cell::new(number), leaked);
        format!("restart, {}", self.after(name).await)
    }

    /// What became of the rotation that was asked for during the fault. It was made as a whole or
    /// not at all.
    pub(super) async fn outcome(&self, answer: &str, name: &str) -> String {
        let (by, kind, manager) = (operator(), Kind::OrgKey, self.patient_manager());
        let info = manager.get(&by, kind, "during").await.unwrap();
        let events = manager.events(&by, kind, None, 200).await.unwrap();
        let is_its = |event: &&AuditEvent| {
            event.credential.as_str() == "during" && event.action == AuditAction::Rotated
        };
        let audited = events.iter().filter(is_its).count();
        let Some(successor) = &info.rotated_to else {
            assert_eq!(audited, 0, "{name}: an event without its change");
            assert_ne!(answer, "done", "{name}: an acknowledged change is lost");
            return format!("{answer}, not made");
        };
        assert_eq!(audited, 1, "{name}: a change without its event");
        let successor = manager.get(&by, kind, successor.as_str()).await;
        let successor = successor.unwrap();
        let from = successor.rotated_from.as_ref().map(|id| id.as_str());
        assert_eq!(from, Some("during"), "{name}: half a rotation");
        match answer {
            "done" => "done".to_owned(),
            refused => format!("{refused}, made"),
        }
    }
}

impl<S> Drop for Scene<S> {
    fn drop(&mut self) {
        self.following.abort();
    }
}

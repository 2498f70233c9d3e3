//! Last uses, taken by a service without a manager to be written to its own table or to a queue.

use std::{
    fs, io,
    net::IpAddr,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tower_api_key::{
    AuthLayer, LastUse,
    clock::UnixMillis,
    condition::ClientAddress,
    credential::Kind,
    store::{MemoryStore, Usage},
    testing::ManualClock,
};

use crate::support::{KEY, ORG, TOKEN, ask, bearer, bearer_in, memory};

const START: i64 = 1_000_000;

struct Fixture {
    auth: AuthLayer<MemoryStore>,
    clock: ManualClock,
    uses: LastUse,
}

impl Fixture {
    fn new() -> Self {
        let (clock, uses) = (ManualClock::at(UnixMillis(START)), LastUse::new());
        let auth = AuthLayer::new(memory())
            .with_clock(clock.clone())
            .with_last_use(uses.clone());
        Self { auth, clock, uses }
    }

    async fn use_key(&self) {
        assert_eq!(ask(&self.auth, bearer(KEY)).await.status, 200);
    }

    async fn use_token(&self) {
        assert_eq!(ask(&self.auth, bearer_in(TOKEN, ORG)).await.status, 200);
    }

    /// The uses to write, ordered by id.
    fn unwritten(&self) -> Vec<Usage> {
        let mut uses = self.uses.unwritten();
        uses.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        uses
    }

    /// How many credentials are remembered.
    fn remembered(&self) -> String {
        format!("{:?}", self.uses)
    }
}

fn used(kind: Kind, id: &str, after: i64) -> Usage {
    Usage::new(kind, id, UnixMillis(START + after))
}

#[tokio::test]
async fn uses_of_a_failed_write_are_drained_again_with_later_ones() {
    let fixture = Fixture::new();
    fixture.use_key().await;
    fixture.use_token().await;
    let both = [
        used(Kind::OrgKey, "testkey", 0),
        used(Kind::PersonalToken, "token", 0),
    ];
    assert_eq!(fixture.unwritten(), both);
    // The write fails, so nothing is marked.
    assert_eq!(fixture.unwritten(), both, "a failed write loses no use");
    fixture.clock.advance_millis(60_000);
    fixture.use_key().await;
    let later = [
        used(Kind::OrgKey, "testkey", 60_000),
        used(Kind::PersonalToken, "token", 0),
    ];
    assert_eq!(fixture.unwritten(), later);
    // Half of the uses are written.
    fixture.uses.mark_written(&later[1..]);
    assert_eq!(fixture.unwritten(), later[..1]);
    fixture.uses.mark_written(&later[..1]);
    assert_eq!(fixture.unwritten(), []);
}

#[tokio::test]
async fn a_use_during_a_write_is_drained_next_time() {
    let fixture = Fixture::new();
    fixture.use_key().await;
    let writing = fixture.unwritten();
    fixture.clock.advance_millis(1_000);
    fixture.use_key().await;
    fixture.uses.mark_written(&writing);
    assert_eq!(fixture.unwritten(), [used(Kind::OrgKey, "testkey", 1_000)]);
}

#[tokio::test]
async fn idle_credentials_are_forgotten_after_their_write() {
    let fixture = Fixture::new();
    fixture.use_key().await;
    fixture.use_token().await;
    let written = fixture.unwritten();
    assert_eq!(fixture.remembered(), "LastUse { credentials: 2, .. }");
    fixture.uses.mark_written(&written);
    fixture.clock.advance_millis(60_000);
    fixture.use_key().await;
    assert_eq!(fixture.unwritten(), [used(Kind::OrgKey, "testkey", 60_000)]);
    assert_eq!(
        fixture.remembered(),
        "LastUse { credentials: 1, .. }",
        "the token was idle"
    );
}

/// A sink that refuses its first batches.
#[derive(Default)]
struct Sink {
    failures: Mutex<usize>,
    written: Mutex<Vec<Usage>>,
}

impl Sink {
    fn failing(times: usize) -> Self {
        Self {
            failures: Mutex::new(times),
            ..Self::default()
        }
    }

    async fn write(&self, some: Vec<Usage>) -> io::Result<()> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(io::Error::other("the queue is full"));
        }
        self.written.lock().unwrap().extend(some);
        Ok(())
    }

    fn written(&self) -> Vec<Usage> {
        std::mem::take(&mut *self.written.lock().unwrap())
    }
}

#[tokio::test]
async fn what_a_sink_refuses_is_passed_to_it_again() {
    let (fixture, sink) = (Fixture::new(), Sink::failing(1));
    fixture.use_key().await;
    let write = |some| sink.write(some);
    let refused = fixture.uses.flush(write).await.unwrap_err();
    assert_eq!(refused.to_string(), "the queue is full");
    assert_eq!(sink.written(), []);
    fixture.clock.advance_millis(60_000);
    fixture.use_key().await;
    assert_eq!(fixture.uses.flush(write).await.unwrap(), 1);
    assert_eq!(sink.written(), [used(Kind::OrgKey, "testkey", 60_000)]);
    assert_eq!(fixture.uses.flush(write).await.unwrap(), 0);
    assert_eq!(sink.written(), []);
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_written_to_once_a_minute_whatever_fails() {
    let (fixture, sink) = (Fixture::new(), Sink::failing(1));
    fixture.use_key().await;
    let run = fixture.uses.clone().run(|some| sink.write(some));
    tokio::pin!(run);
    for (seconds, expected) in [(59, 0), (2, 0), (58, 0), (2, 1), (60, 0)] {
        let time = Duration::from_secs(seconds);
        assert!(tokio::time::timeout(time, &mut run).await.is_err());
        assert_eq!(sink.written().len(), expected, "after {seconds} s more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_gets_the_same_uses_a_minute_later() {
    let (fixture, sink) = (Fixture::new(), Sink::default());
    let panics = AtomicBool::new(true);
    fixture.use_key().await;
    let run = fixture.uses.clone().run(|some| {
        assert!(
            !panics.swap(false, Ordering::Relaxed),
            "the sink panics once"
        );
        sink.write(some)
    });
    tokio::pin!(run);
    let minutes = Duration::from_secs(121);
    assert!(tokio::time::timeout(minutes, &mut run).await.is_err());
    assert_eq!(sink.written(), [used(Kind::OrgKey, "testkey", 0)]);
}

/// The address and the user agent that a layer keeps of a use, which has both.
async fn kept(uses: LastUse, finds_address: bool) -> (Option<IpAddr>, Option<Box<str>>) {
    let auth = AuthLayer::new(memory()).with_last_use(uses.clone());
    let peer = |_: &http::Extensions| Some(IpAddr::from([192, 0, 2, 1]));
    let auth = match finds_address {
        true => auth.with_client_address(ClientAddress::of_peer(peer)),
        false => auth,
    };
    let mut request = bearer(KEY);
    let agent = "curl/8.5.0".parse().unwrap();
    request.headers_mut().insert("user-agent", agent);
    assert_eq!(ask(&auth, request).await.status, 200);
    let used = uses.unwritten().remove(0);
    (used.address, used.user_agent)
}

#[tokio::test]
async fn where_a_use_came_from_is_kept_only_if_that_is_chosen() {
    let address = Some(IpAddr::from([192, 0, 2, 1]));
    let agent = Some(Box::from("curl/8.5.0"));
    for (uses, finds_address, expected) in [
        (LastUse::new(), true, (None, None)),
        (LastUse::new().with_client_address(), true, (address, None)),
        (LastUse::new().with_client_address(), false, (None, None)),
        (
            LastUse::new().with_user_agent(),
            true,
            (None, agent.clone()),
        ),
        (
            LastUse::new().with_client_address().with_user_agent(),
            true,
            (address, agent.clone()),
        ),
    ] {
        assert_eq!(kept(uses, finds_address).await, expected);
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_found_refuses_no_request() {
    let uses = LastUse::new().with_client_address();
    let auth = AuthLayer::new(memory()).with_last_use(uses.clone());
    let address = ClientAddress::of_peer(|_| -> Option<IpAddr> { panic!("no address") });
    let auth = auth.with_client_address(address);
    assert_eq!(ask(&auth, bearer(KEY)).await.status, 200);
    assert_eq!(uses.unwritten()[0].address, None);
}

#[test]
fn examples_with_a_recorder_write_what_is_left_when_they_stop() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut recorders = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let mut path = entry.unwrap().path();
        if path.is_dir() {
            path.push("src/main.rs");
        }
        let text = fs::read_to_string(&path).unwrap();
        let Some((_, after)) = text.split_once("run_usage_recorder(") else {
            continue;
        };
        let (_, stopped) = after.split_once("with_graceful_shutdown").unwrap();
        assert!(stopped.contains(".record_uses("), "{path:?}");
        recorders += 1;
    }
    assert!(recorders > 0);
}

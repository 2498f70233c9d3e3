//! Last uses, taken by a service without a manager to be written to its own table.

use tower_api_key::{
    AuthLayer, LastUse,
    clock::UnixMillis,
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

//! The last uses as a service without a manager takes them, to write them to a table of its own.

use tower_api_key::{
    AuthLayer, LastUse,
    clock::UnixMillis,
    credential::Kind,
    store::{MemoryStore, Usage},
    testing::ManualClock,
};

use crate::support::{KEY, ORG, TOKEN, ask, bearer, bearer_in, memory};

const START: i64 = 1_000_000;

struct Site {
    auth: AuthLayer<MemoryStore>,
    clock: ManualClock,
    uses: LastUse,
}

impl Site {
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

    /// What is to be written, in the order of the ids.
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
async fn a_write_that_failed_is_drained_again_with_what_came_later() {
    let site = Site::new();
    site.use_key().await;
    site.use_token().await;
    let both = [
        used(Kind::OrgKey, "testkey", 0),
        used(Kind::PersonalToken, "token", 0),
    ];
    assert_eq!(site.unwritten(), both);
    // The write fails: nothing is marked.
    assert_eq!(site.unwritten(), both, "lost by a failed write");
    site.clock.advance_millis(60_000);
    site.use_key().await;
    let later = [
        used(Kind::OrgKey, "testkey", 60_000),
        used(Kind::PersonalToken, "token", 0),
    ];
    assert_eq!(site.unwritten(), later);
    // Half of it is written.
    site.uses.mark_written(&later[1..]);
    assert_eq!(site.unwritten(), later[..1]);
    site.uses.mark_written(&later[..1]);
    assert_eq!(site.unwritten(), []);
}

#[tokio::test]
async fn a_use_during_the_write_is_drained_the_next_time() {
    let site = Site::new();
    site.use_key().await;
    let writing = site.unwritten();
    site.clock.advance_millis(1_000);
    site.use_key().await;
    site.uses.mark_written(&writing);
    assert_eq!(site.unwritten(), [used(Kind::OrgKey, "testkey", 1_000)]);
}

#[tokio::test]
async fn credentials_that_are_idle_after_their_write_are_forgotten() {
    let site = Site::new();
    site.use_key().await;
    site.use_token().await;
    let written = site.unwritten();
    assert_eq!(site.remembered(), "LastUse { credentials: 2, .. }");
    site.uses.mark_written(&written);
    site.clock.advance_millis(60_000);
    site.use_key().await;
    assert_eq!(site.unwritten(), [used(Kind::OrgKey, "testkey", 60_000)]);
    assert_eq!(
        site.remembered(),
        "LastUse { credentials: 1, .. }",
        "the token was idle"
    );
}

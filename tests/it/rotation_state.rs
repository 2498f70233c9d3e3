//! How far a rotation is, from the recorded uses of both credentials.

use std::{sync::Arc, time::Duration};

use tower_api_key::{
    AuthLayer, LastUse, async_trait,
    clock::{Clock as _, SystemClock},
    credential::Kind,
    id::CredentialId,
    manage::{Actor, Manager, NewKey, Rotation, RotationState},
    store::{
        CredentialInfo, CredentialStore, Directory as _, Lookup, MemoryStore, Owner, Record,
        StoreError,
    },
    testing::ManualClock,
};

use crate::support::{ORG, ask, bearer, forward::forward_required};

const KEY: Kind = Kind::OrgKey;

struct Fixture {
    manager: Manager<MemoryStore>,
    clock: ManualClock,
    uses: LastUse,
    actor: Actor,
}

impl Fixture {
    async fn new() -> Self {
        let store = MemoryStore::new();
        store.create_organization(ORG, None).await.unwrap();
        // Behind the store's own clock, which no use is recorded after.
        let clock = ManualClock::at(SystemClock::default().now());
        clock.advance_millis(-24 * 3_600_000);
        Self {
            manager: Manager::new(store).with_clock(clock.clone()),
            clock,
            uses: LastUse::new(),
            actor: Actor::operator("test", Owner::of(KEY, ORG)),
        }
    }

    /// A request with the token.
    async fn sent(&self, token: &str) {
        let auth = AuthLayer::new(self.manager.store().clone())
            .with_clock(self.clock.clone())
            .with_last_use(self.uses.clone());
        assert_eq!(ask(&auth, bearer(token)).await.status, 200);
    }

    /// A request with the token, and a round of the recorder.
    async fn used(&self, token: &str) {
        self.sent(token).await;
        self.manager.record_uses(&self.uses).await.unwrap();
    }

    async fn state(&self, id: &str) -> RotationState {
        let state = self.manager.rotation_state(&self.actor, KEY, id);
        state.await.unwrap()
    }
}

#[tokio::test]
async fn a_rotation_is_safe_to_end_once_the_old_key_is_no_longer_used() {
    let at = Fixture::new().await;
    let (manager, actor) = (&at.manager, &at.actor);
    let issued = manager.issue_key(actor, NewKey::named("ci")).await.unwrap();
    let (old, old_token) = issued.into_parts();
    let (id, old_token) = (old.id.as_str(), old_token.unwrap());
    let old_token = old_token.expose_secret();
    assert_eq!(at.state(id).await, RotationState::NotRotated);
    at.used(old_token).await;

    let hours = Rotation::default().with_overlap(Duration::from_secs(6 * 3600));
    let issued = manager.rotate(actor, KEY, id, hours).await.unwrap();
    let new_token = issued.into_secret().unwrap();
    let new_token = new_token.expose_secret();
    assert_eq!(at.state(id).await, RotationState::SuccessorUnused);

    at.clock.advance_millis(7_200_000);
    at.used(new_token).await;
    at.used(old_token).await;
    for (minutes, uses_old, state) in [
        (0, false, RotationState::InUse),
        (1, true, RotationState::InUse),
        (60, false, RotationState::InUse), // as far as is known
    ] {
        at.clock.advance_millis(minutes * 60_000);
        if uses_old {
            at.used(old_token).await;
        }
        assert_eq!(at.state(id).await, state, "{minutes}");
    }
    manager.delete(actor, KEY, id).await.unwrap();
    assert_eq!(at.state(id).await, RotationState::Ended);
}

#[tokio::test]
async fn an_old_key_that_is_not_used_after_the_switch_is_safe_to_end_two_minutes_later() {
    let at = Fixture::new().await;
    let (manager, actor) = (&at.manager, &at.actor);
    let issued = manager.issue_key(actor, NewKey::named("ci")).await.unwrap();
    let (old, old_token) = issued.into_parts();
    let id = old.id.as_str();
    at.used(old_token.unwrap().expose_secret()).await;
    let hours = Rotation::default().with_overlap(Duration::from_secs(6 * 3600));
    let issued = manager.rotate(actor, KEY, id, hours).await.unwrap();
    at.used(issued.into_secret().unwrap().expose_secret()).await;
    at.clock.advance_millis(119_999);
    assert_eq!(at.state(id).await, RotationState::InUse);
    at.clock.advance_millis(1);
    assert_eq!(at.state(id).await, RotationState::SafeToEnd);
    let foreign = Actor::operator("test", Owner::of(KEY, "org_of_nobody"));
    let refused = manager.rotation_state(&foreign, KEY, id).await;
    assert_eq!(refused.unwrap_err().code(), "unknown_credential");
}

/// With a recorder that writes once a minute, and a use that hides no later one.
#[tokio::test]
async fn an_old_key_that_is_used_every_second_is_in_use_all_the_time() {
    let at = Fixture::new().await;
    let (manager, actor) = (&at.manager, &at.actor);
    let issued = manager.issue_key(actor, NewKey::named("ci")).await.unwrap();
    let (old, old_token) = issued.into_parts();
    let (id, old_token) = (old.id.as_str(), old_token.unwrap());
    let day = Rotation::default().with_overlap(Duration::from_secs(24 * 3600));
    let issued = manager.rotate(actor, KEY, id, day).await.unwrap();
    let new_token = issued.into_secret().unwrap();
    for second in 0..600 {
        at.sent(old_token.expose_secret()).await;
        if second == 90 {
            at.sent(new_token.expose_secret()).await;
        }
        if second % 60 == 0 {
            manager.record_uses(&at.uses).await.unwrap();
        }
        assert_ne!(at.state(id).await, RotationState::SafeToEnd, "{second}");
        at.clock.advance_millis(1000);
    }
}

/// A memory store that cannot read all of one credential.
struct Damaged {
    memory: MemoryStore,
    id: CredentialId,
}

#[async_trait]
impl CredentialStore for Damaged {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.memory.find(lookup).await
    }
}

forward_required!(Damaged, without credential {
    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        let mut found = self.memory.credential(owner, id).await?;
        if let Some(info) = &mut found {
            info.damaged = info.id == self.id;
        }
        Ok(found)
    }
});

#[tokio::test]
async fn the_state_of_a_rotation_with_a_damaged_key_is_unknown() {
    let at = Fixture::new().await;
    let issued = at.manager.issue_key(&at.actor, NewKey::named("ci")).await;
    let old = issued.unwrap().info().id.clone();
    let hours = Rotation::default().with_overlap(Duration::from_secs(6 * 3600));
    let rotated = at.manager.rotate(&at.actor, KEY, old.as_str(), hours).await;
    let new = rotated.unwrap().info().id.clone();
    for id in [old.clone(), new] {
        let memory = at.manager.store().clone();
        let manager = Manager::new(Damaged { memory, id });
        let state = manager.rotation_state(&at.actor, KEY, old.as_str()).await;
        assert_eq!(state.unwrap_err().code(), "damaged");
    }
}

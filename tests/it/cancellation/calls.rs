//! Changes through a manager, a cache and a store that makes its caller wait.

use std::time::Duration;

use tokio::task::yield_now;
use tower_api_key::{
    AuthLayer,
    store::{Cached, ManageStore, MemoryStore},
};

use super::{STEPS, settle};
use crate::support::{
    ask, bearer, now,
    world::{CALLS, World, is_repeated},
    yielding_store::{YieldingStore, cancelled_after},
};

type CachedWorld = World<Cached<YieldingStore>, MemoryStore>;

async fn cached() -> CachedWorld {
    let memory = MemoryStore::new();
    let store = Cached::new(YieldingStore::new(memory.clone()));
    let world = World::new(store, memory.clone(), "").await;
    // Something for `record_uses` to write.
    let auth = AuthLayer::new(memory).with_last_use(world.uses.clone());
    let request = bearer(&world.issued.1);
    assert_eq!(ask(&auth, request).await.status, 200);
    world
}

/// Lets the tasks of a dropped call end, among requests that fill the cache again.
async fn settle_among_requests(world: &CachedWorld) {
    for _ in 0..STEPS {
        world.ask_all(&world.store).await;
        yield_now().await;
    }
}

#[tokio::test]
async fn a_dropped_call_has_made_its_change_entirely_or_not_at_all() {
    for name in CALLS {
        let complete = cached().await;
        complete.call(name).await.unwrap();
        let after = complete.contents().await;
        let mut polls = 0;
        loop {
            let world = cached().await;
            let before = world.contents().await;
            world.ask_all(&world.store).await;
            let done = cancelled_after(polls, world.call(name)).await;
            settle_among_requests(&world).await;
            let seen = world.contents().await;
            let place = format!("{name}, dropped after {polls} polls");
            assert!(seen == before || seen == after, "{place}: {seen:?}");
            let answers = world.ask_all(&world.store).await;
            assert_eq!(answers, world.ask_all(&world.reader).await, "{place}");
            if let Some(done) = done {
                assert_eq!((done, &seen), (Ok(()), &after), "{place}");
                break;
            }
            let again = world.call(name).await;
            assert!(again == Ok(()) || seen != before, "{place}: {again:?}");
            assert!(is_repeated(&again), "{place}: {again:?}");
            polls += 1;
            assert!(polls < STEPS, "{name} waits for more than it should");
        }
        println!("{name}: {polls} points to drop it at");
        assert!(polls >= 2, "{name} waited {polls} times");
    }
}

#[test]
fn the_memory_store_waits_for_nothing() {
    for name in CALLS {
        let memory = MemoryStore::new();
        let world = now(World::new(memory.clone(), memory, ""));
        assert_eq!(now(world.call(name)), Ok(()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_usage_recorder_keeps_what_it_has_not_written() {
    for polls in 0..8 {
        let world = cached().await;
        let recorder = world.manager.clone().run_usage_recorder(world.uses.clone());
        let mut recorder = Box::pin(recorder);
        let _ = cancelled_after(1, &mut recorder).await;
        tokio::time::advance(Duration::from_secs(61)).await;
        let _ = cancelled_after(polls, recorder).await;
        settle().await;
        world.manager.record_uses(&world.uses).await.unwrap();
        assert!(world.uses.unwritten().is_empty(), "after {polls} polls");
        let info = now(world.reader.credential(&world.org(), &world.issued.0));
        assert!(info.unwrap().unwrap().last_used_at.is_some());
    }
}

//! Wrong secrets for a known id: one store call per time to live, however many are tried.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{AuthLayer, store::Cached};
use tower_api_key_proof::rig::{Random, Report};

use crate::{
    fixture::{bearing, cause, ids, memory, reached},
    remote_store::{Behaviour, RemoteStore},
};

const TASKS: usize = 8;

pub(crate) async fn run(report: &mut Report, count: usize) {
    let (calls, _) = guess(count, Duration::MAX).await;
    let name = format!("{count} wrong secrets for one id, infinite time to live: store calls");
    report.row(&name, calls, "1", calls == 1);

    let life = Duration::from_millis(100);
    let (calls, took) = guess(count, life).await;
    let most = took.as_millis() / life.as_millis() + 1;
    let name = format!("{count} wrong secrets for one id, 100 ms to live: store calls");
    let figure = format!("{calls} in {} ms", took.as_millis());
    let target = format!("≤ {most}, one per time to live");
    report.row(&name, figure, &target, calls as u128 <= most);
}

/// Returns the number of store calls, and how long the flood took.
async fn guess(count: usize, life: Duration) -> (usize, Duration) {
    let ids = ids(1);
    let store = RemoteStore::new(memory(&ids), Behaviour::Answers);
    let layer = AuthLayer::new(Cached::new(Arc::clone(&store)).with_ttl(life));
    let began = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (service, id) = (layer.layer(service_fn(reached)), ids[0].clone());
            tokio::spawn(async move {
                let mut random = Random::seeded(task as u64);
                for _ in 0..count / TASKS {
                    let token = format!("ak_{id}.{}", random.word(40));
                    let answer = service.clone().oneshot(bearing(token.as_bytes())).await;
                    assert_eq!(cause(&answer.unwrap()), "wrong_secret");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (store.calls(), began.elapsed())
}

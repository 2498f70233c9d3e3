//! Ten thousand callers on one key that is not cached: one store call.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{AuthLayer, store::Cached};
use tower_api_key_proof::rig::Report;

use crate::{
    fixture::{bearing, cause, ids, key, memory, reached},
    remote_store::{Behaviour, RemoteStore},
};

const CALLERS: usize = 10_000;

pub(crate) async fn run(report: &mut Report) {
    let (calls, accepted) = crowd(false).await;
    let name = format!("{CALLERS} callers on one cold key: store calls");
    let figure = format!("{calls}; {accepted} accepted");
    report.row(&name, figure, "1", calls == 1 && accepted == CALLERS);

    let (calls, accepted) = crowd(true).await;
    let name = format!("{CALLERS} callers on one cold key, the first one leaves: store calls");
    let figure = format!("{calls}; {accepted} accepted");
    report.row(&name, figure, "≤ 2", calls <= 2 && accepted == CALLERS - 1);
}

/// Counts the callers that wait, and signals when all do.
#[derive(Default)]
struct Waiting {
    callers: AtomicUsize,
    all: Notify,
}

/// Returns the number of store calls and of accepted requests.
async fn crowd(leader_leaves: bool) -> (usize, usize) {
    let ids = ids(1);
    let store = RemoteStore::new(memory(&ids), Behaviour::Held);
    let layer = AuthLayer::new(Cached::new(Arc::clone(&store)).with_lookup_deadline(LONG));
    let service = layer.with_deadline(LONG).layer(service_fn(reached));
    let waiting = Arc::new(Waiting::default());
    let call = || {
        let call = service.clone().oneshot(bearing(key(&ids[0]).as_bytes()));
        tokio::spawn(noted(call, Arc::clone(&waiting)))
    };
    let leader = call();
    while store.calls() == 0 {
        tokio::task::yield_now().await;
    }
    let mut callers: Vec<_> = (1..CALLERS).map(|_| call()).collect();
    waiting.all.notified().await;
    match leader_leaves {
        true => leader.abort(),
        false => callers.push(leader),
    }
    // Each lookup that the store holds, one or two.
    store.set_behaviour(Behaviour::Answers);
    store.release();
    let mut accepted = 0;
    for caller in callers {
        let answer = caller.await.unwrap().unwrap();
        accepted += usize::from(cause(&answer) == "accepted");
        store.release();
    }
    (store.calls(), accepted)
}

/// Not reached: the store answers when all callers wait.
const LONG: Duration = Duration::from_secs(60);

/// Counts a future that is pending after its first poll.
async fn noted<F: Future>(future: F, waiting: Arc<Waiting>) -> F::Output {
    let mut future = pin!(future);
    let mut first = true;
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if std::mem::take(&mut first) {
            assert!(
                matches!(polled, Poll::Pending),
                "the store holds its answer"
            );
            if waiting.callers.fetch_add(1, SeqCst) + 1 == CALLERS {
                waiting.all.notify_one();
            }
        }
        polled
    })
    .await
}

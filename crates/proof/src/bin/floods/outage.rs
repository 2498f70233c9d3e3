//! Many callers on one cold key whose store does not answer: 503 with `Retry-After` in time, and
//! at most two store calls per deadline.
//!
//! A loaded machine wakes every timer late. So as many plain timers of the same length run beside
//! the callers, on threads of their own that the layer cannot hold up, and an answer is judged by
//! how much later it is than the latest of them.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use http::{Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer,
    store::{Cached, CredentialStore},
};
use tower_api_key_proof::rig::{Report, millis, quantile};

use crate::{
    fixture::{bearing, ids, key, memory, reached},
    remote_store::{Behaviour, RemoteStore},
};

const CALLERS: usize = 1_000;
const DEADLINE: Duration = Duration::from_secs(1);
const MARGIN: Duration = Duration::from_millis(50);

pub(crate) async fn run(report: &mut Report) {
    std::panic::set_hook(Box::new(|_| ())); // the panicking store's
    for (name, behaviour) in [
        ("hangs", Behaviour::Hangs),
        ("fails", Behaviour::Fails),
        ("panics", Behaviour::Panics),
    ] {
        for cached in [true, false] {
            crowd(report, name, behaviour, cached).await;
        }
    }
    drop(std::panic::take_hook());
}

async fn crowd(report: &mut Report, name: &str, behaviour: Behaviour, cached: bool) {
    let ids = ids(1);
    let store = RemoteStore::new(memory(&ids), behaviour);
    let token = key(&ids[0]);
    let cache = AuthLayer::new(Cached::new(Arc::clone(&store)));
    let control = thread::spawn(|| crate::threads().block_on(latest_timer()));
    let answers = match cached {
        true => ask(cache.clone(), &token).await,
        false => ask(AuthLayer::new(Arc::clone(&store)), &token).await,
    };
    let wrong = answers
        .iter()
        .filter(|(_, answer)| !is_outage(answer))
        .count();
    let times: Vec<_> = answers.iter().map(|(time, _)| *time).collect();
    let latest = quantile(&times, 1.0);
    let control = tokio::task::spawn_blocking(|| control.join())
        .await
        .unwrap()
        .unwrap();
    let place = if cached {
        "behind a cache"
    } else {
        "without a cache"
    };
    let row = format!("{CALLERS} callers, the store {name}, {place}");
    let target = "0 without 503 and Retry-After";
    report.row(&format!("{row}: other answers"), wrong, target, wrong == 0);
    let figure = format!(
        "{} (median {}), the latest timer {}",
        millis(latest),
        millis(quantile(&times, 0.5)),
        millis(control)
    );
    let held = latest <= control + MARGIN;
    let target = "≤ 50 ms after the latest 1 s timer";
    report.row(&format!("{row}: latest answer"), figure, target, held);
    if cached {
        let calls = store.calls();
        report.row(&format!("{row}: store calls"), calls, "≤ 2", calls <= 2);
        store.set_behaviour(Behaviour::Answers);
        let after = accepted_after(cache, &token).await;
        let held = after <= control + MARGIN;
        let row = format!("{row}: accepted again after");
        report.row(&row, millis(after), target, held);
    }
}

/// Runs as many timers as there are callers, each in its own task; returns the latest one's time.
async fn latest_timer() -> Duration {
    let timers: Vec<_> = (0..CALLERS)
        .map(|_| {
            tokio::spawn(async {
                let began = Instant::now();
                tokio::time::sleep(DEADLINE).await;
                began.elapsed()
            })
        })
        .collect();
    let mut latest = Duration::ZERO;
    for timer in timers {
        latest = latest.max(timer.await.unwrap());
    }
    latest
}

/// Returns how long the outage lasts for a client when the store answers again.
async fn accepted_after<S: CredentialStore>(layer: AuthLayer<S>, token: &str) -> Duration {
    let (service, began) = (layer.layer(service_fn(reached)), Instant::now());
    loop {
        let answer = service
            .clone()
            .oneshot(bearing(token.as_bytes()))
            .await
            .unwrap();
        match answer.status() {
            StatusCode::OK => return began.elapsed(),
            StatusCode::SERVICE_UNAVAILABLE => tokio::task::yield_now().await,
            other => panic!("an outage left {other}"),
        }
    }
}

/// Asks with many callers at once; returns when each was answered, and how.
async fn ask<S>(layer: AuthLayer<S>, token: &str) -> Vec<(Duration, Response<String>)>
where
    S: CredentialStore,
{
    let service = layer.with_deadline(DEADLINE).layer(service_fn(reached));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (service, request) = (service.clone(), bearing(token.as_bytes()));
            tokio::spawn(async move {
                let began = Instant::now();
                let answer = service.oneshot(request).await.unwrap();
                (began.elapsed(), answer)
            })
        })
        .collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    answers
}

fn is_outage(answer: &Response<String>) -> bool {
    answer.status() == StatusCode::SERVICE_UNAVAILABLE
        && answer.headers().contains_key("retry-after")
}

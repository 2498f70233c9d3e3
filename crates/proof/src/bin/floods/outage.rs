//! Many callers on one cold key whose store does not answer: 503 with `Retry-After` in time, and
//! at most two store calls per deadline.

use std::{
    sync::Arc,
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
    let place = if cached {
        "behind a cache"
    } else {
        "without a cache"
    };
    let row = format!("{CALLERS} callers, the store {name}, {place}");
    let target = "0 without 503 and Retry-After";
    report.row(&format!("{row}: other answers"), wrong, target, wrong == 0);
    let figure = format!(
        "{} (median {})",
        millis(latest),
        millis(quantile(&times, 0.5))
    );
    let held = latest <= DEADLINE + MARGIN;
    report.row(&format!("{row}: latest answer"), figure, "≤ 1050 ms", held);
    if cached {
        let calls = store.calls();
        report.row(&format!("{row}: store calls"), calls, "≤ 2", calls <= 2);
        store.set_behaviour(Behaviour::Answers);
        let after = accepted_after(cache, &token).await;
        let held = after <= DEADLINE + MARGIN;
        report.row(
            &format!("{row}: accepted again after"),
            millis(after),
            "≤ 1050 ms",
            held,
        );
    }
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

//! Which requests are sent as probes, and which of the answers are worth a line.

use std::{collections::BTreeSet, future::Future, future::poll_fn, pin::pin, task::Poll};

use http::{Method, Request, Response, Uri};
use tower_service::Service;

use super::{Route, RouteProbe, Routes};
use crate::probe::Probe;

/// A method that no route has.
const OTHER_METHOD: &[u8] = b"PROBE";
/// A segment that no route has.
const UNKNOWN: &str = "no-such-route";

pub(super) async fn describe<S, F, ReqB, ResB>(settings: &RouteProbe<S, F>) -> Routes
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    F: Fn() -> ReqB,
{
    let mut routes = Vec::new();
    for (method, path) in &settings.routes {
        let probe = send(settings, method, path).await;
        routes.push(Route::new(method.as_str(), path, probe.notes()));
    }
    let other = Method::from_bytes(OTHER_METHOD).unwrap_or(Method::TRACE);
    let paths: BTreeSet<&str> = settings.routes.iter().map(|(_, path)| &**path).collect();
    for &path in &paths {
        let probe = send(settings, &other, path).await;
        let found = Route::new("*", path, probe.notes());
        let mut listed = routes.iter().filter(|route| route.path() == path);
        if !listed.all(|route| route.modes() == found.modes()) {
            routes.push(found);
        }
    }
    let mut fallbacks: Vec<Route> = Vec::new();
    for folder in folders(&paths) {
        let probe = send(settings, &Method::GET, &format!("{folder}/{UNKNOWN}")).await;
        let found = Route::new("*", &format!("{folder}/*"), probe.notes());
        // The nearest one above comes before it and covers it, too.
        let above = fallbacks.iter().rev().find(|above| above.covers(&found));
        if above.is_none_or(|above| !above.is_like(&found)) {
            fallbacks.push(found);
        }
    }
    routes.extend(fallbacks);
    Routes::new(routes)
}

/// Sends one probe, and waits until a layer holds it or the service answers.
async fn send<S, F, ReqB, ResB>(settings: &RouteProbe<S, F>, method: &Method, path: &str) -> Probe
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    F: Fn() -> ReqB,
{
    let probe = Probe::new(settings.through);
    let mut request = Request::new((settings.body)());
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse::<Uri>().unwrap_or_default();
    request.extensions_mut().insert(probe.clone());
    let mut service = settings.service.clone();
    if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
        return probe;
    }
    let mut answer = pin!(service.call(request));
    let mut held = pin!(probe.held());
    poll_fn(|cx| {
        let answered = answer.as_mut().poll(cx).is_ready();
        if answered || held.as_mut().poll(cx).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    probe.clone()
}

/// Yields what is above the paths, from the root down, without the last slash. Where a path has a
/// parameter, its parent has no fallback for a single unknown segment and is left out.
fn folders<'p>(paths: &BTreeSet<&'p str>) -> BTreeSet<&'p str> {
    let slashes = |path: &'p str| {
        path.match_indices('/')
            .map(move |(at, _)| path.split_at(at).0)
    };
    let mut folders: BTreeSet<&str> = paths.iter().flat_map(|path| slashes(path)).collect();
    folders.insert("");
    folders.retain(|folder| !paths.iter().any(|path| takes_unknown(path, folder)));
    folders
}

/// Whether a path takes the unknown segment in `folder` for a parameter.
fn takes_unknown(path: &str, folder: &str) -> bool {
    let unknown = format!("{folder}/{UNKNOWN}");
    let (mut wanted, mut given) = (path.split('/'), unknown.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

//! Sends probes, and decides which of the findings are worth a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use http::{Method, Request, Response, Uri};
use tower_service::Service;

use super::{Route, RouteProbe, places::UNKNOWN};
use crate::{
    panics::catch,
    probe::{Note, Probe},
};

/// The methods of RFC 9110, section 9, and RFC 5789 (PATCH) and QUERY. They are probed on each
/// path, and so is each method that is listed with any path.
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];
/// A method that no route has.
const OTHER_METHOD: &str = "PROBE";

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    notes: Vec<Note>,
    /// Whether something answered a probe that a layer had passed on.
    answered: bool,
}

/// What the probes of one path found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Profile {
    methods: BTreeMap<String, Found>,
    other: Found,
}

pub(super) async fn describe<S, F, ReqB, ResB>(settings: &RouteProbe<S, F>) -> Vec<Route>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    F: Fn() -> ReqB,
{
    let listed = &settings.listed;
    let (mut routes, mut profiles) = (Vec::new(), BTreeMap::new());
    for place in listed.paths() {
        let profile = probe_path(settings, &place.sent).await;
        routes.extend(profile.lines(&place.shown, |method| listed.has(method, &place.shown)));
        profiles.insert(place.sent, profile);
    }
    let mut around: Vec<(String, Profile)> = Vec::new();
    for place in listed.around() {
        let profile = probe_path(settings, &place.sent).await;
        let mut takers = listed.takers(&place.sent);
        let is_taken = takers.any(|path| profiles.get(path) == Some(&profile));
        let key = without_names(&place.shown);
        let above = around.iter().filter(|(above, _)| covers(above, &key));
        let nearest = above.max_by_key(|(above, _)| above.len());
        if !is_taken && nearest.is_none_or(|(_, nearest)| *nearest != profile) {
            routes.extend(profile.lines(&place.shown, |_| false));
            around.push((key, profile));
        }
    }
    let root = around.iter().find(|(path, _)| path == "/*");
    routes.extend(describe_targets(settings, root.map(|(_, root)| root)).await);
    routes
}

/// Describes what answers the requests that have no path: `OPTIONS *` and `CONNECT host:port`
/// (RFC 9112, sections 3.2.3 and 3.2.4), where it is not what answers at the root.
async fn describe_targets<S, F, ReqB, ResB>(
    settings: &RouteProbe<S, F>,
    root: Option<&Profile>,
) -> Vec<Route>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    F: Fn() -> ReqB,
{
    let mut routes = Vec::new();
    let authority = format!("{UNKNOWN}:443");
    for (method, target) in [("OPTIONS", "*"), ("CONNECT", &*authority)] {
        if method == "OPTIONS" && !settings.probes_options {
            continue;
        }
        let found = send(settings, method, target).await;
        if root.and_then(|root| root.methods.get(method)) != Some(&found) {
            routes.push(found.line(method, target));
        }
    }
    routes
}

/// Probes all methods on a path.
async fn probe_path<S, F, ReqB, ResB>(settings: &RouteProbe<S, F>, path: &str) -> Profile
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    F: Fn() -> ReqB,
{
    let listed = &settings.listed;
    let mut names: BTreeSet<&str> = METHODS.into_iter().chain(listed.methods()).collect();
    if !settings.probes_options && !listed.has("OPTIONS", path) {
        names.remove("OPTIONS");
    }
    let mut methods = BTreeMap::new();
    for method in names {
        methods.insert(method.to_owned(), send(settings, method, path).await);
    }
    let other = send(settings, OTHER_METHOD, path).await;
    Profile { methods, other }
}

/// Sends one probe, and waits until a layer holds it or the service answers.
#[expect(clippy::panic, reason = "a test stops at the first failure")]
async fn send<S, F, ReqB, ResB>(settings: &RouteProbe<S, F>, method: &str, target: &str) -> Found
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    F: Fn() -> ReqB,
{
    let probe = Probe::new(settings.through);
    let mut request = Request::new((settings.body)());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    *request.uri_mut() = target.parse::<Uri>().unwrap_or_default();
    request.extensions_mut().insert(probe.clone());
    let mut service = settings.service.clone();
    if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
        panic!("the service is not ready for a probe of {method} {target}");
    }
    let mut answered = true; // by a panic, too, which ends a request as an answer does
    if let Some(answer) = catch(|| service.call(request)) {
        let (mut answer, mut held) = (pin!(answer), pin!(probe.held()));
        answered = poll_fn(|cx| match catch(|| answer.as_mut().poll(cx).is_ready()) {
            Some(false) => held.as_mut().poll(cx).map(|()| false),
            Some(true) | None => Poll::Ready(true),
        })
        .await;
    }
    let notes = probe.notes();
    Found {
        answered: answered && !notes.is_empty() && !settings.through,
        notes,
    }
}

impl Found {
    fn line(&self, method: &str, path: &str) -> Route {
        Route::new(method, path, self.notes.clone(), self.answered)
    }
}

impl Profile {
    /// Returns a line for each listed method, for each other one that differs from the rest, and
    /// for the rest, unless all listed ones are like it.
    fn lines(&self, path: &str, is_listed: impl Fn(&str) -> bool) -> Vec<Route> {
        let mut lines = Vec::new();
        for (method, found) in &self.methods {
            // Routers answer HEAD with the handler of GET (RFC 9110, section 9.3.2).
            let is_get = method == "HEAD" && self.methods.get("GET") == Some(found);
            if is_listed(method) || *found != self.other && !is_get {
                lines.push(found.line(method, path));
            }
        }
        let mut listed = self
            .methods
            .iter()
            .filter(|(method, _)| is_listed(method))
            .peekable();
        if listed.peek().is_none() || listed.any(|(_, found)| *found != self.other) {
            lines.push(self.other.line("*", path));
        }
        lines
    }
}

/// Whether a place is a fallback's or below it. In both, what stands for a segment is `*`.
fn covers(fallback: &str, place: &str) -> bool {
    let folder = fallback.strip_suffix("/*");
    let below = folder.and_then(|folder| place.strip_prefix(folder));
    below.is_some_and(|below| below.starts_with('/'))
}

/// Writes `*` for each parameter of a path.
fn without_names(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            true => "*",
            false => segment,
        });
    segments.collect::<Vec<_>>().join("/")
}

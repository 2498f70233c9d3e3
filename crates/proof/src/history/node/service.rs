//! The routes of a node, and their answers.

use std::{convert::Infallible, future::ready, net::IpAddr};

use http::{Request as HttpRequest, Response, request::Parts};
use tower::{Layer, service_fn, util::BoxCloneSyncService};
use tower_api_key::{
    AuthLayer, Principal as Caller, RequireDescendantLayer, RequireOrganizationLayer,
    RequireScopesLayer, condition::ClientAddress, id::OrgId,
};

use super::{Store, convert::principal};
use crate::model::{Answer, Route, Surroundings};

pub(super) type Service = BoxCloneSyncService<HttpRequest<()>, Response<String>, Infallible>;

/// Where a request comes from, as a server would put it into the extensions.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Lets a layer check what a service of these surroundings can.
#[allow(
    clippy::expect_used,
    reason = "each environment of histories is a name"
)]
pub(super) fn checking<S>(auth: AuthLayer<S>, at: Surroundings) -> AuthLayer<S> {
    let auth = match at.environment {
        Some(environment) => auth
            .with_environment(environment)
            .expect("an environment of histories is one"),
        None => auth,
    };
    if !at.finds_addresses {
        return auth;
    }
    let peer = ClientAddress::of_peer(|extensions| extensions.get::<Peer>().map(|peer| peer.0));
    auth.with_client_address(peer)
}

/// Builds a route: the layers around a service that returns the principal.
pub(super) fn service<S: Store>(auth: &AuthLayer<S>, store: &S, route: Route) -> Service {
    let echo = service_fn(|request: HttpRequest<()>| {
        let mut response = Response::new(String::new());
        if let Some(principal) = request.extensions().get::<Caller>() {
            response.extensions_mut().insert(principal.clone());
        }
        ready(Ok::<_, Infallible>(response))
    });
    let scopes = RequireScopesLayer::any(route.scopes().iter().copied());
    match (route, scopes) {
        (Route::UserScoped, _) => boxed(auth.clone().user_scoped().layer(echo)),
        (Route::Optional, _) => boxed(auth.clone().optional().layer(echo)),
        (Route::OptionalOrganization, _) => {
            let inner = RequireOrganizationLayer::new()
                .with_responses_of(auth)
                .layer(echo);
            boxed(auth.clone().optional().layer(inner))
        }
        (Route::Descendant, _) => {
            let target = |parts: &Parts| parts.uri.path().strip_prefix('/').map(OrgId::from);
            let below = RequireDescendantLayer::new(store.clone(), target);
            boxed(auth.layer(below.with_responses_of(auth).layer(echo)))
        }
        (_, Ok(scopes)) => boxed(auth.layer(scopes.with_responses_of(auth).layer(echo))),
        (_, Err(_)) => boxed(auth.layer(echo)),
    }
}

fn boxed<T>(service: T) -> Service
where
    T: tower::Service<HttpRequest<()>, Response = Response<String>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    T::Future: Send + 'static,
{
    BoxCloneSyncService::new(service)
}

/// Reads a response. What every refusal must have is checked here.
pub(super) fn answer(response: Response<String>) -> (Answer, Option<Caller>) {
    let status = response.status().as_u16();
    if status == 200 {
        let caller = response.extensions().get::<Caller>().cloned();
        let answer = caller.as_ref().map(principal);
        return (answer.map_or(Answer::Anonymous, Answer::Accepted), caller);
    }
    let header = |name| {
        let value = response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or("absent").to_owned()
    };
    let body = response.body();
    let text = body
        .strip_prefix(r#"{"detail":""#)
        .and_then(|rest| rest.strip_suffix(r#""}"#));
    let is_whole =
        header("cache-control") == "no-store" && header("content-type") == "application/json";
    let text = text
        .filter(|_| is_whole)
        .unwrap_or("not in the form of a refusal");
    (
        Answer::Refused {
            status,
            text: text.into(),
            challenge: header("www-authenticate"),
        },
        None,
    )
}

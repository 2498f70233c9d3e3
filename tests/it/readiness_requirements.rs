//! Tower's contract for requirements behind the auth layer: no early calls, and a refusal releases
//! readiness.

use crate::support;
use tower_api_key::{
    AuthLayer, RequireDescendantLayer, RequireOrganizationLayer, RequireScopesLayer, id::OrgId,
    store::Directory,
};

use std::{pin::pin, sync::Arc, task::Poll};

use http::{Request, Response};
use support::{
    Inner, KEY, ORG, ask, bearer, memory, poll_once,
    remote_store::{Behaviour, RemoteStore},
};
use tower::{Layer, Service, limit::ConcurrencyLimit};
use tower_test::mock::{self, Handle, Mock, Spawn};

type Req = Request<String>;
type Res = Response<String>;

/// Two clones of a service behind `requirement`, of which one at a time can be ready.
fn two_for_one<D: Layer<ConcurrencyLimit<Mock<Req, Res>>, Service: Clone>>(
    requirement: &D,
) -> ([Spawn<D::Service>; 2], Handle<Req, Res>) {
    let (mock, handle) = mock::pair();
    let service = requirement.layer(ConcurrencyLimit::new(mock, 1));
    ([Spawn::new(service.clone()), Spawn::new(service)], handle)
}

/// A request by an admin of [`ORG`], as the auth layer forwards it.
async fn accepted() -> Req {
    let parts = ask(&AuthLayer::new(memory()), bearer(KEY))
        .await
        .reached
        .unwrap();
    Request::from_parts(parts, String::new())
}

async fn assert_refusal_releases_readiness<D>(name: &str, requirement: D, request: Req)
where
    D: Layer<ConcurrencyLimit<Mock<Req, Res>>, Service: Service<Req, Response = Res> + Clone>,
    <D::Service as Service<Req>>::Error: std::fmt::Debug,
{
    let ([mut one, mut other], mut inner) = two_for_one(&requirement);
    assert!(one.poll_ready().is_ready(), "{name}");
    assert!(other.poll_ready().is_pending(), "{name}");
    let refused = one.call(request);
    assert!(other.is_woken() && other.poll_ready().is_ready(), "{name}");
    assert!(refused.await.unwrap().status().is_client_error(), "{name}");
    assert!(inner.poll_request().is_pending(), "{name}");
}

#[tokio::test]
async fn a_refusing_requirement_releases_readiness_at_once() {
    let scopes = RequireScopesLayer::any(["unheld:scope"]).unwrap();
    assert_refusal_releases_readiness("scopes", scopes, accepted().await).await;
    let store = memory();
    let personal = AuthLayer::new(store.clone()).user_scoped();
    let parts = ask(&personal, bearer(support::TOKEN))
        .await
        .reached
        .unwrap();
    assert_refusal_releases_readiness(
        "organization",
        RequireOrganizationLayer::new(),
        Request::from_parts(parts, String::new()),
    )
    .await;
    let nowhere = RequireDescendantLayer::new(store, |_| None);
    assert_refusal_releases_readiness("no target", nowhere, accepted().await).await;
}

fn below(tree: &Arc<RemoteStore>) -> RequireDescendantLayer {
    RequireDescendantLayer::new(Arc::clone(tree), |_| Some(OrgId::from("org_child")))
}

#[tokio::test]
async fn the_inner_service_is_not_called_before_the_directory_answers() {
    let store = memory();
    store
        .create_organization("org_child", Some(ORG))
        .await
        .unwrap();
    let tree = RemoteStore::new(store, Behaviour::Held);
    let ([mut one, mut other], mut inner) = two_for_one(&below(&tree));
    assert!(one.poll_ready::<Req>().is_ready());
    let mut response = Box::pin(one.call(accepted().await));
    assert!(poll_once(response.as_mut()).is_pending());
    assert!(inner.poll_request().is_pending());
    assert!(
        other.poll_ready::<Req>().is_ready(),
        "the permit is not kept while the directory is queried"
    );
    tree.release();
    assert!(poll_once(response.as_mut()).is_pending());
    assert!(
        inner.poll_request().is_pending(),
        "accepted, but no permit is free"
    );
    drop(other);
    assert!(poll_once(response.as_mut()).is_pending());
    let Poll::Ready(Some((_, answer))) = inner.poll_request() else {
        panic!("called after the directory answers")
    };
    answer.send_response(Response::default());
    response.await.unwrap();
    assert!(one.poll_ready::<Req>().is_ready());
}

#[tokio::test]
async fn a_descendant_refusal_does_not_wait_for_the_inner_service() {
    let tree = RemoteStore::new(memory(), Behaviour::Answers);
    let ([mut one, mut other], mut inner) = two_for_one(&below(&tree));
    assert!(one.poll_ready::<Req>().is_ready());
    let mut refused = pin!(one.call(accepted().await));
    assert!(other.poll_ready::<Req>().is_ready());
    let Poll::Ready(Ok(answer)) = poll_once(refused.as_mut()) else {
        panic!("refused")
    };
    assert_eq!(answer.status(), 403);
    assert!(inner.poll_request().is_pending());
}

#[tokio::test]
async fn a_cancelled_request_drops_its_directory_query() {
    let tree = RemoteStore::new(memory(), Behaviour::Hangs);
    let mut service = below(&tree).layer(Inner::default());
    let mut response = Box::pin(service.call(accepted().await));
    assert!(poll_once(response.as_mut()).is_pending());
    assert_eq!((tree.calls(), tree.abandoned()), (1, 0));
    drop(response);
    assert_eq!(tree.abandoned(), 1);
}

//! Guarantees of the compiler: services can be shared and sent, and a request may have any body.

use crate::support;

use std::{cell::Cell, convert::Infallible, rc::Rc, sync::Arc};

use http::{Request, Response};
use support::{
    Inner, KEY, bearer, memory,
    remote_store::{Behaviour, RemoteStore},
};
use tower::{Layer, Service, ServiceExt as _, util::BoxCloneSyncService};
use tower_api_key::{
    AuthLayer, PublicLayer, RequireDescendantLayer, RequireOrganizationLayer, RequireScopesLayer,
};

fn with_body<B>(body: B) -> Request<B> {
    bearer(KEY).map(|_| body)
}

/// All layers in one stack.
fn stacked<S>(
    auth: &AuthLayer<S>,
    tree: Arc<RemoteStore>,
) -> impl Layer<Inner, Service: Clone + Send + Sync + 'static>
where
    AuthLayer<S>: Layer<Inner>,
    S: tower_api_key::CredentialStore,
{
    let scopes = RequireScopesLayer::any(["agents:read"])
        .unwrap()
        .with_responses_of(auth);
    let below = RequireDescendantLayer::new(tree, |_| None);
    tower::ServiceBuilder::new()
        .layer(PublicLayer::new())
        .layer(auth.clone())
        .layer(scopes)
        .layer(RequireOrganizationLayer::new())
        .layer(below)
        .into_inner()
}

#[tokio::test]
async fn services_are_clone_send_sync_and_boxable_with_a_non_sync_body() {
    let store = RemoteStore::new(memory(), Behaviour::Answers);
    let _ = stacked(&AuthLayer::new(memory()), Arc::clone(&store));
    let service = AuthLayer::new(store).layer(Inner::default());
    let boxed: BoxCloneSyncService<Request<Cell<u8>>, Response<String>, Infallible> =
        BoxCloneSyncService::new(service);
    let answer = tokio::spawn(boxed.clone().oneshot(with_body(Cell::new(1))))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.into_body(), "reached");
}

#[tokio::test]
async fn a_non_send_body_works_on_a_single_threaded_executor() {
    for at_once in [true, false] {
        let (body, store) = (Rc::new(1), memory());
        let answer = if at_once {
            AuthLayer::new(store)
                .layer(Inner::default())
                .oneshot(with_body(Rc::clone(&body)))
                .await
        } else {
            let remote = RemoteStore::new(store, Behaviour::Answers);
            AuthLayer::new(remote)
                .layer(Inner::default())
                .oneshot(with_body(Rc::clone(&body)))
                .await
        };
        assert_eq!(answer.unwrap().into_body(), "reached", "at once: {at_once}");
        assert_eq!(
            Rc::strong_count(&body),
            1,
            "the body is dropped with the request"
        );
    }
}

#[test]
fn the_response_future_is_send_if_its_parts_are() {
    fn sent<F: Send + 'static>(_: F) {}
    let mut service = AuthLayer::new(memory()).layer(Inner::default());
    sent(service.call(with_body(Cell::new(1))));
    let mut optional = AuthLayer::new(RemoteStore::new(memory(), Behaviour::Answers))
        .optional()
        .layer(Inner::default());
    sent(optional.call(with_body(Cell::new(1))));
}

/// Refuses in front of a service with the response body `B`.
async fn refused_with<B>() -> Response<B>
where
    B: tower_api_key::rejection::RefusalBody + 'static,
{
    let inner = tower::service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(B::empty()))
    });
    AuthLayer::new(memory())
        .layer(inner)
        .oneshot(Request::new(()))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_refusal_can_have_a_string_body_without_features() {
    let text = r#"{"detail":"Missing Bearer token"}"#;
    assert_eq!(refused_with::<String>().await.into_body(), text);
}

#[cfg(feature = "http-body-util")]
#[tokio::test]
async fn a_refusal_can_have_a_hyper_body() {
    use bytes::Bytes;
    use http_body_util::{
        BodyExt as _, Full,
        combinators::{BoxBody, UnsyncBoxBody},
    };
    let text = r#"{"detail":"Missing Bearer token"}"#;
    assert_eq!(refused_with::<Bytes>().await.into_body(), text);
    let full = refused_with::<Full<Bytes>>()
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    let boxed = refused_with::<BoxBody<Bytes, Infallible>>()
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    let unsync = refused_with::<UnsyncBoxBody<Bytes, Infallible>>()
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!([full, boxed, unsync], [text, text, text]);
}

#[cfg(all(feature = "axum", feature = "tonic"))]
#[tokio::test]
async fn a_refusal_can_have_a_framework_body() {
    use http_body_util::BodyExt as _;
    let text = r#"{"detail":"Missing Bearer token"}"#;
    let axum = refused_with::<axum::body::Body>()
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    let tonic = refused_with::<tonic::body::Body>()
        .await
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!([axum, tonic], [text, text]);
}

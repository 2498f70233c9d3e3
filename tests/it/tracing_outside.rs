//! A layer outside of the authentication that logs request headers logs the credential too, unless
//! the headers are marked as sensitive further out, as the README describes.

use crate::support;

use std::convert::Infallible;

use http::{Request, header::AUTHORIZATION};
use support::{KEY, bearer, logs, memory, with};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use tower_api_key::AuthLayer;
use tower_http::{
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, DefaultOnRequest, TraceLayer},
};
use tracing::Level;

/// Returns the log of a request with two credentials that passes through `layer`.
async fn logged<L>(layer: L) -> String
where
    L: Layer<support::Inner, Service: Service<Request<String>, Error = Infallible>>,
{
    logs::start();
    let service = layer.layer(support::Inner::default());
    service
        .oneshot(with(bearer(KEY), "authorization", "Basic dGVzdDp0ZXN0"))
        .await
        .unwrap();
    logs::take()
}

#[tokio::test]
async fn an_outer_layer_logs_the_token_unless_the_header_is_marked_sensitive_first() {
    let trace = || {
        let span = DefaultMakeSpan::new()
            .level(Level::INFO)
            .include_headers(true);
        let on_request = DefaultOnRequest::new().level(Level::INFO);
        TraceLayer::new_for_http()
            .make_span_with(span)
            .on_request(on_request)
    };
    let auth = AuthLayer::new(memory());
    let plain = logged(ServiceBuilder::new().layer(trace()).layer(auth.clone())).await;
    assert!(
        plain.contains("test-secret"),
        "the test must be able to see a credential: {plain}"
    );
    let marked = ServiceBuilder::new().layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]));
    let marked = logged(marked.layer(trace()).layer(auth)).await;
    assert!(marked.contains("authorization"), "{marked}");
    assert!(
        !marked.contains("test-secret") && !marked.contains("dGVzdDp0ZXN0"),
        "{marked}"
    );
}

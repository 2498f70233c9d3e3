//! The form of refusals: picks HTTP or gRPC by the service and the request, and sets the headers
//! that both need.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{JsonResponder, Messages, Reason, Rejection, Responder, challenge::Challenges, grpc};
use crate::error::ConfigError;

/// The form of refusals: texts, realm, responder. A layer shares it with the `Require…` layers
/// inside it.
#[derive(Debug)]
pub(crate) struct RefusalStyle<R = JsonResponder> {
    /// Shared with every refusal, so that no text is copied.
    pub(crate) messages: Arc<Messages>,
    /// The values of `WWW-Authenticate`, with the realm.
    challenges: Challenges,
    /// Builds the HTTP form.
    responder: Arc<R>,
    /// Whether the service speaks gRPC whatever its body type.
    grpc: bool,
}

// Written by hand: a derived impl would require `R: Clone`.
impl<R> Clone for RefusalStyle<R> {
    fn clone(&self) -> Self {
        Self {
            messages: Arc::clone(&self.messages),
            challenges: self.challenges.clone(),
            responder: Arc::clone(&self.responder),
            grpc: self.grpc,
        }
    }
}

impl Default for RefusalStyle {
    fn default() -> Self {
        Self {
            messages: Arc::default(),
            challenges: Challenges::default(),
            responder: Arc::default(),
            grpc: false,
        }
    }
}

impl<R> RefusalStyle<R> {
    /// Sets the realm of the challenges.
    pub(crate) fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            challenges: self.challenges.with_realm(realm)?,
            ..self
        })
    }

    /// Adds the URL of the protected resource's metadata to the challenges.
    pub(crate) fn with_resource_metadata(self, url: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            challenges: self.challenges.with_resource_metadata(url)?,
            ..self
        })
    }

    /// Adds the refusal's text to challenges with an error.
    pub(crate) fn set_error_description(&mut self) {
        self.challenges.set_error_description();
    }

    /// Sets the responder, which may write into another body type.
    pub(crate) fn with_responder<R2>(self, responder: R2) -> RefusalStyle<R2> {
        let Self {
            messages,
            challenges,
            grpc,
            ..
        } = self;
        RefusalStyle {
            messages,
            challenges,
            responder: Arc::new(responder),
            grpc,
        }
    }

    /// Declares that the service speaks gRPC.
    pub(crate) fn set_grpc(&mut self) {
        self.grpc = true;
    }

    /// Creates an empty body, for an answer that is not a refusal.
    pub(crate) fn empty_body<B>(&self) -> B
    where
        R: Responder<B>,
    {
        self.responder.empty_body()
    }

    /// Builds the response to a refused request, from the request's method, version and
    /// content-type.
    pub(crate) fn refuse<B, ReqB>(
        &self,
        rejection: Rejection,
        request: &Request<ReqB>,
    ) -> Response<B>
    where
        R: Responder<B>,
    {
        self.refuse_in(rejection, self.grpc_content_type::<B, _>(request))
    }

    /// Returns the content-type of a gRPC refusal to the request, or `None` if the refusal is an
    /// ordinary HTTP response.
    ///
    /// A gRPC refusal has the HTTP status 200, and gateways, counters and health checks go by the
    /// status. A client must not be able to choose that, so the service declares that it speaks
    /// gRPC before the request is examined.
    pub(crate) fn grpc_content_type<B, ReqB>(&self, request: &Request<ReqB>) -> Option<HeaderValue>
    where
        R: Responder<B>,
    {
        (self.grpc || Responder::<B>::speaks_grpc(&*self.responder))
            .then(|| grpc::content_type(request))
            .flatten()
    }

    /// Builds the response in the form that [`grpc_content_type`](Self::grpc_content_type)
    /// returned.
    pub(crate) fn refuse_in<B>(
        &self,
        rejection: Rejection,
        grpc: Option<HeaderValue>,
    ) -> Response<B>
    where
        R: Responder<B>,
    {
        let mut response = match grpc {
            Some(content_type) => grpc::respond(&rejection, content_type, self.empty_body()),
            None => self.http(&rejection),
        };
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(rejection);
        response
    }

    /// Builds the HTTP form, and corrects what a responder must not choose.
    fn http<B>(&self, rejection: &Rejection) -> Response<B>
    where
        R: Responder<B>,
    {
        let mut response = self.responder.respond(rejection);
        remove_targeted_cache_controls(response.headers_mut());
        // A responder chooses within the class: a refusal is never a success, an outage never the
        // client's fault.
        let same_class = match rejection.status().is_server_error() {
            true => response.status().is_server_error(),
            false => response.status().is_client_error(),
        };
        if !same_class {
            *response.status_mut() = rejection.status();
        }
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenges.to(rejection) {
            headers.entry(WWW_AUTHENTICATE).or_insert(challenge);
        }
        if rejection.reason() == Reason::Unavailable {
            headers
                .entry(RETRY_AFTER)
                .or_insert(HeaderValue::from_static("1"));
        }
        response
    }
}

/// Removes every caching header that could override the `Cache-Control: no-store` of refusals.
///
/// `no-store` overrides `Expires` (RFC 9111, section 5.3) and `Pragma` in caches that follow the
/// standard, but not the fields for one kind of cache: `CDN-Cache-Control` and its like (RFC 9213),
/// `Surrogate-Control`, Akamai's `Edge-Control`, nginx's `X-Accel-Expires`. All of them are
/// removed.
fn remove_targeted_cache_controls(headers: &mut HeaderMap) {
    while let Some(targeted) = headers
        .keys()
        .find(|name| is_targeted_cache_control(name))
        .cloned()
    {
        headers.remove(targeted);
    }
}

/// Returns whether a field is for one kind of cache, or older than `Cache-Control`.
fn is_targeted_cache_control(name: &HeaderName) -> bool {
    let name = name.as_str();
    let by_name = [
        "surrogate-control",
        "edge-control",
        "x-accel-expires",
        "expires",
        "pragma",
    ];
    name.ends_with("-cache-control") || by_name.contains(&name)
}

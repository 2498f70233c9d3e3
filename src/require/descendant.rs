//! [`RequireDescendantLayer`]: limits a route to the caller's own organization and those below it,
//! as the partner console does.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

use super::service::refuse;
use crate::{
    error::ConfigError,
    future::{Asking, ResponseFuture, Verdict},
    id::OrgId,
    layer::AuthLayer,
    principal::Principal,
    rejection::{Cause, Denial, JsonResponder, Presentation, RefusalBody, Responder},
    scope::AcceptedScopes,
    store::{DEFAULT_DEADLINE, Directory, StoreError, guarded},
};

/// Lets callers through who hold `child_organizations:manage` and whose target is the organization
/// that they act in, or one below it (organizations/partner-console). Membership in the target is
/// not needed.
///
/// The checks run in that order. A target outside gets the uniform 403 of a denied organization,
/// whether it exists or not. So does a request in which no target can be found. A failing tree is a
/// 503. Nothing below a deleted or disabled organization can be reached.
///
/// The target must be the organization that the handler acts on. A closure over the URI reads the
/// path as this layer sees it: percent-encoded, and without the prefix under axum's `nest`. Both
/// lead to a refusal, never to access, as long as no id contains a `%`. In axum, use
/// `tower_api_key::axum::target` with the handler's own `Path`.
///
/// ```
/// use std::sync::Arc;
///
/// use tower_api_key::{AuthLayer, RequireDescendantLayer, id::OrgId, store::MemoryStore};
///
/// let store = Arc::new(MemoryStore::new());
/// let auth = AuthLayer::new(Arc::clone(&store));
/// let below = RequireDescendantLayer::new(store, |request: &http::request::Parts| {
///     request.uri.path().strip_prefix("/admin/partner-console/").map(OrgId::from)
/// })
/// .with_responses_of(&auth);
/// ```
pub struct RequireDescendantLayer<R = JsonResponder>(Arc<Rule<R>>);

/// Finds the organization that a request is about.
type Target = dyn Fn(&Parts) -> Option<OrgId> + Send + Sync;

struct Rule<R> {
    tree: Arc<dyn Directory>,
    target: Arc<Target>,
    accepted: Arc<AcceptedScopes>,
    deadline: Duration,
    presentation: Presentation<R>,
}

impl RequireDescendantLayer {
    /// Creates the layer: `tree` knows which organization is below which, `target` finds the
    /// organization that a request is about.
    pub fn new(
        tree: impl Directory,
        target: impl Fn(&Parts) -> Option<OrgId> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Rule {
            tree: Arc::new(tree),
            target: Arc::new(target),
            accepted: Arc::new(AcceptedScopes::partner_console()),
            deadline: DEFAULT_DEADLINE,
            presentation: Presentation::default(),
        }))
    }
}

impl<R> RequireDescendantLayer<R> {
    /// Replaces `child_organizations:manage` with other scopes; any one of them is enough.
    ///
    /// # Errors
    /// The same as [`RequireScopesLayer::any`](super::RequireScopesLayer::any).
    pub fn with_scopes<T: Into<Box<str>>>(
        self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let accepted = Arc::new(AcceptedScopes::any(scopes)?);
        Ok(Self(Arc::new(Rule {
            accepted,
            ..self.0.parts(self.0.presentation.clone())
        })))
    }

    /// Sets how long a lookup in the tree may take; one second by default.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self(Arc::new(Rule {
            deadline,
            ..self.0.parts(self.0.presentation.clone())
        }))
    }

    /// Builds refusals as `auth` does: with its texts, its realm and its responder.
    #[must_use]
    pub fn with_responses_of<S, R2>(self, auth: &AuthLayer<S, R2>) -> RequireDescendantLayer<R2> {
        RequireDescendantLayer(Arc::new(self.0.parts(auth.presentation().clone())))
    }

    /// Declares that the services behind this layer speak gRPC; see [`AuthLayer::with_grpc`].
    /// [`with_responses_of`](Self::with_responses_of) copies this setting from the other layer.
    #[must_use]
    pub fn with_grpc(self) -> Self {
        Self(Arc::new(
            self.0.parts(self.0.presentation.clone().with_grpc()),
        ))
    }
}

impl<R> Rule<R> {
    fn parts<R2>(&self, presentation: Presentation<R2>) -> Rule<R2> {
        Rule {
            tree: Arc::clone(&self.tree),
            target: Arc::clone(&self.target),
            accepted: Arc::clone(&self.accepted),
            deadline: self.deadline,
            presentation,
        }
    }

    /// Checks everything that does not need the tree. Returns the caller, and the target if it is
    /// not the caller's own organization.
    fn open(&self, request: &Parts) -> Result<(Principal, Option<OrgId>), Denial> {
        let principal = Principal::of(&request.extensions)?;
        let deny = |cause| Denial::about(cause, Arc::clone(principal.record()));
        let acting = principal
            .organization()
            .ok_or_else(|| deny(Cause::NoOrganization))?;
        if !self.accepted.met_by(principal.scopes()) {
            return Err(deny(Cause::NoAcceptedScope));
        }
        let target = (self.target)(request).ok_or_else(|| deny(Cause::NotADescendant))?;
        Ok((
            principal.clone(),
            Some(target).filter(|target| target.as_str() != acting),
        ))
    }

    async fn is_below(&self, target: &OrgId, principal: &Principal) -> Result<(), Denial> {
        let acting = principal.organization().unwrap_or_default();
        let below = guarded(self.deadline, async {
            self.tree.is_descendant_of(target.as_str(), acting).await
        })
        .await;
        let cause = match below {
            Ok(true) => return Ok(()),
            Ok(false) => Cause::NotADescendant,
            Err(error) => StoreError::into(error),
        };
        Err(Denial::about(cause, Arc::clone(principal.record())))
    }

    fn ask<ReqB, ResB>(self: Arc<Self>, target: OrgId, principal: Principal) -> Asking<ReqB, ResB>
    where
        R: Responder<ResB>,
        ReqB: 'static,
        ResB: RefusalBody + 'static,
    {
        Box::pin(async move {
            let below = self.is_below(&target, &principal).await;
            let verdict: Verdict<ReqB, ResB> =
                Box::new(move |request: &mut Request<ReqB>| match below {
                    Ok(()) => Ok(()),
                    Err(denial) => Err(refuse(&self.presentation, denial, None, request)),
                });
            verdict
        })
    }
}

impl<R> Clone for RequireDescendantLayer<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> fmt::Debug for RequireDescendantLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireDescendantLayer")
            .field("accepted", &self.0.accepted)
            .finish_non_exhaustive()
    }
}

impl<R, Inner> Layer<Inner> for RequireDescendantLayer<R> {
    type Service = RequireDescendantService<Inner, R>;

    fn layer(&self, inner: Inner) -> Self::Service {
        RequireDescendantService {
            inner,
            demand: self.clone(),
        }
    }
}

/// A service behind a [`RequireDescendantLayer`].
#[derive(Debug)]
pub struct RequireDescendantService<Inner, R> {
    inner: Inner,
    demand: RequireDescendantLayer<R>,
}

impl<Inner: Clone, R> Clone for RequireDescendantService<Inner, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            demand: self.demand.clone(),
        }
    }
}

impl<Inner, R, ReqB, ResB> Service<Request<ReqB>> for RequireDescendantService<Inner, R>
where
    Inner: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    R: Responder<ResB>,
    ReqB: 'static,
    ResB: RefusalBody + 'static,
{
    type Response = Response<ResB>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner, ReqB, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let rule = &self.demand.0;
        let (parts, body) = request.into_parts();
        let opened = rule.open(&parts);
        let request = Request::from_parts(parts, body);
        match opened {
            Ok((_, None)) => ResponseFuture::forwarded(self.inner.call(request), None),
            Ok((principal, Some(target))) => {
                let asking = Arc::clone(rule).ask(target, principal);
                self.inner = self.inner.clone(); // nothing is held while the tree is asked
                ResponseFuture::waiting(asking, request, self.inner.clone(), None)
            }
            Err(denial) => {
                let refusal = refuse(&rule.presentation, denial, Some(&rule.accepted), &request);
                self.inner = self.inner.clone(); // the readiness that this call does not use goes back
                ResponseFuture::answered(refusal, None)
            }
        }
    }
}

//! [`RequireDescendantLayer`]: limits a route to the caller's own organization and those below it,
//! as the partner console does.

use std::{fmt, sync::Arc, time::Duration};

use super::requirement::{Asked, Question, Requirement, require_layer};
use crate::{
    error::ConfigError,
    id::OrgId,
    layer::AuthLayer,
    principal::Principal,
    rejection::{Cause, Denial, JsonResponder, RefusalStyle},
    scope::AcceptedScopes,
    store::{DEFAULT_DEADLINE, Directory, StoreError, guarded},
};
use http::{Request, request::Parts};

/// Lets callers through who hold `child_organizations:manage` and whose target is the organization
/// that they act in, or one below it (organizations/partner-console). Membership in the target is
/// not needed.
///
/// Use it where partners or parent organizations act on those below them, with the child's id in
/// the path or a header.
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
/// use tower_api_key::{AuthLayer, RequireDescendantLayer, id::OrgId, store::MemoryStore};
///
/// let store = MemoryStore::new();
/// let auth = AuthLayer::new(store.clone());
/// let below = RequireDescendantLayer::new(store, |request: &http::request::Parts| {
///     request.uri.path().strip_prefix("/admin/partner-console/").map(OrgId::from)
/// })
/// .with_responses_of(&auth);
/// ```
#[must_use]
pub struct RequireDescendantLayer<R = JsonResponder> {
    rule: Arc<Rule>,
    /// Whether it only reports what it would refuse.
    observed: bool,
    style: Arc<RefusalStyle<R>>,
}

/// Finds the organization that a request is about.
type Target = dyn Fn(&Parts) -> Option<OrgId> + Send + Sync;

/// The settings of the layer, shared with its lookups.
#[derive(Clone)]
struct Rule {
    tree: Arc<dyn Directory>,
    target: Arc<Target>,
    accepted: Arc<AcceptedScopes>,
    /// How long a lookup in the tree may take.
    deadline: Duration,
}

impl RequireDescendantLayer {
    /// Creates the layer: `tree` knows which organization is below which, `target` finds the
    /// organization that a request is about.
    pub fn new(
        tree: impl Directory,
        target: impl Fn(&Parts) -> Option<OrgId> + Send + Sync + 'static,
    ) -> Self {
        let rule = Rule {
            tree: Arc::new(tree),
            target: Arc::new(target),
            accepted: Arc::new(AcceptedScopes::partner_console()),
            deadline: DEFAULT_DEADLINE,
        };
        Self {
            rule: Arc::new(rule),
            observed: false,
            style: Arc::default(),
        }
    }
}

impl<R> RequireDescendantLayer<R> {
    /// Replaces `child_organizations:manage` with other scopes; any one of them is enough.
    ///
    /// # Errors
    /// The same as [`RequireScopesLayer::any`](super::RequireScopesLayer::any).
    pub fn with_scopes<T: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let accepted = Arc::new(AcceptedScopes::any(scopes)?);
        Arc::make_mut(&mut self.rule).accepted = accepted;
        Ok(self)
    }

    /// Sets how long a lookup in the tree may take; one second by default.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        Arc::make_mut(&mut self.rule).deadline = deadline;
        self
    }
}

require_layer!(RequireDescendantLayer { rule });

impl<R> Requirement for RequireDescendantLayer<R> {
    type Responder = R;
    type Question = IsBelow;

    fn style(&self) -> &RefusalStyle<R> {
        &self.style
    }

    fn is_observed(&self) -> bool {
        self.observed
    }

    fn kind<B>(&self, _: &Request<B>) -> &'static str {
        "descendant"
    }

    fn accepted<B>(&self, _: &Request<B>) -> Option<&Arc<AcceptedScopes>> {
        Some(&self.rule.accepted)
    }

    fn check<B>(&self, principal: &Principal, _: &Request<B>) -> Result<(), Cause> {
        if principal.organization().is_none() {
            Err(Cause::NoOrganization)
        } else if !self.rule.accepted.met_by(principal.scopes()) {
            Err(Cause::NoAcceptedScope)
        } else {
            Ok(())
        }
    }

    fn question<B>(&self, request: Request<B>) -> (Request<B>, Asked<IsBelow>) {
        let (parts, body) = request.into_parts();
        let asked = IsBelow::about(&self.rule, &parts);
        (Request::from_parts(parts, body), asked)
    }
}

/// The question whether the target is below the organization that the caller acts in.
pub(crate) struct IsBelow {
    rule: Arc<Rule>,
    principal: Principal,
    target: OrgId,
}

impl IsBelow {
    /// Finds the target. Nothing is asked about the caller's own organization.
    fn about(rule: &Arc<Rule>, request: &Parts) -> Asked<Self> {
        let principal = Principal::of(&request.extensions)?;
        let Some(target) = (rule.target)(request) else {
            return Err(not_below(principal));
        };
        if principal.organization() == Some(target.as_str()) {
            return Ok(None);
        }
        Ok(Some(Self {
            rule: Arc::clone(rule),
            principal: principal.clone(),
            target,
        }))
    }
}

impl Question for IsBelow {
    async fn ask(self) -> Result<(), Denial> {
        let acting = self.principal.organization().unwrap_or_default();
        let below = guarded(self.rule.deadline, async {
            let tree = &self.rule.tree;
            tree.is_descendant_of(self.target.as_str(), acting).await
        })
        .await;
        match below {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_below(&self.principal)),
            Err(error) => {
                let record = Arc::clone(self.principal.record());
                Err(Denial::about(StoreError::into(error), record))
            }
        }
    }
}

/// Returns the denial of a target outside, which is also that of a missing or unknown target.
fn not_below(principal: &Principal) -> Denial {
    Denial::about(Cause::NotADescendant, Arc::clone(principal.record()))
}

impl<R> fmt::Debug for RequireDescendantLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireDescendantLayer")
            .field("accepted", &self.rule.accepted)
            .field("deadline", &self.rule.deadline)
            .field("observed", &self.observed)
            .finish_non_exhaustive()
    }
}

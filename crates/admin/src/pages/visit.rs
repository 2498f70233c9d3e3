//! What a handler knows about a request: who is signed in, and where they are.

use axum::extract::{Form, FromRequest, FromRequestParts, RawPathParams, Request};
use http::{Method, request::Parts};
use tower_api_key::{
    clock::UnixMillis,
    condition::RequestHead,
    credential::Kind,
    manage::Actor,
    secret::Digest,
    store::{ManageStore, StoreError},
};

use super::{
    fault::{Fault, Problem},
    fields::{Fields, with_parameter},
    forms::ENDS_AT,
    place::Place,
    same_origin::check_same_origin,
    session::{Session, is_local_path},
    site::{Shared, Site},
    urls::{Urls, original},
};

/// A request of somebody who is signed in.
pub(super) struct Visit {
    pub(super) session: Session,
    pub(super) urls: Urls,
    /// The parameters of the URL.
    pub(super) query: Fields,
    /// Where in the list they are, or were before they opened this page.
    pub(super) place: Place,
    pub(super) now: UnixMillis,
    method: Method,
    /// Where the request came from, if the service names it.
    origin: Option<String>,
    reauthentication_url: String,
}

impl<S: ManageStore> FromRequestParts<Shared<S>> for Visit {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, site: &Shared<S>) -> Result<Self, Fault> {
        let urls = Urls::of(&parts.extensions, &parts.uri, &site.frame.path);
        let urls = urls.ok_or(Problem::NoPage)?;
        let head = RequestHead::from(&*parts);
        let Some(session) = site.sessions.session(&head).await? else {
            let return_to = return_path(parts, &urls);
            let url = with_parameter(site.sessions.sign_in_url(), "return_to", &return_to);
            return Err(leave_for(url, &parts.method));
        };
        if !session.has_good_id() {
            return Err(StoreError::unavailable("the id of the session is too short").into());
        }
        let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let query = query.map_err(|error| Problem::Unreadable(error.status()))?;
        let query = Fields(query.0).without(ENDS_AT);
        Ok(Self {
            place: Place::read(&query),
            query,
            session,
            urls,
            now: site.manager.clock().now(),
            method: parts.method.clone(),
            origin: (site.origin)(&RequestHead::from(&*parts)),
            reauthentication_url: site.sessions.reauthentication_url().to_owned(),
        })
    }
}

/// Returns where to come back to after signing in: to the page itself, or from a form to the list.
fn return_path(parts: &Parts, urls: &Urls) -> String {
    let uri = original(&parts.extensions, &parts.uri);
    match (parts.method.is_safe(), uri.path_and_query()) {
        (true, Some(path)) => path.to_string(),
        _ => urls.list().to_owned(),
    }
}

/// Sends the browser to `url`. A form must not lead to another site, not even by a redirect
/// (`form-action` in the policy), so there a page has the link.
fn leave_for(url: String, method: &Method) -> Fault {
    match is_local_path(&url) || method.is_safe() {
        true => Fault::Redirect(url),
        false => Problem::SignIn(url).into(),
    }
}

impl Visit {
    /// Returns who acts, on credentials of `kind`.
    ///
    /// # Errors
    /// [`Problem::NoOrganization`] if the session has no current organization, for keys.
    pub(super) fn actor<S: ManageStore>(&self, site: &Site<S>) -> Result<Actor, Problem> {
        let user = Actor::user(self.session.user());
        let actor = match site.frame.kind {
            Kind::PersonalToken => user,
            Kind::OrgKey => {
                let membership = self.session.organization().ok_or(Problem::NoOrganization)?;
                let scopes = membership.scopes(site.manager.store().catalogue());
                user.acting_in(membership.id(), scopes)
            }
        };
        Ok(match &self.origin {
            Some(origin) => actor.with_origin(origin),
            None => actor,
        })
    }

    /// Returns the id of the organization for which a form is opened; empty if the form is for the
    /// person.
    pub(super) fn owner(&self, kind: Kind) -> &str {
        match (kind, self.session.organization()) {
            (Kind::OrgKey, Some(membership)) => membership.id().as_str(),
            _ => "",
        }
    }

    /// Refuses while somebody else acts as the user.
    pub(super) fn refuse_impersonation(&self) -> Result<(), Problem> {
        match self.session.impersonator() {
            Some(_) => Err(Problem::Impersonated),
            None => Ok(()),
        }
    }

    /// Refuses if the user signed in too long ago. They come back to `return_to`.
    pub(super) fn require_recent_sign_in<S>(
        &self,
        site: &Site<S>,
        return_to: &str,
    ) -> Result<(), Fault> {
        let age = self.now.0.saturating_sub(self.session.signed_in_at().0);
        if age <= site.frame.max_sign_in_age {
            return Ok(());
        }
        let url = with_parameter(&self.reauthentication_url, "return_to", return_to);
        Err(leave_for(url, &self.method))
    }
}

/// A form that somebody who is signed in sent from one of the pages.
pub(super) struct Submission {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl<S: ManageStore> FromRequest<Shared<S>> for Submission {
    type Rejection = Fault;

    async fn from_request(request: Request, site: &Shared<S>) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        check_same_origin(&parts.headers, &parts.uri, &site.frame.allowed_origins)?;
        let request = Request::from_parts(parts.clone(), body);
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, site).await?;
        let fields = Fields(fields);
        // After the body, which a client can hold back: the session may have ended meanwhile.
        let visit = Visit::from_request_parts(&mut parts, site).await?;
        check_form_token(&visit.session, fields.get(FORM_TOKEN).unwrap_or_default())?;
        visit.refuse_impersonation()?;
        Ok(Self { visit, fields })
    }
}

/// The name of the field with the organization for which a form was opened: somebody may change the
/// current one in another tab.
pub(super) const OWNER: &str = "owner";

/// The name of the field that shows that a form is one of the session's.
pub(super) const FORM_TOKEN: &str = "form_token";

/// Compares digests of the tokens, so that the time tells nothing about the token.
fn check_form_token(session: &Session, token: &str) -> Result<(), Problem> {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_bytes();
    match digest(token) == digest(&session.form_token()) {
        true => Ok(()),
        false => Err(Problem::Outdated),
    }
}

/// The id in the path, percent-decoded: its last parameter, as the prefix may have some too.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let parameters = parameters.map_err(|_| Problem::NoPage)?;
        let last = parameters.iter().last().map(|(_, value)| value.to_owned());
        last.map(Self).ok_or_else(|| Problem::NoPage.into())
    }
}

//! A node of a service: the real layers and managers over a store, with a clock of its own.

use std::{convert::Infallible, future::ready, time::Duration};

use http::{Request as HttpRequest, Response, request::Parts};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_api_key::{
    AuthLayer, LastUse, Principal as Caller, RequireDescendantLayer, RequireOrganizationLayer,
    RequireScopesLayer,
    clock::UnixMillis,
    credential::Kind as RealKind,
    id::OrgId,
    manage::{
        Actor as RealActor, Import, Issued, ManageError, Manager, NewKey, NewToken, Rotation,
    },
    secret::Digest,
    store::{
        AuditActor, AuditEvent, CredentialInfo, CredentialStore, Directory, EffectiveStatus,
        Filter as RealFilter, ManageStore, Owner as RealOwner, Status as RealStatus, WriteError,
    },
    testing::ManualClock,
};

use crate::model::{
    Answer, Arrangement, By, CAP, Call, Credential, Event, Filter, Grant, Issue, Kind, Minted,
    Outcome, Owner, Principal, Request, Route, State, Status,
};

/// Everything that a node needs of a store.
pub trait Store: CredentialStore + ManageStore + Directory + Clone {}

impl<S: CredentialStore + ManageStore + Directory + Clone> Store for S {}

type Service = BoxCloneSyncService<HttpRequest<()>, Response<String>, Infallible>;

/// A node.
#[allow(missing_debug_implementations, reason = "services have none")]
pub struct Node<S> {
    store: S,
    manager: Manager<S>,
    uses: LastUse,
    /// By route; with uses, and without.
    services: [Vec<Service>; 2],
}

const ROUTES: [Route; 7] = [
    Route::Plain,
    Route::OneScope,
    Route::TwoScopes,
    Route::UserScoped,
    Route::Optional,
    Route::OptionalOrganization,
    Route::Descendant,
];

impl<S: Store> Node<S> {
    /// Creates a node that has collected no uses.
    pub fn new(store: S, clock: &ManualClock) -> Self {
        let uses = LastUse::new();
        let auth = AuthLayer::new(store.clone())
            .with_clock(clock.clone())
            .with_deadline(Duration::from_secs(60));
        let noting = auth.clone().with_last_use(uses.clone());
        let services =
            [noting, auth].map(|auth| ROUTES.map(|route| service(&auth, &store, route)).into());
        let manager = Manager::new(store.clone())
            .with_clock(clock.clone())
            .with_deadline(Duration::from_secs(60))
            .with_max_credentials(u32::try_from(CAP).unwrap_or(u32::MAX));
        Self {
            store,
            manager,
            uses,
            services,
        }
    }

    /// Makes a request; `notes` says whether a use is noted.
    pub async fn request(&self, request: &Request, notes: bool) -> (Answer, Option<Caller>) {
        let mut http = HttpRequest::new(());
        *http.uri_mut() = format!("/{}", request.target).parse().unwrap_or_default();
        for (name, values) in [
            ("authorization", &request.authorization),
            ("x-anyreach-org", &request.organization),
        ] {
            for value in values {
                if let Ok(value) = value.parse() {
                    http.headers_mut().append(name, value);
                }
            }
        }
        let at = ROUTES.iter().position(|route| *route == request.route);
        let [noting, silent] = &self.services;
        let of_node = if notes { noting } else { silent };
        let Some(service) = at.and_then(|at| of_node.get(at)) else {
            return (Answer::Anonymous, None);
        };
        let response = service.clone().oneshot(http).await;
        response.map_or_else(|never| match never {}, answer)
    }

    /// Makes a call. Also returns the id and the token of what was issued.
    pub async fn call(&self, actor: &RealActor, call: &Call) -> (Outcome, Option<Minted>) {
        match self.try_call(actor, call).await {
            Ok(done) => done,
            Err(error) => (Outcome::Rejected(error.code()), None),
        }
    }

    async fn try_call(
        &self,
        actor: &RealActor,
        call: &Call,
    ) -> Result<(Outcome, Option<Minted>), ManageError> {
        let manager = &self.manager;
        let info = |info: CredentialInfo| (Outcome::Info(credential(&info)), None);
        Ok(match call {
            Call::Issue(issue, repeat) => {
                issued(self.issue(actor, issue, repeat.as_deref()).await?)
            }
            Call::Rotate {
                target: (kind, id),
                overlap,
                expires_at,
            } => {
                let overlap = Duration::from_millis(overlap.unsigned_abs());
                let mut rotation = Rotation::default().with_overlap(overlap);
                if let Some(end) = expires_at {
                    rotation = rotation.expiring_at(end.map(UnixMillis));
                }
                issued(
                    manager
                        .rotate(actor, real_kind(*kind), id, rotation)
                        .await?,
                )
            }
            Call::Rename(kind, id, name) => {
                info(manager.rename(actor, real_kind(*kind), id, name).await?)
            }
            Call::Disable(kind, id) => info(manager.disable(actor, real_kind(*kind), id).await?),
            Call::Enable(kind, id) => info(manager.enable(actor, real_kind(*kind), id).await?),
            Call::Delete(kind, id) => info(manager.delete(actor, real_kind(*kind), id).await?),
            Call::Get(kind, id) => info(manager.get(actor, real_kind(*kind), id).await?),
            Call::RevokePresented(token) => info(manager.revoke_presented(token, None).await?),
            Call::RevokeAll(kind) => {
                let ended = manager.revoke_all(actor, real_kind(*kind)).await?;
                let ids = ended.iter().map(|id| id.as_str().to_owned()).collect();
                (Outcome::Ended(ids), None)
            }
            Call::Import(issue, minted, at) => {
                let import = import(issue, minted, *at);
                info(manager.import(actor, real_kind(issue.kind), import).await?)
            }
            Call::List(kind, filter) => (self.list(actor, *kind, filter).await?, None),
            Call::Events(kind) => (self.events(actor, *kind).await?, None),
        })
    }

    async fn issue(
        &self,
        actor: &RealActor,
        issue: &Issue,
        repeat: Option<&str>,
    ) -> Result<Issued, ManageError> {
        match issue.kind {
            Kind::Key => {
                let new = NewKey::named(&issue.name);
                let new = match &issue.grant {
                    Grant::Role(role) => new.with_role(role),
                    Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(String::as_str)),
                    Grant::Nothing => new,
                };
                let new = new.expiring_at(issue.expires_at.map(UnixMillis));
                let new = match repeat {
                    Some(key) => new.with_idempotency_key(key),
                    None => new,
                };
                self.manager.issue_key(actor, new).await
            }
            Kind::Token => {
                let new = NewToken::named(&issue.name);
                let new = new.expiring_at(issue.expires_at.map(UnixMillis));
                let new = match repeat {
                    Some(key) => new.with_idempotency_key(key),
                    None => new,
                };
                self.manager.issue_token(actor, new).await
            }
        }
    }

    /// Reads the whole list. A cursor of one list must not fit another.
    async fn list(
        &self,
        actor: &RealActor,
        kind: Kind,
        filter: &Filter,
    ) -> Result<Outcome, ManageError> {
        let (kind, filter) = (real_kind(kind), real_filter(filter));
        let (mut listed, mut cursor) = (Vec::new(), None);
        for size in page_sizes(2) {
            let page = self
                .manager
                .list(actor, kind, &filter, cursor.as_ref(), size)
                .await?;
            listed.extend(page.items.iter().map(credential));
            let Some(next) = page.next else {
                return Ok(Outcome::Listed(listed));
            };
            let other = filter.with_expiring_before(UnixMillis(17));
            let misused = self.manager.list(actor, kind, &other, Some(&next), 2).await;
            if !matches!(misused, Err(ManageError::StaleCursor)) {
                return Ok(Outcome::Rejected("a cursor was taken for another list"));
            }
            cursor = Some(next.to_string().parse()?); // as a client sends it
        }
        Ok(Outcome::Rejected("the list has no end"))
    }

    /// Reads the whole audit trail.
    async fn events(&self, actor: &RealActor, kind: Kind) -> Result<Outcome, ManageError> {
        let (mut trail, mut before) = (Vec::new(), None);
        for size in page_sizes(7) {
            let page = self
                .manager
                .events(actor, real_kind(kind), before, size)
                .await?;
            let Some(last) = page.last() else {
                return Ok(Outcome::Trail(trail));
            };
            before = last.number;
            trail.extend(page.iter().map(event));
        }
        Ok(Outcome::Rejected("the trail has no end"))
    }

    /// Changes organizations, users or memberships.
    ///
    /// # Errors
    /// The code of the store's error.
    pub async fn arrange(&self, change: &Arrangement) -> Result<(), &'static str> {
        let store = &self.store;
        let done = match change {
            Arrangement::CreateOrganization(id, parent) => {
                store.create_organization(id, parent.as_deref()).await
            }
            Arrangement::DeleteOrganization(id) => store.delete_organization(id).await,
            Arrangement::CreateUser(id) => store.create_user(id).await,
            Arrangement::SetUserEnabled(id, enabled) => store.set_user_enabled(id, *enabled).await,
            Arrangement::DeleteUser(id) => store.delete_user(id).await,
            Arrangement::SetMember(user, organization, role) => {
                store.set_member(user, organization, role).await
            }
            Arrangement::RemoveMember(user, organization) => {
                store.remove_member(user, organization).await
            }
        };
        done.map_err(|error| write_error(&error))
    }

    /// Asks whether an organization is below another; `None` if the store fails.
    pub async fn is_descendant(&self, organization: &str, ancestor: &str) -> Option<bool> {
        self.store
            .is_descendant_of(organization, ancestor)
            .await
            .ok()
    }

    /// Writes the collected uses; `None` if the store fails.
    pub async fn write_uses(&self) -> Option<usize> {
        self.manager.record_uses(&self.uses).await.ok()
    }
}

/// A few small pages, so that reading goes on several times, and the rest in large ones.
fn page_sizes(small: u32) -> impl Iterator<Item = u32> {
    [small; 3].into_iter().chain([100; 1_000])
}

fn write_error(error: &WriteError) -> &'static str {
    match error {
        WriteError::UnknownOrganization(_) => "unknown_organization",
        WriteError::UnknownUser(_) => "unknown_user",
        WriteError::UnknownRole(_) => "unknown_role",
        WriteError::Taken(_) => "taken",
        WriteError::InvalidId(_) => "invalid_id",
        _ => "another error",
    }
}

/// Builds a route: the layers around a service that returns the principal.
fn service<S: Store>(auth: &AuthLayer<S>, store: &S, route: Route) -> Service {
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
fn answer(response: Response<String>) -> (Answer, Option<Caller>) {
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

/// Returns a principal as the model has it. Its expiry is not public: the caller adds it.
fn principal(caller: &Caller) -> Principal {
    Principal {
        kind: kind(caller.kind()),
        id: caller.credential_id().into(),
        organization: caller.organization().map(Into::into),
        user: caller.user().map(Into::into),
        role: caller.role().map(Into::into),
        scopes: caller.scopes().iter().map(Into::into).collect(),
        expires_at: None,
    }
}

fn issued(issued: Issued) -> (Outcome, Option<Minted>) {
    let (info, secret) = issued.into_parts();
    let minted = secret.map(|secret| Minted {
        id: info.id.as_str().into(),
        token: secret.expose_secret().into(),
    });
    (Outcome::Issued(credential(&info), minted.is_some()), minted)
}

fn import(issue: &Issue, minted: &Minted, created_at: Option<i64>) -> Import {
    let digest = Digest::of(minted.token.as_bytes());
    let new = Import::new(minted.id.as_str(), digest, &issue.name);
    let new = new.expiring_at(issue.expires_at.map(UnixMillis));
    let new = match created_at {
        Some(moment) => new.with_created_at(UnixMillis(moment)),
        None => new,
    };
    match &issue.grant {
        Grant::Role(role) => new.with_role(role),
        Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(String::as_str)),
        Grant::Nothing => new,
    }
}

/// Returns a credential as the model has it.
fn credential(info: &CredentialInfo) -> Credential {
    let texts = |scopes: &[Box<str>]| scopes.iter().map(|scope| (**scope).into()).collect();
    Credential {
        id: info.id.as_str().into(),
        owner: owner(&info.owner),
        name: if info.damaged {
            "damaged".into()
        } else {
            (*info.name).into()
        },
        grant: match (&info.role, &info.scopes) {
            (Some(role), _) => Grant::Role((**role).into()),
            (None, Some(scopes)) => Grant::Scopes(texts(scopes)),
            (None, None) => Grant::Nothing,
        },
        status: match info.status {
            RealStatus::Deleted => Status::Deleted,
            RealStatus::Active => Status::Active,
            _ => Status::Disabled,
        },
        created_at: info.created_at.0,
        expires_at: info.expires_at.map(|end| end.0),
        last_used_at: info.last_used_at.map(|used| used.0),
        rotated_from: info.rotated_from.as_ref().map(|id| id.as_str().into()),
        rotated_to: info.rotated_to.as_ref().map(|id| id.as_str().into()),
        rotated_at: info.rotated_at.map(|then| then.0),
    }
}

/// Returns an event as the model has it, of no group.
fn event(event: &AuditEvent) -> Event {
    let user = |id: &str| {
        if id.starts_with("erased-") {
            "erased".into()
        } else {
            id.to_owned()
        }
    };
    Event {
        group: 0,
        action: event.action.as_str(),
        credential: event.credential.as_str().into(),
        owner: owner(&event.owner),
        at: event.at.0,
        related: event.related.as_ref().map(|id| id.as_str().into()),
        by: match &event.by {
            AuditActor::Key(id) => By::Key(id.as_str().into()),
            AuditActor::Token { id, user: of } => By::Token(id.as_str().into(), user(of.as_str())),
            AuditActor::User(id) => By::User(user(id.as_str())),
            AuditActor::Operator(_) => By::Operator,
            _ => By::Bearer,
        },
    }
}

fn kind(kind: RealKind) -> Kind {
    match kind {
        RealKind::OrgKey => Kind::Key,
        RealKind::PersonalToken => Kind::Token,
    }
}

fn real_kind(kind: Kind) -> RealKind {
    match kind {
        Kind::Key => RealKind::OrgKey,
        Kind::Token => RealKind::PersonalToken,
    }
}

fn owner(owner: &RealOwner) -> Owner {
    match owner {
        RealOwner::Organization(id) => Owner::Organization(id.as_str().into()),
        RealOwner::User(id) => Owner::User(id.as_str().into()),
    }
}

/// Returns the crate's owner.
#[must_use]
pub fn real_owner(owner: &Owner) -> RealOwner {
    RealOwner::of(real_kind(owner.kind()), owner.id())
}

fn real_filter(filter: &Filter) -> RealFilter {
    let state = filter.state.map(|state| match state {
        State::Active => EffectiveStatus::Active,
        State::Disabled => EffectiveStatus::Disabled,
        State::Expired => EffectiveStatus::Expired,
        State::Deleted => EffectiveStatus::Deleted,
    });
    RealFilter::default()
        .with_state(state)
        .with_expiring_before(filter.expiring_before.map(UnixMillis))
        .with_unused_since(filter.unused_since.map(UnixMillis))
}

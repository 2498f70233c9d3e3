//! A node of a service: the real layers and managers over a store, with a clock of its own.

mod attributes;
mod calls;
mod convert;
mod service;

use std::{collections::BTreeSet, time::Duration};

pub use convert::real_owner;
use convert::{real_kind, write_error};
use http::{HeaderValue, Request as HttpRequest, header::USER_AGENT};
use service::{Peer, Service, answer, checking, service};
use tower::ServiceExt as _;
use tower_api_key::{
    AuthLayer, LastUse, Principal as Caller,
    manage::{Actor as RealActor, Manager},
    store::{CredentialStore, Directory, ExpiryWatch, ManageStore, Retention},
    testing::ManualClock,
};

use super::attributes::{SURROUNDINGS, keeps};
use crate::model::{
    Answer, Arrangement, CAP, Call, Keeps, Kind, Millis, Minted, Outcome, Request, Route,
};

/// Everything that a node needs of a store.
pub trait Store: CredentialStore + ManageStore + Directory + Clone {}

impl<S: CredentialStore + ManageStore + Directory + Clone> Store for S {}

/// A node.
#[allow(missing_debug_implementations, reason = "services have none")]
pub struct Node<S> {
    store: S,
    manager: Manager<S>,
    uses: LastUse,
    /// By what they can check, and by route; with uses, and without.
    services: [Vec<Vec<Service>>; 2],
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
    /// Creates a node that has collected no uses. Its number is for what it keeps of them.
    pub fn new(number: usize, store: S, clock: &ManualClock) -> Self {
        let uses = LastUse::new();
        let auth = AuthLayer::new(store.clone())
            .with_clock(clock.clone())
            .with_deadline(Duration::from_secs(60));
        let services = [true, false].map(|notes| {
            let layers = SURROUNDINGS.iter().map(|at| {
                let auth = checking(auth.clone(), *at);
                match notes {
                    true => auth.with_last_use(keeping(&uses, keeps(number, *at))),
                    false => auth,
                }
            });
            let routes = |auth| ROUTES.map(|route| service(&auth, &store, route)).into();
            layers.map(routes).collect()
        });
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

    /// Makes a request; `notes` is whether a use is noted.
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
        if let Some(agent) = &request.user_agent
            && let Ok(agent) = HeaderValue::from_bytes(agent)
        {
            http.headers_mut().insert(USER_AGENT, agent);
        }
        if let Some(address) = request.address {
            http.extensions_mut().insert(Peer(address));
        }
        let Some(service) = self.service(request, notes) else {
            return (Answer::Anonymous, None);
        };
        let response = service.clone().oneshot(http).await;
        response.map_or_else(|never| match never {}, answer)
    }

    fn service(&self, request: &Request, notes: bool) -> Option<&Service> {
        let layer = SURROUNDINGS.iter().position(|at| *at == request.at)?;
        let route = ROUTES.iter().position(|route| *route == request.route)?;
        let [noting, silent] = &self.services;
        let of_node = if notes { noting } else { silent };
        of_node.get(layer)?.get(route)
    }

    /// Makes a call. Also returns the id and the token of what was issued.
    pub async fn call(&self, actor: &RealActor, call: &Call) -> (Outcome, Option<Minted>) {
        match self.try_call(actor, call).await {
            Ok(done) => done,
            Err(error) => (Outcome::Rejected(error.code()), None),
        }
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

    /// Reports credentials that expire, and returns how many; `None` if the store fails.
    pub async fn watch_expiry(&self, thresholds: &BTreeSet<Millis>) -> Option<usize> {
        let descending = thresholds.iter().rev().copied();
        let watch = ExpiryWatch::before(descending.map(millis)).ok()?;
        self.manager.watch_expiry(&watch).await.ok()
    }

    /// Expires unused credentials, and returns how many; `None` if the store fails.
    pub async fn expire_unused(&self, kind: Kind, unused_for: Millis) -> Option<usize> {
        let expired = self
            .manager
            .expire_unused(real_kind(kind), millis(unused_for));
        expired.await.ok()
    }

    /// Removes what ended at least `age` ago, and returns how many credentials; `None` if the store
    /// fails.
    pub async fn sweep(&self, age: Millis) -> Option<usize> {
        let age = Some(millis(age));
        let retention = Retention::forever()
            .with_deleted(age)
            .with_expired(age)
            .with_idempotency_keys(age)
            .with_events(age)
            .with_uses(age);
        let swept = self.manager.sweep(&retention).await.ok()?;
        swept.credentials.try_into().ok()
    }

    /// Writes the collected uses; `None` if the store fails.
    pub async fn write_uses(&self) -> Option<usize> {
        self.manager.record_uses(&self.uses).await.ok()
    }
}

/// Returns uses that keep so much of each.
fn keeping(uses: &LastUse, keeps: Keeps) -> LastUse {
    let mut keeping = uses.clone();
    if keeps.address {
        keeping = keeping.with_client_address();
    }
    if keeps.user_agent {
        keeping = keeping.with_user_agent();
    }
    keeping
}

fn millis(time: Millis) -> Duration {
    Duration::from_millis(time.unsigned_abs())
}

//! A session: the manager of an open store, who acts, and where results go.

use tower_api_key::{
    manage::{Actor, Manager},
    store::Owner,
};

use crate::{args::Global, database::Backend, failure::Failure, output::Output, settings};

/// What every command over a store works with.
pub(crate) struct Session<S> {
    pub(crate) manager: Manager<S>,
    pub(crate) output: Output,
    operator: String,
    host: Option<String>,
}

impl<S: Backend> Session<S> {
    pub(crate) fn new(store: S, global: &Global) -> Result<Self, Failure> {
        let service = &global.service;
        let manager = Manager::new(store)
            .with_token_format(settings::token_format(service)?)
            .with_max_credentials(service.max_credentials);
        Ok(Self {
            manager,
            output: Output::new(global.json),
            operator: operator(&global.operator),
            host: host(),
        })
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> &S {
        self.manager.store()
    }

    /// Returns the operator, who acts on the credentials of `owner`.
    pub(crate) fn actor(&self, owner: Owner) -> Actor {
        let actor = Actor::operator(&self.operator, owner);
        match &self.host {
            Some(host) => actor.with_origin(host),
            None => actor,
        }
    }

    /// Returns who acts and where, for events that name no operator.
    pub(crate) fn origin(&self) -> String {
        match &self.host {
            Some(host) => format!("operator {} on {host}", self.operator),
            None => format!("operator {}", self.operator),
        }
    }
}

/// Returns the operator's name. A variable may be empty.
fn operator(name: &str) -> String {
    match name.trim() {
        "" => "operator".to_owned(),
        name => name.to_owned(),
    }
}

/// Returns the host's name.
fn host() -> Option<String> {
    #[cfg(unix)]
    let name = Some(
        rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
    );
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.filter(|name| !name.is_empty())
}

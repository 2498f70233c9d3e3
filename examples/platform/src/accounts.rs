//! Accounts to sign in with, for this example alone.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum_login::{AuthUser, AuthnBackend};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tower_api_key::{id::UserId, secret::Digest, store::StoreError};
use tower_api_key_admin::pages::{Membership, Session, axum_login::ConsoleBackend};

/// An account: the name to sign in with, and who that is in the store.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) name: &'static str,
    pub(super) user: &'static str,
    /// What they may do, in each organization.
    pub(super) role: &'static str,
}

pub(super) const ACCOUNTS: [Account; 2] = [
    Account {
        name: "admin",
        user: "user_admin",
        role: "admin",
    },
    Account {
        name: "viewer",
        user: "user_demo",
        role: "viewer",
    },
];

/// Ids and names.
pub(super) const ORGANIZATIONS: [(&str, &str); 2] = [
    ("org_demo", "Demo organization"),
    ("org_second", "Second organization"),
];

/// The accounts, with one password for this start. Yours have a password each, of which you store a
/// slow hash such as Argon2's; this one is random, so that nobody guesses it.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(super) password: Arc<str>,
    /// The organization that each user has chosen; yours is in a table. It is not in the session:
    /// whoever writes to that while it is ended brings it back.
    chosen: Arc<Mutex<HashMap<&'static str, String>>>,
}

impl Accounts {
    /// Takes the password from `DEMO_PASSWORD`, so that several nodes can have the same, or makes a
    /// new one.
    pub(super) fn new() -> super::Result<Self> {
        let password = match std::env::var("DEMO_PASSWORD") {
            Ok(password) => password,
            Err(_) => {
                let mut random = [0; 8];
                getrandom::fill(&mut random)?;
                format!("demo-{}", hex::encode(random))
            }
        };
        Ok(Self {
            password: password.into(),
            chosen: Arc::default(),
        })
    }

    /// Sets the organization whose keys a user sees.
    pub(super) fn choose(&self, user: User, organization: String) {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.insert(user.0.user, organization);
    }

    fn chosen_by(&self, user: User) -> Option<String> {
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.get(user.0.user).cloned()
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(super) name: String,
    pub(super) password: String,
    #[serde(default)]
    pub(super) return_to: String,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct User(&'static Account);

impl User {
    /// Returns the name to sign in with.
    pub(super) fn name(self) -> &'static str {
        self.0.name
    }

    fn of(is_it: impl Fn(&Account) -> bool) -> Option<Self> {
        ACCOUNTS.iter().find(|one| is_it(one)).map(Self)
    }
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.user.to_owned()
    }

    /// What ends the sessions of a user when it changes, as their password does. Here sessions last
    /// no longer than the password.
    fn session_auth_hash(&self) -> &[u8] {
        b""
    }
}

impl AuthnBackend for Accounts {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, credentials: Credentials) -> Result<Option<User>, Infallible> {
        let [sent, wanted] = [&credentials.password, &*self.password];
        let is_right = Digest::of(sent.as_bytes()).ct_eq(&Digest::of(wanted.as_bytes()));
        let user = User::of(|account| account.name == credentials.name);
        Ok(user.filter(|_| is_right.into()))
    }

    async fn get_user(&self, id: &String) -> Result<Option<User>, Infallible> {
        Ok(User::of(|account| account.user == id))
    }
}

impl ConsoleBackend for Accounts {
    fn user_id(&self, user: &User) -> UserId {
        user.0.user.into()
    }

    async fn complete(
        &self,
        session: Session,
        user: &User,
        _: &tower_sessions::Session,
    ) -> Result<Session, StoreError> {
        let current = self.chosen_by(*user);
        let [(first, _), _] = ORGANIZATIONS;
        let session = session
            .with_user_name(user.0.name)
            .acting_in(current.as_deref().unwrap_or(first));
        let role = user.0.role;
        let members = ORGANIZATIONS.map(|(id, name)| Membership::in_role(id, name, role));
        Ok(members.into_iter().fold(session, Session::with_membership))
    }
}

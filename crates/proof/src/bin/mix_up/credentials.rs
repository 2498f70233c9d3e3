//! A thousand credentials: keys of as many organizations, and tokens of as many people.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use tower_api_key::{
    Principal,
    credential::Kind,
    secret::Digest,
    store::{Directory, ManageStore, MemoryStore, Record},
};

/// A credential, and the caller that it stands for.
pub(crate) struct Credential {
    pub(crate) token: String,
    /// The organization to name; empty for a key.
    pub(crate) named: String,
    kind: Kind,
    id: String,
    organization: String,
}

impl Credential {
    /// What a server answers that sees the right caller.
    pub(crate) fn caller(&self) -> String {
        format!("{} {}", self.id, self.organization)
    }
}

/// Describes the caller that a server sees.
pub(crate) fn seen(caller: &Principal) -> String {
    let organization = caller.organization().unwrap_or_default();
    format!("{} {organization}", caller.credential_id())
}

/// Keys and tokens by turns. The user of a token is a member of the organization of the key before
/// it, where the token is used, and of the first one.
pub(crate) fn all(count: usize) -> Vec<Credential> {
    (0..count)
        .map(|number| match number % 2 {
            0 => Credential {
                token: format!("ak_key{number:0>8}.{:x<40}", "testsecret"),
                named: String::new(),
                kind: Kind::OrgKey,
                id: format!("key{number:0>8}"),
                organization: format!("org_{number}"),
            },
            _ => Credential {
                token: format!("pat_test{number:0>8}{:x<39}", "testsecret"),
                named: format!("org_{}", number - 1),
                kind: Kind::PersonalToken,
                id: format!("token{number}"),
                organization: format!("org_{}", number - 1),
            },
        })
        .collect()
}

/// Returns a store with these credentials.
pub(crate) fn store(all: &[Credential]) -> MemoryStore {
    let store = MemoryStore::new();
    for (number, credential) in all.iter().enumerate() {
        let digest = Digest::of(credential.token.as_bytes());
        let record = match credential.kind {
            Kind::OrgKey => {
                now(store.create_organization(&credential.organization, None)).unwrap();
                Record::org_key(&*credential.id, digest, &*credential.organization)
            }
            _ => {
                let user = format!("user_{number}");
                now(store.create_user(&user)).unwrap();
                now(store.set_member(&user, &credential.organization, "viewer")).unwrap();
                now(store.set_member(&user, "org_0", "admin")).unwrap();
                Record::personal_token(&*credential.id, digest, &*user)
            }
        };
        now(store.insert(record)).unwrap();
    }
    store
}

/// Returns the output of a future that is ready at the first poll, like those of a memory store.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future is pending"),
    }
}

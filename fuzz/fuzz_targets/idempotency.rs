//! Idempotency keys, compared with a list of what was issued: a repeated request gets the same
//! credential without its secret, another request a conflict, another owner nothing of either.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Issued, ManageError, Manager, NewKey, NewToken},
    store::{Directory, MemoryStore, Owner},
    testing::ManualClock,
};
use tower_api_key_fuzz::{runtime::wait, world::NOW};

#[derive(Arbitrary, Debug)]
struct Input {
    keys: [String; 3],
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Issue(Request),
    /// Deletes what was issued at a place of the list.
    Delete(u8),
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq)]
struct Request {
    owner: u8,
    key: u8,
    name: u8,
    grant: Grant,
    expires_in: Option<i16>,
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq)]
enum Grant {
    Nothing,
    Role(bool),
    Scopes(Vec<bool>),
}

/// What was issued under a key.
struct Earlier {
    owner: usize,
    key: String,
    request: Request,
    id: String,
    deleted: bool,
}

fuzz_target!(|input: Input| {
    wait(run(&input));
});

const OWNERS: [(Kind, &str); 4] = [
    (Kind::OrgKey, "org_a"),
    (Kind::OrgKey, "org_b"),
    (Kind::PersonalToken, "alice"),
    (Kind::PersonalToken, "org_a"),
];

async fn run(input: &Input) {
    let store = MemoryStore::new();
    for (kind, id) in OWNERS {
        let created = match kind {
            Kind::OrgKey => store.create_organization(id, None).await,
            Kind::PersonalToken => store.create_user(id).await,
        };
        created.expect("a new owner");
    }
    let manager = Manager::new(store).with_clock(ManualClock::at(UnixMillis(NOW)));
    let mut earlier: Vec<Earlier> = Vec::new();
    for step in input.steps.iter().take(24) {
        match step {
            Step::Issue(request) => issue(&manager, input, request, &mut earlier).await,
            Step::Delete(at) => {
                let at = usize::from(*at) % earlier.len().max(1);
                if let Some(one) = earlier.get_mut(at) {
                    let (kind, _) = OWNERS[one.owner];
                    let deleted = manager.delete(&actor(one.owner), kind, &one.id).await;
                    assert_eq!(deleted.is_ok(), !one.deleted, "{deleted:?}");
                    one.deleted = true;
                }
            }
        }
    }
}

fn actor(owner: usize) -> Actor {
    let (kind, id) = OWNERS[owner];
    Actor::operator("fuzz", Owner::of(kind, id))
}

async fn issue(
    manager: &Manager<MemoryStore>,
    input: &Input,
    request: &Request,
    earlier: &mut Vec<Earlier>,
) {
    let owner = usize::from(request.owner) % OWNERS.len();
    let key = &input.keys[usize::from(request.key) % input.keys.len()];
    let request = request.normal(owner);
    let issued = request.send(manager, owner, key).await;
    let valid_key =
        (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let before = earlier
        .iter()
        .find(|one| one.owner == owner && one.key == *key);
    let known_id = |id: &str| earlier.iter().any(|one| one.id == id);
    match (issued, before) {
        (Err(ManageError::InvalidIdempotencyKey), _) => assert!(!valid_key, "{key:?}"),
        (issued, _) if !valid_key => panic!("{key:?}: {:?}", issued.err()),
        (Err(ManageError::IdempotencyConflict), Some(one)) => assert_ne!(one.request, request),
        (Err(ManageError::IssuedInactive(_)), Some(one)) => {
            assert_eq!(one.request, request);
            assert!(one.deleted);
        }
        (Ok(issued), Some(one)) => {
            assert_eq!(one.request, request);
            assert_eq!(issued.info().id.as_str(), one.id);
            assert!(!one.deleted && issued.into_secret().is_none());
        }
        (Err(ManageError::ExpiryInPast(_)), None) => {
            assert!(request.expires_in.is_some_and(|millis| millis <= 0));
        }
        (Ok(issued), None) => {
            let id = issued.info().id.as_str().to_owned();
            assert!(!known_id(&id));
            assert!(issued.into_secret().is_some());
            earlier.push(Earlier {
                owner,
                key: key.clone(),
                request,
                id,
                deleted: false,
            });
        }
        (Err(error), before) => panic!("{error:?}, {}", before.is_some()),
    }
}

impl Request {
    /// Returns the request with what is the same to the manager made the same.
    fn normal(&self, owner: usize) -> Self {
        let grant = match &self.grant {
            _ if OWNERS[owner].0 == Kind::PersonalToken => Grant::Nothing,
            Grant::Scopes(none) if none.is_empty() => Grant::Nothing,
            Grant::Scopes(scopes) => Grant::Scopes(each_once(scopes)),
            grant => grant.clone(),
        };
        Self {
            owner: 0,
            key: 0,
            name: self.name % 3,
            grant,
            expires_in: self.expires_in,
        }
    }

    async fn send(
        &self,
        manager: &Manager<MemoryStore>,
        owner: usize,
        key: &str,
    ) -> Result<Issued, ManageError> {
        let name = ["a", "b", "aa"][usize::from(self.name)];
        let end = self
            .expires_in
            .map(|millis| UnixMillis(NOW + i64::from(millis)));
        if OWNERS[owner].0 == Kind::PersonalToken {
            let new = NewToken::named(name).expiring_at(end);
            return manager
                .issue_token(&actor(owner), new.with_idempotency_key(key))
                .await;
        }
        let scope = |read: &bool| {
            if *read {
                "agents:read"
            } else {
                "agents:manage"
            }
        };
        let new = NewKey::named(name).expiring_at(end);
        let new = match &self.grant {
            Grant::Nothing => new,
            Grant::Role(true) => new.with_role("admin"),
            Grant::Role(false) => new.with_role("viewer"),
            Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(scope)),
        };
        manager
            .issue_key(&actor(owner), new.with_idempotency_key(key))
            .await
    }
}

/// Returns the list that a request has: in the order given, each scope once.
fn each_once(scopes: &[bool]) -> Vec<bool> {
    let mut list = Vec::new();
    for scope in scopes {
        if !list.contains(scope) {
            list.push(*scope);
        }
    }
    list
}

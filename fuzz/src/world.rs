//! A small world: two organizations, two users, a few credentials, and a store that has them all
//! and counts its lookups.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arbitrary::Arbitrary;
use tower_api_key::{
    async_trait,
    clock::UnixMillis,
    scope::Catalogue,
    secret::Digest,
    store::{
        CredentialStore, Directory, Lookup, ManageStore, MemoryStore, Peek, Record, Status,
        StoreError,
    },
};

use crate::runtime::wait;

/// The time of the world, in milliseconds since 1970.
pub const NOW: i64 = 1_800_000_000_000;

/// What became of a credential.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was never issued.
    Absent,
    /// It is valid.
    Active,
    /// It is disabled.
    Disabled,
    /// It is deleted.
    Deleted,
    /// It expires this many milliseconds after now.
    ExpiresIn(i16),
}

/// The owner of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An organization.
    Organization(&'static str),
    /// A user.
    User(&'static str),
}

/// A credential of the world.
#[derive(Clone, Copy, Debug)]
pub struct Credential {
    /// The whole token. Every one of them is visibly a test value.
    pub token: &'static str,
    /// The public id.
    pub id: &'static str,
    /// The owner.
    pub owner: Owner,
    /// The role of a key.
    pub role: &'static str,
    /// What became of it.
    pub fate: Fate,
}

/// Everything that a decision depends on, apart from the request.
#[derive(Clone, Debug)]
pub struct World {
    /// The credentials.
    pub credentials: Vec<Credential>,
    /// The organizations, and whether each is live.
    pub organizations: Vec<(&'static str, bool)>,
    /// The users, and whether each is enabled.
    pub users: Vec<(&'static str, bool)>,
    /// Who is a member of what, with which role.
    pub members: Vec<(&'static str, &'static str, &'static str)>,
    /// How the store answers.
    pub answers: Answers,
}

/// How a store answers.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// At once.
    AtOnce,
    /// When asked to wait.
    Later,
    /// With an outage.
    Outage,
    /// With a damaged row.
    Damage,
}

/// What the input decides about a world.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Setup {
    fates: [Fate; 4],
    organizations: [bool; 2],
    enabled: [bool; 2],
    members: [Option<bool>; 4],
    answers: Answers,
}

/// The credentials, before the input decides what became of them.
const CREDENTIALS: [Credential; 4] = [
    key("ak_k1.fuzz-secret-1", "k1", "org_a", "admin"),
    key("ak_k2.fuzz-secret-2", "k2", "org_b", "viewer"),
    token("pat_fuzz-secret-3", "t3", "alice"),
    token("pat_fuzz-secret-4==", "t4", "bob"),
];

const fn key(
    token: &'static str,
    id: &'static str,
    organization: &'static str,
    role: &'static str,
) -> Credential {
    Credential {
        token,
        id,
        owner: Owner::Organization(organization),
        role,
        fate: Fate::Active,
    }
}

const fn token(token: &'static str, id: &'static str, user: &'static str) -> Credential {
    Credential {
        token,
        id,
        owner: Owner::User(user),
        role: "",
        fate: Fate::Active,
    }
}

impl World {
    /// Builds the world that the input asks for.
    pub fn new(setup: &Setup) -> Self {
        let role = |admin| if admin { "admin" } else { "viewer" };
        let pairs = [
            ("alice", "org_a"),
            ("alice", "org_b"),
            ("bob", "org_a"),
            ("bob", "org_b"),
        ];
        let members = pairs.into_iter().zip(setup.members);
        let fates = CREDENTIALS.into_iter().zip(setup.fates);
        Self {
            credentials: fates
                .map(|(one, fate)| Credential { fate, ..one })
                .collect(),
            organizations: ["org_a", "org_b"]
                .into_iter()
                .zip(setup.organizations)
                .collect(),
            users: ["alice", "bob"].into_iter().zip(setup.enabled).collect(),
            members: members
                .filter_map(|((user, organization), admin)| {
                    admin.map(|admin| (user, organization, role(admin)))
                })
                .collect(),
            answers: setup.answers,
        }
    }

    /// Builds a world with one credential of each fate and a store that works: `k2` expires, and
    /// `t4` belongs to a user who is disabled.
    pub fn usual() -> Self {
        let admin = Some(true);
        Self::new(&Setup {
            fates: [Fate::Active, Fate::ExpiresIn(0), Fate::Active, Fate::Active],
            organizations: [true, true],
            enabled: [true, false],
            members: [admin, None, admin, None],
            answers: Answers::AtOnce,
        })
    }

    /// Builds a store with the same content.
    ///
    /// # Panics
    /// If the store refuses it.
    pub fn store(&self) -> CountingStore {
        let store = MemoryStore::new();
        wait(self.fill(&store)).expect("the store takes the world");
        CountingStore(Arc::new(Counted {
            store,
            answers: self.answers,
            lookups: AtomicUsize::new(0),
        }))
    }

    /// Puts the world into a store.
    async fn fill(&self, store: &MemoryStore) -> Result<(), Box<dyn std::error::Error>> {
        for (organization, _) in &self.organizations {
            store.create_organization(organization, None).await?;
        }
        for (user, _) in &self.users {
            store.create_user(user).await?;
        }
        for (user, organization, role) in &self.members {
            store.set_member(user, organization, role).await?;
        }
        for credential in &self.credentials {
            if credential.fate != Fate::Absent {
                store.insert(record(credential)?).await?;
            }
        }
        for (user, enabled) in &self.users {
            store.set_user_enabled(user, *enabled).await?;
        }
        for (organization, _) in self.organizations.iter().filter(|(_, live)| !live) {
            store.delete_organization(organization).await?;
        }
        Ok(())
    }
}

/// Builds the record of a credential.
fn record(credential: &Credential) -> Result<Record, Box<dyn std::error::Error>> {
    let digest = Digest::from_bytes(crate::grammar::sha256(credential.token.as_bytes()));
    let record = match credential.owner {
        Owner::Organization(organization) => Record::org_key(credential.id, digest, organization)
            .with_role(credential.role, &Catalogue::anyreach())?,
        Owner::User(user) => Record::personal_token(credential.id, digest, user),
    };
    Ok(match credential.fate {
        Fate::Absent | Fate::Active => record,
        Fate::Disabled => record.with_status(Status::Disabled),
        Fate::Deleted => record.with_status(Status::Deleted),
        Fate::ExpiresIn(millis) => record.expiring_at(UnixMillis(NOW + i64::from(millis))),
    })
}

/// A store that counts its lookups, and can fail.
#[derive(Clone)]
pub struct CountingStore(Arc<Counted>);

struct Counted {
    store: MemoryStore,
    answers: Answers,
    lookups: AtomicUsize,
}

impl CountingStore {
    /// Returns how many lookups there were since the last call.
    pub fn take_lookups(&self) -> usize {
        self.0.lookups.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl CredentialStore for CountingStore {
    fn peek(&self, lookup: &Lookup<'_>) -> Peek {
        if self.0.answers != Answers::AtOnce {
            return Peek::Unknown;
        }
        self.0.lookups.fetch_add(1, Ordering::Relaxed);
        self.0.store.peek(lookup)
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        self.0.lookups.fetch_add(1, Ordering::Relaxed);
        match self.0.answers {
            Answers::AtOnce | Answers::Later => self.0.store.find(lookup).await,
            Answers::Outage => Err(StoreError::unavailable("an outage for the fuzzer")),
            Answers::Damage => Err(StoreError::corrupt("a damaged row for the fuzzer")),
        }
    }
}

//! A small world: two organizations, two users, a few credentials, and a store that has them all
//! and counts its lookups.

use arbitrary::Arbitrary;
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    secret::Digest,
    store::{
        Attributes, Conditions, Directory, ManageStore, MemoryStore, Record, Restrictions, Status,
    },
};

use crate::{counting::CountingStore, runtime::wait};

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
    /// The only scopes of a token, if it is restricted to some.
    pub own_scopes: Option<&'static [&'static str]>,
    /// The only organizations of a token, if it is restricted to some.
    pub own_organizations: Option<&'static [&'static str]>,
    /// The only networks from which it is accepted, if there are some.
    pub networks: Option<&'static [&'static str]>,
    /// The only environment in which it is accepted, if there is one.
    pub environment: Option<&'static str>,
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
    fates: [Fate; 5],
    organizations: [bool; 2],
    enabled: [bool; 2],
    members: [Option<bool>; 4],
    answers: Answers,
    /// To what the two tokens are restricted.
    own: [(u8, u8); 2],
    /// The networks and the environment of each.
    conditions: [(u8, u8); 5],
}

/// The credentials, before the input decides what became of them.
const CREDENTIALS: [Credential; 5] = [
    key("ak_k1.fuzz-secret-1", "k1", "org_a", "admin"),
    key("ak_k2.fuzz-secret-2", "k2", "org_b", "viewer"),
    token("pat_fuzz-secret-3", "t3", "alice"),
    token("pat_fuzz-secret-4==", "t4", "bob"),
    key("ak_k5.fuzz-secret-5", "k5", "org_a", "admin"),
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
        own_scopes: None,
        own_organizations: None,
        networks: None,
        environment: None,
    }
}

const fn token(token: &'static str, id: &'static str, user: &'static str) -> Credential {
    Credential {
        token,
        id,
        owner: Owner::User(user),
        role: "",
        fate: Fate::Active,
        own_scopes: None,
        own_organizations: None,
        networks: None,
        environment: None,
    }
}

fn own_scopes(number: u8) -> Option<&'static [&'static str]> {
    match number % 8 {
        0 => Some(&[]),
        1 => Some(&["agents:manage"]),
        2 => Some(&["agents:read", "billing:manage"]),
        _ => None,
    }
}

fn own_organizations(number: u8) -> Option<&'static [&'static str]> {
    match number % 8 {
        0 => Some(&[]),
        1 => Some(&["org_a"]),
        2 => Some(&["org_b", "org_a"]),
        _ => None,
    }
}

fn networks(number: u8) -> Option<&'static [&'static str]> {
    match number % 8 {
        0 => Some(&[]),
        1 => Some(&["10.0.0.0/8"]),
        2 => Some(&["192.0.2.1/32", "2001:db8::/32"]),
        3 => Some(&["0.0.0.0/0"]),
        _ => None,
    }
}

fn environment(number: u8) -> Option<&'static str> {
    match number % 8 {
        0 => Some("live"),
        1 => Some("test"),
        _ => None,
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
        let [third, fourth] = setup.own;
        let own = [(7, 7), (7, 7), third, fourth, (7, 7)]; // keys have none
        let fates = CREDENTIALS.into_iter().zip(setup.fates).zip(own);
        let fates = fates.zip(setup.conditions);
        Self {
            credentials: fates
                .map(
                    |(((one, fate), (scopes, organizations)), (from, of))| Credential {
                        fate,
                        networks: networks(from),
                        environment: environment(of),
                        own_scopes: own_scopes(scopes),
                        own_organizations: own_organizations(organizations),
                        ..one
                    },
                )
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

    /// Builds a world with one credential of each fate and a store that works: `k2` expires, `t4`
    /// belongs to a user who is disabled, and `k5` is accepted live and from a network only.
    pub fn usual() -> Self {
        let admin = Some(true);
        Self::new(&Setup {
            fates: [
                Fate::Active,
                Fate::ExpiresIn(0),
                Fate::Active,
                Fate::Active,
                Fate::Active,
            ],
            organizations: [true, true],
            enabled: [true, false],
            members: [admin, None, admin, None],
            answers: Answers::AtOnce,
            own: [(7, 7); 2],
            conditions: [(7, 7), (7, 7), (7, 7), (7, 7), (1, 0)],
        })
    }

    /// Builds a store with the same content.
    ///
    /// # Panics
    /// If the store refuses it.
    pub fn store(&self) -> CountingStore {
        let store = MemoryStore::new();
        wait(self.fill(&store)).expect("the store takes the world");
        CountingStore::new(store, self.answers)
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
        Owner::User(user) => {
            let mut only = Restrictions::default();
            if let Some(scopes) = credential.own_scopes {
                only = only.with_scopes(scopes.iter().copied().collect());
            }
            if let Some(organizations) = credential.own_organizations {
                only = only.with_organizations(organizations.iter().copied());
            }
            Record::personal_token(credential.id, digest, user).restricted_to(only)
        }
    };
    let record =
        record.with_attributes(Attributes::default().with_conditions(conditions(credential)?));
    Ok(match credential.fate {
        Fate::Absent | Fate::Active => record,
        Fate::Disabled => record.with_status(Status::Disabled),
        Fate::Deleted => record.with_status(Status::Deleted),
        Fate::ExpiresIn(millis) => record.expiring_at(UnixMillis(NOW + i64::from(millis))),
    })
}

fn conditions(credential: &Credential) -> Result<Conditions, Box<dyn std::error::Error>> {
    let mut conditions = Conditions::default();
    if let Some(networks) = credential.networks {
        let networks = networks.iter().map(|network| network.parse());
        conditions = conditions.with_networks(networks.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(match credential.environment {
        Some(environment) => conditions.with_environment(environment),
        None => conditions,
    })
}

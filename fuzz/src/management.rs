//! A store with credentials of several owners, for the targets that manage them.

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{Actor, Import, Manager, PageCursor},
    secret::Digest,
    store::{AuditEvent, CredentialInfo, Directory, Filter, ManageStore, MemoryStore, Owner},
    testing::ManualClock,
};

use crate::{grammar::sha256, runtime::wait, world::NOW};

/// The credentials and the audit trail of an organization.
pub struct Case {
    /// The keys.
    pub keys: Vec<CredentialInfo>,
    /// The events.
    pub events: Vec<AuditEvent>,
}

impl Case {
    /// Reads them.
    ///
    /// # Panics
    /// If they cannot be read.
    pub async fn of(manager: &Manager<impl ManageStore>, actor: &Actor) -> Self {
        let filter = Filter::default();
        let page = manager.list(actor, Kind::OrgKey, &filter, None, 200).await;
        let events = manager.events(actor, Kind::OrgKey, None, 200).await;
        Self {
            keys: page.expect("a list").items,
            events: events.expect("a trail"),
        }
    }

    /// Returns the only key.
    ///
    /// # Panics
    /// If there is another, or none.
    pub fn only(&self) -> &CredentialInfo {
        let [key] = self.keys.as_slice() else {
            panic!("{:?}", self.keys)
        };
        key
    }
}

/// A list of credentials: of whom, and which.
#[derive(Clone, Debug)]
pub struct List {
    /// The actor, who is an operator for the owner.
    pub actor: Actor,
    /// The owner.
    pub owner: Owner,
    /// Which of the owner's credentials.
    pub filter: Filter,
}

/// Some lists, and a manager over a store with five credentials for each owner, which were created
/// at two moments.
pub struct Lists {
    /// The manager.
    pub manager: Manager<MemoryStore>,
    /// The lists.
    pub lists: Vec<List>,
}

impl Lists {
    /// Fills the store.
    ///
    /// # Panics
    /// If the store refuses it.
    pub fn new() -> Self {
        let manager = Manager::new(MemoryStore::new());
        let manager = manager.with_clock(ManualClock::at(UnixMillis(NOW)));
        let owners = [
            Owner::Organization("org_a".into()),
            Owner::Organization("org_b".into()),
            Owner::User("alice".into()),
            Owner::User("org_a".into()), // a user with an organization's id
        ];
        let expiring = Filter::default().with_expiring_before(UnixMillis(NOW));
        let lists = owners.iter().flat_map(|owner| {
            [Filter::default(), expiring.clone()].map(|filter| List {
                actor: Actor::operator("fuzz", owner.clone()),
                owner: owner.clone(),
                filter,
            })
        });
        let lists: Vec<_> = lists.collect();
        wait(fill(&manager, &lists));
        Self { manager, lists }
    }

    /// Returns the cursor after the first items of a list.
    ///
    /// # Panics
    /// If the list has no more.
    pub fn cursor(&self, list: &List, limit: u32) -> PageCursor {
        let page = self.page(list, None, limit).expect("a page");
        page.1.expect("another page")
    }

    /// Returns a page of a list, and its cursor.
    ///
    /// # Errors
    /// The code of the refusal.
    pub fn page(
        &self,
        list: &List,
        cursor: Option<&PageCursor>,
        limit: u32,
    ) -> Result<(Vec<CredentialInfo>, Option<PageCursor>), &'static str> {
        let List {
            actor,
            owner,
            filter,
        } = list;
        let page = wait(
            self.manager
                .list(actor, owner.kind(), filter, cursor, limit),
        );
        page.map(|page| (page.items, page.next))
            .map_err(|error| error.code())
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self::new()
    }
}

async fn fill(manager: &Manager<MemoryStore>, lists: &[List]) {
    let store = manager.store();
    for organization in ["org_a", "org_b"] {
        let created = store.create_organization(organization, None).await;
        created.expect("a new organization");
    }
    for user in ["alice", "org_a"] {
        store.create_user(user).await.expect("a new user");
    }
    for list in lists.iter().filter(|list| list.filter == Filter::default()) {
        for number in 0..5 {
            let kind = list.owner.kind();
            let id = format!("{}-{}-{number}", kind.as_str(), list.owner.id());
            let digest = Digest::from_bytes(sha256(id.as_bytes()));
            let import = Import::new(id, digest, "fuzz")
                .with_created_at(UnixMillis(NOW - 1000 - number % 2))
                .expiring_at(UnixMillis(NOW - 1));
            let imported = manager.import(&list.actor, kind, import).await;
            imported.expect("a new credential");
        }
    }
}

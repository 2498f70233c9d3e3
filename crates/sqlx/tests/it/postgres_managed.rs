//! Management in the PostgreSQL store: a commit is all or nothing, also under concurrency.

mod actors;
mod commits;
mod damage;
mod dead_rows;
mod ending;
mod erase;
mod lifecycle;
mod lists;
mod races;
mod setup;
mod uses;
mod waiting;

use crate::support::pg;
use tower_api_key::{
    clock::UnixMillis,
    secret::Digest,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, ManageStore, Owner, WriteError,
        backend::{Authority, Commit, ListQuery, NewCredential, Update},
    },
};

use tokio::task::JoinHandle;
use tower_api_key_sqlx::PostgresStore;

const ORG: &str = "org_test";
const OTHER_ORG: &str = "org_other_test";
const USER: &str = "user_test";
const OTHER_USER: &str = "user_other_test";

/// A store with two organizations and two users.
struct Fixture {
    cluster: &'static pg::Cluster,
    store: PostgresStore,
    schema: String,
}

impl Fixture {
    async fn new() -> Option<Self> {
        let cluster = pg::shared()?;
        let schema = pg::fresh_schema();
        let store = cluster.unmigrated_store(&schema);
        store.migrate().await.unwrap();
        seed(&store).await;
        Some(Self {
            cluster,
            store,
            schema,
        })
    }

    /// Runs a statement by hand in the schema of the store.
    fn psql(&self, sql: &str) -> String {
        self.cluster
            .psql(&format!("SET search_path TO {}; {sql}", self.schema))
    }

    /// Everything that management stores, and the number of logged changes.
    fn snapshot(&self) -> String {
        self.psql(
            "SELECT string_agg(c::text, ' ' ORDER BY kind, id) FROM credentials c;
            SELECT string_agg(e::text, ' ' ORDER BY number) FROM events e;
            SELECT string_agg(u::text, ' ' ORDER BY kind, id) FROM uses u;
            SELECT count(*) FROM changes",
        )
    }

    async fn insert(&self, info: CredentialInfo) {
        self.store.commit(&insert_commit(info)).await.unwrap();
    }

    async fn get(&self, owner: &Owner, id: &str) -> CredentialInfo {
        self.store.credential(owner, id).await.unwrap().unwrap()
    }

    /// Waits until at least `many` statements of this store wait for a lock; fails if `change` ends
    /// first.
    async fn wait_for_lock<T>(&self, many: usize, change: &JoinHandle<T>) {
        let mut connection = self.cluster.connection().await;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND strpos(query, $1) > 0";
        loop {
            let waiting: i64 = sqlx::query_scalar(sql)
                .bind(format!("\"{}\".", self.schema))
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if waiting as usize >= many {
                return;
            }
            assert!(!change.is_finished(), "the change did not wait");
        }
    }
}

async fn seed(store: &PostgresStore) {
    use tower_api_key::store::Directory;

    for organization in [ORG, OTHER_ORG] {
        store.create_organization(organization, None).await.unwrap();
    }
    for user in [USER, OTHER_USER] {
        store.create_user(user).await.unwrap();
    }
}

/// An organization and a user, each with another of its kind.
fn owners() -> [(Owner, Owner); 2] {
    [
        (
            Owner::Organization(ORG.into()),
            Owner::Organization(OTHER_ORG.into()),
        ),
        (Owner::User(USER.into()), Owner::User(OTHER_USER.into())),
    ]
}

fn info(owner: &Owner, id: &str) -> CredentialInfo {
    {
        let mut info = CredentialInfo::new(id, owner.clone(), UnixMillis(1_000));
        info.name = format!("name of {id}").into();
        info.scopes = match owner {
            Owner::Organization(_) => Some(["agents:read".into()].into()),
            Owner::User(_) => None,
        };
        info
    }
}

fn digest(owner: &Owner, id: &str) -> Digest {
    Digest::of(format!("{} {id} test", owner.id()).as_bytes())
}

fn insert_commit(info: CredentialInfo) -> Commit {
    let owner = info.owner.clone();
    let digest = digest(&owner, info.id.as_str());
    let insert = Some(NewCredential {
        info,
        digest,
        salt: None,
        idempotency: None,
    });
    Commit {
        insert,
        ..Commit::new(owner, Authority::Unconditional)
    }
}

fn update_commit(before: &CredentialInfo, change: impl FnOnce(&mut CredentialInfo)) -> Commit {
    let mut after = before.clone();
    change(&mut after);
    let changes = vec![Update {
        before: before.clone(),
        after,
    }];
    Commit {
        changes,
        ..Commit::new(before.owner.clone(), Authority::Unconditional)
    }
}

fn event(owner: &Owner, id: &str, action: AuditAction) -> AuditEvent {
    {
        let mut event = AuditEvent::new(
            UnixMillis(2_000),
            action,
            owner.clone(),
            id,
            AuditActor::Operator("operator-test".into()),
        );
        event.origin = Some("192.0.2.1".into());
        event
    }
}

fn code(outcome: &Result<(), WriteError>) -> &'static str {
    match outcome {
        Ok(()) => "done",
        Err(WriteError::UnknownOrganization(_) | WriteError::UnknownUser(_)) => "unknown owner",
        Err(WriteError::CapReached(_)) => "cap reached",
        Err(WriteError::Taken(_)) => "taken",
        Err(WriteError::Changed) => "changed",
        Err(WriteError::InvalidId(_)) => "invalid id",
        Err(WriteError::NotPermitted) => "not permitted",
        Err(WriteError::Store(_)) => "store",
        Err(_) => "another",
    }
}

fn list_all() -> ListQuery {
    ListQuery {
        filter: Default::default(),
        after: None,
        limit: 1_000,
        now: UnixMillis(5_000),
    }
}

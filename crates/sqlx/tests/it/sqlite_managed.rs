//! Management in a SQLite file, beyond the rules: commits are atomic, owners are isolated, and what
//! is stored is read back.

mod caps;
mod commits;
mod damage;
mod ending;
mod erasure;
mod lifecycle;
mod lists;
mod rows;
mod uses;

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tower_api_key::{
    clock::UnixMillis,
    scope::Catalogue,
    secret::Digest,
    store::{
        AuditAction, AuditActor, AuditEvent, CredentialInfo, Directory, ManageStore, Owner,
        backend::{Authority, Cap, Commit, NewCredential, Update},
    },
};
use tower_api_key_sqlx::SqliteStore;

const NOW: i64 = 1_767_225_600_000;

/// A database file with the owners.
struct File {
    path: PathBuf,
    _directory: TempDir,
}

impl File {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Self {
            path: directory.path().join("keys.db"),
            _directory: directory,
        };
        seed(&file.open().await).await;
        file
    }

    /// Opens another pool each time, as another process would.
    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path, Catalogue::anyreach())
            .await
            .unwrap()
    }

    async fn by_hand(&self, sql: &str) {
        self.try_by_hand(sql).await.unwrap();
    }

    async fn try_by_hand(&self, sql: &str) -> Result<(), sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        statement
            .execute(&mut raw(&self.path).await)
            .await
            .map(drop)
    }

    async fn query_number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&mut raw(&self.path).await)
            .await
            .unwrap()
    }

    /// Every row that a commit could leave behind.
    async fn rows(&self) -> Vec<String> {
        let sql = "SELECT json_array('credential', kind, id, organization_id, user_id, name, \
                   status, created_at, expires_at,
                rotated_from, rotated_to, rotated_at, idempotency_key) \
                FROM tower_api_key_credentials
            UNION ALL SELECT json_array('event', number, action, credential_id) \
            FROM tower_api_key_events
            UNION ALL SELECT json_array('use', kind, id, at) FROM tower_api_key_uses
            UNION ALL SELECT json_array('change', seq, kind, id) FROM tower_api_key_changes
            ORDER BY 1";
        sqlx::query_scalar(sql)
            .fetch_all(&mut raw(&self.path).await)
            .await
            .unwrap()
    }
}

/// Creates two organizations, and two users with the same ids.
async fn seed(store: &SqliteStore) {
    for id in ["alpha", "beta"] {
        store.create_organization(id, None).await.unwrap();
        store.create_user(id).await.unwrap();
    }
}

/// A store in memory with the owners.
async fn in_memory() -> SqliteStore {
    let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
    seed(&store).await;
    store
}

async fn raw(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("ignore_check_constraints", "ON");
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn organization(id: &str) -> Owner {
    Owner::Organization(id.into())
}

fn user(id: &str) -> Owner {
    Owner::User(id.into())
}

fn owners() -> [Owner; 4] {
    [
        organization("alpha"),
        user("alpha"),
        organization("beta"),
        user("beta"),
    ]
}

fn info(owner: &Owner, id: &str) -> CredentialInfo {
    {
        let mut info = CredentialInfo::new(id, owner.clone(), UnixMillis(NOW));
        info.name = format!("name of {id}").into();
        info.role = matches!(owner, Owner::Organization(_)).then(|| "viewer".into());
        info
    }
}

fn event(info: &CredentialInfo, action: AuditAction) -> AuditEvent {
    AuditEvent::new(
        UnixMillis(NOW),
        action,
        info.owner.clone(),
        info.id.clone(),
        AuditActor::Operator("test".into()),
    )
}

fn new_credential(info: CredentialInfo) -> NewCredential {
    let digest = Digest::of(format!("test {}", info.id).as_bytes());
    NewCredential {
        info,
        digest,
        salt: None,
        idempotency: None,
    }
}

/// A commit that inserts a credential, with its event.
fn insert_commit(insert: NewCredential) -> Commit {
    let events = vec![event(&insert.info, AuditAction::Issued)];
    Commit {
        insert: Some(insert.clone()),
        events,
        ..Commit::new(insert.info.owner, Authority::Unconditional)
    }
}

/// The same with a cap.
fn capped(insert: NewCredential, limit: u32) -> Commit {
    let at = insert.info.created_at;
    Commit {
        cap: Some(Cap::new(limit, at)),
        ..insert_commit(insert)
    }
}

/// A commit that changes a credential, with its event.
fn update_commit(before: &CredentialInfo, change: impl FnOnce(&mut CredentialInfo)) -> Commit {
    let mut after = before.clone();
    change(&mut after);
    let events = vec![event(before, AuditAction::Renamed)];
    let changes = vec![Update {
        before: before.clone(),
        after,
    }];
    Commit {
        changes,
        events,
        ..Commit::new(before.owner.clone(), Authority::Unconditional)
    }
}

async fn add(store: &SqliteStore, info: CredentialInfo) -> CredentialInfo {
    store
        .commit(&insert_commit(new_credential(info.clone())))
        .await
        .unwrap();
    info
}

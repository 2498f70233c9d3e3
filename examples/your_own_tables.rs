//! API keys in your own tables: a service that already has accounts, people and members keeps the
//! keys in a table of its own beside them, and this crate issues and checks them.
//!
//! ```text
//! cargo run --example your_own_tables
//! ```
//!
//! `CredentialStore` is all that the layer needs; `ManageStore` lets a `Manager` issue and revoke.
//! The table has no roles, no personal tokens and no rotation: the store refuses those, and
//! `tests/it/store_contract.rs` tests everything else.

#![allow(clippy::print_stdout, reason = "an example prints what it does")]

use std::{convert::Infallible, error::Error, sync::Arc};

use http::{Request, Response, StatusCode};
use sqlx::{
    Sqlite, SqliteConnection, SqliteExecutor, SqlitePool, Transaction, sqlite::SqlitePoolOptions,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_api_key::{
    AuthLayer, Principal,
    clock::UnixMillis,
    credential::{Kind, check_credential_id},
    id::{CredentialId, OrgId},
    manage::{Actor, Manager, NewKey},
    scope::Catalogue,
    store::{
        CredentialInfo, CredentialStore, EffectiveStatus, Lookup, LookupKey, ManageStore, Owner,
        Record, Status, StoreError, WriteError,
        backend::{
            ActorState, Authority, Commit, EndTarget, Ending, ListQuery, NewCredential, Update,
            read_digest,
        },
    },
};

/// The service's tables. Only `api_keys` is new.
const TABLES: &str = "
    CREATE TABLE accounts (id TEXT PRIMARY KEY, closed BOOLEAN NOT NULL DEFAULT FALSE);
    CREATE TABLE people (id TEXT PRIMARY KEY, blocked BOOLEAN NOT NULL DEFAULT FALSE);
    CREATE TABLE members (
        account_id TEXT NOT NULL REFERENCES accounts,
        person_id TEXT NOT NULL REFERENCES people,
        role TEXT NOT NULL,
        PRIMARY KEY (account_id, person_id)
    );
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY, -- compared byte for byte, and never reused
        account_id TEXT NOT NULL REFERENCES accounts,
        name TEXT NOT NULL,
        digest BLOB NOT NULL,
        scopes TEXT NOT NULL, -- separated by spaces
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL, -- in seconds, as everywhere in this service
        expires_at INTEGER
    );
    CREATE INDEX api_keys_of_account ON api_keys (account_id);";

#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) db: SqlitePool,
    catalogue: Catalogue,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    account_id: String,
    name: String,
    digest: Vec<u8>,
    scopes: String,
    status: String,
    created_at: i64,
    expires_at: Option<i64>,
    closed: bool,
}

const KEY: &str =
    "SELECT k.*, a.closed FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.id = ?";
const KEYS: &str = "SELECT k.*, a.closed FROM api_keys k JOIN accounts a ON a.id = k.account_id
    WHERE k.account_id = ? ORDER BY k.created_at DESC, k.id DESC";

impl Keys {
    pub(crate) async fn open(catalogue: Catalogue) -> Result<Self, sqlx::Error> {
        let options = SqlitePoolOptions::new().max_connections(1);
        let options = options.idle_timeout(None).max_lifetime(None); // it holds the database
        let db = options.connect("sqlite::memory:").await?;
        sqlx::raw_sql(TABLES).execute(&db).await?;
        Ok(Self { db, catalogue })
    }

    async fn key(&self, db: impl SqliteExecutor<'_>, id: &str) -> Result<Option<Row>, StoreError> {
        let row = sqlx::query_as(KEY).bind(id).fetch_optional(db).await;
        row.map_err(StoreError::unavailable)
    }

    /// Reads all keys of an account, newest first: few, so the filters need no SQL.
    async fn keys(
        &self,
        db: impl SqliteExecutor<'_>,
        owner: &Owner,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        let rows = sqlx::query_as(KEYS).bind(owner.organization());
        let rows: Vec<Row> = rows.fetch_all(db).await.map_err(StoreError::unavailable)?;
        Ok(rows.iter().map(Row::info).collect())
    }

    /// Begins a change. SQLite has one writer at a time, so the actor stays as it is read.
    async fn begin(
        &self,
        authority: &Authority,
    ) -> Result<Transaction<'static, Sqlite>, WriteError> {
        let begin = self.db.begin_with("BEGIN IMMEDIATE").await;
        let mut tx = begin.map_err(StoreError::unavailable)?;
        let organization = authority.organization().map(OrgId::as_str);
        let actor = match authority {
            Authority::Unconditional => None,
            Authority::Credential {
                kind: Kind::OrgKey,
                id,
                ..
            } => {
                let key = self.key(&mut *tx, id.as_str()).await?;
                let key = key.map(|row| row.record(&self.catalogue)).transpose()?;
                key.as_ref().map(ActorState::of_record)
            }
            Authority::Credential { .. } => None,
            Authority::User { id, .. } => self.person(&mut tx, id.as_str(), organization).await?,
        };
        match authority.permits(actor.as_ref()) {
            true => Ok(tx),
            false => Err(WriteError::NotPermitted),
        }
    }

    async fn person(
        &self,
        db: &mut SqliteConnection,
        id: &str,
        account: Option<&str>,
    ) -> Result<Option<ActorState>, StoreError> {
        let row: Option<(bool, Option<String>)> = sqlx::query_as(
            "SELECT p.blocked, m.role FROM people p
                LEFT JOIN accounts a ON a.id = ? AND NOT a.closed
                LEFT JOIN members m ON m.account_id = a.id AND m.person_id = p.id
            WHERE p.id = ?",
        )
        .bind(account)
        .bind(id)
        .fetch_optional(db)
        .await
        .map_err(StoreError::unavailable)?;
        Ok(row.map(|(blocked, role)| {
            let scopes = role.and_then(|role| self.catalogue.scopes_of(&role));
            ActorState::user(!blocked, account.map(OrgId::from).zip(scopes))
        }))
    }
}

impl Row {
    fn record(&self, catalogue: &Catalogue) -> Result<Record, StoreError> {
        let status = match Status::parse(&self.status) {
            Some(Status::Active) if self.closed => Status::OrganizationGone,
            status => status.ok_or_else(|| StoreError::corrupt("unknown status"))?,
        };
        let digest = read_digest(self.digest.clone())?;
        Ok(Record::org_key(&*self.id, digest, &*self.account_id)
            .with_scopes(catalogue.expand(self.scopes.split_whitespace()))
            .with_status(status)
            .expiring_at(self.expires_at.map(millis)))
    }

    fn info(&self) -> CredentialInfo {
        let owner = Owner::Organization((&*self.account_id).into());
        let mut info = CredentialInfo::new(&*self.id, owner, millis(self.created_at));
        info.name = (&*self.name).into();
        info.scopes = Some(self.scopes.split_whitespace().map(Into::into).collect());
        info.status = Status::parse(&self.status).unwrap_or(Status::Disabled);
        info.expires_at = self.expires_at.map(millis);
        info
    }
}

fn millis(seconds: i64) -> UnixMillis {
    UnixMillis(seconds.saturating_mul(1000))
}

fn seconds(moment: UnixMillis) -> i64 {
    moment.0.div_euclid(1000)
}

#[tower_api_key::async_trait]
impl CredentialStore for Keys {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        let LookupKey::OrgKey { id } = lookup.key() else {
            return Ok(None);
        };
        let key = self.key(&self.db, id).await?;
        key.map(|row| row.record(&self.catalogue).map(Arc::new))
            .transpose()
    }
}

#[tower_api_key::async_trait]
impl ManageStore for Keys {
    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    async fn credential(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<CredentialInfo>, StoreError> {
        let key = self.key(&self.db, id).await?.map(|row| row.info());
        Ok(key.filter(|key| key.owner == *owner))
    }

    async fn credentials(
        &self,
        owner: &Owner,
        query: &ListQuery,
    ) -> Result<Vec<CredentialInfo>, StoreError> {
        let keys = self.keys(&self.db, owner).await?;
        let listed = keys.into_iter().filter(|key| query.lists(key));
        Ok(listed.take(query.limit as usize).collect())
    }

    async fn commit(&self, commit: &Commit) -> Result<(), WriteError> {
        let mut tx = self.begin(&commit.authority).await?;
        if let Some(new) = &commit.insert {
            insert(&mut tx, new).await?;
        }
        for change in &commit.changes {
            update(&mut tx, change).await?;
        }
        if let Some(cap) = commit.cap {
            let keys = self.keys(&mut *tx, &commit.owner).await?;
            let states = keys.iter().map(|key| key.effective_status(cap.at));
            let usable = states.filter(|state| *state == EffectiveStatus::Active);
            if usable.count() > cap.limit as usize {
                return Err(WriteError::CapReached(cap.limit));
            }
        }
        Ok(tx.commit().await.map_err(StoreError::unavailable)?)
    }

    async fn end(&self, ending: &Ending) -> Result<Vec<CredentialId>, WriteError> {
        let mut tx = self.begin(&ending.authority).await?;
        let one = match &ending.target {
            EndTarget::One(id) => Some(id.as_str()),
            EndTarget::All => None,
        };
        let ended: Vec<String> = sqlx::query_scalar(
            "UPDATE api_keys SET status = ?1 WHERE account_id = ?2 AND (?3 IS NULL OR id = ?3)
                AND status NOT IN ('deleted', ?1) RETURNING id",
        )
        .bind(ending.to.status().as_str())
        .bind(ending.owner.organization())
        .bind(one)
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::unavailable)?;
        tx.commit().await.map_err(StoreError::unavailable)?;
        Ok(ended.into_iter().map(Into::into).collect())
    }
}

async fn insert(db: &mut SqliteConnection, new: &NewCredential) -> Result<(), WriteError> {
    let info = &new.info;
    let Some(account) = info.owner.organization() else {
        return Err(WriteError::Unsupported);
    };
    if info.role.is_some() || new.idempotency.is_some() {
        return Err(WriteError::Unsupported);
    }
    check_credential_id(info.kind(), info.id.as_str())?;
    let open = sqlx::query("SELECT 1 FROM accounts WHERE id = ? AND NOT closed").bind(account);
    let open = open
        .fetch_optional(&mut *db)
        .await
        .map_err(StoreError::unavailable)?;
    open.ok_or_else(|| WriteError::UnknownOrganization(account.into()))?;
    let done = sqlx::query(
        "INSERT INTO api_keys (id, account_id, name, digest, scopes, status, created_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(info.id.as_str())
    .bind(account)
    .bind(&*info.name)
    .bind(new.digest.to_bytes().to_vec())
    .bind(info.scopes.as_deref().unwrap_or_default().join(" "))
    .bind(info.status.as_str())
    .bind(seconds(info.created_at))
    .bind(info.expires_at.map(seconds))
    .execute(db)
    .await
    .map_err(StoreError::unavailable)?;
    match done.rows_affected() {
        0 => Err(WriteError::Taken(info.id.as_str().into())),
        _ => Ok(()),
    }
}

async fn update(db: &mut SqliteConnection, change: &Update) -> Result<(), WriteError> {
    let (before, after) = (&change.before, &change.after);
    if after.rotated_to.is_some() {
        return Err(WriteError::Unsupported);
    }
    let done = sqlx::query(
        "UPDATE api_keys SET name = ?, status = ?, expires_at = ?
        WHERE id = ? AND account_id = ? AND name = ? AND status = ? AND expires_at IS ?",
    )
    .bind(&*after.name)
    .bind(after.status.as_str())
    .bind(after.expires_at.map(seconds))
    .bind(before.id.as_str())
    .bind(before.owner.organization())
    .bind(&*before.name)
    .bind(before.status.as_str())
    .bind(before.expires_at.map(seconds))
    .execute(db)
    .await
    .map_err(StoreError::unavailable)?;
    match done.rows_affected() {
        0 => Err(WriteError::Changed),
        _ => Ok(()),
    }
}

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code, reason = "a test includes this file for its store")]
async fn main() -> Result<(), Box<dyn Error>> {
    let catalogue = Catalogue::builder()
        .role("owner", ["orders:read", "orders:write", "keys:manage"])
        .role("staff", ["orders:read"])
        .build()?;
    let keys = Keys::open(catalogue.clone()).await?;
    let people =
        "INSERT INTO accounts (id) VALUES ('acme'); INSERT INTO people (id) VALUES ('ada');
        INSERT INTO members VALUES ('acme', 'ada', 'owner');";
    sqlx::raw_sql(people).execute(&keys.db).await?;

    // Your sign-in knows that this is Ada; the store checks that she still is an owner of Acme.
    let scopes = catalogue.scopes_of("owner").ok_or("no such role")?;
    let ada = Actor::user("ada").acting_in("acme", scopes);
    let manager = Manager::new(keys.clone())
        .with_management_scopes(["keys:manage"])?
        .on_event(|event| println!("audit: {} {:?}", event.action.as_str(), event.by));
    let request = NewKey::named("nightly export").with_scopes(["orders:read"]);
    let issued = manager.issue_key(&ada, request).await?;
    let id = issued.info().id.clone();
    let token = issued.into_secret().ok_or("a new key has a secret")?;

    let mut service = AuthLayer::new(keys.clone()).layer(service_fn(orders));
    let mut call = async || {
        let header = format!("Bearer {}", token.expose_secret());
        let request = Request::builder()
            .header("authorization", header)
            .body(String::new())?;
        let response = service.ready().await?.call(request).await?;
        Ok::<StatusCode, Box<dyn Error>>(response.status())
    };
    println!("with the new key: {}", call().await?);
    manager.delete(&ada, Kind::OrgKey, id.as_str()).await?;
    println!("after its deletion: {}", call().await?);

    sqlx::raw_sql("DELETE FROM members")
        .execute(&keys.db)
        .await?;
    let refused = manager.issue_key(&ada, NewKey::named("late")).await;
    println!(
        "Ada has left Acme: {}",
        refused.err().ok_or("she got a key")?
    );
    Ok(())
}

async fn orders(request: Request<String>) -> Result<Response<String>, Infallible> {
    let caller = request.extensions().get::<Principal>();
    println!("orders for {:?}", caller.and_then(Principal::organization));
    Ok(Response::new(String::new()))
}

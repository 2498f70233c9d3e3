//! A SQLite file with a store over it, and a connection that writes what no store would: the checks
//! of the schema are off, as they are for anyone who switches them off in the `sqlite3` program.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tower_api_key::{
    scope::Catalogue,
    store::{Change, Directory, Feed, FeedEvent},
};
use tower_api_key_sqlx::{SqliteStore, sqlite::SqliteFeed};

use crate::runtime::wait;

/// The store, its feed, and the connection behind its back.
pub struct Database {
    /// The store.
    pub store: SqliteStore,
    feed: SqliteFeed,
    raw: SqliteConnection,
    sentinels: u64,
    _directory: TempDir,
}

/// A row of the change log, as bytes that are written as text.
#[derive(arbitrary::Arbitrary, Clone, Debug)]
pub struct LogRow {
    subject: Word,
    kind: Option<Word>,
    id: Word,
    at: Time,
    /// How many numbers are left out before it.
    gap: u8,
    /// Whether it is removed again before anyone reads it.
    removed: bool,
}

/// When a change was made.
#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
enum Time {
    Now(i16),
    First,
    Last,
    Any(i64),
}

impl Time {
    fn millis(self) -> i64 {
        match self {
            Self::Now(offset) => crate::world::NOW + i64::from(offset),
            Self::First => i64::MIN,
            Self::Last => i64::MAX,
            Self::Any(millis) => millis,
        }
    }
}

#[derive(arbitrary::Arbitrary, Clone, Debug)]
enum Word {
    Credential,
    User,
    Organization,
    OrgKey,
    Pat,
    Raw(Vec<u8>),
}

impl Word {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Credential => b"credential".to_vec(),
            Self::User => b"user".to_vec(),
            Self::Organization => b"organization".to_vec(),
            Self::OrgKey => b"org_key".to_vec(),
            Self::Pat => b"pat".to_vec(),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

impl LogRow {
    /// Returns whether the row has nothing that SQLite could refuse.
    fn is_plain(&self) -> bool {
        let plain = |word: &Word| !matches!(word, Word::Raw(_));
        plain(&self.subject) && self.kind.as_ref().is_none_or(plain) && plain(&self.id)
    }

    /// Returns the change that the row stands for: everything, if it is not one of the triggers'.
    fn change(&self) -> Change {
        use tower_api_key::credential::Kind::{OrgKey, PersonalToken};
        let Ok(id) = String::from_utf8(self.id.bytes()) else {
            return Change::Everything;
        };
        let kind = self.kind.as_ref().map(Word::bytes);
        let kind = match kind.as_deref() {
            Some(b"org_key") => Some(OrgKey),
            Some(b"pat") => Some(PersonalToken),
            _ => None,
        };
        match (self.subject.bytes().as_slice(), kind) {
            (b"user", _) => Change::User(id.into()),
            (b"organization", _) => Change::Organization(id.into()),
            (b"credential", Some(kind)) => Change::Credential {
                kind,
                id: id.into(),
            },
            _ => Change::Everything,
        }
    }
}

impl Database {
    /// Creates a file in a directory of its own.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.db");
        wait(async {
            let store = SqliteStore::open(&path, Catalogue::anyreach()).await;
            let store = store.expect("a store");
            let feed = store.feed().await.expect("a feed");
            let options = SqliteConnectOptions::new()
                .filename(&path)
                .foreign_keys(false)
                .pragma("synchronous", "OFF")
                .pragma("ignore_check_constraints", "ON");
            let raw = SqliteConnection::connect_with(&options).await;
            Self {
                store,
                feed: feed.with_poll_interval(Duration::ZERO),
                raw: raw.expect("a connection"),
                sentinels: 0,
                _directory: directory,
            }
        })
    }

    /// Writes the rows into the log, and asserts that the feed tells all of them, or tells that
    /// everything may have changed.
    ///
    /// # Panics
    /// If a change is missing, or the feed does not recover.
    pub async fn assert_followed(&mut self, rows: &[LogRow]) {
        let mut wanted = Vec::new();
        let mut missing = 0;
        for row in rows {
            let Some(number) = self.write(row).await else {
                continue;
            };
            missing += u64::from(row.gap);
            if row.removed {
                self.remove(number).await;
                missing += 1;
                continue;
            }
            if std::mem::take(&mut missing) > 0 {
                wanted.push(Change::Everything);
            }
            wanted.push(row.change());
        }
        let sentinel = self.sentinel().await;
        if missing > 0 {
            wanted.push(Change::Everything);
        }
        let told = self.told_before(&sentinel).await;
        assert_eq!(told, wanted, "{rows:?}");
    }

    /// Inserts a row, and returns its number; `None` if SQLite refuses it.
    async fn write(&mut self, row: &LogRow) -> Option<i64> {
        let insert = "INSERT INTO tower_api_key_changes (seq, at, subject, kind, id)
            SELECT coalesce(max(seq), 0) + ?1, ?2, CAST(?3 AS TEXT),
                CAST(?4 AS TEXT), CAST(?5 AS TEXT)
            FROM sqlite_sequence WHERE name = 'tower_api_key_changes' RETURNING seq";
        let insert = sqlx::query_scalar(insert)
            .bind(i64::from(row.gap) + 1)
            .bind(row.at.millis())
            .bind(row.subject.bytes())
            .bind(row.kind.as_ref().map(Word::bytes))
            .bind(row.id.bytes());
        match insert.fetch_all(&mut self.raw).await {
            Ok(numbers) => numbers.first().copied(),
            Err(error) => {
                assert!(!row.is_plain(), "{error:?}: {row:?}");
                None
            }
        }
    }

    async fn remove(&mut self, number: i64) {
        let delete = sqlx::query("DELETE FROM tower_api_key_changes WHERE seq = ?1").bind(number);
        delete.execute(&mut self.raw).await.expect("a deletion");
    }

    /// Makes a change of which the name is known.
    async fn sentinel(&mut self) -> String {
        self.sentinels += 1;
        let sentinel = format!("sentinel-{}", self.sentinels);
        let created = self.store.create_user(&sentinel).await;
        created.expect("a new user");
        sentinel
    }

    /// Returns the changes that the feed tells before a sentinel. A busy machine may make it lose
    /// its connection for a while.
    async fn told_before(&mut self, sentinel: &str) -> Vec<Change> {
        let end = Change::User(sentinel.into());
        let mut told = Vec::new();
        let all = async {
            loop {
                match self.feed.next().await {
                    Some(FeedEvent::Changed(change)) if change == end => return,
                    Some(FeedEvent::Changed(change)) => told.push(change),
                    Some(FeedEvent::Lost | FeedEvent::Restored) => {}
                    None => panic!("the feed has ended"),
                }
            }
        };
        let all = tokio::time::timeout(Duration::from_secs(60), all).await;
        assert!(all.is_ok(), "the feed does not recover: {told:?}");
        told
    }

    /// Runs a statement behind the store's back, with bytes as its arguments; returns whether
    /// SQLite accepted it.
    pub async fn run(&mut self, sql: &'static str, arguments: &[Option<Vec<u8>>]) -> bool {
        let query = arguments.iter().fold(sqlx::query(sql), |query, argument| {
            query.bind(argument.clone())
        });
        query.execute(&mut self.raw).await.is_ok()
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

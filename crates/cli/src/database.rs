//! The database of the store: which one, and how it is opened.

use std::{future::Future, path::PathBuf};

use tower_api_key::{
    scope::Catalogue,
    secret::Peppers,
    store::{Directory, ManageStore},
};
use tower_api_key_sqlx::{PostgresStore, SetupError, SqliteStore};

use crate::{
    args::Global,
    failure::Failure,
    settings::{self, SettingsError},
};

/// A store that commands run over.
pub(crate) trait Backend: ManageStore + Directory + Clone {
    /// Verifies what the store relies on in its database.
    fn check(&self) -> impl Future<Output = Result<(), SetupError>> + Send;

    /// Closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

impl Backend for SqliteStore {
    async fn check(&self) -> Result<(), SetupError> {
        self.check().await
    }

    async fn close(&self) {
        self.close().await;
    }
}

impl Backend for PostgresStore {
    async fn check(&self) -> Result<(), SetupError> {
        self.check().await
    }

    async fn close(&self) {
        self.close().await;
    }
}

/// An open store.
pub(crate) enum Database {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Database {
    /// Opens a store that exists. Creates no file.
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        let parts = Parts::of(global)?;
        match Location::of(global)? {
            Location::Sqlite(path) => {
                let store = SqliteStore::open_existing(path, parts.catalogue.clone()).await?;
                Ok(Self::Sqlite(parts.in_sqlite(store)?))
            }
            Location::Postgres(url) => {
                let store = PostgresStore::connect(&url, parts.catalogue.clone()).await?;
                Ok(Self::Postgres(parts.in_postgres(store, global)?))
            }
        }
    }

    /// Creates the store's schema, and a SQLite file, or updates them.
    pub(crate) async fn migrate(global: &Global) -> Result<(), Failure> {
        let parts = Parts::of(global)?;
        match Location::of(global)? {
            Location::Sqlite(path) => {
                SqliteStore::open(path, parts.catalogue)
                    .await?
                    .close()
                    .await;
            }
            Location::Postgres(url) => {
                let store = PostgresStore::connect(&url, parts.catalogue.clone()).await?;
                let store = parts.in_postgres(store, global)?;
                store.migrate().await?;
                store.close().await;
            }
        }
        Ok(())
    }
}

/// Where the database is. It has no `Debug`, since a URL can contain a password.
enum Location {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Location {
    fn of(global: &Global) -> Result<Self, Failure> {
        let url = global.database.as_deref().ok_or(Failure::NoDatabase)?;
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return match url.contains("://") {
                true => Ok(Self::Postgres(url.to_owned())),
                false => Err(Failure::NoDatabase),
            };
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains('?') || path.starts_with(':') {
            return Err(Failure::NoDatabase);
        }
        match &global.schema {
            Some(_) => Err(Failure::SchemaOfSqlite),
            None => Ok(Self::Sqlite(path.into())),
        }
    }
}

/// What a store has besides its database.
struct Parts {
    catalogue: Catalogue,
    peppers: Option<Peppers>,
}

impl Parts {
    fn of(global: &Global) -> Result<Self, SettingsError> {
        Ok(Self {
            catalogue: settings::catalogue(&global.service)?,
            peppers: settings::peppers(&global.service)?,
        })
    }

    fn in_sqlite(self, store: SqliteStore) -> Result<SqliteStore, Failure> {
        let store = store.with_salted_digests(settings::salted_digests()?);
        Ok(match self.peppers {
            Some(peppers) => store.with_peppers(peppers),
            None => store,
        })
    }

    fn in_postgres(self, store: PostgresStore, global: &Global) -> Result<PostgresStore, Failure> {
        let store = store.with_salted_digests(settings::salted_digests()?);
        let store = match self.peppers {
            Some(peppers) => store.with_peppers(peppers),
            None => store,
        };
        Ok(match &global.schema {
            Some(name) => store.with_schema(name)?,
            None => store,
        })
    }
}

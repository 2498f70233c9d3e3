//! This crate with its credentials in SQLite, behind its cache.

use std::time::Duration;

use tower_api_key::{
    scope::Catalogue,
    secret::Digest,
    store::{Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Record},
};
use tower_api_key_sqlx::SqliteStore;

use crate::support::fixtures::{ORGANIZATION, key, key_id};

/// A cache that has just read the key `live` from a database and keeps it for longer than a bench
/// runs. Its TTL is finite, so each hit reads the monotonic clock, as in a service.
pub(crate) fn cached_sqlite() -> Cached<SqliteStore> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = SqliteStore::in_memory(Catalogue::anyreach()).await.unwrap();
        store.create_organization(ORGANIZATION, None).await.unwrap();
        let live = Record::org_key(
            key_id("live"),
            Digest::of(key("live").as_bytes()),
            ORGANIZATION,
        );
        store
            .insert(live.with_role("viewer", store.catalogue()).unwrap())
            .await
            .unwrap();
        let cache = Cached::new(store).with_ttl(Duration::from_secs(3600));
        cache
            .find(&Lookup::new(
                LookupKey::OrgKey {
                    id: &key_id("live"),
                },
                None,
            ))
            .await
            .unwrap()
            .unwrap();
        cache
    })
}

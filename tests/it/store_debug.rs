//! The `Debug` output of what the module `store` exports: it names the type, shows what an operator
//! may see, and contains neither an id that a client presented nor a digest.

use std::time::Duration;

use tower_api_key::{
    scope::Catalogue,
    secret::Digest,
    store::{Cached, Lookup, LookupKey, MemoryStore},
};

use crate::support::held_store::filled_memory;

#[test]
fn a_lookup_shows_the_kind_of_credential_alone() {
    let digest = Digest::of(b"pat_planted");
    let key = LookupKey::OrgKey { id: "planted" };
    let token = LookupKey::PersonalToken { digest: &digest };
    for (key, own, whole) in [
        (key, "OrgKey(..)", "Lookup { kind: OrgKey, .. }"),
        (
            token,
            "PersonalToken(..)",
            "Lookup { kind: PersonalToken, .. }",
        ),
    ] {
        assert_eq!(format!("{key:?}"), own);
        let lookup = Lookup::new(key, Some("org_planted"));
        assert_eq!(format!("{lookup:?}"), whole);
    }
}

#[test]
fn a_store_in_memory_shows_how_many_credentials_it_has() {
    let shown = format!("{:?}", filled_memory());
    assert_eq!(shown, "MemoryStore { keys: 1, tokens: 1, .. }");
}

#[test]
fn a_catalogue_shows_its_roles() {
    let builder = Catalogue::builder().role("viewer", ["agents:read"]);
    let shown = format!("{:?}", builder.build().unwrap());
    assert!(shown.starts_with("Catalogue(Tables {"), "{shown}");
    assert!(shown.contains(r#""viewer": {"agents:read"}"#), "{shown}");
}

#[test]
fn a_cache_shows_its_settings() {
    let cache = Cached::new(MemoryStore::new())
        .with_capacity(7)
        .with_miss_rate_limit(50)
        .danger_with_stale_accepts(Duration::from_secs(30));
    let shown = "Cached { settings: Settings { time_to_live: 5s, capacity: 7, \
                 negative_time_to_live: 1s, negative_capacity: 10000, bound_after_loss: 6s, \
                 lookup_deadline: 1s, miss_rate_limit: Some(50), stale_accepts: Some(30s) }, .. }";
    assert_eq!(format!("{cache:?}"), shown);
    assert_eq!(format!("{:?}", cache.store()), "StoreReader { .. }");
}

//! What a reload changes, and when.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;

fn reload(store: &StaticStore, list: Value) -> Result<(), StaticError> {
    store.reload(serde_json::from_value(list).unwrap())
}

#[tokio::test]
async fn a_reload_counts_in_the_next_request_and_for_every_clone() {
    let store =
        store(json!({ "keys": [key_entry("old", "viewer"), key_entry("stays", "viewer")] }));
    let store = store.unwrap();
    let clone = store.clone();
    reload(
        &store,
        json!({ "keys": [key_entry("new", "viewer"), key_entry("stays", "admin")] }),
    )
    .unwrap();
    for store in [store, clone] {
        for (id, plain, manage) in [("old", 401, 401), ("new", 200, 403), ("stays", 200, 200)] {
            assert_eq!(status(&store, "/", &key(id)).await, plain, "{id}");
            assert_eq!(status(&store, "/manage", &key(id)).await, manage, "{id}");
        }
    }
}

#[tokio::test]
async fn a_bad_list_leaves_the_old_one_in_force_as_a_whole() {
    let store = store(json!({ "keys": [key_entry("old", "viewer")] })).unwrap();
    let bad = [
        json!({}),
        json!({ "keys": [key_entry("new", "admin"), key_entry("old", "no-such-role")] }),
        json!({ "keys": [key_entry("new", "admin")], "tokens": [{}] }),
    ];
    for list in bad {
        reload(&store, list.clone()).unwrap_err();
        assert_eq!(status(&store, "/", &key("old")).await, 200, "{list}");
        assert_eq!(status(&store, "/manage", &key("old")).await, 403, "{list}");
        assert_eq!(status(&store, "/", &key("new")).await, 401, "{list}");
    }
    reload(&store, json!({ "keys": [] })).unwrap();
    assert_eq!(status(&store, "/", &key("old")).await, 401);
}

#[tokio::test]
async fn a_cache_around_it_learns_of_a_reload_by_a_change_of_everything() {
    let store = store(json!({ "keys": [key_entry("old", "viewer")] })).unwrap();
    let cache = Cached::new(store.clone());
    assert_eq!(status(&cache, "/", &key("old")).await, 200);
    reload(&store, json!({ "keys": [] })).unwrap();
    cache.apply(&Change::Everything);
    assert_eq!(status(&cache, "/", &key("old")).await, 401);
}

/// In list `n` the key and the token are those of organization `n`, and the scopes are those of
/// `n`'s parity.
fn numbered(n: usize) -> Value {
    let (organization, role) = (format!("org_{n}"), ["viewer", "admin"][n % 2]);
    let membership = json!({ "organization": "org", "role": role });
    json!({
        "keys": [{
            "id": "k", "digest": digest(&format!("ak_k.{n}")), "organization": organization,
            "role": role, "expires_at": n,
        }],
        "tokens": [{
            "id": organization, "digest": digest("pat_t"), "user": organization,
            "memberships": [membership], "expires_at": n,
        }],
    })
}

/// The number of the list that both records are whole from.
fn list_of(record: &Record) -> usize {
    let n = usize::try_from(record.expires_at().unwrap().0).unwrap();
    let (name, role) = (format!("org_{n}"), ["viewer", "admin"][n % 2]);
    assert_eq!(record.role(), Some(role));
    match record.kind() {
        Kind::OrgKey => {
            assert_eq!(record.organization().unwrap().as_str(), name);
            assert_eq!(record.digest().to_hex(), digest(&format!("ak_k.{n}")));
        }
        Kind::PersonalToken => {
            assert_eq!(
                (record.id(), record.user().unwrap().as_str()),
                (&*name, &*name)
            );
        }
    }
    n
}

#[test]
fn an_answer_is_from_one_list_and_never_from_one_that_was_replaced_before_it_was_asked_for() {
    const LISTS: usize = 2000;
    let store = store(numbered(0)).unwrap();
    let (reloaded, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let token = Digest::of(b"pat_t");
    let lookups = [
        Lookup::new(LookupKey::OrgKey { id: "k" }, None),
        Lookup::new(LookupKey::PersonalToken { digest: &token }, Some("org")),
    ];
    let read = || {
        let mut seen = std::collections::HashSet::new();
        while !ended.load(SeqCst) {
            for lookup in &lookups {
                let before = reloaded.load(SeqCst);
                let Peek::Found(record) = store.peek(lookup) else {
                    panic!("each list has both")
                };
                let list = list_of(&record);
                assert!(list >= before, "list {list} after the reload of {before}");
                seen.insert(list);
            }
        }
        seen.len()
    };
    let seen = std::thread::scope(|scope| {
        let readers = [(); 3].map(|()| scope.spawn(read));
        for n in 1..LISTS {
            reload(&store, numbered(n)).unwrap();
            reloaded.store(n, SeqCst);
        }
        ended.store(true, SeqCst);
        readers.map(|reader| reader.join().unwrap())
    });
    println!("of {LISTS} lists the readers saw {seen:?}");
}

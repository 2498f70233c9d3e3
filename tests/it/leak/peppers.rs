//! The secret of a pepper, and digests computed with it.

use std::{error::Error, fmt::Write as _, sync::Arc};

use tower::Layer;
use tower_api_key::{
    AuthLayer, ConfigError,
    scope::Catalogue,
    secret::{Digest, Peppers},
    store::{Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Record},
};
use tower_api_key_sqlx::SqliteStore;

use super::{
    ORG, logs,
    planted_secret::PlantedSecret,
    support::{Inner, ask, bearer, key},
};

/// A pepper needs at least 32 bytes; the test of a short one uses the first 31.
const SECRET: &str = "test-Pepper-Canary-0123456789-qwertz";

/// The pepper's secret in the form of a token.
fn planted_secret() -> PlantedSecret {
    PlantedSecret::new(&format!("ak_pepper.{SECRET}"))
}

/// Fails if the text contains the digest in the form that a store keeps.
fn assert_hidden(digest: &Digest, text: &str) {
    let bytes = digest.to_bytes();
    for form in [
        hex::encode(bytes),
        hex::encode_upper(bytes),
        format!("{bytes:?}"),
    ] {
        assert!(!text.contains(&form), "{text}");
    }
}

/// A store with the key `k` in [`ORG`], and the record of that key.
async fn store_with_key(pepper: &str) -> (SqliteStore, Arc<Record>) {
    let store = SqliteStore::in_memory(Catalogue::anyreach())
        .await
        .unwrap()
        .with_peppers(Peppers::new(pepper, SECRET.as_bytes()).unwrap());
    store.create_organization(ORG, None).await.unwrap();
    store
        .insert(Record::org_key("k", Digest::of(key("k").as_bytes()), ORG))
        .await
        .unwrap();
    let lookup = Lookup::new(LookupKey::OrgKey { id: "k" }, None);
    let record = store.find(&lookup).await.unwrap().unwrap();
    (store, record)
}

#[test]
fn pepper_errors_do_not_contain_the_secret() {
    let good = || Peppers::new("good", SECRET.as_bytes()).unwrap();
    let short: ConfigError = Peppers::new("short", &SECRET.as_bytes()[..31]).unwrap_err();
    for error in [
        short,
        Peppers::new("no name", SECRET.as_bytes()).unwrap_err(),
        good().with_other("good", SECRET.as_bytes()).unwrap_err(),
    ] {
        planted_secret()
            .assert_absent_from(&format!("{error} {error:?} {error:#?}"), "ConfigError");
    }
}

#[tokio::test]
async fn debug_output_shows_only_the_name_of_a_pepper() {
    let (store, found) = store_with_key("visible").await;
    let pepper = Peppers::new("visible", SECRET.as_bytes()).unwrap();
    let layer = AuthLayer::new(store.clone());
    let service = layer.layer(Inner::default());
    let mut text = format!(
        "{pepper:?} {pepper:#?} {:?} {:?}",
        pepper.current(),
        store.decoy_pepper()
    );
    write!(
        text,
        "{store:?} {store:#?} {found:?} {found:#?} {layer:?} {service:#?}"
    )
    .unwrap();
    write!(text, "{:?}", Cached::new(store)).unwrap();
    assert!(text.contains("visible"), "{text}");
    planted_secret().assert_absent_from(&text, "Debug");
    assert_hidden(found.digest(), &text);
    assert_hidden(&Digest::of(key("k").as_bytes()), &text);
}

#[tokio::test]
async fn no_response_or_log_contains_a_pepper_or_a_peppered_digest() {
    let (before, kept) = store_with_key("before").await;
    let after = before
        .clone()
        .with_peppers(Peppers::new("after", SECRET.as_bytes()).unwrap());
    logs::start();
    let (mut statuses, mut text) = (Vec::new(), String::new());
    for store in [before, after] {
        let auth = AuthLayer::new(store);
        for token in [
            key("k"),
            "ak_k.wrong".to_owned(),
            key("unknown"),
            "pat_test-unknown".to_owned(),
        ] {
            let answer = ask(&auth, bearer(&token)).await;
            statuses.push(answer.status);
            write!(text, "{:?} {:#?}", answer.wire(), answer.principal()).unwrap();
            let mut next = answer
                .rejection
                .as_ref()
                .map(|rejection| rejection as &dyn Error);
            while let Some(error) = next {
                write!(text, "{error} {error:?}").unwrap();
                next = error.source();
            }
        }
    }
    text += &logs::take();
    assert_eq!(statuses, [200, 401, 401, 401, 503, 503, 401, 401]);
    assert!(
        text.contains("unknown_pepper") && text.contains("before"),
        "{text}"
    );
    planted_secret().assert_absent_from(&text, "answers and logs");
    assert_hidden(kept.digest(), &text);
    assert_hidden(&Digest::of(key("k").as_bytes()), &text);
}

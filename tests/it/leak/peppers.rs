//! The secret of a pepper, and digests under one.

use std::{error::Error, fmt::Write as _};

use tower::Layer;
use tower_api_key::{
    AuthLayer, ConfigError,
    scope::Catalogue,
    secret::{Digest, Peppers},
    store::{Cached, CredentialStore, Directory, Lookup, LookupKey, ManageStore, Record},
};
use tower_api_key_sqlx::SqliteStore;

use super::{
    ORG,
    canary::Canary,
    logs,
    support::{Inner, ask, bearer, key},
};

/// 32 bytes are the least; the ones behind them are cut off for a pepper that is too short.
const SECRET: &str = "test-Pepper-Canary-0123456789-qwertz";

/// A watch over the secret, in the form of a token.
fn canary() -> Canary {
    Canary::new(&format!("ak_pepper.{SECRET}"))
}

/// Fails when the text shows a digest, as a store keeps it.
fn hides(digest: &Digest, text: &str) {
    let bytes = digest.to_bytes();
    for form in [
        hex::encode(bytes),
        hex::encode_upper(bytes),
        format!("{bytes:?}"),
    ] {
        assert!(!text.contains(&form), "{text}");
    }
}

async fn store(name: &str, secret: &str) -> SqliteStore {
    let peppers = Peppers::new(name, secret.as_bytes()).unwrap();
    SqliteStore::in_memory(Catalogue::anyreach())
        .await
        .unwrap()
        .with_peppers(peppers)
}

#[test]
fn what_is_wrong_with_a_pepper_is_told_without_its_secret() {
    let good = || Peppers::new("good", SECRET.as_bytes()).unwrap();
    let short: ConfigError = Peppers::new("short", &SECRET.as_bytes()[..31]).unwrap_err();
    for error in [
        short,
        Peppers::new("no name", SECRET.as_bytes()).unwrap_err(),
        good().with_older("good", SECRET.as_bytes()).unwrap_err(),
    ] {
        canary().absent_from(&format!("{error} {error:?} {error:#?}"), "ConfigError");
    }
}

#[tokio::test]
async fn debug_of_whatever_has_a_pepper_shows_its_name_alone() {
    let store = store("visible", SECRET).await;
    let pepper = Peppers::new("visible", SECRET.as_bytes()).unwrap();
    store.create_organization(ORG, None).await.unwrap();
    store
        .insert(Record::org_key("k", Digest::of(key("k").as_bytes()), ORG))
        .await
        .unwrap();
    let found = store
        .find(&Lookup::new(LookupKey::OrgKey { id: "k" }, None))
        .await
        .unwrap()
        .unwrap();
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
    canary().absent_from(&text, "Debug");
    hides(found.digest(), &text);
    hides(&Digest::of(key("k").as_bytes()), &text);
}

#[tokio::test]
async fn no_answer_and_no_log_shows_a_pepper_or_a_digest_under_one() {
    let before = store("before", SECRET).await;
    before.create_organization(ORG, None).await.unwrap();
    before
        .insert(Record::org_key("k", Digest::of(key("k").as_bytes()), ORG))
        .await
        .unwrap();
    let kept = before
        .find(&Lookup::new(LookupKey::OrgKey { id: "k" }, None))
        .await
        .unwrap()
        .unwrap();
    let after = before
        .clone()
        .with_peppers(Peppers::new("after", SECRET.as_bytes()).unwrap());
    logs::start();
    let (mut statuses, mut text) = (Vec::new(), String::new());
    for store in [before, after] {
        let door = AuthLayer::new(store);
        for token in [
            key("k"),
            "ak_k.wrong".to_owned(),
            key("nobody"),
            "pat_test-nobody".to_owned(),
        ] {
            let answer = ask(&door, bearer(&token)).await;
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
    canary().absent_from(&text, "answers and logs");
    hides(kept.digest(), &text);
    hides(&Digest::of(key("k").as_bytes()), &text);
}

//! Rotating: point 23.

use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    manage::{NewKey, NewToken},
    store::Status,
};

use super::support::{Console, DAY, HOUR, KEYS, TOKENS};
use crate::support::START;

#[tokio::test]
async fn point_23_a_rotation_offers_four_ends_and_links_both_keys() {
    for (overlap, end) in [
        ("0", None),
        ("3600", Some(HOUR)),
        ("86400", Some(DAY)),
        ("604800", Some(7 * DAY)),
    ] {
        let console = Console::new().await;
        let alice = console.browser("alice");
        let new = NewKey::named("ci").with_role("viewer");
        let new = new.expiring_at(UnixMillis(START + 100 * DAY));
        let old = console.key("org_1", new).await;
        let path = format!("{KEYS}/{}/rotate", old.id);
        let page = alice.get(&path).await.document();
        assert!(page.text().contains("The old key ends as you choose here:"));
        let form = page.form(&path);
        assert_eq!(form.get("overlap"), Some("86400"));
        assert_eq!(form.get("expiry"), Some("same"));
        let seen = alice.submit(&form.set("overlap", overlap)).await;
        let secret = seen.secret();
        let text = seen.document().text();
        assert_eq!(seen.document().text_of("secret-title"), "API key rotated");
        assert_eq!(console.call(&secret).await, 200);
        let keys = console.all(Kind::OrgKey, "org_1").await;
        let successor = keys.iter().find(|key| key.rotated_from.is_some()).unwrap();
        assert_eq!(successor.expires_at, Some(UnixMillis(START + 100 * DAY)));
        let list = alice.get(KEYS).await;
        let Some(end) = end else {
            assert!(text.contains("The old key has ended."), "{text}");
            assert_eq!((keys.len(), console.call(&old.secret).await), (1, 401));
            continue;
        };
        assert!(text.contains("The old key works until 2023-11-"), "{text}");
        let old_info = keys.iter().find(|key| key.id.as_str() == old.id).unwrap();
        assert_eq!(old_info.expires_at, Some(UnixMillis(START + end)));
        assert_eq!((keys.len(), console.call(&old.secret).await), (2, 200));
        for (from, to, words) in [
            (successor.id.as_str(), &*old.id, "Replaces"),
            (&*old.id, successor.id.as_str(), "Replaced by"),
        ] {
            let link = format!("{words} <a href=\"{KEYS}#row-{to}\"><code>ak_{to}</code></a>");
            assert!(list.html.contains(&link), "{from} {link}");
        }
        // What has a successor is not rotated again.
        assert!(!list.html.contains(&format!("{KEYS}/{}/rotate", old.id)));
        console.clock.advance_millis(end);
        assert_eq!(console.call(&old.secret).await, 401);
    }
}

#[tokio::test]
async fn a_rotation_that_is_sent_twice_makes_one_successor() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let old = console.token("alice", NewToken::named("laptop")).await;
    let path = format!("{TOKENS}/{}/rotate", old.id);
    let form = alice.open(&path, &path).await;
    let (first, again) = tokio::join!(alice.submit(&form), alice.submit(&form));
    assert_eq!((first.status, again.status), (201, 200));
    assert!(!again.html.contains(&first.secret()));
    assert!(again.document().text().contains("has already been created"));
    assert_eq!(console.all(Kind::PersonalToken, "alice").await.len(), 2);
}

#[tokio::test]
async fn an_expired_key_is_rotated_to_one_that_is_valid() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let new = NewKey::named("ci").with_role("viewer");
    let old = console
        .key("org_1", new.expiring_at(UnixMillis(START + 1)))
        .await;
    console.clock.advance_millis(DAY);
    let path = format!("{KEYS}/{}/rotate", old.id);
    let form = alice.open(&path, &path).await;
    assert_eq!(form.get("expiry"), Some("30"));
    let seen = alice.submit(&form).await;
    assert_eq!(console.call(&seen.secret()).await, 200);
}

#[tokio::test]
async fn what_is_filled_in_wrongly_is_named_and_kept() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let key = console
        .key("org_1", NewKey::named("ci").with_role("viewer"))
        .await;
    let path = format!("{KEYS}/{}/rotate", key.id);
    let form = alice.open(&path, &path).await;
    for (field, value, error, message) in [
        (
            "overlap",
            "60",
            "overlap-error",
            "Choose when the old one ends.",
        ),
        ("expiry", "5", "expiry-error", "Choose when it expires."),
        (
            "date",
            "2023-11-14",
            "date-error",
            "Choose a day after today.",
        ),
    ] {
        let wrong = form
            .clone()
            .set("expiry", "custom")
            .set("date", "2023-12-01");
        let seen = alice.submit(&wrong.set(field, value)).await;
        assert_eq!(seen.status, 422, "{field}");
        let document = seen.document();
        assert_eq!(document.text_of(error), message);
        assert!(document.form(&path).get("overlap").is_some());
    }
    let id = key.id.as_str();
    let info = console.all(Kind::OrgKey, "org_1").await.remove(0);
    assert_eq!((info.id.as_str(), info.rotated_to), (id, None));
}

#[tokio::test]
async fn what_cannot_be_rotated_says_why() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let key = console
        .key("org_1", NewKey::named("ci").with_role("viewer"))
        .await;
    let path = format!("{KEYS}/{}/rotate", key.id);
    let form = alice.open(&path, &path).await;
    let disable = alice
        .open(KEYS, &format!("{KEYS}/{}/disable", key.id))
        .await;
    assert_eq!(alice.submit(&disable).await.status, 303);
    let seen = alice.submit(&form).await;
    assert_eq!(seen.status, 409);
    assert!(
        seen.document()
            .text()
            .contains("The credential is disabled.")
    );
    let info = console.all(Kind::OrgKey, "org_1").await.remove(0);
    assert_eq!(info.status, Status::Disabled);
}

//! Editing, disabling, enabling and deleting: points 22 and 24.

use std::time::Duration;

use tower_api_key::{credential::Kind, manage::NewKey, store::Status};

use super::support::{Console, DAY, KEYS};

#[tokio::test]
async fn point_22_deleting_names_the_key_and_its_last_use() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let key = console
        .key("org_1", NewKey::named("ci-deploy").with_role("viewer"))
        .await;
    let path = format!("{KEYS}/{}/delete", key.id);
    let disable = format!("{KEYS}/{}/disable", key.id);
    let document = alice.get(&path).await.document();
    let text = document.text();
    assert!(text.contains("Delete ci-deploy?") && text.contains("No use of it is recorded yet."));
    assert!(!document.has_form(&disable) && !text.contains("in the last 7 days"));
    console.use_key(&key).await;
    console.clock.advance_millis(7 * DAY - 1);
    let document = alice.get(&path).await.document();
    let text = document.text();
    assert!(text.contains("Last used: 2023-11-14 22:13 UTC."), "{text}");
    assert!(document.has_form(&disable) && text.contains("used this key in the last 7 days"));
    // The focus is on the way out, which leads to the row.
    let focused = document.focused().unwrap();
    assert_eq!(focused.text, "Cancel");
    assert_eq!(
        focused.get("href"),
        Some(&*format!("{KEYS}#row-{}", key.id))
    );
    let buttons = document.all("button");
    let texts: Vec<&str> = buttons.iter().map(|one| &*one.text).collect();
    assert_eq!(texts, ["Disable instead", "Delete"]);
    console.clock.advance_millis(1);
    let document = alice.get(&path).await.document();
    assert!(!document.has_form(&disable));
}

#[tokio::test]
async fn point_22_after_deleting_the_focus_returns_to_the_place_of_the_row() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let mut ids = Vec::new();
    for name in ["a1", "a2", "a3", "b1"] {
        ids.push(console.key("org_1", NewKey::named(name)).await.id);
        console.clock.advance_millis(1);
    }
    let path = format!("{KEYS}/{}/delete", ids[1]);
    let form = alice.open(&format!("{path}?q=a"), &path).await;
    let seen = alice.submit(&form).await;
    let location = seen.location().to_owned();
    let wanted = format!("{KEYS}?q=a&changed={0}#row-{0}", ids[1]);
    assert_eq!(location, wanted);
    let document = alice.get(&location).await.document();
    let rows = document
        .all("tr")
        .into_iter()
        .filter_map(|one| one.get("id"));
    let wanted = [&ids[2], &ids[1], &ids[0]].map(|id| format!("row-{id}"));
    assert_eq!(rows.collect::<Vec<_>>(), wanted);
    assert!(document.text().contains("a2 is now: Deleted"));
    // It is there once, and nothing can be done to it.
    assert!(!document.has_form(&format!("{KEYS}/{}/disable?q=a", ids[1])));
    let document = alice.get(&format!("{KEYS}?q=a")).await.document();
    assert!(document.by_id(&format!("row-{}", ids[1])).is_none());
}

#[tokio::test]
async fn point_24_after_deleting_the_key_is_refused_at_the_first_try() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let secret = alice.create(KEYS, "ci").await.secret();
    assert_eq!(console.call(&secret).await, 200);
    let id = console.only_key().await.id;
    let path = format!("{KEYS}/{id}/delete");
    let form = alice.open(&path, &path).await;
    for _ in 0..2 {
        // Once more is a success too.
        assert_eq!(alice.submit(&form).await.status, 303);
        assert_eq!(console.call(&secret).await, 401);
    }
    for page in ["edit", "rotate", "delete"] {
        let seen = alice.get(&format!("{KEYS}/{id}/{page}")).await;
        assert_eq!(seen.status, 409, "{page}");
        assert!(
            seen.document()
                .text()
                .contains("The credential is deleted.")
        );
    }
}

#[tokio::test]
async fn the_pages_say_by_when_a_key_that_ended_is_refused() {
    for (bound, said) in [
        (None, "are refused from the next request on."),
        (Some(4_000), "are refused within 4 s on every server."),
        (Some(4_001), "are refused within 5 s on every server."),
    ] {
        let console = Console::with(|pages| match bound {
            Some(millis) => pages.with_revocation_bound(Duration::from_millis(millis)),
            None => pages,
        });
        let console = console.await;
        let alice = console.browser("alice");
        let new = NewKey::named("ci").with_role("viewer");
        let id = console.key("org_1", new).await.id;
        let path = |page: &str| format!("{KEYS}/{id}/{page}");
        for (page, ended) in [("disable", true), ("enable", false), ("delete", true)] {
            let from = match page {
                "delete" => path(page),
                _ => KEYS.to_owned(),
            };
            let form = alice.open(&from, &path(page)).await;
            let before = alice.get(&path("delete")).await.document().text();
            assert!(before.contains(said), "{before}");
            let list = alice.submit(&form).await;
            let after = alice.get(list.location()).await.document().text();
            assert_eq!(after.contains(said), ended, "{page}: {after}");
        }
    }
}

#[tokio::test]
async fn a_key_is_disabled_and_enabled_from_its_row() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let key = console
        .key("org_1", NewKey::named("ci").with_role("viewer"))
        .await;
    for (verb, other, status, words) in [
        ("disable", "enable", 401, "ci is now: Disabled"),
        ("enable", "disable", 200, "ci is now: Active"),
    ] {
        let path = format!("{KEYS}/{}/{verb}", key.id);
        let form = alice.open(KEYS, &path).await;
        for _ in 0..2 {
            let seen = alice.submit(&form).await;
            assert_eq!(console.call(&key.secret).await, status, "{verb}");
            let document = alice.get(seen.location()).await.document();
            let notice = document
                .0
                .iter()
                .find(|one| one.get("role") == Some("status"));
            assert!(
                notice.is_some() && document.text().contains(words),
                "{verb}"
            );
            assert!(document.has_form(&format!("{KEYS}/{}/{other}", key.id)));
        }
    }
}

#[tokio::test]
async fn name_and_description_are_edited_and_nothing_else() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let key = console
        .key("org_1", NewKey::named("ci").with_role("viewer"))
        .await;
    let before = console.only_key().await;
    let path = format!("{KEYS}/{}/edit", key.id);
    for (name, description, wanted) in [
        ("ci", "", None),
        ("cd", "two\r\nlines", Some("two\nlines")),
        ("cd", "\n indented", Some("\n indented")),
        ("cd", "", None),
    ] {
        let form = alice.open(&path, &path).await;
        let form = form.set("name", name).set("description", description);
        let seen = alice.submit(&form).await;
        assert_eq!(
            seen.location(),
            format!("{KEYS}?changed={0}#row-{0}", key.id)
        );
        let after = console.only_key().await;
        assert_eq!(&*after.name, name);
        assert_eq!(after.attributes.description.as_deref(), wanted);
        assert_eq!(
            (after.role, after.expires_at),
            (before.role.clone(), before.expires_at)
        );
        let form = alice.open(&path, &path).await;
        assert_eq!(form.get("description"), Some(wanted.unwrap_or_default()));
    }
    let form = alice
        .open(&path, &path)
        .await
        .set("name", " ")
        .set("description", "kept");
    let seen = alice.submit(&form).await;
    assert_eq!(seen.status, 422);
    let document = seen.document();
    assert_eq!(
        document.by_id("name").unwrap().get("aria-invalid"),
        Some("true")
    );
    assert_eq!(document.form(&path).get("description"), Some("kept"));
    let form = form.set("name", "ci").set("description", &"a".repeat(501));
    let document = alice.submit(&form).await.document();
    assert!(
        document
            .text_of("description-error")
            .contains("at most 500")
    );
    let info = console.only_key().await;
    assert_eq!((&*info.name, info.status), ("cd", Status::Active));
    assert_eq!(console.all(Kind::OrgKey, "org_2").await.len(), 0);
}

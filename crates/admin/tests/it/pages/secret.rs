//! Seeing the secret once: points 7 to 15.

use super::{
    document::Document,
    support::{Console, DAY, KEYS, TOKENS},
};

#[tokio::test]
async fn point_7_the_secret_is_one_field_with_no_id_beside_it() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for (list, prefix) in [(KEYS, "ak_"), (TOKENS, "pat_")] {
        let seen = alice.create(list, "ci").await;
        let secret = seen.secret();
        assert!(secret.starts_with(prefix) && secret.len() == 55, "{secret}");
        let document = seen.document();
        let field = document.by_id("secret").unwrap();
        // `user-select: all` selects it with one click; the style sheet has it.
        let is_field = [
            ("role", "textbox"),
            ("aria-readonly", "true"),
            ("tabindex", "0"),
        ];
        assert!(
            is_field
                .iter()
                .all(|(name, value)| field.get(name) == Some(*value))
        );
        let elsewhere = document.text().replace(&secret, "");
        assert!(
            !elsewhere.contains("ak_") && !elsewhere.contains("pat_"),
            "{elsewhere}"
        );
        let copy = document.by_id("copy").unwrap();
        assert!(copy.has("hidden"), "the script shows it");
    }
}

#[tokio::test]
async fn points_8_to_10_the_secret_is_in_a_dialog_that_asks_and_is_announced() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for (list, title) in [(KEYS, "API key created"), (TOKENS, "Token created")] {
        let document = alice.create(list, "ci").await.document();
        let dialog = document.by_id("secret-dialog").unwrap();
        assert!(dialog.tag == "dialog" && dialog.has("open"));
        assert_eq!(dialog.get("aria-labelledby"), Some("secret-title"));
        assert_eq!(dialog.get("aria-describedby"), Some("secret-once"));
        assert_eq!(document.text_of("secret-title"), title);
        assert!(document.text_of("secret-once").contains("only time"));
        assert_eq!(document.focused().unwrap().get("id"), Some("secret-title"));
        // The live region is there before there is anything to announce.
        let region = document.by_id("copy-status").unwrap();
        assert_eq!((region.get("role"), &*region.text), (Some("status"), ""));
        let question = document.by_id("question").unwrap();
        assert!(question.has("hidden") && question.get("role") == Some("alert"));
        assert_eq!(document.text_of("leave"), "Close anyway");
    }
}

#[tokio::test]
async fn point_11_the_secret_is_in_one_answer_and_in_no_url() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for list in [KEYS, TOKENS] {
        let form = alice.new_form(list).await.set("name", "ci");
        let seen = alice.submit(&form).await;
        let secret = seen.secret();
        let hidden = &secret[secret.len() - 30..];
        for name in ["location", "set-cookie", "link", "refresh"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
        let document = seen.document();
        for element in &document.0 {
            for name in element.names() {
                assert!(!element.get(name).unwrap().contains(hidden), "{name}");
            }
        }
        let done = document
            .by_id("done")
            .unwrap()
            .get("href")
            .unwrap()
            .to_owned();
        let id = done
            .split("changed=")
            .nth(1)
            .unwrap()
            .split('#')
            .next()
            .unwrap();
        for path in [
            done.clone(),
            list.to_owned(),
            format!("{list}/new"),
            format!("{list}/{id}/edit"),
            format!("{list}/{id}/rotate"),
            format!("{list}/{id}/delete"),
        ] {
            let seen = alice.get(&path).await;
            assert_eq!(seen.status, 200, "{path}");
            assert!(!seen.html.contains(hidden), "{path}");
        }
        assert!(!alice.submit(&form).await.html.contains(hidden));
    }
}

#[tokio::test]
async fn point_12_a_second_key_shows_the_second_secret() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let first = alice.create(KEYS, "first").await.secret();
    let second = alice.create(KEYS, "second").await;
    assert_ne!(second.secret(), first);
    assert!(!second.html.contains(&first));
    assert_eq!(console.call(&second.secret()).await, 200);
}

#[tokio::test]
async fn point_13_no_field_is_saved_or_filled_in_by_the_browser() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let seen = alice.create(KEYS, "ci").await;
    let document = seen.document();
    assert!(document.all("input").is_empty() && document.all("textarea").is_empty());
    for path in ["/new", ""] {
        let document = alice.get(&format!("{KEYS}{path}")).await.document();
        let posts = document.all("form").into_iter();
        let mut posts = posts.filter(|form| form.get("method") == Some("post"));
        assert!(posts.all(|form| form.get("autocomplete") == Some("off")));
        let inputs = document.all("input");
        assert!(inputs.iter().all(|one| one.get("type") != Some("password")));
    }
}

/// Everything that a policy without `unsafe-inline` would block.
fn inline_parts(document: &Document) -> Vec<String> {
    let mut found = Vec::new();
    for element in &document.0 {
        let is_inline = element.tag == "style"
            || element.tag == "script" && (!element.has("src") || !element.text.trim().is_empty());
        let names = element
            .names()
            .filter(|name| name.starts_with("on") || *name == "style");
        found.extend(names.map(|name| format!("{} {name}", element.tag)));
        found.extend(is_inline.then(|| element.tag.clone()));
    }
    found
}

#[tokio::test]
async fn point_14_everything_works_without_a_script_and_nothing_is_inline() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let created = alice.create(KEYS, "ci").await;
    let id = console.only_key().await.id;
    let mut pages = vec![created];
    for path in [
        KEYS.to_owned(),
        format!("{KEYS}/new"),
        format!("{KEYS}/{id}/edit"),
        format!("{KEYS}/{id}/rotate"),
        format!("{KEYS}/{id}/delete"),
        format!("{KEYS}/nothing/edit"),
        format!("{TOKENS}/new"),
    ] {
        pages.push(alice.get(&path).await);
    }
    for page in &pages {
        let document = page.document();
        assert_eq!(inline_parts(&document), Vec::<String>::new());
        let scripts = document.all("script");
        assert!(scripts.len() == 1 && scripts[0].has("defer"));
        assert!(page.html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        assert_eq!(document.all("h1").len(), 1, "{}", page.html);
    }
}

#[tokio::test]
async fn point_15_a_curl_line_that_works_when_pasted() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let key = alice.create(KEYS, "ci").await;
    let line = key.document().text_of("example");
    let secret = key.secret();
    let url = "'https://api.example.com/v1/members/me'";
    assert_eq!(
        line,
        format!("curl -H 'Authorization: Bearer {secret}' {url}")
    );

    let token = alice.create(TOKENS, "ci").await;
    let secret = token.secret();
    let wanted =
        format!("curl -H 'Authorization: Bearer {secret}' -H 'x-anyreach-org: org_1' {url}");
    assert_eq!(token.document().text_of("example"), wanted);
    assert_eq!(console.call(&secret).await, 200);

    // A token that is limited to another organization names that one.
    let form = alice.new_form(TOKENS).await.set("name", "two");
    let form = form
        .set("organizations", "some")
        .add("organization", "org_2");
    let token = alice.submit(&form).await;
    let line = token.document().text_of("example");
    assert!(line.contains("-H 'x-anyreach-org: org_2'"), "{line}");

    // Without an organization there is no line that works.
    let token = console.browser("nina").create(TOKENS, "ci").await;
    assert!(token.document().by_id("example").is_none());
}

#[tokio::test]
async fn the_page_of_a_new_secret_leads_to_its_row() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let list = format!("{KEYS}?q=c&expiring=on");
    let form = alice
        .open(&format!("{KEYS}/new?q=c&expiring=on"), KEYS)
        .await;
    assert_eq!(form.action, list);
    let seen = alice
        .submit(&form.set("name", "ci").set("expiry", "7"))
        .await;
    let id = console.only_key().await.id;
    let document = seen.document();
    let done = document.by_id("done").unwrap().get("href").unwrap();
    assert_eq!(done, format!("{list}&changed={id}#row-{id}"));
    console.clock.advance_millis(DAY);
    let document = alice.get(done).await.document();
    assert!(
        document
            .by_id(&format!("row-{id}"))
            .unwrap()
            .has("tabindex")
    );
    assert!(document.text().contains("ci is now: Expires in 6 days"));
}

//! Who may do what, and what other sites may do: point 25.

use axum::body::Body;
use tower_api_key::{
    credential::Kind,
    manage::{NewKey, NewToken},
};

use super::{
    document::Form,
    support::{Console, HEADERS, KEYS, TOKENS},
};
use crate::support::send;

/// Fields of a form.
type Sent = &'static [(&'static str, &'static str)];

/// Every page about one credential, with the method and the fields that a form would have besides.
const OF_ONE: [(&str, &str, Sent); 8] = [
    ("GET", "edit", &[]),
    ("GET", "rotate", &[]),
    ("GET", "delete", &[]),
    ("POST", "edit", &[("name", "a")]),
    ("POST", "rotate", &[("overlap", "0"), ("expiry", "never")]),
    ("POST", "delete", &[]),
    ("POST", "disable", &[]),
    ("POST", "enable", &[]),
];

/// What is stored of everyone, to see that nothing was changed.
async fn rows(console: &Console) -> String {
    let keys = (
        console.all(Kind::OrgKey, "org_1").await,
        console.all(Kind::OrgKey, "org_2").await,
    );
    let alice = console.all(Kind::PersonalToken, "alice").await;
    let bob = console.all(Kind::PersonalToken, "bob").await;
    format!("{keys:?} {alice:?} {bob:?}")
}

/// The form of a page, with its token and a fresh stamp.
async fn a_form(console: &Console, session: &str) -> Form {
    console.browser(session).new_form(TOKENS).await
}

#[tokio::test]
async fn point_25_an_id_of_another_organization_answers_as_an_unknown_one() {
    let console = Console::new().await;
    let own = console.key("org_1", NewKey::named("own")).await;
    let other = console
        .key("org_2", NewKey::named("other").with_role("admin"))
        .await;
    let mine = console.token("alice", NewToken::named("mine")).await;
    let theirs = console.token("bob", NewToken::named("theirs")).await;
    let alice = console.browser("alice");
    let form = a_form(&console, "alice").await;
    let before = rows(&console).await;
    for (list, ids, words) in [
        (KEYS, [&*other.id, &*mine.id], "There is no such API key."),
        (TOKENS, [&*theirs.id, &*own.id], "There is no such token."),
    ] {
        for (method, page, fields) in OF_ONE {
            let answer = async |id: &str| {
                let mut form = form.clone();
                form.action = format!("{list}/{id}/{page}");
                let form = fields
                    .iter()
                    .fold(form, |form, (name, value)| form.set(name, value));
                let body = if method == "POST" {
                    form.body()
                } else {
                    String::new()
                };
                alice.send(alice.request(method, &form.action, body)).await
            };
            let unknown = answer("unknown").await;
            assert_eq!(unknown.status, 404, "{method} {page}");
            assert!(
                unknown.document().text().contains(words),
                "{}",
                unknown.html
            );
            for id in [ids[0], ids[1], "a%00b", "%2F", "%C3%A9", "..%2F..%2Fx"] {
                let seen = answer(id).await;
                assert_eq!(
                    (seen.status, &seen.html),
                    (404, &unknown.html),
                    "{page} {id}"
                );
                assert_eq!(seen.headers, unknown.headers, "{method} {page} {id}");
            }
        }
        let plain = alice.get(list).await;
        let changed = alice.get(&format!("{list}?changed={}", ids[0])).await;
        assert_eq!(changed.html, plain.html);
        assert!(!plain.html.contains(ids[0]) && !plain.html.contains(ids[1]));
    }
    assert_eq!(rows(&console).await, before);
}

#[tokio::test]
async fn point_25_a_form_of_another_site_is_refused() {
    let console = Console::new().await;
    let key = console.key("org_1", NewKey::named("ci")).await;
    let alice = console.browser("alice");
    let form = a_form(&console, "alice").await.set("name", "ci");
    let before = rows(&console).await;
    let paths = [
        KEYS.to_owned(),
        TOKENS.to_owned(),
        format!("{KEYS}/{}/edit", key.id),
        format!("{KEYS}/{}/rotate", key.id),
        format!("{KEYS}/{}/delete", key.id),
        format!("{KEYS}/{}/disable", key.id),
        format!("{KEYS}/{}/enable", key.id),
    ];
    for path in &paths {
        for token in ["", "0", &form.get("form_token").unwrap()[1..], "bob"] {
            let token = match token {
                "bob" => a_form(&console, "bob")
                    .await
                    .get("form_token")
                    .unwrap()
                    .to_owned(),
                token => token.to_owned(),
            };
            let form = Form {
                action: path.clone(),
                ..form.clone()
            };
            let seen = alice.submit(&form.set("form_token", &token)).await;
            assert_eq!(seen.status, 403, "{path}");
            assert!(seen.document().text().contains("an earlier session"));
        }
        for (name, value) in [
            ("origin", "https://other.example"),
            ("origin", "null"),
            ("origin", "https://console.example:8443"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let mut request = alice.request("POST", path, form.body());
            request.headers_mut().insert(name, value.parse().unwrap());
            let seen = alice.send(request).await;
            assert_eq!(seen.status, 403, "{path} {name}: {value}");
            assert!(seen.document().text().contains("came from another site"));
        }
    }
    assert_eq!(rows(&console).await, before);
    // An older browser names neither; the token is enough.
    let form = form.set("owner", "org_1");
    let mut request = alice.request("POST", KEYS, form.body());
    for name in ["origin", "sec-fetch-site"] {
        request.headers_mut().remove(name);
    }
    assert_eq!(alice.send(request).await.status, 201);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let form = a_form(&console, "alice").await;
    let large = form.clone().set("description", &"a".repeat(70_000));
    for (content_type, body, status) in [
        ("application/json", "{}".to_owned(), 415),
        ("multipart/form-data; boundary=x", form.body(), 415),
        ("text/plain", form.body(), 415),
        ("application/x-www-form-urlencoded", large.body(), 413),
        (
            "application/x-www-form-urlencoded",
            "form_token=%FF".to_owned(),
            403,
        ),
    ] {
        let mut request = alice.request("POST", KEYS, body);
        let content_type = content_type.parse().unwrap();
        request.headers_mut().insert("content-type", content_type);
        assert_eq!(alice.send(request).await.status, status);
    }
    assert!(console.all(Kind::OrgKey, "org_1").await.is_empty());
}

#[tokio::test]
async fn point_25_nothing_is_changed_while_somebody_acts_as_the_user() {
    let console = Console::new().await;
    let key = console.key("org_1", NewKey::named("ci")).await;
    let support = console.browser("impersonated");
    // A form of the same session, from before it was taken over.
    let form = a_form(&console, "alice").await.set("name", "ci");
    let before = rows(&console).await;
    for list in [KEYS, TOKENS] {
        let seen = support.get(list).await;
        let document = seen.document();
        assert_eq!(seen.status, 200);
        assert!(
            document.text().contains("Support acts as impersonated."),
            "{}",
            seen.html
        );
        assert!(!seen.html.contains("/new") && document.all("button").len() <= 1);
        assert_eq!(support.get(&format!("{list}/new")).await.status, 403);
    }
    for (method, page, _) in OF_ONE {
        let path = format!("{KEYS}/{}/{page}", key.id);
        let body = if method == "POST" {
            form.body()
        } else {
            String::new()
        };
        let seen = support.send(support.request(method, &path, body)).await;
        assert_eq!(seen.status, 403, "{method} {page}");
        assert!(
            seen.document()
                .text()
                .contains("while somebody else acts as you")
        );
    }
    assert_eq!(support.submit(&form).await.status, 403);
    assert_eq!(rows(&console).await, before);
}

#[tokio::test]
async fn point_25_a_viewer_sees_the_list_without_buttons() {
    let console = Console::new().await;
    let key = console.key("org_1", NewKey::named("ci")).await;
    let vera = console.browser("vera");
    let seen = vera.get(KEYS).await;
    let document = seen.document();
    assert_eq!(seen.status, 200);
    assert!(document.by_id(&format!("row-{}", key.id)).is_some());
    assert!(
        document
            .text()
            .contains("You can look at these, and not change them.")
    );
    let forms = document.all("form");
    assert!(forms.iter().all(|form| form.get("method") == Some("get")));
    assert!(!seen.html.contains("/new"));
    let form = a_form(&console, "vera").await;
    let before = rows(&console).await;
    for (method, page, _) in OF_ONE {
        let answer = async |id: &str| {
            let path = format!("{KEYS}/{id}/{page}");
            let body = if method == "POST" {
                form.body()
            } else {
                String::new()
            };
            vera.send(vera.request(method, &path, body)).await
        };
        let (known, unknown) = (answer(&key.id).await, answer("unknown").await);
        assert_eq!(
            (known.status, &known.html),
            (403, &unknown.html),
            "{method} {page}"
        );
        assert!(
            known
                .document()
                .text()
                .contains("You may not manage these.")
        );
    }
    assert_eq!(vera.get(&format!("{KEYS}/new")).await.status, 403);
    let mut new = form.clone().set("name", "ci");
    new.action = KEYS.to_owned();
    assert_eq!(vera.submit(&new).await.status, 403);
    assert_eq!(rows(&console).await, before);
    // Her own tokens are hers to manage.
    assert_eq!(vera.create(TOKENS, "laptop").await.status, 201);
}

#[tokio::test]
async fn a_person_without_an_organization_has_tokens_alone() {
    let console = Console::new().await;
    let nina = console.browser("nina");
    for path in [KEYS.to_owned(), format!("{KEYS}/new")] {
        let seen = nina.get(&path).await;
        assert_eq!(seen.status, 403);
        assert!(seen.document().text().contains("Choose an organization"));
    }
    assert_eq!(nina.create(TOKENS, "laptop").await.status, 201);
}

#[tokio::test]
async fn point_25_hostile_names_are_shown_as_text() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let hostile = "<img src=x onerror=alert(1)>\"'&{time}";
    let created = alice.create(KEYS, hostile).await;
    let id = console.only_key().await.id;
    let mut pages = vec![created];
    for path in [
        KEYS.to_owned(),
        format!("{KEYS}?changed={id}"),
        format!("{KEYS}?q=%3Cimg%20src=x%3E%22"),
        format!("{KEYS}/{id}/edit"),
        format!("{KEYS}/{id}/rotate"),
        format!("{KEYS}/{id}/delete"),
        format!("{KEYS}/new?name=%3Cimg%20src=x%3E%22&description=%3C/textarea%3E%3Cimg%3E"),
    ] {
        pages.push(alice.get(&path).await);
    }
    let form = alice
        .new_form(KEYS)
        .await
        .set("name", "<img src=x>\u{202e}");
    pages.push(alice.submit(&form).await);
    for page in &pages {
        assert!(!page.html.contains("<img"));
        assert!(page.document().all("img").is_empty());
    }
    assert!(pages[1].document().text().contains(hostile));
    let title = pages[5].document().all("h1")[0].text.clone();
    assert_eq!(title, format!("Rotate {hostile}"));
    // A name that reorders what is around it is not taken, and stays in its field.
    let document = pages.last().unwrap().document();
    assert_eq!(document.form(KEYS).get("name"), Some("<img src=x>\u{202e}"));
    // Names stand in an element of their own direction.
    assert!(pages[1].html.contains("<bdi>&lt;img"));
}

#[tokio::test]
async fn every_answer_has_the_headers_and_static_files_may_be_cached() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    // `Browser::send` checks the headers of each answer.
    for (method, path, status) in [
        ("GET", KEYS.to_owned(), 200),
        ("HEAD", KEYS.to_owned(), 200),
        ("PUT", KEYS.to_owned(), 405),
        ("GET", format!("{KEYS}/a/enable"), 405),
        ("GET", format!("{KEYS}/a/b/c"), 404),
        ("GET", format!("{KEYS}/pages-0000000000000000.css"), 404),
        ("GET", format!("{KEYS}/%FF/edit"), 404),
        ("GET", format!("{TOKENS}/nothing"), 404),
    ] {
        let seen = alice
            .send(alice.request(method, &path, String::new()))
            .await;
        assert_eq!(seen.status, status, "{method} {path}");
        if status == 404 {
            assert!(
                seen.document().text().contains("There is no such"),
                "{path}"
            );
        }
    }
    let document = alice.get(KEYS).await.document();
    let style = document.all("link")[0].get("href").unwrap().to_owned();
    let script = document.all("script")[0].get("src").unwrap().to_owned();
    for (path, content_type) in [(style, "text/css"), (script, "text/javascript")] {
        // Without a session: there is nothing in them.
        let request = axum::http::Request::get(&path).body(Body::empty()).unwrap();
        let answer = send(&console.app, request).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(content_type)
        );
        let cached = "public, max-age=31536000, immutable";
        assert_eq!(answer.headers["cache-control"], cached);
        for (name, value) in HEADERS {
            assert_eq!(answer.headers[name], value);
        }
    }
}

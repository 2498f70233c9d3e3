//! People who are not signed in, or who signed in long ago.

use tower_api_key::{credential::Kind, manage::NewKey};
use tower_api_key_admin::pages::Pages;

use super::support::{Browser, Console, KEYS, Sessions, TOKENS};

/// Returns where a location leads back to.
pub(crate) fn return_to(location: &str) -> String {
    let (_, encoded) = location.split_once("return_to=").unwrap();
    let mut bytes = Vec::new();
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn who_is_not_signed_in_signs_in_and_comes_back() {
    let console = Console::new().await;
    let nobody = console.browser("nobody");
    for path in [
        KEYS.to_owned(),
        format!("{KEYS}?q=a%20b&state=active"),
        format!("{KEYS}/new?name=a%26b"),
        format!("{TOKENS}/x/delete"),
    ] {
        let seen = nobody.get(&path).await;
        assert!(
            seen.location().starts_with("/sign-in?return_to=%2F"),
            "{path}"
        );
        assert_eq!(return_to(seen.location()), path);
    }
    for path in [KEYS.to_owned(), format!("{KEYS}/x/disable")] {
        let request = nobody.request("POST", &path, "name=ci".to_owned());
        let seen = nobody.send(request).await;
        assert_eq!(return_to(seen.location()), KEYS, "{path}");
    }
    let mut request = nobody.request("GET", KEYS, String::new());
    request.headers_mut().remove("x-session");
    assert_eq!(nobody.send(request).await.status, 303);
}

#[tokio::test]
async fn sessions_that_cannot_be_read_are_a_503() {
    let console = Console::new().await;
    for session in ["broken", "short"] {
        let browser = console.browser(session);
        for (method, path) in [("GET", KEYS), ("GET", TOKENS), ("POST", KEYS)] {
            let seen = browser
                .send(browser.request(method, path, String::new()))
                .await;
            assert_eq!(seen.status, 503, "{session} {method} {path}");
            assert_eq!(seen.headers["retry-after"], "1");
            let text = seen.document().text();
            assert!(text.contains("does not work at the moment"), "{text}");
            assert!(!text.contains("no sessions today") && !text.contains("too short"));
        }
    }
}

#[tokio::test]
async fn point_25_who_signed_in_long_ago_is_asked_again_and_finds_the_form_filled() {
    let console = Console::new().await;
    let (stale, alice) = (console.browser("stale"), console.browser("alice"));
    let key = console
        .key("org_1", NewKey::named("old").with_role("viewer"))
        .await;
    let form = stale
        .new_form(KEYS)
        .await
        .set("name", "ci & cd")
        .set("description", "two\r\nlines")
        .set("expiry", "custom")
        .set("date", "2023-12-24")
        .set("rights", "some")
        .add("scope", "agents:read")
        .add("scope", "members:read");
    let seen = stale.submit(&form).await;
    assert!(
        seen.location()
            .starts_with("/sign-in?return_to=%2Fapi-keys%2Fnew%3F")
    );
    assert_eq!(console.all(Kind::OrgKey, "org_1").await.len(), 1);
    let back = return_to(seen.location());
    let again = alice.open(&back, KEYS).await;
    let without = |form: &super::document::Form| {
        let mut fields = form.fields.clone();
        fields.retain(|(name, _)| !matches!(&**name, "form_token" | "stamp" | "description"));
        fields.sort();
        fields
    };
    assert_eq!(without(&again), without(&form));
    assert_eq!(again.get("description"), Some("two\nlines"));
    assert_eq!(alice.submit(&again).await.status, 201);

    for (page, fields) in [
        ("rotate", vec![("overlap", "3600"), ("expiry", "90")]),
        ("edit", vec![("name", "new name"), ("description", "a")]),
    ] {
        let path = format!("{KEYS}/{}/{page}", key.id);
        let form = stale.open(&path, &path).await;
        let form = fields
            .iter()
            .fold(form, |form, (name, value)| form.set(name, value));
        let seen = stale.submit(&form).await;
        let again = alice.open(&return_to(seen.location()), &path).await;
        for (name, value) in fields {
            assert_eq!(again.get(name), Some(value), "{page}");
        }
    }
}

async fn stale_post(browser: Browser<'_>, list: &str, path: &str) -> super::support::Seen {
    let mut form = browser.new_form(list).await;
    form.action = path.to_owned();
    browser.submit(&form).await
}

#[tokio::test]
async fn ending_something_never_waits_for_a_sign_in() {
    let console = Console::new().await;
    let stale = console.browser("stale");
    let key = console
        .key("org_1", NewKey::named("ci").with_role("viewer"))
        .await;
    let path = |verb: &str| format!("{KEYS}/{}/{verb}", key.id);
    let seen = stale_post(stale, KEYS, &path("disable")).await;
    assert_eq!((seen.status, console.call(&key.secret).await), (303, 401));
    // Enabling grants something.
    let seen = stale_post(stale, KEYS, &path("enable")).await;
    assert_eq!(return_to(seen.location()), format!("{KEYS}#row-{}", key.id));
    assert_eq!(console.call(&key.secret).await, 401);
    let seen = stale_post(stale, KEYS, &path("delete")).await;
    assert!(seen.location().starts_with(KEYS));
    assert!(console.all(Kind::OrgKey, "org_1").await.is_empty());
}

#[tokio::test]
async fn a_form_leads_to_a_sign_in_on_another_site_by_a_link() {
    // A redirect after a form is subject to `form-action` too.
    let console = Console::new().await;
    let sessions = Sessions::new(&console.clock, "https://id.example/sign-in?client=console");
    let pages = Pages::new(console.manager.clone(), sessions);
    let console = console.with_app(pages.organization_routes());
    let start = "https://id.example/sign-in?client=console&return_to=%2Fapi-keys";
    let seen = console.browser("nobody").get(KEYS).await;
    assert_eq!(seen.location(), start);
    for session in ["stale", "nobody"] {
        let browser = console.browser(session);
        let form = console.browser("stale").new_form(KEYS).await;
        let seen = browser.submit(&form.set("name", "ci")).await;
        assert_eq!(seen.status, 403, "{session}");
        let document = seen.document();
        let link = document.focused().unwrap();
        assert!(link.get("href").unwrap().starts_with(start), "{session}");
        assert_eq!(link.text, "Sign in");
    }
}

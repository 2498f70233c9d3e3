//! The settings of the pages.

use axum::Router;
use maud::{DOCTYPE, html};
use tower_api_key::{
    credential::{Kind, TokenFormat},
    manage::{Manager, NewKey},
    store::{Directory, MemoryStore},
};
use tower_api_key_admin::{
    InvalidPath,
    pages::{Page, Pages, Texts},
};

use super::support::{Console, KEYS, Sessions, TOKENS};
use crate::support::{Held, org};

#[tokio::test]
async fn the_routers_answer_below_any_prefix() {
    let console = Console::new().await;
    let pages = || {
        let sessions = Sessions::new(&console.clock, "/sign-in");
        Pages::new(console.manager.clone(), sessions)
    };
    let both = || {
        pages()
            .organization_routes()
            .merge(pages().personal_routes())
    };
    for (prefix, app) in [
        ("", both()),
        ("/console", Router::new().nest("/console", both())),
        (
            "/a/b",
            Router::new().nest("/a", Router::new().nest("/b", both())),
        ),
        ("/orgs/o%20ne", Router::new().nest("/orgs/{org}", both())),
        ("/x/y", Router::new().nest_service("/x/y", both())),
    ] {
        let console = Console::new().await.with_app(app);
        let alice = console.browser("alice");
        for list in [KEYS, TOKENS] {
            let list = format!("{prefix}{list}");
            let document = alice.get(&list).await.document();
            for element in document
                .all("link")
                .into_iter()
                .chain(document.all("script"))
            {
                let path = element.get("href").or(element.get("src")).unwrap();
                assert!(path.starts_with(&format!("{list}/pages-")), "{path}");
            }
            let form = alice.new_form(&list).await;
            assert_eq!(form.action, list);
        }
        let nobody = console.browser("nobody");
        let seen = nobody.get(&format!("{prefix}{KEYS}")).await;
        assert!(
            seen.location().ends_with("%2Fapi-keys"),
            "{}",
            seen.location()
        );
    }
}

#[tokio::test]
async fn a_path_that_browsers_take_for_another_site_is_no_page() {
    let console = Console::new().await;
    let sessions = Sessions::new(&console.clock, "/sign-in");
    let routes = Pages::new(console.manager.clone(), sessions).organization_routes();
    let console = console.with_app(Router::new().nest("/{tenant}", routes));
    let path = format!("/\\other.example{KEYS}");
    for session in ["alice", "nobody"] {
        let seen = console.browser(session).get(&path).await;
        assert_eq!((seen.status, &*seen.html), (404, ""));
    }
    assert_eq!(
        console
            .browser("alice")
            .get(&format!("/t{KEYS}"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn texts_layout_paths_and_prefixes_are_settings() {
    let store = MemoryStore::new();
    store.create_organization("org_1", None).await.unwrap();
    store.create_user("alice").await.unwrap();
    store.set_member("alice", "org_1", "admin").await.unwrap();
    let console = Console::new().await;
    let format = TokenFormat::default().with_prefixes("sk_", "pt_").unwrap();
    let manager = Manager::new(store)
        .with_token_format(format)
        .with_clock(console.clock.clone());
    let new = NewKey::named("ci");
    let key = Held::of(manager.issue_key(&org("org_1"), new).await.unwrap());
    let mut texts = Texts::default();
    texts.language = "fr".into();
    texts.keys.title = "Cl\u{e9}s d\u{2019}API".into();
    texts.refusal = |error| format!("Refus : {}", error.code()).into();
    let layout = |page: &Page<'_>| {
        html! {
            (DOCTYPE)
            html lang=(page.language) {
                head { title { (page.title) " · Exemple" } (page.head) }
                body {
                    @if let Some(session) = page.session { nav { (session.user_name()) } }
                    (page.main)
                }
            }
        }
    };
    let pages = Pages::new(manager, Sessions::new(&console.clock, "/sign-in"))
        .with_texts(texts)
        .with_layout(layout)
        .with_origin(|request| {
            let id = request.headers.get("x-request-id")?;
            Some(id.to_str().ok()?.to_owned())
        })
        .with_path(Kind::OrgKey, "/cles")
        .unwrap();
    let console = console.with_app(pages.organization_routes());
    let alice = console.browser("alice");
    let seen = alice.get("/cles").await;
    let document = seen.document();
    assert!(seen.html.starts_with("<!DOCTYPE html><html lang=\"fr\">"));
    assert_eq!(
        document.all("title")[0].text,
        "Cl\u{e9}s d\u{2019}API · Exemple"
    );
    assert_eq!(document.all("nav")[0].text, "alice");
    assert!(document.text().contains(&format!("sk_{}", key.id)));
    let form = alice.new_form("/cles").await.set("name", " ");
    let message = alice.submit(&form).await.document().text_of("name-error");
    assert_eq!(message, "Refus : invalid_name");
    let refused: InvalidPath = pages.with_path(Kind::OrgKey, "/a b").unwrap_err();
    assert!(refused.to_string().contains("invalid path"));
}

#[tokio::test]
async fn the_origin_of_a_change_is_in_the_audit_trail() {
    let console = Console::with(|pages| {
        pages.with_origin(|request| {
            let id = request.headers.get("x-request-id")?;
            Some(id.to_str().ok()?.to_owned())
        })
    })
    .await;
    let alice = console.browser("alice");
    let form = alice.new_form(KEYS).await.set("name", "ci");
    let mut request = alice.request("POST", KEYS, form.body());
    let id = "r-1".parse().unwrap();
    request.headers_mut().insert("x-request-id", id);
    assert_eq!(alice.send(request).await.status, 201);
    let owner = org("org_1");
    let events = console.manager.events(&owner, Kind::OrgKey, None, 1);
    let event = events.await.unwrap().remove(0);
    assert_eq!(event.origin.as_deref(), Some("r-1"));
    assert_eq!(
        event.by,
        tower_api_key::store::AuditActor::User("alice".into())
    );
}

#[tokio::test]
async fn a_console_behind_a_proxy_names_its_origin() {
    let console = Console::with(|pages| pages.with_allowed_origin("https://console.example")).await;
    let alice = console.browser("alice");
    let form = alice.new_form(KEYS).await.set("name", "ci");
    let mut request = alice.request("POST", KEYS, form.body());
    let inner = "10.0.0.1:3000".parse().unwrap();
    request.headers_mut().insert("host", inner);
    assert_eq!(alice.send(request).await.status, 201);
}

//! Who may do what, and what other sites can make a browser do: points 14 and 25.

use axum::{Router, response::Html, routing::get};
use tokio::net::TcpListener;
use tower_api_key::{
    credential::Kind,
    manage::{NewKey, NewToken},
    store::Status,
};

use crate::support::{Console, KEYS, TOKENS, Tab, in_browser, with_and_without_script};

#[tokio::test]
async fn point_14_a_whole_life_of_a_key_needs_no_script() {
    with_and_without_script(async |console, tab| {
        let secret = tab.create(KEYS, "ci").await;
        tab.leave_secret().await;
        let id = console.keys().await[0].id.to_string();
        let row = format!("[id='row-{id}']");
        tab.press_in(&row, "Edit").await;
        tab.type_into("#name", "ci-deploy").await;
        tab.press("Save").await;
        tab.see("ci-deploy is now: Active").await;
        tab.press_in(&row, "Disable").await;
        tab.see("ci-deploy is now: Disabled").await;
        assert_eq!(console.call(&secret).await, 401);
        tab.press_in(&row, "Enable").await;
        tab.see("ci-deploy is now: Active").await;
        assert_eq!(console.call(&secret).await, 200);
        tab.press_in(&row, "Rotate").await;
        tab.press("Rotate API key").await;
        let second = tab.secret().await;
        tab.leave_secret().await;
        assert_eq!(console.call(&second).await, 200);
        tab.press_in(&row, "Delete").await;
        tab.press("Delete").await;
        tab.see("ci-deploy is now: Deleted").await;
        assert_eq!(console.call(&secret).await, 401);
    })
    .await;
}

#[tokio::test]
async fn point_14_a_script_in_the_page_is_not_run_and_the_log_has_it() {
    in_browser(async |_, tab| {
        tab.open(KEYS).await;
        tab.assert_no_errors().await;
        let inline = "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" \
                      onerror=\"document.title = 1\" style=\"color: red\">')";
        tab.eval(&format!("({inline}, 0)")).await;
        tab.until("document.images[0].complete").await;
        let log = tab.errors().await;
        for directive in ["script-src-attr", "style-src-attr", "img-src"] {
            let has = log
                .iter()
                .any(|line| line.contains(&format!("policy: {directive}")));
            assert!(has, "{directive}: {log:#?}");
        }
        assert_eq!(tab.client.title().await.unwrap(), "API keys");
    })
    .await;
}

/// What of the page can depend on the id in its address.
async fn seen(tab: &Tab, path: &str, id: &str) -> String {
    tab.open(path).await;
    let page = tab.eval_text("document.documentElement.outerHTML").await;
    let status = tab
        .eval("performance.getEntriesByType('navigation')[0].responseStatus")
        .await;
    format!("{status} {page}").replace(id, "ID")
}

#[tokio::test]
async fn point_25_a_key_of_another_organization_looks_like_an_unknown_one() {
    with_and_without_script(async |console, tab| {
        let other = console.key("org_2", NewKey::named("other")).await;
        let mine = console.key("org_1", NewKey::named("mine")).await;
        let token = console.token("bob", NewToken::named("theirs")).await;
        for (list, id) in [(KEYS, &other.id), (TOKENS, &token.id)] {
            for page in ["edit", "rotate", "delete"] {
                let there = seen(tab, &format!("{list}/{id}/{page}"), id).await;
                let unknown = seen(tab, &format!("{list}/unknown/{page}"), "unknown").await;
                assert_eq!(there, unknown, "{page}");
                assert!(there.starts_with("404 "), "{there}");
            }
        }
        // The same for a form of one's own that is sent there.
        for page in ["delete", "rotate", "edit"] {
            let mut answers = Vec::new();
            for id in [&*other.id, "unknown"] {
                tab.open(&mine.page(KEYS, page)).await;
                let form = "document.querySelector('form[method=post]').action";
                tab.eval(&format!("{form} = '{KEYS}/{id}/{page}'")).await;
                tab.click("form[method=post] button[type=submit]").await;
                tab.see("There is no such API key.").await;
                let page = tab.eval_text("document.documentElement.outerHTML").await;
                answers.push(page.replace(id, "ID"));
            }
            assert_eq!(answers[0], answers[1], "{page}");
        }
        assert_eq!(
            console.all(Kind::OrgKey, "org_2").await[0].status,
            Status::Active
        );
    })
    .await;
}

/// Serves a page of another site, whose forms are sent to the console. Returns its address.
async fn other_site(console: &Console, key: &str, token: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let site = format!("http://{}", console.address);
    let form = |path: &str| {
        format!(
            "<form method=post action='{site}{path}'><input type=hidden name=form_token \
             value='{token}'><button>{path}</button></form>"
        )
    };
    let page = [
        form(&format!("{KEYS}/{key}/delete")),
        form(&format!("{KEYS}/{key}/disable")),
        format!("<iframe src='{site}{KEYS}'></iframe><a href='{site}{KEYS}'>list</a>"),
    ];
    let page = page.concat();
    let app = Router::new().route("/", get(async move || Html(page)));
    tokio::spawn(async { axum::serve(listener, app).await });
    format!("http://localhost:{port}/")
}

#[tokio::test]
async fn point_25_a_form_of_another_site_is_refused_although_the_browser_sends_the_cookie() {
    with_and_without_script(async |console, tab| {
        let key = console.key("org_1", NewKey::named("ci")).await;
        tab.open(&key.page(KEYS, "delete")).await;
        let right = tab.value("[name=form_token]").await;
        for (token, number) in [("", 1), ("", 2), (&*right, 1), (&*right, 2)] {
            let other = other_site(console, &key.id, token).await;
            tab.sign_in("alice").await; // a new cookie, which is sent for two minutes
            tab.client.goto(&other).await.unwrap();
            tab.click(&format!("form:nth-of-type({number}) button"))
                .await;
            tab.see("The request came from another site and was refused.")
                .await;
            assert!(tab.url().await.starts_with(&tab.site()));
        }
        assert_eq!(console.keys().await[0].status, Status::Active);
        // Nor is a page shown within another site's; a link leads here.
        let other = other_site(console, &key.id, "").await;
        tab.client.goto(&other).await.unwrap();
        let frames = tab
            .devtools("Page.getFrameTree", serde_json::json!({}))
            .await;
        let framed = frames["frameTree"]["childFrames"][0]["frame"]["url"].to_string();
        assert!(!framed.contains(KEYS), "{framed}");
        tab.errors().await; // has the refused frame
        tab.press("list").await;
        tab.see("API keys of Example One").await;
    })
    .await;
}

#[tokio::test]
async fn point_25_who_signed_in_long_ago_is_asked_again_and_comes_back_to_the_form() {
    with_and_without_script(async |console, tab| {
        tab.sign_in("stale").await;
        tab.open(&format!("{KEYS}/new")).await;
        tab.type_into("#name", "ci & more").await;
        tab.type_into("#description", "two\nlines").await;
        tab.click("input[name=rights][value=some]").await;
        tab.click("input[value='agents:read']").await;
        tab.choose("#expiry", "7").await;
        tab.press("Create API key").await;
        tab.until("document.title === 'Sign in'").await;
        assert!(console.keys().await.is_empty());
        tab.press("Sign in").await;
        tab.find("#name").await;
        assert_eq!(tab.value("#name").await, "ci & more");
        assert_eq!(tab.value("#description").await, "two\nlines");
        assert_eq!(tab.value("#expiry").await, "7");
        assert_eq!(tab.value("[name=scope]:checked").await, "agents:read");
        tab.press("Create API key").await;
        tab.secret().await;
        assert_eq!(&*console.keys().await[0].name, "ci & more");
    })
    .await;
}

#[tokio::test]
async fn point_25_while_somebody_acts_as_the_user_nothing_can_be_issued() {
    with_and_without_script(async |console, tab| {
        let key = console.key("org_1", NewKey::named("ci")).await;
        tab.open(&format!("{KEYS}/new")).await; // from before it was taken over
        tab.type_into("#name", "more").await;
        tab.sign_in_beside("impersonated").await;
        tab.press("Create API key").await;
        tab.see("while somebody else acts as you").await;
        for list in [KEYS, TOKENS] {
            tab.open(list).await;
            tab.see("Support acts as alice.").await;
            assert!(
                !tab.shows("summary, a[href*='/new'], form[method=post]")
                    .await
            );
            tab.open(&format!("{list}/new")).await;
            tab.see("while somebody else acts as you").await;
        }
        tab.open(&key.page(KEYS, "rotate")).await;
        tab.see("while somebody else acts as you").await;
        assert_eq!(console.keys().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn point_25_a_viewer_sees_the_list_without_buttons() {
    with_and_without_script(async |console, tab| {
        let key = console.key("org_1", NewKey::named("ci")).await;
        tab.sign_in("vera").await;
        tab.open(KEYS).await;
        assert!(tab.shows(&key.row()).await);
        assert!(
            !tab.shows("summary, a[href*='/new'], form[method=post]")
                .await
        );
        tab.open(&key.page(KEYS, "delete")).await;
        tab.see("You may not manage these.").await;
    })
    .await;
}

#[tokio::test]
async fn point_25_a_name_that_is_made_to_break_the_page_is_shown_as_text() {
    with_and_without_script(async |console, tab| {
        let hostile = "<img src=x onerror=document.title=1> \"'&amp;${1}";
        tab.create(KEYS, hostile).await;
        assert!(tab.page_text().await.contains(hostile));
        tab.leave_secret().await;
        let id = console.keys().await[0].id.to_string();
        let paths = [
            KEYS.to_owned(),
            format!("{KEYS}/{id}/edit"),
            format!("{KEYS}/{id}/rotate"),
            format!("{KEYS}/{id}/delete"),
        ];
        for path in paths {
            tab.open(&path).await;
            let heading = tab
                .eval("document.querySelector('h1, th[scope=row]').innerText")
                .await;
            let seen = tab.page_text().await;
            assert!(seen.contains(hostile), "{path} {heading}: {seen}");
            assert_eq!(tab.eval("document.images.length").await, 0);
        }
        // What would turn the line round is not taken as a name.
        tab.open(&format!("{KEYS}/new")).await;
        tab.type_into("#name", "safe\u{202e}gnp.exe").await;
        tab.press("Create API key").await;
        tab.see_focus_on("#name[aria-invalid=true]").await;
        assert_eq!(console.keys().await.len(), 1);
    })
    .await;
}

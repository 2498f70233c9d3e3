//! Every state in which people see the pages.

use tower_api_key::{
    clock::{Clock as _, UnixMillis},
    credential::Kind,
    manage::{NewKey, NewToken, Rotation},
    store::Attributes,
};

use crate::support::{
    Console, DAY, HOUR, KEYS, Options, Settings, TOKENS, Tab, WIDE, in_browser_with, operator,
};

/// The names of the states.
pub(crate) const STATES: [&str; 25] = [
    "list-full",
    "list-long-names",
    "list-empty",
    "list-none-left",
    "list-no-match",
    "list-pages",
    "list-viewer",
    "list-impersonated",
    "list-after-rotation",
    "list-tokens",
    "new-key",
    "new-key-errors",
    "new-key-some-rights",
    "new-token",
    "secret",
    "secret-copied",
    "secret-question",
    "secret-repeated",
    "edit",
    "rotate",
    "delete",
    "delete-recently-used",
    "problem-not-found",
    "problem-outdated",
    "problem-sign-in",
];

/// Runs a test in each state, in one browser, with a console for each.
pub(crate) async fn in_each_state(
    states: impl Iterator<Item = &&'static str>,
    options: Options,
    test: impl AsyncFn(&str, &Console, &Tab),
) {
    in_browser_with(Settings::default(), options, async |_, tab| {
        for state in states {
            let console = Console::new(settings(state)).await;
            tab.move_to(&console);
            tab.sign_in("alice").await;
            test(state, &console, tab).await;
            tab.assert_no_errors().await;
        }
    })
    .await;
}

/// Returns the settings of the console for a state.
fn settings(state: &str) -> Settings {
    match state {
        "problem-sign-in" => Settings {
            sign_in: "https://sign-in.example/",
            ..Settings::default()
        },
        _ => Settings::default(),
    }
}

/// Leads alice's browser to a state.
pub(crate) async fn show(state: &str, console: &Console, tab: &Tab) {
    tab.resize(WIDE).await;
    match state.split('-').next() {
        Some("list") => show_list(state, console, tab).await,
        Some("new") => show_form(state, tab).await,
        Some("secret") => show_secret(state, tab).await,
        Some("problem") => show_problem(state, tab).await,
        _ => show_one(state, console, tab).await,
    }
}

async fn show_list(state: &str, console: &Console, tab: &Tab) {
    let mut path = KEYS.to_owned();
    match state {
        "list-empty" => {}
        "list-none-left" => {
            let key = console.key("org_1", NewKey::named("ci-deploy")).await;
            let actor = operator(Kind::OrgKey, "org_1");
            let deleted = console.manager.delete(&actor, Kind::OrgKey, &key.id);
            deleted.await.unwrap();
        }
        "list-pages" => {
            for number in 0..60 {
                console
                    .key("org_1", NewKey::named(&format!("worker-{number:02}")))
                    .await;
                console.clock.advance_millis(1);
            }
        }
        "list-tokens" => {
            some_tokens(console).await;
            path = TOKENS.into();
        }
        "list-long-names" => {
            let word = "a_name_without_a_space_".repeat(4);
            for name in [
                &*word,
                "<img src=x onerror=document.title=1> and some words more",
            ] {
                console.key("org_1", NewKey::named(name)).await;
            }
        }
        _ => some_keys(console).await,
    }
    match state {
        "list-no-match" => path += "?q=nothing-like-it&unused=on",
        "list-viewer" => tab.sign_in("vera").await,
        "list-impersonated" => tab.sign_in("impersonated").await,
        _ => {}
    }
    tab.open(&path).await;
    if state == "list-after-rotation" {
        tab.click("tbody tr summary").await;
        tab.click("tbody tr a[href*='/rotate']").await;
        tab.press("Rotate API key").await;
        tab.leave_secret().await;
    }
    tab.until("document.title").await;
}

async fn show_form(state: &str, tab: &Tab) {
    let list = if state == "new-token" { TOKENS } else { KEYS };
    tab.open(&format!("{list}/new")).await;
    match state {
        "new-key-errors" => {
            tab.type_into("#description", "Runs after each merge.")
                .await;
            tab.choose("#expiry", "90").await;
            tab.click("form button[type=submit]").await;
            tab.find("#name-error").await;
        }
        "new-key-some-rights" => {
            tab.type_into("#name", "ci-deploy").await;
            tab.click("input[name=rights][value=some]").await;
            tab.click("input[value='agents:read']").await;
            tab.choose("#expiry", "custom").await;
        }
        _ => {}
    }
}

async fn show_secret(state: &str, tab: &Tab) {
    if state == "secret-repeated" {
        tab.open(&format!("{KEYS}/new")).await;
        tab.type_into("#name", "ci-deploy").await;
        let send = "fetch(document.querySelector('main form').action, { method: 'POST', \
                    body: new URLSearchParams(new FormData(document.querySelector('main form'))) \
                    }).then((answer) => { document.title = answer.status; }) && 0";
        tab.eval(send).await;
        tab.until("document.title === '201'").await;
        tab.click("form button[type=submit]").await;
        tab.see("already been created").await;
        return;
    }
    tab.create(KEYS, "ci-deploy").await;
    match state {
        "secret-copied" => {
            tab.allow_clipboard().await;
            tab.click("#copy").await;
            tab.see("Copied.").await;
        }
        "secret-question" => tab.click("#done").await,
        _ => {}
    }
}

async fn show_problem(state: &str, tab: &Tab) {
    match state {
        "problem-not-found" => tab.open(&format!("{KEYS}/unknown/edit")).await,
        "problem-outdated" => {
            tab.open(&format!("{KEYS}/new")).await;
            tab.eval("document.querySelector('[name=form_token]').value = 'old'")
                .await;
            tab.click("form button[type=submit]").await;
        }
        _ => {
            tab.open(&format!("{KEYS}/new")).await;
            tab.type_into("#name", "ci-deploy").await;
            tab.sign_in_beside("stale").await;
            tab.click("form button[type=submit]").await;
        }
    }
    tab.find(".credentials > h1").await;
}

async fn show_one(state: &str, console: &Console, tab: &Tab) {
    let new = NewKey::named("ci-deploy").with_role("viewer");
    let key = console.key("org_1", new).await;
    let page = match state {
        "delete-recently-used" => {
            console.use_key(&key).await;
            console.clock.advance_millis(2 * DAY);
            "delete"
        }
        page => page,
    };
    tab.open(&key.page(KEYS, page)).await;
}

/// Creates keys in every state.
async fn some_keys(console: &Console) {
    let now = console.clock.now().0;
    let at = |moment: i64| Some(UnixMillis(moment));
    let actor = operator(Kind::OrgKey, "org_1");
    let kind = Kind::OrgKey;
    let new = |name: &str| NewKey::named(name).with_role("viewer");
    let expired = new("trial-import").expiring_at(at(now + DAY));
    console.key("org_1", expired).await;
    console.clock.advance_millis(2 * DAY);
    // In which order they are listed follows from when they were created.
    let later = || console.clock.advance_millis(HOUR);
    let disabled = console.key("org_1", new("old-dashboard")).await;
    console
        .manager
        .disable(&actor, kind, &disabled.id)
        .await
        .unwrap();
    later();
    let ending = console.key("org_1", new("nightly-report")).await;
    let overlap = Rotation::default().with_overlap(std::time::Duration::from_secs(24 * 3600));
    console
        .manager
        .rotate(&actor, kind, &ending.id, overlap)
        .await
        .unwrap();
    later();
    let soon = new("phone-provisioning").expiring_at(at(now + 8 * DAY));
    console.key("org_1", soon).await;
    later();
    let scopes = ["agents:read", "campaigns:read", "conversations:read"];
    let some = NewKey::named("analytics").with_scopes(scopes);
    let some = some.expiring_at(at(now + 90 * DAY));
    let used = console.key("org_1", some).await;
    later();
    let described = Attributes::default().with_description("Deploys after each merge to main.");
    let admin = NewKey::named("ci-deploy")
        .with_role("admin")
        .with_attributes(described);
    let ci = console.key("org_1", admin).await;
    console.use_key(&ci).await;
    console.use_key(&used).await;
}

async fn some_tokens(console: &Console) {
    let scopes = ["agents:read", "members:read"];
    let some = NewToken::named("laptop").with_scopes(scopes);
    console
        .token("alice", some.with_organizations(["org_1"]))
        .await;
    console.token("alice", NewToken::named("experiments")).await;
}

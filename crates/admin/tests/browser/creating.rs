//! Creating a key or a token: points 1 to 6.

use tower_api_key::{
    clock::{Clock as _, UnixMillis},
    credential::Kind,
    scope::Catalogue,
    store::Owner,
};

use crate::support::{
    DAY, KEYS, Options, Proxy, Settings, TOKENS, Tab, in_browser, in_browser_with,
    with_and_without_script,
};

const SUBMIT: &str = "form button[type=submit]";

/// Opens the form for a new credential and types a name.
async fn fill_in(tab: &Tab, list: &str, name: &str) {
    tab.open(&format!("{list}/new")).await;
    tab.type_into("#name", name).await;
}

#[tokio::test]
async fn point_1_a_bad_name_is_reported_at_its_field_and_nothing_typed_is_lost() {
    with_and_without_script(async |console, tab| {
        for name in ["", "   ", &"x".repeat(101)] {
            fill_in(tab, KEYS, name).await;
            tab.type_into("#description", "After each merge.").await;
            tab.choose("#expiry", "90").await;
            tab.click("input[name=rights][value=some]").await;
            tab.click("input[value='agents:read']").await;
            tab.click(SUBMIT).await;
            tab.find("#name-error").await;
            tab.see_focus_on("#name[aria-invalid=true][aria-describedby~='name-error']")
                .await;
            assert!(tab.shows("#name-error").await);
            assert_eq!(tab.value("#name").await, name);
            assert_eq!(tab.value("#description").await, "After each merge.");
            assert_eq!(tab.value("#expiry").await, "90");
            assert_eq!(tab.value("input[name=rights]:checked").await, "some");
            assert_eq!(tab.value("input[name=scope]:checked").await, "agents:read");
        }
        assert!(console.keys().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn point_2_the_expiry_that_is_seen_is_the_one_that_applies() {
    with_and_without_script(async |console, tab| {
        for (list, kind, owner) in [
            (KEYS, Kind::OrgKey, "org_1"),
            (TOKENS, Kind::PersonalToken, "alice"),
        ] {
            fill_in(tab, list, "ci").await;
            let seen = "document.querySelector('#expiry').selectedOptions[0].innerText.trim()";
            assert_eq!(tab.eval_text(seen).await, "30 days");
            tab.click(SUBMIT).await;
            tab.secret().await;
            let created = console.all(kind, owner).await.remove(0);
            let end = UnixMillis(console.clock.now().0 + 30 * DAY);
            assert_eq!(created.expires_at, Some(end));
            tab.leave_secret().await;
        }
    })
    .await;
}

#[tokio::test]
async fn point_3_never_says_what_it_means_and_the_list_marks_it() {
    with_and_without_script(async |console, tab| {
        fill_in(tab, KEYS, "ci").await;
        assert!(!tab.shows(".credentials-never").await);
        tab.choose("#expiry", "never").await;
        assert!(tab.shows(".credentials-never").await);
        tab.see("works until it is deleted").await;
        tab.click(SUBMIT).await;
        tab.secret().await;
        assert_eq!(console.keys().await[0].expires_at, None);
        tab.leave_secret().await;
        let cell = tab.text("tbody td[data-label=Expires] strong").await;
        assert!(cell.starts_with("Never"), "{cell}");
    })
    .await;
}

/// Returns the day so many days from now, where the browser is.
async fn day(tab: &Tab, zone: &str, days: i64) -> String {
    let format = format!(
        "new Intl.DateTimeFormat('en-CA', {{ timeZone: '{zone}' }}).format(Date.now() + {})",
        days * DAY
    );
    tab.eval_text(&format).await
}

async fn a_day_ends_where_the_browser_is(zone: &str) {
    in_browser_with(Settings::now(), Options::default(), async |console, tab| {
        tab.travel(zone).await;
        fill_in(tab, KEYS, "ci").await;
        tab.choose("#expiry", "custom").await;
        tab.see(zone).await; // "… in your time zone, Pacific/Auckland."
        for past in [0, -1, -40] {
            let past = day(tab, zone, past).await;
            tab.set_day("#date", &past).await;
            tab.click(SUBMIT).await;
            tab.find("#date-error").await;
            tab.see_focus_on("#date[aria-invalid=true]").await;
            assert_eq!(tab.value("#date").await, past);
        }
        assert!(console.keys().await.is_empty());
        let chosen = day(tab, zone, 10).await;
        tab.set_day("#date", &chosen).await;
        let hint = tab.text("#date-hint").await;
        tab.click(SUBMIT).await;
        tab.secret().await;
        let stored = console.keys().await[0].expires_at.unwrap().0;
        // With the zone by name, so that it does not depend on where the browser is.
        let there = |options: &str| {
            format!("new Intl.DateTimeFormat({options}, timeZone: '{zone}' }}).format({stored})")
        };
        let machine = there(
            "'sv', { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', \
             minute: '2-digit'",
        );
        assert_eq!(tab.eval_text(&machine).await, format!("{chosen} 23:59"));
        let people = there(
            "'en', { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', \
             minute: '2-digit', timeZoneName: 'short'",
        );
        let people = tab.eval_text(&people).await;
        assert_eq!(hint, format!("It works until {people}."));
        tab.leave_secret().await;
        assert_eq!(tab.text("tbody td[data-label=Expires]").await, people);
    })
    .await;
}

#[tokio::test]
async fn point_4_a_day_ends_in_auckland_for_a_browser_in_auckland() {
    a_day_ends_where_the_browser_is("Pacific/Auckland").await;
}

#[tokio::test]
async fn point_4_a_day_ends_in_los_angeles_for_a_browser_in_los_angeles() {
    a_day_ends_where_the_browser_is("America/Los_Angeles").await;
}

#[tokio::test]
async fn point_4_a_day_ends_in_utc_without_script_and_the_page_says_so() {
    let options = Options {
        runs_scripts: false,
        ..Options::default()
    };
    in_browser_with(Settings::now(), options, async |console, tab| {
        tab.travel("Pacific/Auckland").await;
        fill_in(tab, KEYS, "ci").await;
        tab.choose("#expiry", "custom").await;
        tab.see("23:59 UTC").await;
        let today = day(tab, "UTC", 0).await;
        tab.set_day("#date", &today).await;
        tab.click(SUBMIT).await;
        tab.see_focus_on("#date[aria-invalid=true]").await;
        let chosen = day(tab, "UTC", 10).await;
        tab.set_day("#date", &chosen).await;
        tab.click(SUBMIT).await;
        tab.secret().await;
        let stored = console.keys().await[0].expires_at.unwrap().0;
        let iso = tab
            .eval_text(&format!("new Date({stored}).toISOString()"))
            .await;
        assert_eq!(iso, format!("{chosen}T23:59:00.000Z"));
        tab.leave_secret().await;
        let seen = tab.text("tbody td[data-label=Expires]").await;
        assert_eq!(seen, format!("{chosen} 23:59 UTC"));
    })
    .await;
}

/// On a slow network the second press comes before the first answer. It must not take its place, as
/// the secret is in the first alone.
#[tokio::test]
async fn point_5_create_twice_on_a_slow_network_creates_one_key_and_shows_its_secret() {
    in_browser(async |console, tab| {
        let proxy = Proxy::start(console.address).await;
        for path in ["/sign-in-as/alice", "/api-keys/new"] {
            let url = format!("http://{}{path}", proxy.address);
            tab.client.goto(&url).await.unwrap();
        }
        tab.type_into("#name", "ci").await;
        proxy.hold();
        let press = "const press = (times) => { \
                     document.querySelector('form button[type=submit]').click(); \
                     times > 1 ? setTimeout(press, 100, times - 1) : fetch('/release'); \
                     }; setTimeout(press, 0, 3);";
        tab.client.execute(press, Vec::new()).await.unwrap();
        let secret = tab.secret().await;
        assert_eq!(proxy.posts(), 1);
        assert_eq!(console.call(&secret).await, 200);
        assert_eq!(console.keys().await.len(), 1);
    })
    .await;
}

/// Without the script the second click is a request of its own, whose answer has no secret.
#[tokio::test]
async fn point_5_a_double_click_without_script_creates_one_key() {
    let options = Options {
        runs_scripts: false,
        ..Options::default()
    };
    in_browser_with(Settings::default(), options, async |console, tab| {
        let proxy = Proxy::start(console.address).await;
        for path in ["/sign-in-as/alice", "/api-keys/new"] {
            let url = format!("http://{}{path}", proxy.address);
            tab.client.goto(&url).await.unwrap();
        }
        tab.type_into("#name", "ci").await;
        proxy.hold_until(2);
        tab.double_click(SUBMIT).await;
        tab.see("already been created").await;
        assert_eq!(proxy.posts(), 2);
        assert_eq!(console.keys().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn point_5_create_again_after_a_cut_connection_creates_one_key() {
    with_and_without_script(async |console, tab| {
        let proxy = Proxy::start(console.address).await;
        let site = format!("http://{}", proxy.address);
        let goto = async |path: &str| {
            let url = format!("{site}{path}");
            tab.client.goto(&url).await.unwrap();
        };
        goto("/sign-in-as/alice").await;
        goto("/api-keys/new").await;
        tab.type_into("#name", "ci").await;
        proxy.set_cuts(true);
        tab.click(SUBMIT).await;
        tab.until("!document.querySelector('main.credentials')")
            .await;
        assert!(proxy.cut() > 0);
        proxy.set_cuts(false);
        assert_eq!(console.keys().await.len(), 1);
        // The way back leads to the form; its button is pressed once more.
        tab.client.back().await.unwrap();
        tab.until("document.querySelector('#name')").await;
        if tab.value("#name").await.is_empty() {
            tab.type_into("#name", "ci").await;
        }
        tab.click(SUBMIT).await;
        tab.see("already been created").await;
        let keys = console.keys().await;
        assert_eq!(keys.len(), 1, "{keys:?}");
    })
    .await;
}

#[tokio::test]
async fn point_6_only_rights_that_are_held_can_be_ticked_and_they_are_listed_before() {
    with_and_without_script(async |console, tab| {
        tab.sign_in("vera").await;
        fill_in(tab, TOKENS, "laptop").await;
        let held = Catalogue::anyreach().scopes_of("viewer").unwrap();
        let held: Vec<&str> = held.iter().collect();
        let listed = "[...document.querySelectorAll('.credentials-scopes code')]\
                      .filter((one) => one.checkVisibility()).map((one) => one.textContent)";
        assert_eq!(tab.eval(listed).await, serde_json::json!(held));
        tab.click("input[name=rights][value=some]").await;
        let offered = "[...document.querySelectorAll('[name=scope]')]\
                       .filter((one) => one.checkVisibility()).map((one) => one.value)";
        assert_eq!(tab.eval(offered).await, serde_json::json!(held));
        // Whoever changes the page gains nothing.
        tab.eval("document.querySelector('[name=scope]').value = 'members:manage'")
            .await;
        tab.click("[name=scope]").await;
        tab.click(SUBMIT).await;
        tab.see("You do not hold one of the ticked rights").await;
        assert!(console.all(Kind::PersonalToken, "vera").await.is_empty());
        tab.click("input[value='agents:read']").await;
        tab.click(SUBMIT).await;
        tab.secret().await;
        let token = console.all(Kind::PersonalToken, "vera").await.remove(0);
        let scopes = token.scopes.unwrap();
        assert_eq!(
            scopes.iter().map(|one| &**one).collect::<Vec<&str>>(),
            ["agents:read"]
        );
        assert_eq!(token.owner, Owner::of(Kind::PersonalToken, "vera"));
    })
    .await;
}

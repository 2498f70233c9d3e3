//! The list: points 16 to 21.

use std::collections::HashMap;

use tower_api_key::{
    clock::UnixMillis,
    manage::{NewKey, NewToken},
    store::Attributes,
};

use super::{
    document::Document,
    support::{Browser, Console, DAY, KEYS, TOKENS},
};
use crate::support::{START, org};

/// Returns the texts of the row with an id, by column.
fn row(document: &Document, id: &str) -> HashMap<String, String> {
    let at = document
        .0
        .iter()
        .position(|one| one.get("id") == Some(&*format!("row-{id}")));
    let at = at.unwrap_or_else(|| panic!("no row of {id}"));
    let cells = document.0[at..].iter().take_while(|one| one.tag != "/tr");
    let (mut row, mut column) = (HashMap::new(), "Name".to_owned());
    for one in cells {
        if let Some(label) = one.get("data-label") {
            column = label.to_owned();
        }
        *row.entry(column.clone()).or_insert_with(String::new) += &one.text;
    }
    row
}

/// Returns the names of the rows, in order.
fn names(document: &Document) -> Vec<String> {
    let rows = document
        .all("tr")
        .into_iter()
        .filter_map(|one| one.get("id"));
    let name = |id: &str| row(document, id.strip_prefix("row-").unwrap())["Name"].clone();
    rows.map(name).collect()
}

async fn listed(browser: Browser<'_>, path: &str) -> Document {
    let seen = browser.get(path).await;
    assert_eq!(seen.status, 200, "{path}");
    seen.document()
}

#[tokio::test]
async fn point_16_a_row_has_name_id_rights_creator_expiry_and_last_use() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    assert_eq!(alice.create(KEYS, "by alice").await.status, 201);
    let by_alice = console.only_key().await.id;
    let new = NewKey::named("by test").with_scopes(["agents:read", "members:read"]);
    let attributes = Attributes::default().with_description("Reads.");
    let used = console.key("org_1", new.with_attributes(attributes)).await;
    console.use_key(&used).await;
    let document = listed(alice, KEYS).await;
    let first = row(&document, by_alice.as_str());
    for (column, text) in [
        ("Name", "by alice".to_owned()),
        ("Key ID", format!("ak_{by_alice}")),
        ("Rights", "Role admin".to_owned()),
        ("State", "Active".to_owned()),
        ("Created", "2023-11-14 22:13 UTC by you".to_owned()),
        ("Expires", "2023-12-14 22:13 UTC".to_owned()),
        ("Last used", "No use recorded".to_owned()),
    ] {
        assert_eq!(first[column], text, "{column}");
    }
    let second = row(&document, &used.id);
    assert_eq!(second["Name"], "by testReads.");
    assert_eq!(second["Rights"], "agents:readmembers:read");
    assert_eq!(second["Created"], "2023-11-14 22:13 UTC by test");
    assert_eq!(second["Last used"], "2023-11-14 22:13 UTC");
    assert!(
        document
            .text()
            .contains("A use may be recorded up to a day late.")
    );
    // The id is the beginning of the key, as logs show it.
    assert!(used.secret.starts_with(&format!("ak_{}.", used.id)));
}

#[tokio::test]
async fn point_16_where_no_uses_are_recorded_nothing_is_said_about_them() {
    let console = Console::with(|pages| pages.without_last_use()).await;
    let alice = console.browser("alice");
    let key = console.key("org_1", NewKey::named("ci")).await;
    for path in [KEYS.to_owned(), format!("{KEYS}/{}/delete", key.id)] {
        let text = listed(alice, &path).await.text();
        for words in ["use recorded", "Last used", "Unused for", "No use"] {
            assert!(!text.contains(words), "{path}: {words}");
        }
    }
}

#[tokio::test]
async fn point_17_each_state_is_in_words() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let until = |days: i64| NewKey::named("key").expiring_at(UnixMillis(START + days * DAY));
    let active = console.key("org_1", until(8)).await;
    let soon = console.key("org_1", until(6)).await;
    let expired = console.key("org_1", until(1)).await;
    let disabled = console.key("org_1", until(8)).await;
    let actor = org("org_1");
    let kind = tower_api_key::credential::Kind::OrgKey;
    console
        .manager
        .disable(&actor, kind, &disabled.id)
        .await
        .unwrap();
    let rotated = console.key("org_1", until(300)).await;
    let form = alice
        .open(
            &format!("{KEYS}/{}/rotate", rotated.id),
            &format!("{KEYS}/{}/rotate", rotated.id),
        )
        .await;
    assert_eq!(
        alice.submit(&form.set("overlap", "604800")).await.status,
        201
    );
    let text = |document: &Document, id: &str| row(document, id)["State"].clone();
    let document = listed(alice, KEYS).await;
    assert_eq!(text(&document, &active.id), "Active");
    assert_eq!(text(&document, &soon.id), "Expires in 6 days");
    assert_eq!(text(&document, &expired.id), "Expires within a day");
    assert_eq!(text(&document, &disabled.id), "Disabled");
    assert_eq!(
        text(&document, &rotated.id),
        "Ends 2023-11-21 22:13 UTC (rotated)"
    );
    console.clock.advance_millis(DAY);
    let document = listed(alice, KEYS).await;
    assert_eq!(text(&document, &expired.id), "Expired");
    assert_eq!(text(&document, &soon.id), "Expires in 5 days");
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
        let value = f64::from(value) / 255.0;
        match value <= 0.04045 {
            true => value / 12.92,
            false => ((value + 0.055) / 1.055).powf(2.4),
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[tokio::test]
async fn point_17_contrast_is_enough_in_light_and_dark() {
    let console = Console::new().await;
    let document = listed(console.browser("alice"), KEYS).await;
    let href = document.all("link")[0].get("href").unwrap().to_owned();
    let request = axum::http::Request::get(href)
        .body(axum::body::Body::empty())
        .unwrap();
    let style = crate::support::send(&console.app, request).await.text;
    let roots: Vec<&str> = style.split(":root {").skip(1).collect();
    assert_eq!(roots.len(), 2);
    for root in roots {
        let root = root.split('}').next().unwrap();
        let colour = |name: &str| {
            let name = format!("--credentials-{name}: #");
            let at = root.find(&name).unwrap_or_else(|| panic!("{name}")) + name.len() - 1;
            &root[at..at + 7]
        };
        for (text, background) in [
            ("text", "background"),
            ("text", "surface"),
            ("muted", "background"),
            ("muted", "surface"),
            ("accent", "background"),
            ("accent", "surface"),
            ("on-accent", "accent"),
            ("danger", "background"),
            ("danger", "surface"),
            ("on-danger", "danger"),
            ("warning", "background"),
            ("good", "background"),
        ] {
            let contrast = contrast(colour(text), colour(background));
            assert!(contrast >= 4.5, "{text} on {background}: {contrast}");
        }
        // Borders of fields (WCAG 2.2, 1.4.11).
        assert!(contrast(colour("line"), colour("background")) >= 3.0);
    }
}

#[tokio::test]
async fn point_18_a_table_with_caption_and_headings_and_buttons_that_name_their_key() {
    let console = Console::new().await;
    let key = console.key("org_1", NewKey::named("ci-deploy")).await;
    let document = listed(console.browser("alice"), KEYS).await;
    assert_eq!(document.all("caption")[0].text, "API keys of Example One");
    let columns = document
        .all("th")
        .into_iter()
        .filter(|one| one.get("scope") == Some("col"));
    let columns: Vec<&str> = columns.map(|one| &*one.text).collect();
    let wanted = [
        "Name",
        "Key ID",
        "Rights",
        "State",
        "Created",
        "Expires",
        "Last used",
        "Actions",
    ];
    assert_eq!(columns, wanted);
    let rows = document
        .all("th")
        .into_iter()
        .filter(|one| one.get("scope") == Some("row"));
    assert_eq!(rows.count(), 1);
    let actions = row(&document, &key.id)["Actions"].clone();
    for action in ["Edit", "Rotate", "Disable", "Delete"] {
        assert!(
            actions.contains(&format!("{action} ci-deploy")),
            "{actions}"
        );
    }
}

#[tokio::test]
async fn point_19_a_thousand_keys_are_pages_whose_filter_is_in_the_url() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for number in 0..1_000 {
        let name = format!("key {number:04}");
        console
            .key("org_1", NewKey::named(&name).with_role("viewer"))
            .await;
        console.clock.advance_millis(1);
    }
    let (mut path, mut seen, mut pages) = (format!("{KEYS}?q=key"), Vec::new(), 0);
    loop {
        let document = listed(alice, &path).await;
        seen.extend(names(&document));
        pages += 1;
        let mut links = document.all("a").into_iter();
        let next = links.rfind(|one| one.get("rel") == Some("next"));
        let Some(next) = next else { break };
        path = next.get("href").unwrap().to_owned();
        assert!(path.starts_with(&format!("{KEYS}?q=key&cursor=")), "{path}");
        let form = document.all("form")[0].clone();
        assert_eq!(form.get("method"), Some("get"));
    }
    let wanted: Vec<String> = (0..1_000)
        .rev()
        .map(|number| format!("key {number:04}"))
        .collect();
    assert_eq!((pages, seen), (20, wanted));
    let document = listed(alice, &path).await;
    let links = document
        .all("a")
        .into_iter()
        .filter(|one| one.text == "First page");
    let first: Vec<_> = links.map(|one| one.get("href").unwrap()).collect();
    assert_eq!(first, [format!("{KEYS}?q=key")]);
    // A cursor of another list, or none at all, leads to the first page.
    for cursor in ["nothing", path.split("cursor=").nth(1).unwrap()] {
        let document = listed(alice, &format!("{KEYS}?cursor={cursor}")).await;
        assert_eq!(names(&document)[0], "key 0999");
    }
}

#[tokio::test]
async fn point_19_filters_by_state_name_expiry_and_use() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let until = |name: &str, days: i64| {
        NewKey::named(name)
            .with_role("admin")
            .expiring_at(UnixMillis(START + days * DAY))
    };
    let used = console.key("org_1", until("used", 400)).await;
    console.key("org_1", until("unused", 400)).await;
    console.key("org_1", until("soon", 110)).await;
    console.key("org_1", until("over", 1)).await;
    let off = console.key("org_1", until("off", 400)).await;
    let kind = tower_api_key::credential::Kind::OrgKey;
    console
        .manager
        .disable(&org("org_1"), kind, &off.id)
        .await
        .unwrap();
    console.clock.advance_millis(95 * DAY);
    console.use_key(&used).await;
    for (query, wanted) in [
        ("", vec!["off", "over", "soon", "unused", "used"]),
        ("?state=active", vec!["soon", "unused", "used"]),
        ("?state=expired", vec!["over"]),
        ("?state=disabled", vec!["off"]),
        ("?state=deleted", vec![]),
        (
            "?state=other",
            vec!["off", "over", "soon", "unused", "used"],
        ),
        ("?q=USE", vec!["unused", "used"]),
        ("?q=nothing", vec![]),
        ("?expiring=on", vec!["soon"]),
        ("?expiring=on&state=expired", vec!["over"]),
        ("?unused=on&state=active", vec!["soon", "unused"]),
    ] {
        let document = listed(alice, &format!("{KEYS}{query}")).await;
        let mut names = names(&document);
        names.sort_unstable();
        assert_eq!(names, wanted, "{query}");
        let filter = document.form(KEYS);
        let name = filter.get("q").unwrap();
        assert_eq!(name.is_empty(), !query.contains("q="), "{query}");
        assert_eq!(filter.get("unused").is_some(), query.contains("unused"));
        assert_eq!(filter.get("expiring").is_some(), query.contains("expiring"));
    }
}

#[tokio::test]
async fn point_20_an_empty_list_says_what_a_key_is_for() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for (list, none) in [(KEYS, "No API keys"), (TOKENS, "No tokens")] {
        let document = listed(alice, list).await;
        let text = document.text();
        assert!(text.contains(&format!("{none} yet.")), "{text}");
        assert!(text.contains("lets a program call the API"), "{text}");
        let new = format!("{list}/new");
        let has_button = |document: &Document| {
            let place = |one: &&super::document::Element| one.get("href") == Some(new.as_str());
            // It is the first thing behind the heading, whatever is listed.
            let after = document.0.iter().skip_while(|one| one.tag != "/h1").nth(1);
            after.filter(place).is_some()
        };
        assert!(has_button(&document));
        assert_eq!(alice.create(list, "ci").await.status, 201);
        let kind = match list {
            KEYS => tower_api_key::credential::Kind::OrgKey,
            _ => tower_api_key::credential::Kind::PersonalToken,
        };
        assert!(has_button(&listed(alice, list).await));
        let owner = if list == KEYS { "org_1" } else { "alice" };
        let id = console.all(kind, owner).await.remove(0).id;
        let form = alice
            .open(
                &format!("{list}/{id}/delete"),
                &format!("{list}/{id}/delete"),
            )
            .await;
        alice.submit(&form).await;
        let document = listed(alice, list).await;
        let text = document.text();
        assert!(
            text.contains(&format!("{none}.")) && !text.contains("yet"),
            "{text}"
        );
        assert!(has_button(&document));
        let text = listed(alice, &format!("{list}?state=active")).await.text();
        assert!(
            text.contains("matches the filter.") && !text.contains("yet"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn point_21_each_cell_has_a_label_for_where_the_table_becomes_blocks() {
    let console = Console::new().await;
    console.key("org_1", NewKey::named("ci")).await;
    console.token("alice", NewToken::named("laptop")).await;
    for list in [KEYS, TOKENS] {
        let document = listed(console.browser("alice"), list).await;
        let cells = document.all("td");
        assert!(cells.len() == 7 && cells.iter().all(|one| one.has("data-label")));
        // A browser forgets what a table is when its style is another.
        for (tag, role) in [
            ("table", "table"),
            ("tbody", "rowgroup"),
            ("tr", "row"),
            ("td", "cell"),
        ] {
            let all = document.all(tag);
            assert!(!all.is_empty() && all.iter().all(|one| one.get("role") == Some(role)));
        }
        let mut viewport = document.all("meta").into_iter();
        let viewport = viewport.rfind(|one| one.get("name") == Some("viewport"));
        let content = viewport.unwrap().get("content").unwrap();
        assert_eq!(content, "width=device-width, initial-scale=1");
    }
}

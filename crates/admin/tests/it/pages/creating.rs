//! Creating: points 1 to 6.

use tower_api_key::{clock::UnixMillis, credential::Kind, manage::NewKey, scope::Catalogue};

use super::{
    document::Document,
    support::{Console, DAY, HOUR, KEYS, TOKENS},
};
use crate::support::START;

#[tokio::test]
async fn point_1_a_bad_name_is_named_at_its_field_and_nothing_typed_is_lost() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let long = "\u{e9}".repeat(101);
    for name in ["", " ", &long, "a\u{202e}b"] {
        let form = alice
            .new_form(KEYS)
            .await
            .set("name", name)
            .set("description", "two\r\nlines")
            .set("expiry", "90")
            .set("rights", "some")
            .add("scope", "agents:read");
        let seen = alice.submit(&form).await;
        assert_eq!(seen.status, 422, "{name:?}");
        let document = seen.document();
        let field = document.by_id("name").unwrap();
        assert_eq!(field.get("aria-invalid"), Some("true"));
        let described = field.get("aria-describedby").unwrap();
        assert_eq!(described, "name-hint name-error");
        let message = document.text_of("name-error");
        assert!(message.starts_with("Use 1 to 100 characters"), "{message}");
        assert_eq!(document.focused().unwrap().get("id"), Some("name"));
        let again = document.form(KEYS);
        for (field, value) in [
            ("name", name),
            ("description", "two\nlines"),
            ("expiry", "90"),
            ("rights", "some"),
            ("scope", "agents:read"),
        ] {
            assert_eq!(again.get(field), Some(value), "{field}");
        }
        // It is sent again as a new one.
        assert_ne!(again.get("stamp"), form.get("stamp"));
    }
    assert!(console.all(Kind::OrgKey, "org_1").await.is_empty());
}

#[tokio::test]
async fn point_2_only_a_name_expires_as_the_form_shows() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let form = alice.new_form(KEYS).await;
    assert_eq!(form.get("expiry"), Some("30"));
    assert_eq!(alice.submit(&form.set("name", "ci")).await.status, 201);
    let key = console.only_key().await;
    assert_eq!(key.expires_at, Some(UnixMillis(START + 30 * DAY)));
    // Nor does a form without the field mean that it never expires.
    let mut form = alice.new_form(KEYS).await.set("name", "cd");
    form.fields.retain(|(name, _)| name != "expiry");
    assert_eq!(alice.submit(&form).await.status, 201);
    let keys = console.all(Kind::OrgKey, "org_1").await;
    assert!(
        keys.iter()
            .all(|key| key.expires_at == Some(UnixMillis(START + 30 * DAY)))
    );
    for value in ["", "31", "Never", "same"] {
        let form = alice
            .new_form(KEYS)
            .await
            .set("name", "ce")
            .set("expiry", value);
        let seen = alice.submit(&form).await;
        assert_eq!(seen.status, 422, "{value}");
        let text = seen.document().text_of("expiry-error");
        assert_eq!(text, "Choose when it expires.");
    }
}

#[tokio::test]
async fn point_3_never_is_explained_and_marked() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for (list, noun) in [(KEYS, "key"), (TOKENS, "token")] {
        let seen = alice.get(&format!("{list}/new")).await;
        let document = seen.document();
        let note = format!("“Never” means that the {noun} works until it is deleted.");
        assert_eq!(document.text_of("expiry-hint"), note);
        let form = document.form(list).set("name", "ci").set("expiry", "never");
        assert_eq!(alice.submit(&form).await.status, 201);
        let seen = alice.get(list).await;
        assert!(
            seen.document()
                .text()
                .contains("Never: works until it is deleted")
        );
    }
    assert_eq!(console.only_key().await.expires_at, None);
}

/// When 23:59 is on a day where clocks are ahead of UTC by some hours.
fn last_minute(day_in_november: i64, hours_ahead: i64) -> i64 {
    let midnight = START - START % DAY + (day_in_november - 14) * DAY;
    midnight + DAY - 60_000 - hours_ahead * HOUR
}

#[tokio::test]
async fn point_4_a_day_ends_where_the_browser_is_and_is_after_today() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let document = alice.get(&format!("{KEYS}/new")).await.document();
    assert_eq!(
        document.by_id("date").unwrap().get("min"),
        Some("2023-11-15")
    );
    let hint = "It works until 23:59 UTC on that day.";
    assert_eq!(document.text_of("date-hint"), hint);
    // Now it is 22:13 on the 14th in UTC, 11:13 on the 15th in Pacific/Auckland, 14:13 on the 14th
    // in America/Los_Angeles.
    for (day, hours_ahead, message) in [
        (14, None, Some("Choose a day after today.")),
        (13, None, Some("Choose a day after today.")),
        (15, Some(13), Some("Choose a day after today.")),
        (14, Some(-8), Some("Choose a day after today.")),
        (16, Some(20), Some("Choose a day.")),
        (15, None, None),
        (16, Some(13), None),
        (15, Some(-8), None),
    ] {
        let ends_at = last_minute(day, hours_ahead.unwrap_or_default());
        let form = alice
            .new_form(KEYS)
            .await
            .set("name", "ci")
            .set("expiry", "custom")
            .set("date", &format!("2023-11-{day}"))
            .set(
                "ends_at",
                &hours_ahead.map_or(String::new(), |_| ends_at.to_string()),
            );
        let seen = alice.submit(&form).await;
        let Some(message) = message else {
            assert_eq!(seen.status, 201, "{day} {hours_ahead:?}");
            let newest = console.all(Kind::OrgKey, "org_1").await;
            let is_stored = newest
                .iter()
                .any(|key| key.expires_at == Some(UnixMillis(ends_at)));
            assert!(is_stored, "{day} {hours_ahead:?}");
            continue;
        };
        let document = seen.document();
        assert_eq!(
            (seen.status, &*document.text_of("date-error")),
            (422, message)
        );
        assert_eq!(document.focused().unwrap().get("id"), Some("date"));
        let date = format!("2023-11-{day}");
        assert_eq!(document.form(KEYS).get("date"), Some(&*date));
    }
    let list = alice.get(KEYS).await;
    // The moment that is stored, for the script, and in UTC, which it says.
    let shown = "<time datetime=\"2023-11-16T10:59:00Z\">2023-11-16 10:59 UTC</time>";
    assert!(list.html.contains(shown));
}

#[tokio::test]
async fn point_5_a_form_that_is_sent_twice_creates_one() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for (list, kind) in [(KEYS, Kind::OrgKey), (TOKENS, Kind::PersonalToken)] {
        let form = alice.new_form(list).await.set("name", "ci");
        let (first, again) = tokio::join!(alice.submit(&form), alice.submit(&form));
        assert_eq!((first.status, again.status), (201, 200), "{list}");
        let secret = first.secret();
        console.clock.advance_millis(60_000); // after a cut connection
        let later = alice.submit(&form).await;
        for repeated in [again, later] {
            assert_eq!(repeated.status, 200);
            assert!(!repeated.html.contains(&secret));
            let text = repeated.document().text();
            assert!(
                text.contains("has already been created") && text.contains("ci"),
                "{text}"
            );
        }
        let owner = if list == KEYS { "org_1" } else { "alice" };
        assert_eq!(console.all(kind, owner).await.len(), 1);
        // The same form with other values is another wish: it is asked again.
        let other = alice.submit(&form.clone().set("name", "cd")).await;
        assert_eq!(other.status, 409);
        let document = other.document();
        assert!(
            document
                .text()
                .contains("already been sent with other values")
        );
        assert_eq!(alice.submit(&document.form(list)).await.status, 201);
        assert_eq!(console.all(kind, owner).await.len(), 2);
    }
}

#[tokio::test]
async fn a_form_without_its_stamp_is_shown_again() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    for stamp in ["", "5-x", "nothing"] {
        let form = alice
            .new_form(KEYS)
            .await
            .set("name", "ci")
            .set("stamp", stamp);
        let seen = alice.submit(&form).await;
        assert_eq!(seen.status, 422);
        let again = seen.document().form(KEYS);
        assert_eq!(again.get("name"), Some("ci"));
        assert!(seen.document().text().contains("The form was too old"));
    }
}

fn scopes_offered(document: &Document) -> Vec<String> {
    let boxes = document.all("input").into_iter();
    let scopes = boxes.filter(|one| one.get("name") == Some("scope"));
    scopes
        .map(|one| one.get("value").unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn point_6_only_what_the_person_holds_can_be_ticked_and_it_is_listed_before() {
    let console = Console::new().await;
    let some = console.browser("some");
    let document = some.get(&format!("{TOKENS}/new")).await.document();
    let held = ["members:manage", "members:read", "organizations:manage"];
    assert_eq!(scopes_offered(&document), held);
    let text = document.text();
    for shown in [
        "That is, today:",
        "Example One:",
        "includes members:read",
        "in Example One",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let form = document
        .form(TOKENS)
        .set("name", "ci")
        .set("rights", "some");
    for (form, error, message) in [
        (form.clone(), "rights-error", "Tick at least one right."),
        (
            form.clone().add("scope", "agents:read"),
            "rights-error",
            "You do not hold one of the ticked rights any more. Tick others.",
        ),
        (
            form.clone()
                .add("scope", "members:read")
                .set("organizations", "some")
                .add("organization", "org_2"),
            "organizations-error",
            "You are not a member of one of the ticked organizations any more. Tick others.",
        ),
    ] {
        let seen = some.submit(&form).await;
        assert_eq!(seen.status, 422);
        assert_eq!(seen.document().text_of(error), message);
    }
    assert!(console.all(Kind::PersonalToken, "alice").await.is_empty());
    let form = form
        .add("scope", "members:read")
        .set("organizations", "some")
        .add("organization", "org_1");
    assert_eq!(some.submit(&form).await.status, 201);
    let token = console.all(Kind::PersonalToken, "alice").await.remove(0);
    let scopes: Vec<&str> = token
        .scopes
        .iter()
        .flatten()
        .map(|scope| &**scope)
        .collect();
    assert_eq!(scopes, ["members:read"]);
    assert_eq!(token.organizations.unwrap()[0].as_str(), "org_1");
    let list = some.get(TOKENS).await.document().text();
    assert!(list.contains("only in Example One"), "{list}");
}

#[tokio::test]
async fn a_key_gets_the_role_of_its_creator_or_some_of_the_scopes() {
    let console = Console::new().await;
    let alice = console.browser("alice");
    let document = alice.get(&format!("{KEYS}/new")).await.document();
    let admin = Catalogue::anyreach().scopes_of("admin").unwrap();
    assert_eq!(scopes_offered(&document), admin.iter().collect::<Vec<_>>());
    assert!(
        document
            .text()
            .contains("Everything that the role admin may do")
    );
    assert_eq!(alice.create(KEYS, "all").await.status, 201);
    assert_eq!(console.only_key().await.role.as_deref(), Some("admin"));
    let form = alice
        .new_form(KEYS)
        .await
        .set("name", "some")
        .set("rights", "some");
    let form = form
        .add("scope", "agents:read")
        .add("scope", "members:read");
    assert_eq!(alice.submit(&form).await.status, 201);
    // Without a role the key gets the creator's scopes.
    assert_eq!(
        console.browser("some").create(KEYS, "copied").await.status,
        201
    );
    let keys = console.all(Kind::OrgKey, "org_1").await;
    let scopes = |name: &str| {
        let key = keys.iter().find(|key| &*key.name == name).unwrap();
        key.scopes
            .as_ref()
            .unwrap()
            .iter()
            .map(|one| &**one)
            .collect::<Vec<_>>()
    };
    assert_eq!(scopes("some"), ["agents:read", "members:read"]);
    let held = ["members:manage", "members:read", "organizations:manage"];
    assert_eq!(scopes("copied"), held);
}

#[tokio::test]
async fn a_limit_of_the_manager_is_said_in_the_form() {
    let console = Console::new().await;
    let manager = console.manager.clone().with_max_credentials(1);
    let sessions = super::support::Sessions::new(&console.clock, "/sign-in");
    let pages = tower_api_key_admin::pages::Pages::new(manager, sessions);
    let console = console.with_app(pages.organization_routes());
    console.key("org_1", NewKey::named("first")).await;
    let seen = console.browser("alice").create(KEYS, "second").await;
    assert_eq!(seen.status, 409);
    let document = seen.document();
    let alert = document
        .0
        .iter()
        .find(|one| one.get("role") == Some("alert"))
        .unwrap();
    assert_eq!(
        alert.text,
        "Limit of 1 credentials reached; delete one first."
    );
    assert_eq!(document.form(KEYS).get("name"), Some("second"));
}

#[tokio::test]
async fn a_form_for_another_organization_is_shown_again_and_creates_nothing() {
    let console = Console::new().await;
    let bob = console.browser("bob");
    let opened = bob.get("/api-keys/new").await.document();
    assert!(opened.text().contains("For Example Two."));
    let form = opened.form(KEYS).set("name", "ci").set("owner", "org_1");
    let seen = bob.submit(&form).await;
    // Nor by way of a new sign-in.
    let again = bob.get("/api-keys/new?name=ci&owner=org_1").await;
    for (seen, status) in [(seen, 422), (again, 422)] {
        assert_eq!(seen.status, status);
        let text = seen.document().text();
        assert!(text.contains("You have changed the organization"), "{text}");
        assert!(text.contains("For Example Two."), "{text}");
        let form = seen.document().form(KEYS);
        assert_eq!(
            (form.get("name"), form.get("owner")),
            (Some("ci"), Some("org_2"))
        );
    }
    for owner in ["org_1", "org_2"] {
        assert!(console.all(Kind::OrgKey, owner).await.is_empty(), "{owner}");
    }
    // Who may not manage keys there hears that; a token is for a person.
    let form = console.browser("alice").new_form(KEYS).await;
    let seen = console
        .browser("elsewhere")
        .submit(&form.set("name", "ci"))
        .await;
    assert_eq!(seen.status, 403);
    let form = console.browser("alice").new_form(TOKENS).await;
    let form = form.set("name", "ci");
    let seen = console.browser("elsewhere").submit(&form).await;
    assert_eq!(seen.status, 201);
}

#[tokio::test]
async fn a_link_fills_in_the_day_that_is_seen_and_not_another_moment() {
    let console = Console::new().await;
    let path = format!("{KEYS}/new?expiry=custom&date=2023-12-24&ends_at=1703372340000");
    let form = console.browser("alice").open(&path, KEYS).await;
    assert_eq!(
        (form.get("date"), form.get("ends_at")),
        (Some("2023-12-24"), Some(""))
    );
}

#[tokio::test]
async fn the_url_of_a_filled_form_fits_into_the_head_of_an_answer() {
    let console = Console::new().await;
    let stale = console.browser("stale");
    let form = stale.new_form(KEYS).await.set("name", "ci");
    for (description, is_kept) in [
        ("\u{e9}".repeat(150), true),
        ("\u{1f600}".repeat(500), false),
    ] {
        let seen = stale
            .submit(&form.clone().set("description", &description))
            .await;
        let length = seen.location().len();
        assert!(length < 2_500, "{length}");
        assert_eq!(seen.location().contains("%25C3%25A9"), is_kept);
    }
}

//! Rotating and ending: points 22 to 24.

use tower_api_key::{
    clock::{Clock as _, UnixMillis},
    credential::Kind,
    manage::NewKey,
    store::{CredentialInfo, Status},
};

use crate::support::{
    Console, DAY, HOUR, Held, KEYS, SecondNode, Tab, in_browser, with_and_without_script,
};

const CANCEL: &str = ".credentials-buttons > a";

async fn info(console: &Console, key: &Held) -> CredentialInfo {
    let all = console.keys().await;
    all.into_iter()
        .find(|one| one.id.as_str() == key.id)
        .unwrap()
}

#[tokio::test]
async fn point_22_delete_names_the_key_and_its_last_use_and_the_focus_is_on_cancel() {
    with_and_without_script(async |console, tab| {
        let key = console.key("org_1", NewKey::named("ci-deploy")).await;
        console.key("org_1", NewKey::named("other")).await;
        tab.open(KEYS).await;
        tab.press_in(&key.row(), "Delete").await;
        tab.see("Delete ci-deploy?").await;
        tab.see(&format!("ak_{}", key.id)).await;
        tab.see("No use of it is recorded yet.").await;
        tab.see_focus_on(CANCEL).await;
        let buttons = "[...document.querySelectorAll('form button')].map((one) => \
                       one.firstChild.textContent)";
        assert_eq!(tab.eval(buttons).await, serde_json::json!(["Delete"]));
        // Without a change of mind, nothing has happened.
        tab.key(fantoccini::key::Key::Enter).await;
        tab.until("location.hash").await;
        sees_row_focused(tab, &key).await;
        assert_eq!(info(console, &key).await.status, Status::Active);
        tab.press_in(&key.row(), "Delete").await;
        tab.press("Delete").await;
        tab.see("ci-deploy is now: Deleted").await;
        sees_row_focused(tab, &key).await;
        assert_eq!(info(console, &key).await.status, Status::Deleted);
        assert!(!tab.shows(&format!("{} summary", key.row())).await);
    })
    .await;
}

/// Waits until the row has the focus, or without a script is what the address points to.
async fn sees_row_focused(tab: &Tab, key: &Held) {
    match tab.runs_scripts {
        true => tab.see_focus_on(&key.row()).await,
        false => tab
            .find(&format!("{}:target", key.row()))
            .await
            .tag_name()
            .await
            .map(drop)
            .unwrap(),
    }
}

#[tokio::test]
async fn point_22_a_key_used_within_7_days_has_stronger_words_and_can_be_disabled_instead() {
    with_and_without_script(async |console, tab| {
        let key = console.key("org_1", NewKey::named("ci-deploy")).await;
        console.use_key(&key).await;
        console.clock.advance_millis(7 * DAY - 1);
        let delete = key.page(KEYS, "delete");
        tab.open(&delete).await;
        tab.see("A program used this key in the last 7 days").await;
        tab.see("Last used: ").await;
        tab.see_focus_on(CANCEL).await;
        tab.press("Disable instead").await;
        tab.see("ci-deploy is now: Disabled").await;
        sees_row_focused(tab, &key).await;
        assert_eq!(info(console, &key).await.status, Status::Disabled);
        console.clock.advance_millis(1);
        tab.open(&delete).await;
        tab.see("Last used: ").await;
        let text = tab.page_text().await;
        assert!(
            !text.contains("in the last 7 days") && !text.contains("Disable"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn point_23_rotation_says_what_happens_to_the_old_key_and_both_are_listed_and_linked() {
    with_and_without_script(async |console, tab| {
        for (overlap, label, hours) in [
            ("0", "At once", 0),
            ("3600", "In 1 hour", 1),
            ("86400", "In 24 hours", 24),
            ("604800", "In 7 days", 168),
        ] {
            let old = console.key("org_1", NewKey::named("nightly")).await;
            tab.open(KEYS).await;
            tab.press_in(&old.row(), "Rotate").await;
            tab.see("The old key ends as you choose here").await;
            tab.choose("#overlap", overlap).await;
            let chosen = "document.querySelector('#overlap').selectedOptions[0].innerText.trim()";
            assert_eq!(tab.eval_text(chosen).await, label);
            tab.press("Rotate API key").await;
            let secret = tab.secret().await;
            let words = if hours == 0 {
                "The old key has ended."
            } else {
                "The old key works until"
            };
            tab.see(words).await;
            let end = UnixMillis(console.clock.now().0 + hours * HOUR);
            let stored = info(console, &old).await;
            match hours {
                0 => assert_eq!(stored.status, Status::Deleted),
                _ => assert_eq!(stored.expires_at, Some(end)),
            }
            let new = info(console, &old).await.rotated_to.unwrap();
            let new = Held {
                id: new.to_string(),
                secret,
            };
            let [old_works, new_works] = [&old, &new].map(|key| console.call(&key.secret));
            let works = (old_works.await == 200, new_works.await == 200);
            assert_eq!(works, (hours > 0, true), "{label}");
            tab.leave_secret().await;
            sees_row_focused(tab, &new).await;
            if hours == 0 {
                tab.see(&format!("Replaces ak_{}", old.id)).await;
                tab.open(&format!("{KEYS}?state=deleted")).await;
                tab.see(&format!("Replaced by ak_{}", new.id)).await;
                continue;
            }
            for (one, other, text) in [(&old, &new, "Replaced by"), (&new, &old, "Replaces")] {
                let link = format!("{} a[href$='#row-{}']", one.row(), other.id);
                assert_eq!(tab.text(&link).await, format!("ak_{}", other.id));
                let cell = tab
                    .text(&format!("{} [data-label='Key ID']", one.row()))
                    .await;
                assert!(cell.contains(text), "{cell}");
            }
            let state = tab.text(&format!("{} [data-label=State]", old.row())).await;
            assert!(
                state.starts_with("Ends ") && state.ends_with("(rotated)"),
                "{state}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn point_24_a_deleted_key_is_refused_at_the_first_try() {
    with_and_without_script(async |console, tab| {
        for (ending, state) in [("Delete", "Deleted"), ("Disable", "Disabled")] {
            let secret = tab.create(KEYS, "ci-deploy").await;
            tab.leave_secret().await;
            assert_eq!(console.call(&secret).await, 200);
            let keys = console.keys().await;
            let key = keys
                .iter()
                .find(|key| key.status == Status::Active)
                .unwrap();
            let key = Held {
                id: key.id.to_string(),
                secret,
            };
            tab.press_in(&key.row(), ending).await;
            if ending == "Delete" {
                tab.press("Delete").await;
            }
            tab.see(&format!("ci-deploy is now: {state}")).await;
            assert_eq!(console.call(&key.secret).await, 401, "{ending}");
        }
    })
    .await;
}

/// The pages' store is one node's cache; another node has a cache of its own, which hears of the
/// change from the store both share.
#[tokio::test]
async fn point_24_a_deleted_key_is_refused_by_another_node_too() {
    in_browser(async |console, tab| {
        let node = SecondNode::start(console).await;
        let secret = tab.create(KEYS, "ci-deploy").await;
        tab.leave_secret().await;
        let key = console.keys().await.remove(0);
        let key = Held {
            id: key.id.to_string(),
            secret,
        };
        for _ in 0..2 {
            assert_eq!(
                node.call(&key.secret).await,
                200,
                "the second time from the cache"
            );
        }
        tab.press_in(&key.row(), "Delete").await;
        tab.press("Delete").await;
        tab.see("ci-deploy is now: Deleted").await;
        assert_eq!(node.call(&key.secret).await, 401);
        assert_eq!(console.all(Kind::OrgKey, "org_1").await.len(), 1);
    })
    .await;
}

//! The new secret, as people see it once: points 7 to 15.

use std::{fs, path::Path};

use fantoccini::key::Key;
use serde_json::{Value, json};
use tokio::process::Command;
use tower_api_key::credential::Kind;

use crate::support::{
    KEYS, Options, Settings, TOKENS, Tab, in_browser, in_browser_with, with_and_without_script,
};

const SELECTION: &str = "getSelection().toString()";

/// Returns the text on the clipboard.
async fn clipboard(tab: &Tab) -> String {
    let read = "const done = arguments[0]; \
                navigator.clipboard.readText().then(done, (error) => done(String(error)));";
    let text = tab.client.execute_async(read, Vec::new()).await.unwrap();
    text.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn point_7_one_click_selects_the_whole_secret_and_nothing_can_be_mistaken_for_it() {
    with_and_without_script(async |console, tab| {
        for (list, prefix) in [(KEYS, "ak_"), (TOKENS, "pat_")] {
            let secret = tab.create(list, "ci").await;
            assert!(secret.starts_with(prefix), "{prefix}");
            tab.click("#secret").await;
            assert_eq!(tab.eval_text(SELECTION).await, secret);
            tab.double_click("#secret").await;
            assert_eq!(tab.eval_text(SELECTION).await, secret);
            tab.key(Key::Delete).await;
            tab.key('x').await;
            assert_eq!(tab.secret().await, secret, "it is read-only");
            let font = "getComputedStyle(document.querySelector('#secret')).fontFamily";
            assert!(tab.eval_text(font).await.ends_with("monospace"));
            let elsewhere = tab.page_text().await.replace(&secret, "");
            assert!(
                !elsewhere.contains("ak_") && !elsewhere.contains("pat_"),
                "{elsewhere}"
            );
            tab.leave_secret().await;
        }
        assert_eq!(console.keys().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn point_7_copy_puts_exactly_the_secret_on_the_clipboard() {
    in_browser(async |console, tab| {
        tab.allow_clipboard().await;
        let secret = tab.create(KEYS, "ci").await;
        tab.click("#copy").await;
        tab.see("Copied.").await;
        assert_eq!(clipboard(tab).await, secret);
        assert_eq!(console.call(&secret).await, 200);
    })
    .await;
}

#[tokio::test]
async fn point_7_the_keyboard_copies_too_and_without_permission_the_button_does() {
    in_browser(async |_, tab| {
        let secret = tab.create(KEYS, "ci").await;
        let denied = json!({
            "origin": tab.site(), "permission": { "name": "clipboard-write" }, "setting": "denied",
        });
        tab.devtools("Browser.setPermission", denied).await;
        tab.click("#copy").await;
        tab.see("Copied.").await;
        tab.allow_clipboard().await;
        assert_eq!(clipboard(tab).await, secret);
        // A second key, which the keyboard copies: that counts as copied.
        tab.click("#done").await;
        tab.until("!document.getElementById('secret-dialog')").await;
        let secret = tab.create(KEYS, "other").await;
        tab.click("#secret").await;
        tab.control('c').await;
        assert_eq!(clipboard(tab).await, secret);
        tab.key(Key::Escape).await;
        tab.until("!document.getElementById('secret-dialog')").await;
    })
    .await;
}

#[tokio::test]
async fn point_8_nothing_but_the_reader_removes_the_secret() {
    in_browser(async |_, tab| {
        // Whatever waits for some time is counted.
        let source = "globalThis.waits = 0; for (const name of ['setTimeout', 'setInterval', \
                      'requestAnimationFrame', 'requestIdleCallback']) { \
                      const real = globalThis[name]; \
                      globalThis[name] = (...all) => { waits++; return real(...all); }; }";
        let source = json!({ "source": source });
        tab.devtools("Page.addScriptToEvaluateOnNewDocument", source)
            .await;
        let secret = tab.create(KEYS, "ci").await;
        tab.allow_clipboard().await;
        tab.click("#copy").await;
        tab.see("Copied.").await;
        tab.click("#secret-title").await;
        assert_eq!(tab.eval("waits").await, 0);
        let animations = tab.eval("document.getAnimations().length").await;
        assert_eq!(animations, 0, "nothing fades");
        assert!(tab.shows("#secret").await);
        assert_eq!(tab.secret().await, secret);
    })
    .await;
}

/// What somebody does who has not copied the secret.
#[derive(Clone, Copy, Debug)]
enum WayOut {
    Escape,
    ClickOutside,
    Done,
}

async fn go(tab: &Tab, way: WayOut) {
    match way {
        WayOut::Escape => tab.key(Key::Escape).await,
        WayOut::ClickOutside => tab.click_at(8.0, 8.0).await,
        WayOut::Done => tab.click("#done").await,
    }
}

#[tokio::test]
async fn point_9_leaving_before_copying_asks_once() {
    in_browser(async |_, tab| {
        for way in [WayOut::Escape, WayOut::ClickOutside, WayOut::Done] {
            let secret = tab.create(KEYS, "ci").await;
            go(tab, way).await;
            tab.see("You have not copied the key.").await;
            tab.see_focus_on("#stay").await;
            assert_eq!(tab.secret().await, secret, "{way:?}");
            tab.click("#stay").await;
            tab.until("document.querySelector('#question').hidden")
                .await;
            tab.see_focus_on("#copy").await;
            go(tab, way).await;
            tab.find("#question:not([hidden])").await;
            tab.press("Close anyway").await;
            tab.until("location.search.includes('changed=')").await;
            assert!(!tab.shows("#secret-dialog").await);
        }
        // Once more without an answer to the question is an answer.
        for way in [WayOut::Escape, WayOut::ClickOutside, WayOut::Done] {
            tab.create(KEYS, "ci").await;
            go(tab, way).await;
            tab.find("#question:not([hidden])").await;
            go(tab, way).await;
            tab.until("location.search.includes('changed=')").await;
        }
    })
    .await;
}

#[tokio::test]
async fn point_9_leaving_after_copying_does_not_ask() {
    in_browser(async |_, tab| {
        tab.allow_clipboard().await;
        for way in [WayOut::Escape, WayOut::ClickOutside, WayOut::Done] {
            tab.create(KEYS, "ci").await;
            tab.click("#copy").await;
            tab.see("Copied.").await;
            go(tab, way).await;
            tab.until("location.search.includes('changed=')").await;
        }
    })
    .await;
}

#[tokio::test]
async fn point_9_reloading_and_closing_the_tab_ask_until_it_is_copied() {
    let options = Options {
        asks: true,
        ..Options::default()
    };
    in_browser_with(Settings::default(), options, async |_, tab| {
        tab.allow_clipboard().await;
        let secret = tab.create(KEYS, "ci").await;
        tab.click("#secret-title").await; // browsers ask only people who have touched the page
        for leave in ["location.reload()", "location.assign('/api-keys')"] {
            tab.client.execute(leave, Vec::new()).await.unwrap();
            tab.see_question().await;
            tab.client.dismiss_alert().await.unwrap();
            assert_eq!(tab.secret().await, secret, "{leave}");
        }
        // A tab asks the same when it is closed.
        let close = tab.devtools("Page.close", json!({})).await;
        assert_eq!(close, json!({}));
        tab.see_question().await;
        tab.client.dismiss_alert().await.unwrap();
        assert_eq!(tab.secret().await, secret);
        tab.click("#copy").await;
        tab.see("Copied.").await;
        tab.client
            .execute("location.assign('/api-keys')", Vec::new())
            .await
            .unwrap();
        tab.until("location.pathname === '/api-keys' && document.querySelector('table')")
            .await;
    })
    .await;
}

#[tokio::test]
async fn point_10_the_focus_is_in_the_dialog_and_a_screen_reader_hears_what_happened() {
    in_browser(async |_, tab| {
        tab.allow_clipboard().await;
        tab.create(KEYS, "ci").await;
        tab.see_focus_on("#secret-title").await;
        let tree = tab.accessibility().await;
        let dialog = tree.find("dialog", "API key created");
        assert_eq!(dialog["properties"]["modal"], true, "{dialog:#}");
        let description = dialog["description"].as_str().unwrap();
        assert!(
            description.contains("the only time that the key is shown"),
            "{description}"
        );
        let secret = tree.find("textbox", "The key ci");
        assert_eq!(secret["properties"]["readonly"], true, "{secret:#}");
        // The region is on the page before there is anything to announce.
        let region = tree.find("status", "");
        assert_eq!(region["properties"]["live"], "polite", "{region:#}");
        tab.click("#copy").await;
        tab.until("document.querySelector('[role=status]').textContent === 'Copied.'")
            .await;
        let same = tab.accessibility().await.find("status", "");
        assert_eq!(same["node"], region["node"], "it is the same region");
    })
    .await;
}

#[tokio::test]
async fn point_10_without_script_the_secret_has_the_focus_too() {
    with_and_without_script(async |_, tab| {
        tab.create(KEYS, "ci").await;
        tab.see_focus_on("#secret-title").await;
        let tree = tab.accessibility().await;
        tree.find("dialog", "API key created");
        assert_eq!(tab.client.title().await.unwrap(), "API key created");
    })
    .await;
}

/// Everything in which a page can keep something, as text.
const KEPT: &str = r#"
    const done = arguments[0];
    const page = document.documentElement.outerHTML;
    const all = async () => {
        if (location.protocol !== "http:") return page; // the browser's own page about an error
        const names = (await indexedDB.databases()).map(({ name }) => name);
        const caches = await globalThis.caches?.keys() ?? [];
        const stores = [{ ...localStorage }, { ...sessionStorage }];
        const fields = [...document.querySelectorAll("input, textarea")].map(({ value }) => value);
        return JSON.stringify([
            names, caches, stores, fields, document.cookie, location.href, document.referrer,
            history.state, performance.getEntries().map(({ name }) => name),
            page,
        ]);
    };
    all().then(done, (error) => done(String(error)));
"#;

/// Checks that a page, and what it can keep, is without the secret.
async fn assert_gone(tab: &Tab, secret: &str, after: &str) {
    let hidden = &secret[secret.len() - 30..];
    tab.until("document.readyState === 'complete'").await;
    let kept = match tab.runs_scripts {
        true => tab.client.execute_async(KEPT, Vec::new()).await.unwrap(),
        false => tab.eval("document.documentElement.outerHTML").await,
    };
    let kept = kept.as_str().unwrap();
    assert!(kept.contains("<html") && !kept.contains(hidden), "{after}");
    assert!(!tab.url().await.contains(hidden), "{after}");
}

/// Returns whether a file below a directory has a text, as bytes or in UTF-16.
fn is_written(text: &str, dir: &Path) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|one| one == text);
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .into_iter()
        .any(|entry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => is_written(text, &entry.path()),
            kind if kind.is_file() => {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                has(&bytes, text.as_bytes()) || has(&bytes, &wide)
            }
            _ => false,
        })
}

#[tokio::test]
async fn point_11_after_done_and_after_signing_out_the_secret_is_nowhere() {
    with_and_without_script(async |console, tab| {
        let secret = tab.create(KEYS, "only-this-name").await;
        tab.leave_secret().await;
        assert_gone(tab, &secret, "done").await;
        tab.client.refresh().await.unwrap();
        assert_gone(tab, &secret, "reload").await;
        for step in ["back", "forward", "back", "back", "forward", "forward"] {
            match step {
                "back" => tab.client.back().await.unwrap(),
                _ => tab.client.forward().await.unwrap(),
            }
            assert_gone(tab, &secret, step).await;
        }
        let entries = tab.devtools("Page.getNavigationHistory", json!({})).await;
        assert!(!entries.to_string().contains(&secret[secret.len() - 30..]));
        tab.open("/sign-out").await;
        for _ in 0..4 {
            tab.client.back().await.unwrap();
            assert_gone(tab, &secret, "back after signing out").await;
        }
        assert_eq!(console.keys().await.len(), 1);
        let profile = tab.close().await;
        let hidden = &secret[secret.len() - 30..];
        assert!(
            !is_written(hidden, &profile),
            "it is in a file of the browser"
        );
        // What the browser does write is found in this way.
        assert!(is_written("sign-in-as", &profile));
    })
    .await;
}

#[tokio::test]
async fn point_12_a_second_key_shows_the_second_secret() {
    with_and_without_script(async |console, tab| {
        let first = tab.create(KEYS, "first").await;
        tab.leave_secret().await;
        let second = tab.create(KEYS, "second").await;
        assert_ne!(first, second);
        assert_gone(tab, &first, "the second").await;
        assert_eq!(console.call(&second).await, 200);
        tab.client.back().await.unwrap();
        assert_gone(tab, &second, "back").await;
        tab.client.forward().await.unwrap();
        assert_gone(tab, &first, "forward").await;
    })
    .await;
}

#[tokio::test]
async fn point_13_no_field_has_the_secret_and_none_is_for_a_password() {
    with_and_without_script(async |_, tab| {
        let secret = tab.create(KEYS, "ci").await;
        let fields = "[...document.querySelectorAll('input, textarea, [contenteditable]')]\
                      .map((one) => `${one.type} ${one.value}`)";
        let none = |fields: &Value| {
            let fields = fields.to_string();
            !fields.contains("password") && !fields.contains(&secret)
        };
        assert!(none(&tab.eval(fields).await));
        tab.leave_secret().await;
        for path in [KEYS.to_owned(), format!("{KEYS}/new")] {
            tab.open(&path).await;
            tab.client.refresh().await.unwrap();
            assert!(none(&tab.eval(fields).await));
        }
        let off = "[...document.querySelectorAll('form[method=post]')]\
                   .every((form) => form.autocomplete === 'off')";
        assert_eq!(tab.eval(off).await, true);
        assert_eq!(tab.value("#name").await, "");
    })
    .await;
}

/// Runs the line of the example, as pasted from the clipboard into a shell.
async fn run(line: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", line])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn point_15_the_curl_line_works_when_pasted() {
    in_browser(async |console, tab| {
        tab.allow_clipboard().await;
        for (list, kind, owner) in [
            (KEYS, Kind::OrgKey, "org_1"),
            (TOKENS, Kind::PersonalToken, "alice"),
        ] {
            let secret = tab.create(list, "it's a \"name\" & $HOME").await;
            tab.click("#example").await; // one click selects all of it
            tab.control('c').await;
            let line = clipboard(tab).await;
            assert!(line.starts_with("curl ") && line.contains(&secret));
            let has_header = line.contains("x-anyreach-org: org_1");
            assert_eq!(has_header, kind == Kind::PersonalToken);
            let answer: Value = serde_json::from_str(&run(&line).await).unwrap();
            assert_eq!(answer["organization"], "org_1", "{answer}");
            assert_eq!(console.all(kind, owner).await.len(), 1);
            tab.leave_secret().await;
        }
    })
    .await;
}

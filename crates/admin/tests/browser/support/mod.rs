//! A console, and a browser in front of it.

mod accessibility;
mod axe;
mod cdp;
mod console;
mod driver;
mod http;
mod keyboard;
mod node;
mod picture;
mod pointer;
mod proxy;
mod screen;
mod tab;

pub(crate) use axe::Axe;
pub(crate) use console::{Console, DAY, HOUR, Held, KEYS, Settings, TOKENS, operator};
pub(crate) use node::SecondNode;
pub(crate) use proxy::Proxy;
pub(crate) use screen::{NARROW, Scheme, WIDE};
pub(crate) use tab::{Options, Tab};

/// Runs a test in a browser of its own, where alice is signed in. Without the programs that it
/// needs, the test passes, with a message.
pub(crate) async fn in_browser(test: impl AsyncFnOnce(&Console, &Tab)) {
    in_browser_with(Settings::default(), Options::default(), test).await;
}

/// Runs a test in a browser with the script of the pages, and again in one that runs no scripts.
pub(crate) async fn with_and_without_script(test: impl AsyncFn(&Console, &Tab)) {
    for runs_scripts in [true, false] {
        let options = Options {
            runs_scripts,
            ..Options::default()
        };
        in_browser_with(Settings::default(), options, &test).await;
    }
}

/// Runs a test in a browser, with other settings than by default.
pub(crate) async fn in_browser_with(
    settings: Settings,
    options: Options,
    test: impl AsyncFnOnce(&Console, &Tab),
) {
    let Some(driver) = driver::shared() else {
        return;
    };
    let console = Console::new(settings).await;
    let tab = Tab::open_browser(driver, &console, options).await;
    tab.sign_in("alice").await;
    test(&console, &tab).await;
    tab.close().await;
}

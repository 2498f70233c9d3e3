//! Every state, light and dark, on a wide screen and on the narrowest: axe-core finds nothing
//! there, and a picture is written for people to look at.

use serde_json::json;

use crate::{
    states::{STATES, in_each_state, show},
    support::{Axe, Console, NARROW, Options, Scheme, Tab, WIDE},
};

async fn look_at(states: impl Iterator<Item = &'static &'static str>) {
    let Some(axe) = Axe::read() else { return };
    in_each_state(states, Options::default(), async |state, console, tab| {
        look_at_one(state, console, tab, &axe).await;
    })
    .await;
}

async fn look_at_one(state: &str, console: &Console, tab: &Tab, axe: &Axe) {
    show(state, console, tab).await;
    axe.load_into(tab).await;
    for (screen, size) in [("wide", WIDE), ("narrow", NARROW)] {
        tab.resize(size).await;
        for scheme in [Scheme::Light, Scheme::Dark] {
            tab.prefer(scheme).await;
            let name = format!("{state}-{}-{screen}", scheme.as_str());
            tab.picture(&name).await;
            // Colours are all that differs in the dark.
            let rules = match scheme {
                Scheme::Light => json!({}),
                Scheme::Dark => json!({ "runOnly": ["color-contrast"] }),
            };
            axe.assert_no_violations(tab, &name, rules).await;
        }
    }
}

/// Several tests, so that they do the work at the same time.
#[tokio::test]
async fn axe_finds_nothing_in_lists() {
    look_at(STATES.iter().filter(|state| state.starts_with("list-"))).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_other_pages() {
    look_at(STATES.iter().filter(|state| !state.starts_with("list-"))).await;
}

//! Every state, light and dark, on a wide screen and on the narrowest: axe-core finds nothing
//! there, and a picture is written for people to look at.

use crate::{
    states::{STATES, settings, show},
    support::{Axe, Console, NARROW, Options, Scheme, Tab, WIDE, in_browser_with},
};

/// Looks at every second state, so that two tests do the work at the same time.
async fn look_at(states: impl Iterator<Item = &'static &'static str>) {
    let Some(axe) = Axe::read() else { return };
    for state in states {
        let options = Options::default();
        in_browser_with(settings(state), options, async |console, tab| {
            look_at_one(state, console, tab, &axe).await;
        })
        .await;
    }
}

async fn look_at_one(state: &str, console: &Console, tab: &Tab, axe: &Axe) {
    show(state, console, tab).await;
    for (screen, size) in [("wide", WIDE), ("narrow", NARROW)] {
        tab.resize(size).await;
        for scheme in [Scheme::Light, Scheme::Dark] {
            tab.prefer(scheme).await;
            let name = format!("{state}-{}-{screen}", scheme.as_str());
            tab.picture(&name).await;
            axe.assert_no_violations(tab, &name).await;
        }
    }
}

#[tokio::test]
async fn axe_finds_nothing_in_the_even_states() {
    look_at(STATES.iter().step_by(2)).await;
}

#[tokio::test]
async fn axe_finds_nothing_in_the_odd_states() {
    look_at(STATES.iter().skip(1).step_by(2)).await;
}

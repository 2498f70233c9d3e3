//! Makes it loud that a program was built with what belongs in tests.

use std::sync::Once;

use super::{counters, events};

/// What the feature `testing` brings, and the feature itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TestDouble {
    Feature,
    Principal,
    Clock,
}

/// Reports a use: each kind in one event for a process, every forged principal in a counter.
pub(crate) fn used(double: TestDouble) {
    static ONCE: [Once; 3] = [const { Once::new() }; 3];
    let [feature, principal, clock] = &ONCE;
    let once = match double {
        TestDouble::Feature => feature,
        TestDouble::Principal => {
            counters::forged();
            principal
        }
        TestDouble::Clock => clock,
    };
    once.call_once(|| events::test_double_used(double.message()));
}

impl TestDouble {
    fn message(self) -> &'static str {
        match self {
            Self::Feature => {
                "built with the feature `testing`: any code in this program can forge a principal; \
                 enable it in [dev-dependencies] only"
            }
            Self::Principal => {
                "a principal was forged with `testing::principal`: nothing was proven of it"
            }
            Self::Clock => {
                "a `testing::ManualClock` is in use: credentials do not expire unless it is moved"
            }
        }
    }
}

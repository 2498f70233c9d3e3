//! Reports when a program was built with test doubles.

use std::sync::Once;

use super::{counters, events};

/// The test doubles of the feature `testing`, and the feature itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TestDouble {
    Feature,
    Principal,
    Clock,
    Probe,
}

/// Reports a use: one event per kind and process, and every forged principal in a counter.
pub(crate) fn used(double: TestDouble) {
    static ONCE: [Once; 4] = [const { Once::new() }; 4];
    let [feature, principal, clock, probe] = &ONCE;
    let once = match double {
        TestDouble::Feature => feature,
        TestDouble::Principal => {
            counters::forged();
            principal
        }
        TestDouble::Clock => clock,
        TestDouble::Probe => probe,
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
            Self::Probe => {
                "routes are probed with `testing::routes`: handlers of undecided routes run"
            }
        }
    }
}

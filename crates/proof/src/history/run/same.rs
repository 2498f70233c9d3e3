//! Whether an answer is the model's.

use crate::model::{Answer, Event, Outcome, Principal};

/// Compares answers. A principal's expiry is not public.
pub(super) fn looks_like(expected: &Answer, got: &Answer) -> bool {
    match (expected, got) {
        (Answer::Accepted(expected), Answer::Accepted(got)) => {
            let shown = Principal {
                expires_at: None,
                ..expected.clone()
            };
            shown == *got
        }
        _ => expected == got,
    }
}

/// Compares outcomes of calls that met. A call that has read before the other one and commits after
/// it may be rejected for another reason than in either order.
pub(super) fn is_alike(expected: &Outcome, got: &Outcome) -> bool {
    let rejected = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(_));
    is_same(expected, got) || (rejected(expected) && rejected(got))
}

/// Compares outcomes. Events that were stored at once have no order.
pub(super) fn is_same(expected: &Outcome, got: &Outcome) -> bool {
    let (Outcome::Trail(expected), Outcome::Trail(got)) = (expected, got) else {
        return expected == got;
    };
    let mut rest = got.as_slice();
    let groups = expected.chunk_by(|one, other| one.group == other.group);
    let fits = groups.into_iter().all(|group| {
        let Some((these, after)) = rest.split_at_checked(group.len()) else {
            return false;
        };
        rest = after;
        let sorted = |events: &[Event]| {
            let mut events: Vec<Event> = events
                .iter()
                .map(|event| Event {
                    group: 0,
                    ..event.clone()
                })
                .collect();
            events.sort();
            events
        };
        sorted(group) == sorted(these)
    });
    fits && rest.is_empty()
}

//! Last uses: requests that note them, and a writer that returns, marks and forgets them.

use std::sync::Arc;

use loom::thread::{self, JoinHandle};

use crate::{
    Model,
    clock::UnixMillis,
    explore,
    last_use::LastUse,
    secret::Digest,
    store::{Record, Usage},
};

pub(crate) const ALL: &[Model] = &[
    (
        "uses::a_use_is_returned_whatever_is_written_meanwhile",
        a_use_is_returned_whatever_is_written_meanwhile,
    ),
    (
        "uses::a_use_is_not_lost_when_its_slot_is_forgotten",
        a_use_is_not_lost_when_its_slot_is_forgotten,
    ),
    (
        "uses::the_first_use_after_a_rotation_is_returned_beside_other_uses",
        the_first_use_after_a_rotation_is_returned_beside_other_uses,
    ),
    (
        "uses::a_use_is_not_lost_when_another_follows_a_rotation",
        a_use_is_not_lost_when_another_follows_a_rotation,
    ),
    (
        "uses::what_is_marked_is_not_returned_again",
        what_is_marked_is_not_returned_again,
    ),
    (
        "uses::a_digest_to_replace_is_kept_until_it_is_replaced",
        a_digest_to_replace_is_kept_until_it_is_replaced,
    ),
];

fn digest() -> Digest {
    Digest::from_bytes([0; 32])
}

fn key() -> Record {
    Record::org_key("k1", digest(), "org_1")
}

fn rotated() -> Record {
    key().with_rotated(true)
}

fn note(uses: &LastUse, record: &Record, at: i64) {
    uses.note(record, &digest(), UnixMillis(at));
}

fn spawn_note(uses: &LastUse, record: Record, at: i64) -> JoinHandle<()> {
    let uses = uses.clone();
    thread::spawn(move || note(&uses, &record, at))
}

/// Does what a manager does once a minute; returns what it has written.
fn write(uses: &LastUse) -> Vec<Usage> {
    let unwritten = uses.unwritten();
    uses.mark_written(&unwritten);
    unwritten
}

fn last(written: &[Usage]) -> i64 {
    written.iter().map(|used| used.at.0).max().unwrap_or(0)
}

fn a_use_is_returned_whatever_is_written_meanwhile() -> usize {
    explore(|| {
        let uses = LastUse::new();
        note(&uses, &key(), 1_000);
        let requests = [
            spawn_note(&uses, key(), 5_000),
            spawn_note(&uses, key(), 9_000),
        ];
        let mut written = write(&uses);
        for request in requests {
            request.join().unwrap();
        }
        written.extend(write(&uses));
        assert_eq!(last(&written), 9_000);
        assert_eq!(uses.unwritten(), []);
    })
}

fn a_use_is_not_lost_when_its_slot_is_forgotten() -> usize {
    explore(|| {
        let uses = LastUse::new();
        note(&uses, &key(), 1_000);
        let mut written = write(&uses);
        let requests = [
            spawn_note(&uses, key(), 5_000),
            spawn_note(&uses, key(), 9_000),
        ];
        written.extend(write(&uses)); // forgets the slot, unless it was used again
        for request in requests {
            request.join().unwrap();
        }
        written.extend(write(&uses));
        assert_eq!(last(&written), 9_000);
        assert_eq!(uses.unwritten(), []);
        assert!(format!("{uses:?}").contains("credentials: 0"), "{uses:?}");
    })
}

fn the_first_use_after_a_rotation_is_returned_beside_other_uses() -> usize {
    explore(|| {
        let uses = LastUse::new();
        note(&uses, &key(), 1_000);
        let requests = [
            spawn_note(&uses, rotated(), 1_000),
            spawn_note(&uses, key(), 1_000),
        ];
        let mut written = write(&uses);
        for request in requests {
            request.join().unwrap();
        }
        written.extend(write(&uses));
        assert!(written.iter().any(|used| used.after_rotation));
    })
}

fn a_use_is_not_lost_when_another_follows_a_rotation() -> usize {
    explore(|| {
        let uses = LastUse::new();
        note(&uses, &key(), 1_000);
        // Both took the time before either was noted.
        let requests = [
            spawn_note(&uses, rotated(), 3_000),
            spawn_note(&uses, key(), 5_000),
        ];
        let mut written = write(&uses);
        for request in requests {
            request.join().unwrap();
        }
        written.extend(write(&uses));
        assert_eq!(last(&written), 5_000);
        assert!(written.iter().any(|used| used.after_rotation));
    })
}

fn what_is_marked_is_not_returned_again() -> usize {
    explore(|| {
        let uses = LastUse::new();
        note(&uses, &key(), 1_000);
        let requests = {
            let uses = uses.clone();
            thread::spawn(move || {
                note(&uses, &key(), 3_000);
                note(&uses, &rotated(), 3_000);
                note(&uses, &rotated(), 5_000);
            })
        };
        let mut written = write(&uses);
        written.extend(write(&uses));
        requests.join().unwrap();
        written.extend(write(&uses));
        written.extend(write(&uses));
        let order: Vec<_> = written
            .iter()
            .map(|used| (used.at.0, used.after_rotation))
            .collect();
        assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
        assert_eq!(order.last(), Some(&(5_000, true)));
    })
}

fn a_digest_to_replace_is_kept_until_it_is_replaced() -> usize {
    explore(|| {
        let uses = LastUse::new();
        let outdated = Arc::new(key().with_outdated(true));
        let request = {
            let (uses, outdated) = (uses.clone(), Arc::clone(&outdated));
            thread::spawn(move || note(&uses, &outdated, 1_000))
        };
        for (name, presented) in uses.outdated() {
            assert_eq!(presented.words(), digest().words());
            uses.forget_outdated(&name);
        }
        note(&uses, &outdated, 1_000);
        let kept = uses.outdated().len();
        request.join().unwrap();
        assert_eq!((kept, uses.outdated().len()), (1, 1));
        for (name, _) in uses.outdated() {
            uses.forget_outdated(&name);
        }
        assert_eq!(uses.outdated().len(), 0);
    })
}

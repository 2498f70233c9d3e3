//! The pairs of classes.

use std::{fmt, hint::black_box, sync::Arc};

use subtle::ConstantTimeEq;
use tokio::runtime::{Builder, Runtime};
use tower_api_key::{
    credential::Kind,
    secret::{Digest, Pepper, Peppers},
    store::{Cached, Change, CredentialStore, Lookup, LookupKey},
};

use super::{
    rig::{Class, Plan, REPEATS, measure},
    store::{Guarded, Slot, Stored, TOKEN, guarded, request, send, spoiled},
    welch::Comparison,
};

/// What a pair must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// No difference.
    Alike,
    /// A difference, because there is one.
    Leak,
    /// Anything.
    Information,
}

impl Target {
    /// Returns whether the statistic is as it must be.
    pub(crate) fn is_met(self, t: f64) -> bool {
        match self {
            Self::Alike => t < 4.5,
            Self::Leak => t > 50.0,
            Self::Information => true,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alike => "alike, < 4.5",
            Self::Leak => "control, > 50",
            Self::Information => "information",
        })
    }
}

/// Two classes, and how they are measured.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) run: Box<dyn Fn(usize) -> Comparison>,
}

fn pair(name: &str, target: Target, run: impl Fn(usize) -> Comparison + 'static) -> Pair {
    Pair {
        name: name.to_owned(),
        target,
        run: Box::new(run),
    }
}

/// Returns every pair: the controls first.
pub(crate) fn all() -> Vec<Pair> {
    let mut pairs = comparisons();
    pairs.extend(positions());
    pairs.extend(verdicts());
    pairs
}

/// The comparison of two digests alone.
fn comparisons() -> Vec<Pair> {
    let none = None;
    let (first, last) = (Some(0), Some(31));
    vec![
        pair(
            "control: the same class twice",
            Target::Alike,
            move |samples| digests(samples, first, first),
        ),
        pair(
            "control: byte by byte, first or last byte",
            Target::Leak,
            move |samples| bytes(samples, 0, 31),
        ),
        pair(
            "digests: equal, or wrong in the first byte",
            Target::Alike,
            move |samples| digests(samples, none, first),
        ),
        pair(
            "digests: equal, or wrong in the last byte",
            Target::Alike,
            move |samples| digests(samples, none, last),
        ),
        pair(
            "digests: wrong in the first or last byte",
            Target::Alike,
            move |samples| digests(samples, first, last),
        ),
    ]
}

/// The whole check of a wrong secret: the stored digest differs in the first or the last byte.
fn positions() -> Vec<Pair> {
    let (first, last) = (Stored::WrongIn(0), Stored::WrongIn(31));
    vec![
        pair(
            "control: the same check twice",
            Target::Alike,
            move |samples| checks(samples, Slot::default(), first, first),
        ),
        pair(
            "control: check and a leaky comparison",
            Target::Leak,
            leaky_checks,
        ),
        pair(
            "check: wrong in the first or last byte",
            Target::Alike,
            move |samples| checks(samples, Slot::default(), first, last),
        ),
        pair(
            "check under a pepper: first or last byte",
            Target::Alike,
            move |samples| checks(samples, Slot::with_pepper(pepper()), first, last),
        ),
        pair(
            "check from a cache: first or last byte",
            Target::Alike,
            move |samples| cached_checks(samples, Slot::default(), first, last),
        ),
        pair(
            "check from a cache, under a pepper",
            Target::Alike,
            move |samples| cached_checks(samples, Slot::with_pepper(pepper()), first, last),
        ),
    ]
}

/// Different verdicts with the same answer. The way to the answer parts after the comparison.
fn verdicts() -> Vec<Pair> {
    let wrong = Stored::WrongIn(0);
    let others = [
        ("unknown", Stored::Nothing),
        ("deleted", Stored::Deleted),
        ("expired", Stored::Expired),
    ];
    let mut pairs = Vec::new();
    for (word, other) in others {
        let name = format!("check: wrong secret, or {word}");
        pairs.push(pair(&name, Target::Information, move |samples| {
            checks(samples, Slot::default(), wrong, other)
        }));
        let name = format!("check under a pepper: wrong secret, or {word}");
        pairs.push(pair(&name, Target::Information, move |samples| {
            checks(samples, Slot::with_pepper(pepper()), wrong, other)
        }));
        let name = format!("check from a cache: wrong secret, or {word}");
        pairs.push(pair(&name, Target::Information, move |samples| {
            cached_checks(samples, Slot::default(), wrong, other)
        }));
    }
    pairs
}

/// Returns a test pepper.
fn pepper() -> Arc<Pepper> {
    let peppers = Peppers::new("timing", &[b't'; 32]);
    let found = peppers
        .ok()
        .and_then(|peppers| peppers.named("timing").cloned());
    found.unwrap_or_else(|| unreachable!("the name and the secret are good"))
}

/// Returns the bytes of the token's digest, wrong at one place or nowhere.
fn wrong_at(at: Option<usize>) -> [u8; 32] {
    spoiled(Digest::of(TOKEN.as_bytes()).to_bytes(), at)
}

/// Compares digests as the crate does.
fn digests(samples: usize, first: Option<usize>, second: Option<usize>) -> Comparison {
    let stored = Digest::of(TOKEN.as_bytes());
    let prepare = |class| {
        Digest::from_bytes(wrong_at(match class {
            Class::First => first,
            Class::Second => second,
        }))
    };
    measure(Plan::comparing(samples), prepare, |shown| {
        (0..REPEATS).fold(0, |sum, _| {
            sum + u32::from(black_box(&shown).ct_eq(black_box(&stored)).unwrap_u8())
        })
    })
}

/// Compares bytes in the way that leaks: until the first that differs.
fn bytes(samples: usize, first: usize, second: usize) -> Comparison {
    let stored = wrong_at(None);
    let prepare = |class| {
        wrong_at(Some(match class {
            Class::First => first,
            Class::Second => second,
        }))
    };
    measure(Plan::comparing(samples), prepare, |shown| {
        (0..REPEATS)
            .filter(|_| leaks(black_box(&shown), black_box(&stored)))
            .count()
    })
}

/// Compares byte by byte and stops at the first that differs.
fn leaks(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter()
        .zip(other)
        .all(|(one, other)| black_box(one) == other)
}

/// Sends requests to a service whose store has one of two records.
fn checks(samples: usize, slot: Slot, first: Stored, second: Stored) -> Comparison {
    let mut service = guarded(slot.clone());
    let prepare = |class| {
        slot.put(match class {
            Class::First => first,
            Class::Second => second,
        });
        request()
    };
    measure(Plan::checking(samples), prepare, |request| {
        send(&mut service, request)
    })
}

/// The same with a comparison that leaks, in front of the service.
fn leaky_checks(samples: usize) -> Comparison {
    let slot = Slot::default();
    let mut service = guarded(slot.clone());
    let stored = wrong_at(None);
    let prepare = |class| {
        let at = match class {
            Class::First => 0,
            Class::Second => 31,
        };
        slot.put(Stored::WrongIn(at));
        (request(), wrong_at(Some(at)))
    };
    measure(Plan::checking(samples), prepare, |(request, shown)| {
        let same = leaks(black_box(&shown), black_box(&stored));
        (same, send(&mut service, request))
    })
}

/// The same from a cache, which has the record already.
fn cached_checks(samples: usize, slot: Slot, first: Stored, second: Stored) -> Comparison {
    let runtime = Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        unreachable!("a runtime can be built")
    };
    let cache = Cached::new(slot.clone());
    let mut service: Guarded<Cached<Slot>> = guarded(cache.clone());
    let prepare = |class| {
        slot.put(match class {
            Class::First => first,
            Class::Second => second,
        });
        warm(&cache, &runtime);
        request()
    };
    measure(Plan::checking(samples), prepare, |request| {
        send(&mut service, request)
    })
}

/// Makes the cache forget the credential and ask for it again.
fn warm(cache: &Cached<Slot>, runtime: &Runtime) {
    let id = "timing";
    cache.apply(&Change::Credential {
        kind: Kind::OrgKey,
        id: id.into(),
    });
    let lookup = Lookup::new(LookupKey::OrgKey { id }, None);
    let _ = runtime.block_on(cache.find(&lookup));
}

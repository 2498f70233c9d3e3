//! The table: what each view returned, beside what it must return.

/// What each view returns during a fault. `|` separates alternatives, of which any is right.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells<T> {
    /// The lookup of a good key that is not cached.
    pub(super) cold: T,
    /// A good key that was cached before the fault, at once and when the bound has passed.
    pub(super) cached: T,
    /// A key that was revoked before the fault.
    pub(super) revoked: T,
    /// A key that was cached, and revoked elsewhere during the fault, when the bound has passed;
    /// `-` if nobody could revoke it.
    pub(super) leaked: T,
    /// A rotation that was asked for during the fault, and whether it turned out to be made.
    pub(super) management: T,
    /// The events of the feed.
    pub(super) feed: T,
    /// `check()`.
    pub(super) check: T,
}

impl<T> Cells<T> {
    fn all(&self) -> [(&'static str, &T); 7] {
        [
            ("cold", &self.cold),
            ("cached", &self.cached),
            ("revoked", &self.revoked),
            ("leaked", &self.leaked),
            ("management", &self.management),
            ("feed", &self.feed),
            ("check()", &self.check),
        ]
    }
}

/// The rows that were run, and what was not as it must be.
#[derive(Debug)]
pub(super) struct Table {
    unexpected: Vec<String>,
}

impl Table {
    /// Prints the head.
    pub(super) fn new() -> Self {
        let head = "fault | cold lookup | cached good: at once, after the bound | revoked before \
                    | revoked meanwhile, after the bound | management | feed | check() | healed";
        println!("\n| {head} |\n{}|", "|---".repeat(9));
        Self {
            unexpected: Vec::new(),
        }
    }

    /// Prints a row: what was returned, and what had to be.
    pub(super) fn add(
        &mut self,
        name: &str,
        (expected, healed): (&Cells<&str>, &str),
        (said, after): (&Cells<String>, &str),
    ) {
        let words: Vec<_> = said.all().map(|(_, word)| word.as_str()).into();
        println!("| {name} | {} | {after} |", words.join(" | "));
        let pairs = expected.all().into_iter().zip(said.all());
        for ((view, expected), (_, said)) in pairs {
            self.compare(name, view, expected, said);
        }
        self.compare(name, "healed", healed, after);
    }

    fn compare(&mut self, name: &str, view: &str, expected: &str, said: &str) {
        if !expected.split('|').any(|expected| expected == said) {
            let text = format!("{name}: {view} said {said:?}, and must say {expected:?}");
            self.unexpected.push(text);
        }
    }

    /// Fails if a view returned something else than it must.
    pub(super) fn finish(self) {
        assert!(self.unexpected.is_empty(), "{}", self.unexpected.join("\n"));
    }
}

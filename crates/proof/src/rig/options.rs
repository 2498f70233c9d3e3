//! The command line of a program.

/// The arguments of this process.
#[derive(Debug)]
pub struct Options(Vec<String>);

impl Options {
    /// Reads the arguments of this process.
    #[must_use]
    pub fn from_args() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Returns whether the short run was asked for, which takes seconds.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.0.iter().any(|word| word == "--quick")
    }

    /// Returns the full number, or the one of the short run.
    #[must_use]
    pub fn count(&self, full: usize, quick: usize) -> usize {
        if self.is_quick() { quick } else { full }
    }

    /// Returns the argument after `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }
}

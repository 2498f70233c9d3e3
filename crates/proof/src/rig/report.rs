//! The table that a program prints.

use std::{fmt::Display, process::ExitCode};

/// A table of figures with their targets. Each row is printed when it is added, so that a long
/// program shows how far it is.
#[derive(Debug)]
#[must_use]
pub struct Report {
    missed: u32,
}

impl Report {
    /// Prints the heading of a program's table.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    pub fn new(program: &str) -> Self {
        println!("{program}: row | figure | target | verdict");
        Self { missed: 0 }
    }

    /// Prints a figure, and what it had to be.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    pub fn row(&mut self, name: &str, figure: impl Display, target: &str, held: bool) {
        let verdict = if held { "held" } else { "MISSED" };
        println!("{name} | {figure} | {target} | {verdict}");
        self.missed += u32::from(!held);
    }

    /// Prints a figure that has no target.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    pub fn note(&self, name: &str, figure: impl Display) {
        println!("{name} | {figure} | |");
    }

    /// Returns the program's exit code: 1 if a target was missed.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.missed > 0))
    }
}

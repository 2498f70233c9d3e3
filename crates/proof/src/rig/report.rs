//! The table that a program prints.

use std::{fmt::Display, process::ExitCode};

/// A table of figures with their targets. Each row is printed when it is added, so that a long
/// program shows how far it is.
#[derive(Debug)]
#[must_use]
pub struct Report {
    rows: u32,
    missed: u32,
}

impl Report {
    /// Prints the heading of a program's table.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    pub fn new(program: &str) -> Self {
        println!("{program}: row | figure | target | verdict");
        Self { rows: 0, missed: 0 }
    }

    /// Prints a figure, and what it had to be.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    pub fn row(&mut self, name: &str, figure: impl Display, target: &str, held: bool) {
        let verdict = if held { "held" } else { "MISSED" };
        println!("{name} | {figure} | {target} | {verdict}");
        self.rows += 1;
        self.missed += u32::from(!held);
    }

    /// Prints a figure that has no target.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    pub fn note(&self, name: &str, figure: impl Display) {
        println!("{name} | {figure} | |");
    }

    /// Returns whether there are targets, and all were held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.rows > 0 && self.missed == 0
    }

    /// Returns the program's exit code: 1 if a target was missed, or if there was none.
    #[expect(clippy::print_stdout, reason = "the table is what a program is for")]
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.rows == 0 {
            println!("no target was tried | | | MISSED");
        }
        ExitCode::from(u8::from(!self.is_held()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_held_if_it_has_rows_and_each_is_held() {
        let mut report = Report::new("test");
        report.note("a note", 1);
        assert!(!report.is_held(), "no row");
        report.row("a row", 1, "1", true);
        assert!(report.is_held());
        report.row("another", 2, "1", false);
        report.row("a third", 1, "1", true);
        assert!(!report.is_held());
    }
}

//! The progress of an import, as a bar on standard error if that is a terminal.

use std::io::Read;

use indicatif::{ProgressBar, ProgressStyle};

use super::line::BadLine;
use crate::{output, stdin};

/// The bar. Elsewhere than on a terminal it shows nothing.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start() -> Self {
        let bar = match stdin::length() {
            Some(length) => ProgressBar::new(length).with_style(style(
                "{bar:40} {bytes}/{total_bytes}, {msg} lines, {eta} left",
            )),
            None => {
                ProgressBar::new_spinner().with_style(style("{spinner} {msg} lines, {elapsed}"))
            }
        };
        Self(bar.with_message("0"))
    }

    /// Returns the input, whose reading moves the bar.
    pub(super) fn reading(&self, input: impl Read + 'static) -> impl Read + 'static {
        self.0.wrap_read(input)
    }

    /// Shows how many lines were read.
    pub(super) fn show(&self, lines: u64) {
        self.0.set_message(lines.to_string());
    }

    /// Reports a line that was not imported, above the bar.
    pub(super) fn report(&self, line: u64, bad: &BadLine) {
        self.0
            .suspend(|| output::remark(&format!("line {line}: {bad}")));
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

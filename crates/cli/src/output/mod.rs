//! What a command prints: its result on standard output, remarks and errors on standard error.
//!
//! A result is a table for people, or JSON with `--json`: one object, or one object a line for a
//! list. Standard output has nothing else, so that it can be piped.

mod list;
mod table;
mod text;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

pub(crate) use list::List;
pub(crate) use table::Cell;
use table::Table;
pub(crate) use text::{json_text, visible};

/// The fields of a result, in the order in which they are shown. `Null` is left out of tables.
pub(crate) type Fields = Vec<(&'static str, Value)>;

/// Writes results, as a table or as JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Returns whether results are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Begins a list.
    pub(crate) fn list(self, headings: &[&str]) -> List {
        List::new(self, headings)
    }

    /// Writes one result, with a line for each field.
    pub(crate) fn record(self, fields: &Fields) -> io::Result<()> {
        match self.json {
            true => self.json_line(fields),
            false => table::record(fields).write(&mut anstream::stdout().lock()),
        }
    }

    /// Writes what has changed as JSON. For people, writes a remark.
    pub(crate) fn changed(self, what: &str, fields: &Fields) -> io::Result<()> {
        if self.json {
            return self.json_line(fields);
        }
        remark(what);
        Ok(())
    }

    /// Writes an object on a line of its own.
    pub(crate) fn json_line(self, fields: &Fields) -> io::Result<()> {
        self.line(&json_text(fields))
    }

    /// Writes a line as it is, such as a new secret, which is then alone on standard output.
    pub(crate) fn line(self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Writes a text with the colours that are in it.
    pub(crate) fn styled(self, text: &str) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Writes a remark for the operator, without what could confuse a terminal. Nothing depends on
/// whether it can be written.
pub(crate) fn remark(text: &str) {
    remark_raw(&format!("{}\n", visible(text)));
}

/// Writes a remark as it is, with its colours.
pub(crate) fn remark_raw(text: &str) {
    _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Writes an error.
pub(crate) fn error(text: &str) {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    remark_raw(&format!("{red}error:{red:#} {}\n", visible(text)));
}

//! Tables for people: columns separated by two spaces, without lines.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{Fields, text::visible};

/// A cell: its text, escaped, and its colour.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self {
            text: visible(text.as_ref()),
            style: Style::new(),
        }
    }

    /// Creates a cell for a value that may be absent.
    pub(crate) fn optional(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::new("-"), Self::new)
    }

    /// Creates the cell of a status, in its colour.
    pub(crate) fn status(status: &str) -> Self {
        let colour = match status {
            "active" => AnsiColor::Green,
            "disabled" => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        Self {
            style: Style::new().fg_color(Some(colour.into())),
            ..Self::new(status)
        }
    }

    fn heading(text: &str) -> Self {
        Self {
            style: Style::new().bold(),
            ..Self::new(text)
        }
    }

    fn width(&self) -> usize {
        self.text.width()
    }
}

/// A table, which is written once all its rows are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Creates a table with a line of headings.
    pub(crate) fn with_headings(headings: &[&str]) -> Self {
        let headings = headings.iter().copied().map(Cell::heading).collect();
        Self {
            rows: vec![headings],
        }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Writes the table.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let widths = self.widths();
        for row in &self.rows {
            write_row(out, row, &widths)?;
        }
        out.flush()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(Cell::width).max().unwrap_or_default()
        };
        (0..columns).map(width).collect()
    }
}

fn write_row(out: &mut impl Write, row: &[Cell], widths: &[usize]) -> io::Result<()> {
    let last = row.len().saturating_sub(1);
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let Cell { text, style } = cell;
        write!(out, "{style}{text}{style:#}")?;
        if column < last {
            let gap = width.saturating_sub(cell.width()) + 2;
            write!(out, "{:gap$}", "")?;
        }
    }
    writeln!(out)
}

/// Returns the table of one result, with a row for each field that has a value.
pub(super) fn record(fields: &Fields) -> Table {
    let mut table = Table::default();
    for (name, value) in fields {
        if let Some(text) = shown(value) {
            let cell = match *name {
                "status" => Cell::status(&text),
                _ => Cell::new(text),
            };
            table.push(vec![Cell::heading(name), cell]);
        }
    }
    table
}

/// Returns a value as people read it; `None` if there is none.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => Some("none".to_owned()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(shown).collect();
            Some(items.join(" "))
        }
        Value::Object(pairs) => {
            let pair = |(key, value)| format!("{key}={}", shown(value).unwrap_or_default());
            let pairs: Vec<_> = pairs.iter().map(pair).collect();
            Some(pairs.join(" ")).filter(|text| !text.is_empty())
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(table: &Table) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        table.write(&mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let mut table = Table::with_headings(&["NAME", "STATUS"]);
        table.push(vec![Cell::new("東京"), Cell::status("active")]);
        table.push(vec![Cell::new("a\u{1b}b"), Cell::optional(None::<&str>)]);
        assert_eq!(
            written(&table),
            "NAME      STATUS\n東京      active\na\\u{1b}b  -\n"
        );
    }

    #[test]
    fn a_record_leaves_out_what_is_absent() {
        let fields = vec![
            ("id", json!("a")),
            ("role", Value::Null),
            ("scopes", json!(["x", "y"])),
            ("metadata", json!({ "team": "ops" })),
            ("networks", json!([])),
        ];
        assert_eq!(
            written(&record(&fields)),
            "id        a\nscopes    x y\nmetadata  team=ops\nnetworks  none\n"
        );
    }
}

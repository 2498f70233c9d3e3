//! Lists: a table, or an object a line, which is written as it comes.

use std::io;

use super::{Cell, Fields, Output, Table};

/// A list that is being written.
#[derive(Clone, Debug)]
pub(crate) struct List {
    output: Output,
    table: Table,
}

impl List {
    pub(super) fn new(output: Output, headings: &[&str]) -> Self {
        Self {
            output,
            table: Table::with_headings(headings),
        }
    }

    /// Adds an item, of which either the fields or the row is shown.
    pub(crate) fn push<T>(
        &mut self,
        item: &T,
        fields: impl Fn(&T) -> Fields,
        row: impl Fn(&T) -> Vec<Cell>,
    ) -> io::Result<()> {
        if self.output.is_json() {
            return self.output.json_line(&fields(item));
        }
        self.table.push(row(item));
        Ok(())
    }

    /// Writes the table, whose columns are as wide as its rows need.
    pub(crate) fn end(self) -> io::Result<()> {
        match self.output.is_json() {
            true => Ok(()),
            false => self.table.write(&mut anstream::stdout().lock()),
        }
    }
}

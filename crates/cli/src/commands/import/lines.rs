//! The lines of an import, as objects, whatever their format is.

use std::io::{self, BufRead, BufReader, Read};

use csv::{ErrorKind, Reader, StringRecord};
use serde_json::{Map, Value, error::Category};

use super::{Format, line::BadLine};

/// The fields of a line by their names.
pub(super) type Object = Map<String, Value>;

/// The number of a line, and its fields.
type Line = (u64, Result<Object, BadLine>);

/// Reads lines as they are needed. An input that cannot be read is an error of its own.
pub(super) fn read(
    format: Format,
    input: impl Read + 'static,
) -> Box<dyn Iterator<Item = io::Result<Line>>> {
    match format {
        Format::Jsonl => Box::new(json_lines(BufReader::new(input))),
        Format::Csv => Box::new(csv_lines(csv::Reader::from_reader(input))),
    }
}

fn json_lines(input: impl BufRead) -> impl Iterator<Item = io::Result<Line>> {
    let lines = (1..).zip(input.split(b'\n'));
    lines.filter_map(|(number, line)| match line {
        Ok(line) if line.trim_ascii().is_empty() => None,
        Ok(line) => Some(Ok((number, object(&line)))),
        Err(error) => Some(Err(error)),
    })
}

/// Parses an object. The parser's own message is not shown, since it can repeat a value.
fn object(line: &[u8]) -> Result<Object, BadLine> {
    serde_json::from_slice(line).map_err(|error| match error.classify() {
        Category::Data => BadLine::NotObject,
        _ => BadLine::NotJson {
            column: error.column(),
        },
    })
}

fn csv_lines<R: Read>(mut reader: Reader<R>) -> impl Iterator<Item = io::Result<Line>> {
    let mut headers = None;
    std::iter::from_fn(move || next_record(&mut reader, &mut headers).transpose())
}

fn next_record<R: Read>(
    reader: &mut Reader<R>,
    headers: &mut Option<StringRecord>,
) -> io::Result<Option<Line>> {
    let headers = match headers {
        Some(headers) => headers,
        None => headers.insert(reader.headers().map_err(unreadable)?.clone()),
    };
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(false) => Ok(None),
        Ok(true) => {
            let line = record.position().map_or(0, csv::Position::line);
            Ok(Some((line, Ok(columns(headers, &record)))))
        }
        Err(error) => {
            let line = error.position().map_or(0, csv::Position::line);
            match error.kind() {
                ErrorKind::Io(_) => Err(error.into()),
                _ => Ok(Some((line, Err(BadLine::NotCsv)))),
            }
        }
    }
}

fn unreadable(error: csv::Error) -> io::Error {
    match error.kind() {
        ErrorKind::Io(_) => error.into(),
        _ => io::Error::new(
            io::ErrorKind::InvalidData,
            "the names of the columns are not UTF-8",
        ),
    }
}

/// Returns the columns that are not empty.
fn columns(headers: &StringRecord, record: &StringRecord) -> Object {
    let columns = headers.iter().zip(record);
    columns
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.trim().to_owned(), value.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(format: Format, text: &'static str) -> Vec<(u64, Option<Object>)> {
        let lines = read(format, text.as_bytes());
        lines
            .map(Result::unwrap)
            .map(|(number, line)| (number, line.ok()))
            .collect()
    }

    #[test]
    fn lines_keep_their_numbers_beside_blank_and_bad_ones() {
        let read = lines(Format::Jsonl, "{\"a\":1}\n\n[]\n{\n{\"a\":2}");
        let numbers: Vec<_> = read
            .iter()
            .map(|(number, line)| (*number, line.is_some()))
            .collect();
        assert_eq!(numbers, [(1, true), (3, false), (4, false), (5, true)]);
    }

    #[test]
    fn columns_are_named_by_the_first_line() {
        let read = lines(Format::Csv, "id,name\na,\"x\ny\"\nb\nc,\n");
        let numbers: Vec<_> = read
            .iter()
            .map(|(number, line)| (*number, line.is_some()))
            .collect();
        assert_eq!(numbers, [(2, true), (4, false), (5, true)]);
        let first = read[0].1.as_ref().unwrap();
        assert_eq!(
            (first["id"].as_str(), first["name"].as_str()),
            (Some("a"), Some("x\ny"))
        );
        assert!(!read[2].1.as_ref().unwrap().contains_key("name"));
    }
}

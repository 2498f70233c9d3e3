//! Text from the database, made safe to print: a name must not move the cursor, recolour the
//! terminal, or be read in another order than it is stored in.

use std::fmt::Write as _;

use serde_json::Value;

use super::Fields;

/// Returns a text with its control characters, and others that show nothing or reorder their
/// neighbours, escaped as in `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    escaped.replace("\\\"", "\"").replace("\\'", "'")
}

/// Returns fields as a JSON object on one line, with the same characters escaped as in `\u202e`.
pub(crate) fn json_text(fields: &Fields) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{}", escaped(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// In JSON, a character beyond ASCII can only be within a string, where an escape means the same.
fn escaped(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c.is_ascii() && c != '\u{7f}' || shows(c) {
            true => text.push(c),
            false => push_escape(&mut text, c),
        }
    }
    text
}

/// Returns whether a character shows something by itself. Combining marks count as such: they are
/// part of many names.
fn shows(c: char) -> bool {
    let after_a_letter = format!("a{c}");
    after_a_letter.escape_debug().eq(after_a_letter.chars())
}

fn push_escape(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        _ = write!(text, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn characters_that_confuse_a_terminal_are_escaped() {
        for (text, shown) in [
            ("nightly \"export\" isn't", "nightly \"export\" isn't"),
            ("Größe 東京 🔑", "Größe 東京 🔑"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            (
                "a\u{202e}b\u{2066}c\u{200b}d",
                "a\\u{202e}b\\u{2066}c\\u{200b}d",
            ),
            ("a\u{9b}b\u{7f}", "a\\u{9b}b\\u{7f}"),
            ("a\\u{1b}", "a\\\\u{1b}"),
            ("\\\"", "\\\\\""),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn json_escapes_them_too_and_is_read_back_as_it_was() {
        let name = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0001}b \"é\" 東京 e\u{301}";
        let text = json_text(&vec![("name", json!(name)), ("none", Value::Null)]);
        assert!(
            text.chars()
                .all(|c| shows(c) || c.is_ascii_graphic() || c == ' '),
            "{text}"
        );
        assert!(text.contains("\\u202e") && text.contains("東京"), "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, json!({ "name": name, "none": null }));
    }
}

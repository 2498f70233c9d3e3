//! Texts with places for values, such as `Expires in {days} days`.
//!
//! A value is inserted as it is: a place in it is not filled. So a name that looks like one is
//! shown as text.

use maud::{Markup, html};

/// A part of a text.
enum Part<'t> {
    Literal(&'t str),
    Place(&'t str),
}

/// Splits a text at its places. A brace without its counterpart is a character like any other.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, (place, behind))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        parts.push(Part::Literal(before));
        parts.push(Part::Place(place));
        rest = behind;
    }
    parts.push(Part::Literal(rest));
    parts
}

/// Returns the text with values in its places. A place without a value is left as it is.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    for part in parts(text) {
        match part {
            Part::Literal(literal) => filled.push_str(literal),
            Part::Place(place) => match values.iter().find(|(name, _)| *name == place) {
                Some((_, value)) => filled.push_str(value),
                None => filled.extend(["{", place, "}"]),
            },
        }
    }
    filled
}

/// The same with elements in the places.
pub(super) fn fill_with(text: &str, values: &[(&str, &Markup)]) -> Markup {
    html! {
        @for part in parts(text) {
            @match part {
                Part::Literal(literal) => { (literal) }
                Part::Place(place) => {
                    @match values.iter().find(|(name, _)| *name == place) {
                        Some((_, value)) => { (value) }
                        None => { "{" (place) "}" }
                    }
                }
            }
        }
    }
}

/// Returns a text that others wrote, such as a name, so that it shows what it consists of: control
/// characters, and those that are invisible or reorder others, are written as `\u{202e}`.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match is_hidden(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// The manager refuses more than these in a name. A name that came another way is shown by this.
fn is_hidden(c: char) -> bool {
    let zero_width = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    );
    let reordering = matches!(c, '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || zero_width || reordering || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once() {
        for (text, filled) in [
            ("", ""),
            ("plain", "plain"),
            ("{name}", "{days}"),
            ("a {name} b {days} c", "a {days} b 6 c"),
            ("{other} {", "{other} {"),
            ("} {name", "} {name"),
        ] {
            let values = [("name", "{days}"), ("days", "6")];
            assert_eq!(fill(text, &values), filled);
            let elements = values.map(|(name, value)| (name, html! { (value) }));
            let elements = elements.each_ref().map(|(name, value)| (*name, value));
            assert_eq!(fill_with(text, &elements).into_string(), filled);
        }
    }

    #[test]
    fn a_literal_is_escaped_and_a_value_is_what_its_maker_escaped() {
        let value = html! { b { "<i>" } };
        let filled = fill_with("<u> {x}", &[("x", &value)]).into_string();
        assert_eq!(filled, "&lt;u&gt; <b>&lt;i&gt;</b>");
    }

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(
            shown("a\u{202e}b\u{200b}\n\0"),
            "a\\u{202e}b\\u{200b}\\u{a}\\u{0}"
        );
        assert_eq!(shown("caf\u{e9} \u{5d0} {x}"), "caf\u{e9} \u{5d0} {x}");
    }
}

//! Which characters are allowed in texts that people read: names of credentials, operators,
//! origins.
//!
//! People read a list of credentials to decide what to delete. A character that is invisible, or
//! that reorders those around it, makes one name look like another. Names with either are refused;
//! other texts have them removed.

/// Maximum length of a name, in characters.
pub(super) const MAX_NAME: usize = 100;

/// Maximum length, in characters, of an operator's name or an origin as it is stored, and of a value
/// in an error.
const MAX_KEPT: usize = 200;

/// Characters that are invisible by themselves or reorder others, as the first and last of each
/// range.
///
/// From the Unicode Character Database: `Default_Ignorable_Code_Point` (which includes all of
/// `Bidi_Control`), the general categories `Cc`, `Cf` without `Prepended_Concatenation_Mark` (which
/// is visible), `Zl`, `Zp` and `Co`. Noncharacters are computed. The test below compares this table
/// with those of `regex-syntax`, for every character.
const HIDDEN: [(char, char); 23] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{f0000}', '\u{ffffd}'),
    ('\u{100000}', '\u{10fffd}'),
];

/// Returns whether `name` has 1 to 100 characters, none of them hidden or drawn as a blank, and no
/// surrounding white space.
pub(super) fn is_name(name: &str) -> bool {
    let shows = |c| !is_hidden(c) && !is_drawn_blank(c);
    !name.is_empty()
        && name.trim() == name
        && name.chars().nth(MAX_NAME).is_none()
        && name.chars().all(shows)
}

/// Returns whether a description has no hidden character besides line breaks, and shows something.
pub(super) fn is_readable(description: &str) -> bool {
    let shows = |c: char| c != '\n' && !c.is_whitespace();
    let is_clean = |c: char| c == '\n' || !is_hidden(c) && !is_drawn_blank(c);
    description.chars().all(is_clean) && description.chars().any(shows)
}

/// Returns `text` without hidden characters, cut after 200 of the others.
pub(super) fn visible(text: &str) -> Box<str> {
    text.chars()
        .filter(|c| !is_hidden(*c))
        .take(MAX_KEPT)
        .collect::<String>()
        .into()
}

/// Returns what an error shows of a value that may have any length: its first 200 characters.
pub(super) fn excerpt(value: &str) -> &str {
    let end = value.char_indices().nth(MAX_KEPT).map(|(at, _)| at);
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}

/// Returns whether a character is in the table, or is not a character at all.
fn is_hidden(c: char) -> bool {
    let after = HIDDEN.partition_point(|(_, last)| *last < c);
    HIDDEN.get(after).is_some_and(|(first, _)| *first <= c) || is_noncharacter(c)
}

/// The 66 code points that are never assigned (Unicode 16.0, section 23.7).
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Characters that are not white space but still show nothing: blanks of their script, and joiners
/// without a shape.
fn is_drawn_blank(c: char) -> bool {
    matches!(
        c,
        '\u{2800}'
            | '\u{2d7f}'
            | '\u{fffc}'
            | '\u{1107f}'
            | '\u{13441}'
            | '\u{13442}'
            | '\u{16fe4}'
            | '\u{1d159}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    #[test]
    fn a_description_shows_something_and_hides_nothing() {
        for text in ["a", "two\nlines", "\u{e9} \u{1f511}\n", " a "] {
            assert!(is_readable(text), "{text:?}");
        }
        for text in [
            " ",
            "\n\n",
            "a\u{202e}b",
            "a\u{200b}",
            "a\u{2028}b",
            "a\u{e0041}",
            "a\tb",
        ] {
            assert!(!is_readable(text), "{text:?}");
        }
    }

    /// Returns the characters of a class of `regex-syntax`, indexed by code point.
    fn class(pattern: &str) -> Vec<bool> {
        let parsed = regex_syntax::parse(pattern).unwrap();
        let HirKind::Class(Class::Unicode(class)) = parsed.kind() else {
            panic!("{parsed:?}")
        };
        let mut members = vec![false; 0x11_0000];
        for range in class.ranges() {
            members[range.start() as usize..=range.end() as usize].fill(true);
        }
        members
    }

    #[test]
    fn every_character_is_judged_as_the_unicode_database_says() {
        let wanted = class(
            r"[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cc}\p{Co}
              \p{Noncharacter_Code_Point}[\p{Cf}--\p{Prepended_Concatenation_Mark}]]"
                .replace(char::is_whitespace, "")
                .as_str(),
        );
        for c in '\0'..=char::MAX {
            assert_eq!(is_hidden(c), wanted[c as usize], "{c:?}");
        }
        let spaces = class(r"[\p{White_Space}]");
        for c in ('\0'..=char::MAX).filter(|c| spaces[*c as usize]) {
            assert!(!is_name(&c.to_string()), "{c:?} alone is taken for a name");
        }
    }

    #[test]
    fn the_table_is_sorted_and_without_overlaps() {
        assert!(HIDDEN.iter().all(|(first, last)| first <= last));
        assert!(HIDDEN.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn names_that_cannot_be_seen_or_reorder_are_refused() {
        let long = "\u{e9}".repeat(101);
        for name in [
            "",
            " ",
            "\u{a0}\u{3000}",
            "\u{2800}",
            " \u{2800}\u{2003}",
            "\u{200b}",
            "\u{2060}",
            "\u{feff}",
            "\u{3164}",
            "\u{ad}",
            "\u{115f}",
            "\u{ffa0}",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{61c}b",
            "a\u{2028}b",
            "a\u{2029}b",
            "a\u{e0041}b",
            "a\u{fe0f}",
            "a\u{200d}b",
            "a\u{e000}",
            "a\u{10fffd}",
            "a\u{fdd0}",
            "a\u{10ffff}",
            "a\u{fffe}",
            "a\u{fff9}b",
            "a\0",
            "a\nb",
            "a\u{85}b",
            "\u{16fe4}",
            "a\u{16fe4}",
            "a\u{2800}b",
            "a\u{2d7f}",
            "ci ",
            " ci",
            "ci\u{a0}",
            "\u{3000}ci",
            &long,
        ] {
            assert!(!is_name(name), "{name:?} is taken for a name");
        }
        for name in [
            "a",
            "a b",
            "CI (main)",
            "\u{e9}",
            &long[2..],
            "\u{5e9}\u{5dc}",
            "\u{2801}\u{2802}",
        ] {
            assert!(is_name(name), "{name:?} is refused");
        }
    }

    #[test]
    fn other_texts_lose_what_is_hidden() {
        assert_eq!(&*visible("a\0b\u{202e}c\u{200b}\nd \u{e9}"), "abcd \u{e9}");
        assert_eq!(visible(&"\u{e9}\u{200b}".repeat(300)).chars().count(), 200);
    }

    proptest! {
        #[test]
        fn a_name_has_something_to_see_and_nothing_hidden(text in "\\PC{0,3}.{0,120}") {
            let short = text.chars().count() <= 100;
            let seen = !text.is_empty() && text.trim() == text && !text.chars().any(is_drawn_blank);
            let hidden = visible(&text).chars().count() != text.chars().count().min(200);
            prop_assert_eq!(is_name(&text), short && seen && !hidden);
        }
    }
}

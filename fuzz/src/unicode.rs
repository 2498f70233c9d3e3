//! Which characters a name may have, from the Unicode tables of ICU4X: the code under test has a
//! table of its own.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BidiControl, DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint, WhiteSpace,
    },
};

/// Format characters that are visible, or join visible ones: `Prepended_Concatenation_Mark`, for
/// which ICU4X has no table.
const VISIBLE_FORMATS: [char; 13] = [
    '\u{600}',
    '\u{601}',
    '\u{602}',
    '\u{603}',
    '\u{604}',
    '\u{605}',
    '\u{6dd}',
    '\u{70f}',
    '\u{890}',
    '\u{891}',
    '\u{8e2}',
    '\u{110bd}',
    '\u{110cd}',
];

/// Returns whether a character is invisible by itself, or changes the order of those around it.
pub fn is_hidden(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<BidiControl>().contains(c)
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
        || match CodePointMapData::<GeneralCategory>::new().get(c) {
            GeneralCategory::Format => !VISIBLE_FORMATS.contains(&c),
            GeneralCategory::Control
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse => true,
            _ => false,
        }
}

/// Returns whether a character is white space.
pub fn is_space(c: char) -> bool {
    CodePointSetData::new::<WhiteSpace>().contains(c)
}

/// Asserts what must be true of each name that is accepted.
///
/// # Panics
/// If it is not.
pub fn assert_name(name: &str) {
    let length = name.chars().count();
    assert!((1..=100).contains(&length), "{length} characters: {name:?}");
    assert!(!name.chars().any(is_hidden), "hidden characters: {name:?}");
    let edges = [name.chars().next(), name.chars().next_back()];
    assert!(
        !edges.into_iter().flatten().any(is_space),
        "white space at an end: {name:?}"
    );
}

/// Returns whether a name must be accepted: letters, digits and punctuation that everyone can see.
pub fn is_plain_name(name: &str) -> bool {
    use GeneralCategory as C;
    let plain = |c: char| {
        let category = CodePointMapData::<GeneralCategory>::new().get(c);
        let shown = matches!(
            category,
            C::UppercaseLetter | C::LowercaseLetter | C::TitlecaseLetter | C::DecimalNumber
        );
        (shown || c.is_ascii_punctuation()) && !is_hidden(c)
    };
    (1..=100).contains(&name.chars().count()) && name.chars().all(plain)
}

//! Which names and ids are allowed. Histories draw them from a few texts, so a short list of what
//! is forbidden is enough; that the crate's table is complete is a test of the crate.

/// Characters that a name must not have: control characters, and some that cannot be seen, reorder
/// others, or are drawn as a blank.
const FORBIDDEN: [char; 8] = [
    '\u{ad}', '\u{200b}', '\u{202e}', '\u{2028}', '\u{2800}', '\u{3164}', '\u{e000}', '\u{feff}',
];

/// A name has 1 to 100 characters that can be seen, and no blanks around it.
pub(super) fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.chars().count())
        && name.trim() == name
        && !name
            .chars()
            .any(|c| c.is_control() || FORBIDDEN.contains(&c))
}

/// An idempotency key has 1 to 255 visible ASCII characters.
pub(super) fn is_idempotency_key(key: &str) -> bool {
    (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An organization and a user have 1 to 256 visible ASCII characters.
pub(super) fn is_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

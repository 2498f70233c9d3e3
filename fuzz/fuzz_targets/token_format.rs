//! The grammar and the checksum of tokens, in any format: whatever parses is the text that it was
//! parsed from, and nothing parses that the grammar does not allow.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tower_api_key::credential::{Kind, TokenError, TokenFormat};
use tower_api_key_fuzz::grammar::{
    Format, NotAToken, Token, ends_in_checksum, sha256, with_checksum,
};

#[derive(Arbitrary, Debug)]
struct Input {
    prefixes: Option<(String, String)>,
    max_len: Option<u16>,
    checksum: bool,
    text: Text,
    tail: String,
}

/// What a text begins with.
#[derive(Arbitrary, Debug)]
enum Text {
    Nothing,
    Key,
    KeyWithDot,
    Personal,
}

fuzz_target!(|input: Input| {
    let (key, personal) = match &input.prefixes {
        Some((key, personal)) => (key.as_str(), personal.as_str()),
        None => ("ak_", "pat_"),
    };
    let wanted = Format {
        key,
        personal,
        max_len: input.max_len.map_or(512, usize::from),
        checksum: input.checksum,
    };
    let Some(format) = built(&wanted) else { return };
    let start = match input.text {
        Text::Nothing => String::new(),
        Text::Key => key.to_owned(),
        Text::KeyWithDot => format!("{key}id."),
        Text::Personal => personal.to_owned(),
    };
    let text = start + &input.tail;
    assert_parsed(&format, &wanted, &text);
    let summed = with_checksum(text.into_bytes());
    assert!(TokenFormat::checksum_holds(&summed));
    assert_parsed(&format, &wanted, &String::from_utf8_lossy(&summed));
});

/// Builds the format, and asserts that exactly the possible ones can be built.
fn built(wanted: &Format<'_>) -> Option<TokenFormat> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let prefixes = [wanted.key, wanted.personal];
    let apart =
        !wanted.key.starts_with(wanted.personal) && !wanted.personal.starts_with(wanted.key);
    let good = apart
        && prefixes
            .iter()
            .all(|prefix| !prefix.is_empty() && prefix.chars().all(plain));
    let format = TokenFormat::default().with_prefixes(wanted.key, wanted.personal);
    assert_eq!(format.is_ok(), good, "{prefixes:?}");
    let format = format.ok()?.with_max_len(wanted.max_len);
    assert_eq!(format.is_ok(), wanted.max_len >= 55);
    let format = format.ok()?;
    Some(match wanted.checksum {
        true => format.with_required_checksum(),
        false => format,
    })
}

fn assert_parsed(format: &TokenFormat, wanted: &Format<'_>, text: &str) {
    let bytes = text.as_bytes();
    assert_eq!(
        TokenFormat::checksum_holds(bytes),
        ends_in_checksum(bytes),
        "{text:?}"
    );
    match (format.parse(text), wanted.read(bytes)) {
        (Ok(parsed), Ok(read)) => {
            assert_eq!(parsed.digest.to_bytes(), sha256(bytes), "{text:?}");
            let id = parsed.id.as_ref().map(|id| id.as_str());
            match read {
                Token::Key { id: wanted } => {
                    assert_eq!(id.map(str::as_bytes), Some(wanted), "{text:?}");
                    assert_eq!(parsed.kind, Kind::OrgKey);
                }
                Token::Personal => assert_eq!((id, parsed.kind), (None, Kind::PersonalToken)),
            }
        }
        (Err(error), Err(read)) => assert_explained(&error, read, wanted, text),
        (parsed, read) => panic!("{text:?}: {parsed:?}, but the grammar says {read:?}"),
    }
}

/// The error names the true reason, and does not repeat the text.
fn assert_explained(error: &TokenError, read: NotAToken, wanted: &Format<'_>, text: &str) {
    let bytes = text.as_bytes();
    match error {
        TokenError::UnknownPrefix { .. } => assert_eq!(read, NotAToken::OtherPrefix, "{text:?}"),
        _ => assert_eq!(read, NotAToken::Malformed, "{text:?}: {error:?}"),
    }
    match error {
        TokenError::TooLong { length, max } => {
            assert_eq!((*length, *max), (text.len(), wanted.max_len));
            assert!(length > max);
        }
        TokenError::InvalidCharacter(at) => assert!(*at < bytes.len(), "{text:?}: byte {at}"),
        TokenError::WrongChecksum => assert!(wanted.checksum && !ends_in_checksum(bytes)),
        _ => {}
    }
    let shown = error.to_string();
    let body = text
        .get(wanted.key.len().max(wanted.personal.len())..)
        .unwrap_or_default();
    let is_prefix = [wanted.key, wanted.personal]
        .iter()
        .any(|one| one.contains(body));
    assert!(
        body.len() < 40 || is_prefix || !shown.contains(body),
        "{shown}"
    );
}

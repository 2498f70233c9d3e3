//! Keeps secrets that were passed as arguments by mistake out of what is printed.

use std::ffi::OsString;

use tower_api_key::credential::TokenFormat;

/// From how many characters on an argument may be a secret.
const LONG: usize = 32;

/// Returns whether an argument is a generated token, whose checksum shows that it is one.
pub(crate) fn contains_token(arguments: &[OsString]) -> bool {
    let is_token = |argument: &OsString| {
        let text = argument.to_string_lossy();
        let value = text.rsplit('=').next().unwrap_or_default();
        [&*text, value]
            .iter()
            .any(|text| looks_like_token(text) && TokenFormat::checksum_holds(text.as_bytes()))
    };
    arguments.iter().any(is_token)
}

fn looks_like_token(text: &str) -> bool {
    TokenFormat::default().parse(text).is_ok()
}

/// Replaces in a text each argument that may be a secret: a token, the URL of a database, or
/// anything as long as a secret.
pub(crate) fn hide(text: String, arguments: &[OsString]) -> String {
    arguments
        .iter()
        .skip(1)
        .map(|argument| argument.to_string_lossy())
        .filter(|argument| may_be_secret(argument))
        .fold(text, |text, argument| {
            let value = argument.split_once('=').map(|(_, value)| value);
            let text = text.replace(&*argument, "[hidden]");
            match value.filter(|value| may_be_secret(value)) {
                Some(value) => text.replace(value, "[hidden]"),
                None => text,
            }
        })
}

fn may_be_secret(argument: &str) -> bool {
    let is_long = argument.len() >= LONG && !argument.contains(char::is_whitespace);
    let has_password = argument.contains('@') || argument.contains("://");
    is_long || has_password || looks_like_token(argument.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(argument: &str) -> String {
        let arguments = ["api-keys".into(), argument.into()];
        hide(
            format!("unexpected argument '{argument}' found"),
            &arguments,
        )
    }

    #[test]
    fn an_argument_that_may_be_a_secret_is_not_repeated() {
        for secret in [
            "ak_test.not-a-real-secret",
            "--pat_not-a-real-secret",
            "postgres:app:s3cret@db",
            "postgres://app:s3cret@db/service",
            "--datbase=postgres://app:s3cret@db/service",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(shown(secret), "unexpected argument '[hidden]' found");
        }
    }

    #[test]
    fn other_arguments_are_repeated() {
        for plain in [
            "--nmae",
            "org_1",
            "a long name that has more than 32 characters",
        ] {
            assert!(shown(plain).contains(plain));
        }
    }

    #[test]
    fn a_generated_token_is_recognized_among_the_arguments() {
        let minted = TokenFormat::default().mint(tower_api_key::credential::Kind::OrgKey);
        let token = minted.unwrap().secret.expose_secret().to_owned();
        for argument in [token.clone(), format!("--name={token}")] {
            assert!(contains_token(&["api-keys".into(), argument.into()]));
        }
        assert!(!contains_token(&["api-keys".into(), "pat_smith".into()]));
    }
}

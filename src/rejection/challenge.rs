//! The challenges of refusals: `WWW-Authenticate`.

use std::borrow::Cow;

use http::HeaderValue;

use super::{Reason, Rejection};
use crate::{error::ConfigError, scope::AcceptedScopes};

/// The values of `WWW-Authenticate`, built once.
#[derive(Clone, Debug)]
pub(super) struct Challenges {
    bare: HeaderValue,
    invalid_token: HeaderValue,
    insufficient_scope: HeaderValue,
    /// The realm as a quoted-string.
    realm: Cow<'static, str>,
    /// Where the metadata of the protected resource is (RFC 9728, section 5.1).
    resource_metadata: Option<Box<str>>,
    /// Whether a challenge with an error has the refusal's text, too.
    describes_errors: bool,
}

impl Default for Challenges {
    fn default() -> Self {
        Self {
            bare: HeaderValue::from_static(r#"Bearer realm="api""#),
            invalid_token: HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#),
            insufficient_scope: HeaderValue::from_static(
                r#"Bearer realm="api", error="insufficient_scope""#,
            ),
            realm: Cow::Borrowed(r#""api""#),
            resource_metadata: None,
            describes_errors: false,
        }
    }
}

impl Challenges {
    /// Sets the realm.
    pub(super) fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::InvalidRealm(realm.into());
        let realm = quoted(realm).ok_or_else(invalid)?.into();
        Self { realm, ..self }.rebuilt().ok_or_else(invalid)
    }

    /// Adds `resource_metadata` to every challenge. `url` has only the characters of a URL.
    pub(super) fn with_resource_metadata(self, url: &str) -> Result<Self, ConfigError> {
        let resource_metadata = Some(url.into());
        let challenges = Self {
            resource_metadata,
            ..self
        };
        let rebuilt = challenges.rebuilt();
        rebuilt.ok_or_else(|| ConfigError::InvalidUrl(url.into()))
    }

    /// Adds the refusal's text to every challenge with an error.
    pub(super) fn set_error_description(&mut self) {
        self.describes_errors = true;
    }

    /// Builds the values from the settings; `None` if a header cannot carry them.
    fn rebuilt(self) -> Option<Self> {
        let mut common = format!("Bearer realm={}", self.realm);
        if let Some(url) = &self.resource_metadata {
            common.push_str(&parameter("resource_metadata", url));
        }
        let with_error = |error| HeaderValue::try_from(common.clone() + &parameter("error", error));
        Some(Self {
            invalid_token: with_error("invalid_token").ok()?,
            insufficient_scope: with_error("insufficient_scope").ok()?,
            bare: HeaderValue::try_from(&common).ok()?,
            ..self
        })
    }

    /// Returns the challenge for a refusal (RFC 6750, section 3).
    ///
    /// `invalid_token` is sent only when a bearer credential was presented and is bad (section
    /// 3.1): a client discards a token when it sees that error. `scope` is sent only when no
    /// other scopes than those would do, since a list reads as "all of these".
    pub(super) fn to(&self, rejection: &Rejection) -> Option<HeaderValue> {
        match rejection.reason() {
            Reason::MissingCredential | Reason::MissingOrganization => Some(self.bare.clone()),
            Reason::UnrecognizedToken | Reason::InvalidToken => {
                Some(self.explained(&self.invalid_token, rejection))
            }
            Reason::OrganizationDenied | Reason::InsufficientScope => {
                Some(self.explained(&self.insufficient_scope, rejection))
            }
            Reason::ExposedCredential
            | Reason::OriginDenied
            | Reason::Unavailable
            | Reason::Misconfigured => None,
        }
    }

    /// Adds what depends on the refusal to a challenge with an error: its text, if that is enabled,
    /// and the scopes that are needed, which have no character that would have to be escaped.
    fn explained(&self, challenge: &HeaderValue, rejection: &Rejection) -> HeaderValue {
        let description = self.describes_errors.then(|| rejection.detail());
        let description = description.filter(|text| is_description(text));
        let needed = rejection.accepted_scopes().and_then(AcceptedScopes::needed);
        let scopes = needed.map(|scopes| scopes.join(" "));
        let mut value = Cow::Borrowed(challenge.as_bytes());
        for (name, text) in [
            ("error_description", description),
            ("scope", scopes.as_deref()),
        ] {
            if let Some(text) = text {
                value
                    .to_mut()
                    .extend_from_slice(parameter(name, text).as_bytes());
            }
        }
        match value {
            Cow::Borrowed(_) => challenge.clone(),
            Cow::Owned(value) => HeaderValue::try_from(value).unwrap_or_else(|_| challenge.clone()),
        }
    }
}

/// Returns a further parameter of a challenge. `text` needs no escapes.
fn parameter(name: &str, text: &str) -> String {
    format!(r#", {name}="{text}""#)
}

/// Returns whether `error_description` may have this value (RFC 6750, section 3): printable ASCII
/// without `"` and `\`.
fn is_description(text: &str) -> bool {
    let allowed = |byte| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~');
    !text.is_empty() && text.bytes().all(allowed)
}

/// Returns `text` as a quoted-string (RFC 9110, section 5.6.4), or `None` if it has control
/// characters.
fn quoted(text: &str) -> Option<String> {
    let has_controls = text.chars().any(char::is_control);
    (!has_controls).then(|| {
        let escaped = text.replace('\\', r"\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let bare = |realm| {
            Challenges::default()
                .with_realm(realm)
                .map(|c| String::from_utf8(c.bare.as_bytes().to_vec()).unwrap())
        };
        assert_eq!(bare("my api").unwrap(), r#"Bearer realm="my api""#);
        assert_eq!(bare(r#"a"b\c"#).unwrap(), r#"Bearer realm="a\"b\\c""#);
        assert_eq!(
            bare("a\r\nX: y"),
            Err(ConfigError::InvalidRealm("a\r\nX: y".into()))
        );
        assert_eq!(bare("a\tb"), Err(ConfigError::InvalidRealm("a\tb".into())));
    }

    #[test]
    fn the_default_realm_is_api() {
        let fixed = Challenges::default();
        let made = fixed.clone().with_realm("api").unwrap();
        assert_eq!(made.bare, fixed.bare);
        assert_eq!(made.invalid_token, fixed.invalid_token);
        assert_eq!(made.insufficient_scope, fixed.insufficient_scope);
    }
    #[test]
    fn a_description_has_only_the_characters_that_rfc_6750_allows() {
        for character in (0..=0x2ff).filter_map(char::from_u32) {
            let allowed = matches!(u32::from(character), 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert_eq!(
                is_description(&format!("a{character}b")),
                allowed,
                "{character:?}"
            );
        }
        assert!(!is_description(""));
    }
}

//! The challenges of refusals: `WWW-Authenticate`.

use http::HeaderValue;

use super::{Reason, Rejection};
use crate::error::ConfigError;

/// The values of `WWW-Authenticate`, built once.
#[derive(Clone, Debug)]
pub(super) struct Challenges {
    bare: HeaderValue,
    invalid_token: HeaderValue,
    insufficient_scope: HeaderValue,
}

impl Default for Challenges {
    fn default() -> Self {
        Self {
            bare: HeaderValue::from_static(r#"Bearer realm="api""#),
            invalid_token: HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#),
            insufficient_scope: HeaderValue::from_static(
                r#"Bearer realm="api", error="insufficient_scope""#,
            ),
        }
    }
}

impl Challenges {
    /// Builds the challenges for a realm.
    pub(super) fn new(realm: &str) -> Result<Self, ConfigError> {
        let bare = format!("Bearer realm={}", quoted(realm)?);
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| ConfigError::InvalidRealm(realm.into()))
        };
        Ok(Self {
            invalid_token: value(&format!(r#"{bare}, error="invalid_token""#))?,
            insufficient_scope: value(&format!(r#"{bare}, error="insufficient_scope""#))?,
            bare: value(&bare)?,
        })
    }

    /// Returns the challenge for a refusal (RFC 6750, section 3).
    ///
    /// `invalid_token` is sent only when a bearer credential was presented and is bad (section
    /// 3.1): a client discards a token when it sees that error. `scope` is sent only when a single
    /// scope is accepted, since a list would read as "all of these".
    pub(super) fn to(&self, rejection: &Rejection) -> Option<HeaderValue> {
        match rejection.reason() {
            Reason::MissingCredential | Reason::MissingOrganization => Some(self.bare.clone()),
            Reason::UnrecognizedToken | Reason::InvalidToken => Some(self.invalid_token.clone()),
            Reason::OrganizationDenied | Reason::InsufficientScope => {
                let single = rejection
                    .accepted_scopes()
                    .and_then(|accepted| accepted.single());
                Some(
                    single
                        .and_then(|scope| self.with_scope(scope))
                        .unwrap_or_else(|| self.insufficient_scope.clone()),
                )
            }
            Reason::ExposedCredential | Reason::Unavailable | Reason::Misconfigured => None,
        }
    }

    /// Adds the one accepted scope. A scope has no character that would have to be escaped.
    fn with_scope(&self, scope: &str) -> Option<HeaderValue> {
        let mut value = self.insufficient_scope.as_bytes().to_vec();
        value.extend_from_slice(format!(r#", scope="{scope}""#).as_bytes());
        HeaderValue::from_bytes(&value).ok()
    }
}

/// Returns `text` as a quoted-string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> Result<String, ConfigError> {
    if text.chars().any(char::is_control) {
        return Err(ConfigError::InvalidRealm(text.into()));
    }
    Ok(format!(
        "\"{}\"",
        text.replace('\\', r"\\").replace('"', "\\\"")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let bare = |realm| {
            Challenges::new(realm).map(|c| String::from_utf8(c.bare.as_bytes().to_vec()).unwrap())
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
        let (made, fixed) = (Challenges::new("api").unwrap(), Challenges::default());
        assert_eq!(made.bare, fixed.bare);
        assert_eq!(made.invalid_token, fixed.invalid_token);
        assert_eq!(made.insufficient_scope, fixed.insufficient_scope);
    }
}

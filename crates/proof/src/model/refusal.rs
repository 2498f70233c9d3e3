//! Refusals, as a client sees them.

use super::Answer;

const BARE: &str = r#"Bearer realm="api""#;

/// Why a request is refused.
pub(super) enum Refusal {
    Missing,
    Unrecognized,
    Invalid,
    NoOrganization,
    OtherOrganization,
    NoScope(&'static [&'static str]),
}

impl Refusal {
    pub(super) fn answer(&self) -> Answer {
        let invalid = format!(r#"{BARE}, error="invalid_token""#);
        let insufficient = format!(r#"{BARE}, error="insufficient_scope""#);
        let (status, text, challenge) = match self {
            Self::Missing => (401, "Missing Bearer token", BARE.into()),
            Self::Unrecognized => (
                401,
                "Unrecognized token format. Expected a personal access token (pat_...) or \
                 organization API key (ak_...).",
                invalid,
            ),
            Self::Invalid => (401, "Invalid or expired token", invalid),
            Self::NoOrganization => (401, "Token is missing organization claim.", BARE.into()),
            Self::OtherOrganization => (
                403,
                "Token does not grant access to this organization",
                insufficient,
            ),
            Self::NoScope([only]) => (
                403,
                "Token does not grant access to this action",
                format!(r#"{insufficient}, scope="{only}""#),
            ),
            Self::NoScope(_) => (
                403,
                "Token does not grant access to this action",
                insufficient,
            ),
        };
        Answer::Refused {
            status,
            text: text.into(),
            challenge,
        }
    }
}

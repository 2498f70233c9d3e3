//! The description of a requirement.

use std::fmt;

/// What a `Require…` layer requires of an authenticated caller, or an `AllowedOriginsLayer` of any
/// request, or a part of it: a layer that requires several sets of scopes is described as several
/// requirements. Displayed, scopes are
/// quoted, so that no scope reads like another requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    kind: &'static str,
    scopes: Vec<String>,
    observed: bool,
}

impl Requirement {
    pub(super) fn new(kind: &'static str, scopes: Vec<String>, observed: bool) -> Self {
        Self {
            kind,
            scopes,
            observed,
        }
    }

    /// Returns what is required: `scopes`, `organization` or `descendant`; for a route in a table
    /// of scopes also `authenticated`, which every caller is, and `denied`, which none can meet; and
    /// `origin`, if only the pages of listed origins may call the route.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Yields the accepted scopes, any one of which is enough.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.scopes.iter().map(|scope| &**scope)
    }

    /// Returns whether the requirement refuses nothing, and only reports what it would refuse.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.observed
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No scope has a quote in it.
        let scopes: Vec<_> = self.scopes().map(|scope| format!("\"{scope}\"")).collect();
        let scopes = scopes.join(" | ");
        let text = match (self.kind, self.scopes.is_empty()) {
            ("scopes", _) => scopes,
            (kind, true) => kind.to_owned(),
            (kind, false) => format!("{kind}({scopes})"),
        };
        match self.observed {
            true => write!(f, "observed({text})"),
            false => f.write_str(&text),
        }
    }
}

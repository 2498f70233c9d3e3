//! The description of a route, and its line in the lock file.

use std::fmt;

use super::lock;
use crate::probe::Note;

/// The descriptions of a service's routes, sorted by path. Displayed, it is the text of a lock
/// file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes(Vec<Route>);

impl Routes {
    pub(super) fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
        routes.dedup();
        Self(routes)
    }

    /// Yields the routes, sorted by path and method.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Route> {
        self.0.iter()
    }

    /// Checks that each route is behind an [`AuthLayer`](crate::AuthLayer) or a
    /// [`PublicLayer`](crate::PublicLayer).
    ///
    /// # Panics
    /// If one is not, with a list of them and what to do.
    #[expect(clippy::panic, reason = "a test stops at the first failure")]
    pub fn assert_decided(&self) {
        let undecided = self.iter().filter(|route| !route.is_decided());
        let lines: Vec<_> = undecided.map(|route| format!("  {route}\n")).collect();
        if !lines.is_empty() {
            panic!(
                "no layer decides these routes:\n{}Put an AuthLayer around each, or a PublicLayer \
                 if everyone may call it. In axum, call `.layer(…)` last: it covers only what is \
                 already in the router, and `route_layer` does not cover fallbacks.",
                lines.concat()
            );
        }
    }

    /// Checks that the lock file at `path` has these descriptions. Relative paths start at the
    /// package, where cargo runs tests.
    ///
    /// With the environment variable `ROUTES_LOCK=overwrite`, the file is written instead.
    ///
    /// # Panics
    /// If it differs or does not exist, with the lines that differ.
    #[expect(clippy::panic, reason = "a test stops at the first failure")]
    pub fn assert_matches(&self, path: impl AsRef<std::path::Path>) {
        if let Err(difference) = lock::compare(path.as_ref(), &self.to_string()) {
            panic!("{difference}");
        }
    }
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|route| writeln!(f, "{route}"))
    }
}

/// The description of a route. Displayed, it is a line of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    method: String,
    path: String,
    modes: Vec<Mode>,
    demands: Vec<Demand>,
}

impl Route {
    pub(super) fn new(method: &str, path: &str, notes: Vec<Note>) -> Self {
        let (mut modes, mut demands) = (Vec::new(), Vec::new());
        for note in notes {
            match note {
                Note::Auth {
                    optional,
                    needs_organization,
                } => modes.push(Mode::of(optional, needs_organization)),
                Note::Public => modes.push(Mode::Public),
                Note::Requirement {
                    kind,
                    scopes,
                    observed,
                } => demands.push(Demand {
                    kind,
                    scopes,
                    observed,
                }),
            }
        }
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            modes,
            demands,
        }
    }

    /// Returns the method, or `*` for a method that the path does not have, and for a fallback.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path; a fallback's ends in `/*`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether an [`AuthLayer`](crate::AuthLayer) or a
    /// [`PublicLayer`](crate::PublicLayer) is around the route.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        !self.modes.is_empty()
    }

    /// Returns what the layers around the route require of a credential, from the outermost
    /// inwards: usually one, none if no layer decides the route.
    #[must_use]
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// Returns what the route demands of an authenticated caller, from the outermost requirement
    /// inwards. All of them have to be met, but for those that are observed.
    #[must_use]
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// Whether another route has the same layers.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.modes, &self.demands) == (&other.modes, &other.demands)
    }

    /// Whether another fallback is below this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.path.starts_with(self.path.trim_end_matches('*'))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a fixed width, so that a longer path does not move the lines of all others.
        write!(f, "{:<6} {:<31}  ", self.method, self.path)?;
        let modes: Vec<_> = self.modes.iter().map(ToString::to_string).collect();
        match modes.is_empty() {
            true => f.write_str("undecided")?,
            false => f.write_str(&modes.join(" > "))?,
        }
        for (index, demand) in self.demands.iter().enumerate() {
            write!(f, "{}{demand}", if index == 0 { "  " } else { " & " })?;
        }
        Ok(())
    }
}

/// What a layer requires of a request's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// An [`AuthLayer`](crate::AuthLayer) requires a credential and an organization.
    Required,
    /// One that is [`optional`](crate::AuthLayer::optional).
    Optional,
    /// One that is [`user_scoped`](crate::AuthLayer::user_scoped).
    UserScoped,
    /// One that is both.
    OptionalUserScoped,
    /// A [`PublicLayer`](crate::PublicLayer) examines none.
    Public,
}

impl Mode {
    fn of(optional: bool, needs_organization: bool) -> Self {
        match (optional, needs_organization) {
            (false, true) => Self::Required,
            (true, true) => Self::Optional,
            (false, false) => Self::UserScoped,
            (true, false) => Self::OptionalUserScoped,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::UserScoped => "user-scoped",
            Self::OptionalUserScoped => "optional user-scoped",
            Self::Public => "public",
        })
    }
}

/// What a `Require…` layer demands of an authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    kind: &'static str,
    scopes: Vec<String>,
    observed: bool,
}

impl Demand {
    /// Returns what is required: `scopes`, `organization` or `descendant`.
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

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = self.scopes.join(" | ");
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

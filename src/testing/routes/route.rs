//! The description of a route, and its line in the lock file.

use std::fmt;

use super::{Requirement, lock};
use crate::probe::Note;

/// The descriptions of a service's routes, sorted by path. Displayed, it is the text of a lock
/// file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// What was not probed.
    remarks: Vec<&'static str>,
    routes: Vec<Route>,
}

impl Routes {
    pub(super) fn new(remarks: Vec<&'static str>, mut routes: Vec<Route>) -> Self {
        routes.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
        Self { remarks, routes }
    }

    /// Yields the routes, sorted by path and method.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Route> {
        self.routes.iter()
    }

    /// Checks that each route is behind an [`AuthLayer`](crate::AuthLayer) or a
    /// [`PublicLayer`](crate::PublicLayer).
    ///
    /// # Panics
    /// If one is not, with a list of them and what to do.
    #[expect(clippy::panic, reason = "a test stops at the first failure")]
    #[track_caller]
    pub fn assert_decided(&self) {
        let undecided = self.iter().filter(|route| !route.is_decided());
        let lines: Vec<_> = undecided.map(|route| format!("  {route}\n")).collect();
        if !lines.is_empty() {
            let lost = match self.iter().any(Route::is_decided) {
                true => "",
                false => {
                    " No probe reached a layer that decides: a middleware that makes a new request \
                     must keep its extensions."
                }
            };
            panic!(
                "no layer decides these routes:\n{}Put an AuthLayer around each, or a PublicLayer \
                 if everyone may call it. In axum, call `.layer(…)` last: it covers only what is \
                 already in the router, and `route_layer` does not cover fallbacks. If a CORS \
                 layer outside answers OPTIONS, see `RouteProbe::without_options`.{lost}",
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
    #[track_caller]
    pub fn assert_matches(&self, path: impl AsRef<std::path::Path>) {
        if let Err(difference) = lock::compare(path.as_ref(), &self.to_string()) {
            panic!("{difference}");
        }
    }
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remark in &self.remarks {
            writeln!(f, "# {remark}")?;
        }
        self.iter().try_for_each(|route| writeln!(f, "{route}"))
    }
}

/// The description of a route. Displayed, it is a line of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    method: String,
    path: String,
    modes: Vec<Mode>,
    requirements: Vec<Requirement>,
    answered: bool,
}

impl Route {
    pub(super) fn new(method: &str, path: &str, notes: Vec<Note>, answered: bool) -> Self {
        let (mut modes, mut requirements) = (Vec::new(), Vec::new());
        for note in notes {
            match note {
                Note::Auth {
                    optional,
                    needs_organization,
                } => modes.push(Mode::of(optional, needs_organization)),
                Note::Public => modes.push(Mode::Public),
                Note::Either => modes.push(Mode::Either),
                Note::Requirement {
                    kind,
                    scopes,
                    observed,
                } => requirements.push(Requirement::new(kind, scopes, observed)),
            }
        }
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            modes,
            requirements,
            answered,
        }
    }

    /// Returns the method, or `*` for all that have no line of their own.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path; `*` in it is a segment that no listed path has. For `OPTIONS *` and
    /// `CONNECT host:port` it is the request's target.
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

    /// Returns what the route requires of an authenticated caller, from the outermost requirement
    /// inwards. All of them have to be met, but for those that are observed.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Returns whether code of yours answered the probe although a layer of this crate was reached:
    /// a middleware, behind which nothing was seen, or a
    /// [handler that ran](super#which-handlers-run).
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answered
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
        for (index, requirement) in self.requirements.iter().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "  " } else { " & " })?;
        }
        match self.answered {
            true => f.write_str("  (answered)"),
            false => Ok(()),
        }
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
    /// An [`EitherAuthLayer`](crate::EitherAuthLayer) gives other credentials to another
    /// authenticator. The next mode is that of its own.
    Either,
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
            Self::Either => "either",
        })
    }
}

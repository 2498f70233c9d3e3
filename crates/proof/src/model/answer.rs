//! What a request gets: the protocol, from the headers to the principal.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Attributes, Grant, Kind, Millis, Owner, Status, Stored, Surroundings, World, catalogue,
    has_passed, names, refusal::Refusal,
};

/// A request, as far as the layers look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The values of `Authorization`, one for each line.
    pub authorization: Vec<String>,
    /// The values of the organization header.
    pub organization: Vec<String>,
    /// Where it goes.
    pub route: Route,
    /// The organization that it is about, on a route for organizations below the caller's.
    pub target: String,
    /// Where it comes from, if that can be known.
    pub address: Option<IpAddr>,
    /// The bytes of its `User-Agent`.
    pub user_agent: Option<Vec<u8>>,
    /// What the service that it goes to can check.
    pub at: Surroundings,
}

/// A kind of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Any accepted credential is enough.
    Plain,
    /// One scope is accepted.
    OneScope,
    /// Two scopes are accepted.
    TwoScopes,
    /// It belongs to a person, and needs no organization.
    UserScoped,
    /// A request without a credential passes as anonymous.
    Optional,
    /// As `Optional`, but what lies behind needs an organization.
    OptionalOrganization,
    /// It is about the caller's organization or one below it.
    Descendant,
}

impl Route {
    /// The scopes of which one is needed.
    #[must_use]
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::OneScope => &["agents:manage"],
            Self::TwoScopes => &["members:read", "billing:manage"],
            Self::Descendant => &["child_organizations:manage"],
            _ => &[],
        }
    }
}

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a history has few at a time")]
pub enum Answer {
    /// It is refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The text in the body.
        text: String,
        /// The value of `WWW-Authenticate`.
        challenge: String,
    },
    /// It passes without a credential.
    Anonymous,
    /// It passes.
    Accepted(Principal),
}

/// The caller of an accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The kind of the credential.
    pub kind: Kind,
    /// Its public id.
    pub id: String,
    /// The organization in which the request acts.
    pub organization: Option<String>,
    /// The owner of a token.
    pub user: Option<String>,
    /// The role, if the scopes come from one.
    pub role: Option<String>,
    /// What the caller may do.
    pub scopes: BTreeSet<String>,
    /// When the credential ends.
    pub expires_at: Option<Millis>,
    /// What restricts a token.
    pub limits: Limits,
    /// What is kept with the credential.
    pub attributes: Attributes,
}

/// What a token may do at most, and where; `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The scopes, with what they imply.
    pub scopes: Option<BTreeSet<String>>,
    /// The organizations.
    pub organizations: Option<BTreeSet<String>>,
}

impl Limits {
    fn of(stored: &Stored) -> Self {
        Self {
            scopes: match &stored.shown.grant {
                Grant::Scopes(scopes) => Some(catalogue::expand(scopes)),
                _ => None,
            },
            organizations: stored.shown.organizations.clone(),
        }
    }
}

impl World {
    /// Returns what a request gets at `now`.
    #[must_use]
    pub fn answer(&self, now: Millis, request: &Request) -> Answer {
        match self.decide(now, request) {
            Ok(None) => Answer::Anonymous,
            Ok(Some((_, principal))) => Answer::Accepted(principal),
            Err(refusal) => refusal.answer(),
        }
    }

    /// Returns the credential that a request is accepted with: what notes a use. It is noted before
    /// scopes are considered.
    #[must_use]
    pub fn used_by(&self, now: Millis, request: &Request) -> Option<(Kind, String, bool)> {
        let any = Request {
            route: without_scopes(request.route),
            ..request.clone()
        };
        let (stored, principal) = self.decide(now, &any).ok()??;
        let rotated = stored.shown.rotated_to.is_some();
        Some((principal.kind, principal.id, rotated))
    }

    /// Returns the principal of a request, wherever it comes from and goes to.
    pub(super) fn principal(&self, now: Millis, request: &Request) -> Option<Principal> {
        let (_, principal) = self.authenticate(now, request).ok()??;
        Some(principal)
    }

    /// The order of the checks is part of the protocol: parse, credential, organization,
    /// conditions, scope.
    fn decide(
        &self,
        now: Millis,
        request: &Request,
    ) -> Result<Option<(&Stored, Principal)>, Refusal> {
        let Some((stored, principal)) = self.authenticate(now, request)? else {
            return Ok(None);
        };
        let conditions = &stored.shown.attributes.conditions;
        if !conditions.are_met(request.address, request.at) {
            return Err(Refusal::OtherOrganization); // the client is not told what is wrong
        }
        let accepted = request.route.scopes();
        let holds = |scope: &&str| principal.scopes.contains(*scope);
        if !accepted.is_empty() && !accepted.iter().any(holds) {
            return Err(Refusal::NoScope(accepted));
        }
        let own = principal.organization.as_deref().unwrap_or_default();
        let reaches = request.target == own || self.is_descendant(&request.target, own);
        if request.route == Route::Descendant && !reaches {
            return Err(Refusal::OtherOrganization);
        }
        Ok(Some((stored, principal)))
    }

    fn authenticate(
        &self,
        now: Millis,
        request: &Request,
    ) -> Result<Option<(&Stored, Principal)>, Refusal> {
        let optional = matches!(request.route, Route::Optional | Route::OptionalOrganization);
        if optional && request.authorization.is_empty() {
            return match request.route {
                Route::Optional => Ok(None),
                _ => Err(Refusal::Missing),
            };
        }
        let token = bearer(&request.authorization)?;
        if !token.starts_with("ak_") && !token.starts_with("pat_") {
            return Err(Refusal::Unrecognized);
        }
        let stored = self.live(token, now).ok_or(Refusal::Invalid)?;
        let principal = match &stored.shown.owner {
            Owner::Organization(own) => key(stored, own, request)?,
            Owner::User(user) => self.token(stored, user, request)?,
        };
        Ok(Some((stored, principal)))
    }

    /// Finds the credential with exactly this token, if it and its owner are live.
    fn live(&self, token: &str, now: Millis) -> Option<&Stored> {
        let stored = self.credentials.get(self.by_token.get(token)?)?;
        let owner_lives = match &stored.shown.owner {
            Owner::Organization(id) => self.has_organization(id),
            Owner::User(id) => self.users.get(id).is_some_and(|user| !user.disabled),
        };
        let lives = owner_lives
            && stored.shown.status == Status::Active
            && !has_passed(stored.shown.expires_at, now);
        lives.then_some(stored)
    }

    /// A token acts in the organization that the header names, if its owner is a member there.
    fn token(&self, stored: &Stored, user: &str, request: &Request) -> Result<Principal, Refusal> {
        let alone = Principal {
            kind: Kind::Token,
            id: stored.shown.id.clone(),
            organization: None,
            user: Some(user.into()),
            role: None,
            scopes: BTreeSet::new(),
            expires_at: stored.shown.expires_at,
            limits: Limits::of(stored),
            attributes: stored.shown.attributes.clone(),
        };
        if request.route == Route::UserScoped {
            return Ok(alone);
        }
        let organization = match request.organization.as_slice() {
            [one] if !one.trim().is_empty() => one.trim(),
            _ => return Err(Refusal::NoOrganization),
        };
        if !names::is_id(organization) {
            return Err(Refusal::OtherOrganization);
        }
        let role = self
            .role(user, organization)
            .ok_or(Refusal::OtherOrganization)?;
        let listed = alone.limits.organizations.as_ref();
        if listed.is_some_and(|listed| !listed.contains(organization)) {
            return Err(Refusal::OtherOrganization);
        }
        let mut scopes = catalogue::of_role(role);
        if let Some(most) = &alone.limits.scopes {
            scopes.retain(|scope| most.contains(scope));
        }
        Ok(Principal {
            organization: Some(organization.into()),
            role: Some(role.into()).filter(|_| alone.limits.scopes.is_none()),
            scopes,
            ..alone
        })
    }
}

/// A key acts in its own organization. The header may be empty or name the same.
fn key(stored: &Stored, own: &str, request: &Request) -> Result<Principal, Refusal> {
    if request.route == Route::UserScoped {
        return Err(Refusal::OtherOrganization);
    }
    let names_other = |value: &String| !value.trim().is_empty() && value.trim() != own;
    if request.organization.iter().any(names_other) {
        return Err(Refusal::OtherOrganization);
    }
    let (role, scopes) = match &stored.shown.grant {
        Grant::Role(role) => (Some(role.clone()), catalogue::of_role(role)),
        Grant::Scopes(scopes) => (None, catalogue::expand(scopes)),
        Grant::Nothing => (None, BTreeSet::new()),
    };
    Ok(Principal {
        kind: Kind::Key,
        id: stored.shown.id.clone(),
        organization: Some(own.into()),
        user: None,
        role,
        scopes,
        expires_at: stored.shown.expires_at,
        limits: Limits::default(),
        attributes: stored.shown.attributes.clone(),
    })
}

/// The same route without its scopes.
fn without_scopes(route: Route) -> Route {
    match route {
        Route::OneScope | Route::TwoScopes | Route::Descendant => Route::Plain,
        other => other,
    }
}

/// Reads the token from exactly one line `Bearer <token>`.
fn bearer(lines: &[String]) -> Result<&str, Refusal> {
    let line = match lines {
        [] => return Err(Refusal::Missing),
        [line] => line,
        _ => return Err(Refusal::Invalid),
    };
    let scheme = line
        .get(..6)
        .filter(|word| word.eq_ignore_ascii_case("bearer"));
    let rest = scheme.and_then(|_| line.get(6..)).ok_or(Refusal::Missing)?;
    let token = rest.trim_start_matches(' ');
    match rest.chars().next() {
        Some(' ') if !token.is_empty() => Ok(token),
        Some('\t') => Err(Refusal::Invalid),
        _ => Err(Refusal::Missing),
    }
}

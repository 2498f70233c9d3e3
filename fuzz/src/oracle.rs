//! The decision about a request, written from the protocol: slow, plain, and without a line of the
//! code under test. It is one function, [`decide`], so that another model can take its place.

use http::{HeaderMap, Method, request::Parts};

use crate::{
    grammar::{Format, NotAToken, Token},
    networks::{Network, client},
    request::Peer,
    world::{Answers, Credential, Fate, Owner, World},
};

/// How the layer is set up.
#[derive(arbitrary::Arbitrary, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// The route belongs to a person, not to an organization.
    pub user_scoped: bool,
    /// A request without any `Authorization` is let through.
    pub optional: bool,
    /// CORS preflights are answered.
    pub preflight: bool,
    /// Credentials that browsers send are refused.
    pub browser_guard: bool,
    /// The header is removed before the service sees the request.
    pub removes: bool,
    /// `agents:manage` is required.
    pub scope: bool,
    /// The addresses of clients are found.
    pub addresses: bool,
    /// The service is of the environment `live`.
    pub live: bool,
    /// The service speaks gRPC.
    pub grpc: bool,
}

/// What is decided about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It reaches the service, with this credential acting in this organization.
    Accept {
        /// The credential's public id.
        credential: &'static str,
        /// The organization, if the route needs one.
        organization: Option<String>,
    },
    /// It reaches the service without a caller.
    Anonymous,
    /// The layer answers a preflight.
    Preflight,
    /// It is refused, for this reason.
    Refuse(&'static str),
}

/// What is decided, and whether the store may be asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// Whether it needs the store. Without need the store is never asked.
    pub asks_store: bool,
}

/// The scope that a route with [`Mode::scope`] accepts.
pub const SCOPE: &str = "agents:manage";

/// Decides about a request.
pub fn decide(world: &World, mode: &Mode, request: &Parts) -> Verdict {
    let headers = &request.headers;
    let has = |name: &str| headers.contains_key(name);
    let is_preflight =
        request.method == Method::OPTIONS && has("origin") && has("access-control-request-method");
    if mode.preflight && is_preflight {
        return without_store(Decision::Preflight);
    }
    let lines = values(headers, "authorization");
    if mode.optional && lines.is_empty() {
        return without_store(match mode.scope {
            true => Decision::Refuse("missing_credential"),
            false => Decision::Anonymous,
        });
    }
    let token = match presented(&lines) {
        Ok(token) => token,
        Err(reason) => return without_store(Decision::Refuse(reason)),
    };
    match Format::default().read(token) {
        Err(NotAToken::OtherPrefix) => {
            return without_store(Decision::Refuse("unrecognized_token"));
        }
        Err(NotAToken::Malformed) => return without_store(Decision::Refuse("invalid_token")),
        Ok(Token::Key { .. } | Token::Personal) => {}
    }
    Verdict {
        decision: match decide_known(world, mode, request, token) {
            Ok(decision) => decision,
            Err(reason) => Decision::Refuse(reason),
        },
        asks_store: true,
    }
}

fn without_store(decision: Decision) -> Verdict {
    Verdict {
        decision,
        asks_store: false,
    }
}

/// Returns every value of a header, as sent.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values.map(http::HeaderValue::as_bytes).collect()
}

/// Returns the token of the only `Authorization` line.
fn presented<'h>(lines: &[&'h [u8]]) -> Result<&'h [u8], &'static str> {
    let line = match lines {
        [] => return Err("missing_credential"),
        [line] => *line,
        _ => return Err("invalid_token"), // two lines, even if equal
    };
    let scheme: Vec<u8> = line.iter().take(6).map(u8::to_ascii_lowercase).collect();
    if scheme != b"bearer" {
        return Err("missing_credential");
    }
    match line.get(6) {
        None => Err("missing_credential"),
        Some(b'\t') => Err("invalid_token"),
        Some(b' ') => match line.iter().skip(6).position(|byte| *byte != b' ') {
            None => Err("missing_credential"),
            Some(spaces) => Ok(&line[6 + spaces..]),
        },
        Some(_) => Err("missing_credential"), // the name of another scheme
    }
}

/// Decides about a request with a well-formed token.
fn decide_known(
    world: &World,
    mode: &Mode,
    request: &Parts,
    token: &[u8],
) -> Result<Decision, &'static str> {
    let headers = &request.headers;
    if matches!(world.answers, Answers::Outage | Answers::Damage) {
        return Err("unavailable");
    }
    let issued = |one: &&Credential| one.fate != Fate::Absent && one.token.as_bytes() == token;
    let credential = world.credentials.iter().find(issued);
    let credential = credential.ok_or("invalid_token")?;
    if !is_live(world, credential) {
        return Err("invalid_token");
    }
    let from_browser = headers.contains_key("origin") || headers.contains_key("sec-fetch-mode");
    if mode.browser_guard && from_browser {
        return Err("exposed_credential");
    }
    let organization = organization(world, mode, credential, headers)?;
    if !meets_conditions(credential, mode, request) {
        return Err("organization_denied");
    }
    let role = match (credential.owner, &organization) {
        (Owner::Organization(_), _) => Some(credential.role),
        (Owner::User(user), Some(organization)) => role_of(world, user, organization),
        (Owner::User(_), None) => None,
    };
    // Of the two roles, only `admin` holds what does not end in `:read`.
    let own = credential.own_scopes;
    let is_allowed = own.is_none_or(|scopes| scopes.contains(&SCOPE));
    if mode.scope && !(role == Some("admin") && is_allowed) {
        return Err("insufficient_scope");
    }
    Ok(Decision::Accept {
        credential: credential.id,
        organization,
    })
}

/// Returns whether a request may be made with a credential from where it comes, to where it goes.
/// What the layer cannot check is not met.
fn meets_conditions(credential: &Credential, mode: &Mode, request: &Parts) -> bool {
    let peer = request.extensions.get::<Peer>().map(|peer| peer.0);
    let address = client(peer, &values(&request.headers, "x-forwarded-for"));
    let address = address.filter(|_| mode.addresses);
    let has_address = |network: &&str| {
        let network = Network::stored(network).expect("a network");
        address.is_some_and(|address| network.contains(address))
    };
    let networks = credential.networks;
    networks.is_none_or(|networks| networks.iter().any(has_address))
        && credential
            .environment
            .is_none_or(|environment| mode.live && environment == "live")
}

/// Returns whether a credential is valid by itself and its owner is still there.
fn is_live(world: &World, credential: &Credential) -> bool {
    let by_itself = match credential.fate {
        Fate::Absent | Fate::Disabled | Fate::Deleted => false,
        Fate::Active => true,
        Fate::ExpiresIn(millis) => millis > 0,
    };
    let owner = match credential.owner {
        Owner::Organization(id) => world.organizations.contains(&(id, true)),
        Owner::User(id) => world.users.contains(&(id, true)),
    };
    by_itself && owner
}

/// Returns the organization that the request acts in.
fn organization(
    world: &World,
    mode: &Mode,
    credential: &Credential,
    headers: &HeaderMap,
) -> Result<Option<String>, &'static str> {
    let named: Vec<&[u8]> = values(headers, "x-anyreach-org");
    let named: Vec<&[u8]> = named.into_iter().map(without_blanks).collect();
    match credential.owner {
        Owner::Organization(_) if mode.user_scoped => Err("organization_denied"),
        Owner::User(_) if mode.user_scoped => Ok(None),
        Owner::Organization(own) => {
            let other = |value: &&&[u8]| !value.is_empty() && **value != own.as_bytes();
            match named.iter().find(other) {
                Some(_) => Err("organization_denied"),
                None => Ok(Some(own.to_owned())),
            }
        }
        Owner::User(user) => match named.as_slice() {
            [] | [b""] | [_, _, ..] => Err("missing_organization"),
            [one] => {
                let id = std::str::from_utf8(one).map_err(|_| "organization_denied")?;
                let live = world.organizations.contains(&(id_of(world, id), true));
                let member = role_of(world, user, id).is_some();
                let own = credential.own_organizations;
                let listed = own.is_none_or(|organizations| organizations.contains(&id));
                match live && member && listed {
                    true => Ok(Some(id.to_owned())),
                    false => Err("organization_denied"),
                }
            }
        },
    }
}

/// Returns the organization of the world with this id, or none of it.
fn id_of(world: &World, id: &str) -> &'static str {
    let found = world.organizations.iter().find(|(own, _)| *own == id);
    found.map_or("", |(own, _)| own)
}

fn role_of(world: &World, user: &str, organization: &str) -> Option<&'static str> {
    let member = |(of, at, _): &&(&str, &str, &str)| *of == user && *at == organization;
    world.members.iter().find(member).map(|(_, _, role)| *role)
}

/// Removes the blanks around a value, which are no part of it.
fn without_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

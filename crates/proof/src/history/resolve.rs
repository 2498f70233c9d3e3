//! Turns the numbers of a step into a request or a call, given what exists.

use std::collections::BTreeSet;

use super::{
    attributes::{address, attributes, edit, pair, surroundings, user_agent},
    step::{
        ActorForm, ArrangeStep, CallForm, CallStep, LineForm, OrganizationForm, RequestStep,
        TokenForm,
    },
};
use crate::model::{
    Actor, Arrangement, Call, Filter, Grant, Issue, Kind, LATEST_EXPIRY, MAX_OVERLAP, Millis,
    Minted, Owner, Principal, Request, Rotate, Route, State, World, catalogue,
};

/// What exists when a step runs.
#[derive(Debug, Default)]
pub struct Scene {
    /// Begins every id, so that histories over the same store do not meet.
    pub prefix: String,
    /// Every credential that was issued or imported, in the order of creation, with its owner.
    pub issued: Vec<(Owner, Minted)>,
    /// The principals that were kept.
    pub held: Vec<Principal>,
}

/// How many principals are kept; a new one replaces the oldest.
pub const MOST_HELD: usize = 8;

impl Scene {
    /// Returns the id of an organization of the history.
    #[must_use]
    pub fn organization(&self, number: u8) -> String {
        format!("{}o{}", self.prefix, number % 4)
    }

    /// Returns the id of a user of the history.
    #[must_use]
    pub fn user(&self, number: u8) -> String {
        format!("{}u{}", self.prefix, number % 3)
    }

    /// A credential of another system, which an import may bring.
    fn foreign(&self, kind: Kind, number: u8) -> Minted {
        let id = format!("{}i{}", self.prefix, number % 3);
        let token = match kind {
            Kind::Key => format!("ak_{id}.test-secret"),
            Kind::Token => format!("pat_{id}-test-secret"),
        };
        Minted { id, token }
    }

    fn target(&self, number: u8) -> (Kind, Owner, Minted) {
        let at = usize::from(number) % self.issued.len().max(1);
        match self.issued.get(at) {
            Some((owner, minted)) => (owner.kind(), owner.clone(), minted.clone()),
            None => {
                let owner = Owner::Organization(self.organization(0));
                (Kind::Key, owner, self.foreign(Kind::Key, number))
            }
        }
    }

    /// Returns the request of a step.
    #[must_use]
    pub fn request(&self, world: &World, step: &RequestStep) -> Request {
        let (kind, owner, minted) = self.target(step.credential);
        let (_, _, next) = self.target(step.credential.wrapping_add(1));
        let token = token(self, step.token, kind, &minted.token, &next.token);
        Request {
            authorization: lines(step.line, &token),
            organization: self.header(world, step.organization, &owner),
            route: step.route,
            target: self.organization(step.target),
            address: address(step.address),
            user_agent: user_agent(step.agent),
            at: surroundings(step.at),
        }
    }

    fn header(&self, world: &World, form: OrganizationForm, owner: &Owner) -> Vec<String> {
        match form {
            OrganizationForm::Fitting => match owner {
                Owner::Organization(_) => Vec::new(),
                Owner::User(user) => vec![
                    world
                        .organization_of(user)
                        .unwrap_or_else(|| self.organization(0)),
                ],
            },
            OrganizationForm::Absent => Vec::new(),
            OrganizationForm::Empty => vec![String::new()],
            OrganizationForm::One(number) => vec![self.organization(number)],
            OrganizationForm::Twice(number) => vec![self.organization(number); 2],
            OrganizationForm::Unknown => vec![format!("{}o9", self.prefix)],
            OrganizationForm::Malformed => vec![format!("{} o0", self.prefix)],
        }
    }

    /// Returns the actor and the call of a step at `now`; also which kept principal acts.
    #[must_use]
    pub fn call(&self, now: Millis, step: &CallStep) -> (Actor, Option<usize>, Call) {
        let (kind, owner, minted) = self.target(step.target);
        let (actor, held) = self.actor(step.actor, owner);
        let [a, b, c] = step.details;
        let kept = step.attributes;
        let call = match step.call {
            CallForm::IssueKey => Call::Issue(self.issue(Kind::Key, now, step), repeat(a)),
            CallForm::IssueToken => Call::Issue(self.issue(Kind::Token, now, step), repeat(a)),
            CallForm::Rotate => {
                let repeat = repeat(c);
                // Few different requests under an idempotency key, so that some are the same.
                let (a, b) = repeat.as_ref().map_or((a, b), |_| (a & 0xc0, b & 0xc0));
                let rotate = Rotate {
                    target: (kind, minted.id),
                    overlap: overlap(a),
                    expires_at: new_expiry(now, b),
                };
                Call::Rotate(rotate, repeat)
            }
            CallForm::Rename => Call::Rename(kind, minted.id, name(a)),
            CallForm::Edit => Call::Edit(kind, minted.id, edit(name(a), b, kept)),
            CallForm::Disable => Call::Disable(kind, minted.id),
            CallForm::Enable => Call::Enable(kind, minted.id),
            CallForm::Delete => Call::Delete(kind, minted.id),
            CallForm::RevokePresented if a >= 192 => {
                Call::RevokePresented(token(self, TokenForm::OtherSecret, kind, &minted.token, ""))
            }
            CallForm::RevokePresented => Call::RevokePresented(minted.token),
            CallForm::RevokeAll => {
                Call::RevokeAll(if a % 2 == 0 { Kind::Key } else { Kind::Token })
            }
            CallForm::Import => {
                let kind = if b % 2 == 0 { Kind::Key } else { Kind::Token };
                let at = Some(now - 5_000).filter(|_| b % 3 == 0);
                Call::Import(self.issue(kind, now, step), self.foreign(kind, a), at)
            }
            CallForm::Get => Call::Get(kind, minted.id),
            CallForm::List => Call::List(kind, filter(now, step)),
            CallForm::Events => Call::Events(kind),
        };
        (actor, held, call)
    }

    /// The request of a call.
    fn issue(&self, kind: Kind, now: Millis, step: &CallStep) -> Issue {
        let ([a, b, c], kept) = (step.details, step.attributes);
        // Few different requests under an idempotency key, so that some are the same.
        let (b, c, kept) = if repeat(a).is_some() {
            (b % 64, c & 0x8f, kept.map(|number| number & 0xc0))
        } else {
            (b, c, kept)
        };
        Issue {
            kind,
            name: name(a),
            grant: match kind {
                Kind::Key => grant(b),
                Kind::Token => own_scopes(b),
            },
            organizations: match kind {
                Kind::Key => None,
                Kind::Token => self.own_organizations(b),
            },
            attributes: attributes(kept),
            expires_at: match c {
                0..=139 => None,
                140..=149 => Some(now + 1),
                150..=169 => Some(now + 1_000),
                170..=189 => Some(now + 60_000),
                190..=229 => Some(now + 86_400_000),
                230..=235 => Some(now),
                236..=239 => Some(now - 1),
                240..=245 => Some(now * 1_000),
                246..=249 => Some(LATEST_EXPIRY),
                250..=255 => Some(LATEST_EXPIRY + 1),
            },
        }
    }

    /// The organizations to which a token is restricted, mostly none.
    fn own_organizations(&self, number: u8) -> Option<BTreeSet<String>> {
        let those = |numbers: &[u8]| numbers.iter().map(|one| self.organization(*one)).collect();
        match number % 16 {
            0 | 1 => Some(those(&[number / 16])),
            2 | 3 => Some(those(&[number / 16, number / 64])),
            4 => Some(those(&[])),
            5 if number > 240 => Some(BTreeSet::from(["not an id".into()])),
            6 if number > 240 => Some((0..101).map(|one| one.to_string()).collect()),
            _ => None,
        }
    }

    fn actor(&self, form: ActorForm, of_target: Owner) -> (Actor, Option<usize>) {
        let actor = match form {
            ActorForm::OperatorOfTarget => Actor::Operator(of_target),
            ActorForm::OperatorOfOrganization(number) => {
                Actor::Operator(Owner::Organization(self.organization(number)))
            }
            ActorForm::OperatorOfUser(number) => Actor::Operator(Owner::User(self.user(number))),
            ActorForm::Session(number) => Actor::Session(self.user(number), None),
            ActorForm::SessionIn(number, scopes) => {
                let organization = self.organization(number / 4);
                Actor::Session(
                    self.user(number),
                    Some((organization, session_scopes(scopes))),
                )
            }
            ActorForm::Held(number) => {
                let at = usize::from(number) % self.held.len().max(1);
                return match self.held.get(at) {
                    Some(principal) => (Actor::Held(principal.clone()), Some(at)),
                    None => (Actor::Operator(of_target), None),
                };
            }
        };
        (actor, None)
    }

    /// Returns the change of a step; `Err` has a question about the tree.
    ///
    /// # Errors
    /// A question instead: whether the first organization is below the second.
    pub fn arrangement(&self, step: ArrangeStep) -> Result<Arrangement, (String, String)> {
        Ok(match step {
            ArrangeStep::CreateOrganization(a, b) => {
                let parent = Some(self.organization(b)).filter(|_| b >= 64);
                Arrangement::CreateOrganization(self.organization(a), parent)
            }
            ArrangeStep::DeleteOrganization(a) => {
                Arrangement::DeleteOrganization(self.organization(a))
            }
            ArrangeStep::CreateUser(255) => Arrangement::CreateUser("not an id".into()),
            ArrangeStep::CreateUser(a) => Arrangement::CreateUser(self.user(a)),
            ArrangeStep::SetUserEnabled(a, enabled) => {
                Arrangement::SetUserEnabled(self.user(a), enabled)
            }
            ArrangeStep::DeleteUser(a) => Arrangement::DeleteUser(self.user(a)),
            ArrangeStep::SetMember(a, b, c) => {
                let role = match c {
                    0..=139 => "admin",
                    140..=249 => "viewer",
                    250..=255 => "owner",
                };
                Arrangement::SetMember(self.user(a), self.organization(b), role.into())
            }
            ArrangeStep::RemoveMember(a, b) => {
                Arrangement::RemoveMember(self.user(a), self.organization(b))
            }
            ArrangeStep::Ask(a, b) => return Err((self.organization(a), self.organization(b))),
        })
    }
}

/// What is sent of a token.
fn token(scene: &Scene, form: TokenForm, kind: Kind, whole: &str, next: &str) -> String {
    let secret = |token: &str| token.rsplit('.').next().unwrap_or_default().to_owned();
    match form {
        TokenForm::Whole => whole.into(),
        TokenForm::OtherSecret => {
            let other = if whole.ends_with('A') { 'B' } else { 'A' };
            let kept = whole.get(..whole.len() - 1).unwrap_or_default();
            format!("{kept}{other}")
        }
        TokenForm::SecretOfNext => match whole.split_once('.') {
            Some((start, _)) => format!("{start}.{}", secret(next)),
            None => format!("{whole}{}", secret(next)),
        },
        TokenForm::Truncated => whole.get(..whole.len() - 1).unwrap_or_default().into(),
        TokenForm::Longer => format!("{whole}A"),
        TokenForm::UpperPrefix => {
            let (prefix, rest) = whole.split_once('_').unwrap_or((whole, ""));
            format!("{}_{rest}", prefix.to_uppercase())
        }
        TokenForm::Unknown => match kind {
            Kind::Key => format!("ak_{}none.test-secret", scene.prefix),
            Kind::Token => format!("pat_{}none-test-secret", scene.prefix),
        },
        TokenForm::PrefixOnly => if kind == Kind::Key { "ak_" } else { "pat_" }.into(),
        TokenForm::Foreign(number) => {
            let kind = if number % 2 == 0 {
                Kind::Key
            } else {
                Kind::Token
            };
            scene.foreign(kind, number / 2).token
        }
    }
}

fn lines(form: LineForm, token: &str) -> Vec<String> {
    let usual = format!("Bearer {token}");
    match form {
        LineForm::Bearer => vec![usual],
        LineForm::OddCase => vec![format!("bEARER   {token}")],
        LineForm::Absent => vec![],
        LineForm::Basic => vec![format!("Basic {token}")],
        LineForm::SchemeOnly => vec!["Bearer".into()],
        LineForm::Tab => vec![format!("Bearer\t{token}")],
        LineForm::Twice => vec![usual.clone(), usual],
        LineForm::Comma => vec![format!("{usual}, {usual}")],
        LineForm::Trailing => vec![format!("{usual} x")],
    }
}

fn name(a: u8) -> String {
    match a {
        0..=79 => format!("name {}", a / 72),
        80..=229 => format!("name {}", a % 3),
        230..=234 => "é".repeat(100),
        235..=239 => "é".repeat(101),
        240..=242 => String::new(),
        243..=245 => " blank".into(),
        246..=248 => "line\nbreak".into(),
        249..=251 => "reor\u{202e}dered".into(),
        252..=255 => "invis\u{200b}ible".into(),
    }
}

/// What the names in a list contain, if it asks for something.
fn name_part(number: u8) -> Option<String> {
    let part = match number % 16 {
        0 => "",
        1 => "name 1",
        2 => "AME 2",
        3 => "\u{e9}\u{e9}",
        4 => "\u{c9}",
        5 => "%",
        _ => return None,
    };
    Some(part.into())
}

fn grant(b: u8) -> Grant {
    let scopes = |scopes: &[&str]| Grant::Scopes(scopes.iter().map(ToString::to_string).collect());
    match b {
        0..=49 => Grant::Role("admin".into()),
        50..=89 => Grant::Role("viewer".into()),
        90..=129 => scopes(&["organizations:manage", "agents:read"]),
        130..=159 => scopes(&["agents:manage", "members:manage", "organizations:manage"]),
        160..=189 => scopes(&["members:read"]),
        190..=209 => scopes(&["conversations:read_sensitive"]),
        210..=239 => scopes(&[]),
        240..=247 => Grant::Role("owner".into()),
        248..=255 => scopes(&["agents:read", "conversations:dial"]),
    }
}

/// What a token may do at most, mostly everything.
fn own_scopes(number: u8) -> Grant {
    let scopes = |scopes: &[&str]| Grant::Scopes(scopes.iter().map(ToString::to_string).collect());
    match number {
        0..=127 => Grant::Nothing,
        128..=167 => scopes(&["agents:manage", "members:manage"]),
        168..=207 => scopes(&["organizations:manage", "agents:read"]),
        208..=229 => scopes(&["members:read"]),
        230..=247 => scopes(&[]),
        248..=255 => scopes(&["agents:read", "conversations:dial"]),
    }
}

fn session_scopes(number: u8) -> Vec<String> {
    let few = |scopes: &[&str]| scopes.iter().map(ToString::to_string).collect();
    match number % 5 {
        0 | 1 => catalogue::of_role("admin").into_iter().collect(),
        2 => catalogue::of_role("viewer").into_iter().collect(),
        3 => few(&["organizations:manage", "members:manage"]),
        _ => few(&["organizations:manage", "agents:read"]),
    }
}

/// Few different keys, so that requests repeat.
fn repeat(a: u8) -> Option<String> {
    match a {
        0..=79 => Some(format!("repeat-{}", a / 40)),
        80..=81 => Some("with a blank".into()),
        82 => Some(String::new()),
        _ => None,
    }
}

fn overlap(a: u8) -> Millis {
    match a {
        0..=99 => 0,
        100..=129 => 1_000,
        130..=179 => 60_000,
        180..=219 => 3_600_000,
        220..=247 => MAX_OVERLAP,
        248..=255 => MAX_OVERLAP + 1,
    }
}

fn new_expiry(now: Millis, b: u8) -> Option<Option<Millis>> {
    match b {
        0..=159 => None,
        160..=199 => Some(None),
        200..=219 => Some(Some(now + 1_000)),
        220..=239 => Some(Some(now + 2 * 86_400_000)),
        240..=249 => Some(Some(now)),
        250..=255 => Some(Some(now * 1_000)),
    }
}

fn filter(now: Millis, step: &CallStep) -> Filter {
    let ([a, b, c], [number, part]) = (step.details, step.attributes);
    Filter {
        state: [
            State::Active,
            State::Disabled,
            State::Expired,
            State::Deleted,
        ]
        .get(usize::from(a % 7))
        .copied(),
        expiring_before: Some(now + 60_000).filter(|_| b.is_multiple_of(4)),
        unused_since: Some(now - 1_000).filter(|_| c.is_multiple_of(4)),
        name: name_part(part),
        metadata: pair(number),
    }
}

impl RequestStep {
    /// Returns whether the principal of this step can act later.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.hold && self.route != Route::Optional
    }
}

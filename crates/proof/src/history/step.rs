//! Steps of a history.
//!
//! A step names credentials, organizations, users, held principals and nodes by numbers that are
//! taken modulo what exists when it runs. So every part of a history is a history, and a failing
//! one shrinks by leaving steps out.

use proptest::{array::uniform12, collection::vec, prelude::*, strategy::Strategy};

use crate::model::{Kind, Route};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request at a node.
    Request(RequestStep),
    /// A management call at a node.
    Call(CallStep),
    /// Two management calls at once.
    Both(CallStep, CallStep),
    /// A management call that is dropped after being polled so often, and its node with it.
    Crash(CallStep, u8),
    /// A change of organizations, users or memberships at a node.
    Arrange(u8, ArrangeStep),
    /// All wall clocks move by so many milliseconds.
    Clock(i64),
    /// A node writes the uses that it has collected.
    WriteUses(u8),
    /// A node is closed and opened again; `true` writes its uses before.
    Restart(u8, bool),
    /// A node loses its feed, which is stopped (`true`) or only reports the loss.
    Lose(u8, bool),
    /// A node has its feed again.
    Restore(u8),
    /// So much time passes at a node that cached answers may no longer be used without a feed.
    PassBound(u8),
    /// The log of changes is pruned.
    Prune,
    /// A node reports credentials that expire, before some of the thresholds.
    WatchExpiry(u8, u8),
    /// A node expires credentials of one kind that were not used for this many days.
    ExpireUnused(u8, Kind, u8),
    /// A node removes what ended at least this many hours ago.
    Sweep(u8, u8),
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestStep {
    /// The node.
    pub node: u8,
    /// Which of the credentials so far, in the order of their creation.
    pub credential: u8,
    /// What is sent of its token.
    pub token: TokenForm,
    /// How it is sent.
    pub line: LineForm,
    /// The value of the organization header.
    pub organization: OrganizationForm,
    /// Where the request goes.
    pub route: Route,
    /// Which organization it is about.
    pub target: u8,
    /// Whether to keep the principal, if there is one, for later management calls.
    pub hold: bool,
    /// To which service of the node.
    pub at: u8,
    /// From which address.
    pub address: u8,
    /// With which user agent.
    pub agent: u8,
}

/// What is sent of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// All of it.
    Whole,
    /// Another last character.
    OtherSecret,
    /// The id of this one with the secret of the next one.
    SecretOfNext,
    /// Without its last character.
    Truncated,
    /// One character more.
    Longer,
    /// With the prefix in upper case.
    UpperPrefix,
    /// A well-formed token that was never issued.
    Unknown,
    /// A prefix and nothing else.
    PrefixOnly,
    /// A token that an import may bring later.
    Foreign(u8),
}

/// How a token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// As documented.
    Bearer,
    /// With the scheme in other cases and several spaces.
    OddCase,
    /// Not at all.
    Absent,
    /// With another scheme.
    Basic,
    /// The scheme alone.
    SchemeOnly,
    /// With a tab.
    Tab,
    /// In two lines.
    Twice,
    /// Twice in one line, with a comma.
    Comma,
    /// With something after it.
    Trailing,
}

/// The value of the organization header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationForm {
    /// An organization that the credential can act in, if there is one.
    Fitting,
    /// There is none.
    Absent,
    /// It is empty.
    Empty,
    /// One of the organizations, by number.
    One(u8),
    /// The same organization twice.
    Twice(u8),
    /// An id that no organization has.
    Unknown,
    /// A text that is no id.
    Malformed,
}

/// A management call with its actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStep {
    /// The node.
    pub node: u8,
    /// Who calls.
    pub actor: ActorForm,
    /// What is called.
    pub call: CallForm,
    /// Which credential, in the order of their creation.
    pub target: u8,
    /// Numbers for the call's details.
    pub details: [u8; 3],
    /// Numbers for attributes: conditions, and texts.
    pub attributes: [u8; 2],
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorForm {
    /// An operator for the owner of the target.
    OperatorOfTarget,
    /// An operator for one of the organizations.
    OperatorOfOrganization(u8),
    /// An operator for one of the users.
    OperatorOfUser(u8),
    /// A user who signed in.
    Session(u8),
    /// The same, acting in an organization, with the scopes of a role or a few.
    SessionIn(u8, u8),
    /// A principal that was kept.
    Held(u8),
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallForm {
    /// Issue a key.
    IssueKey,
    /// Issue a token.
    IssueToken,
    /// Replace the target.
    Rotate,
    /// Rename the target.
    Rename,
    /// Edit the target's name and attributes.
    Edit,
    /// Disable the target.
    Disable,
    /// Enable the target.
    Enable,
    /// Delete the target.
    Delete,
    /// Revoke the target by its token.
    RevokePresented,
    /// Delete all of the actor's.
    RevokeAll,
    /// Import a key or a token.
    Import,
    /// Read the target.
    Get,
    /// List.
    List,
    /// Read the audit trail.
    Events,
}

/// A change of organizations, users or memberships, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrangeStep {
    /// Create an organization below another, or at the top.
    CreateOrganization(u8, u8),
    /// Delete an organization.
    DeleteOrganization(u8),
    /// Create a user.
    CreateUser(u8),
    /// Enable or disable a user.
    SetUserEnabled(u8, bool),
    /// Delete a user.
    DeleteUser(u8),
    /// Set a membership with a role.
    SetMember(u8, u8, u8),
    /// Remove a membership.
    RemoveMember(u8, u8),
    /// Compare a question about the tree.
    Ask(u8, u8),
}

/// Histories of at most `longest` steps.
pub fn histories(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(uniform12(any::<u8>()).prop_map(Step::of), 1..=longest)
}

impl Step {
    /// Makes a step of random numbers. Mostly requests: they cost little.
    #[must_use]
    pub fn of(raw: [u8; 12]) -> Self {
        let [kind, node, a, b, c, d, ..] = raw;
        match kind {
            0..=182 => Self::Request(RequestStep::of(raw)),
            183..=227 => Self::Call(CallStep::of(raw)),
            228..=230 => match b % 3 {
                0 => Self::WatchExpiry(node, c),
                1 if a % 2 == 0 => Self::ExpireUnused(node, Kind::Key, c % 3),
                1 => Self::ExpireUnused(node, Kind::Token, c % 3),
                _ => Self::Sweep(node, hours(a)),
            },
            231..=239 => Self::Arrange(node, ArrangeStep::of(a, b, c, d)),
            240..=244 => Self::Clock(clock_step(a)),
            245..=246 => Self::WriteUses(node),
            247..=248 => Self::Both(CallStep::of(raw), CallStep::beside(raw)),
            249 => Self::Crash(CallStep::of(raw), a % 24),
            250 => Self::Restart(node, a % 2 == 0),
            251..=252 => Self::Lose(node, a % 2 == 0),
            253 => Self::Restore(node),
            254 => Self::PassBound(node),
            255 => Self::Prune,
        }
    }
}

/// How old rows must be to be removed.
fn hours(a: u8) -> u8 {
    match a % 4 {
        0 => 0,
        1 => 1,
        2 => 24,
        _ => 240,
    }
}

/// Steps of the clocks: to the millisecond around an expiry, over a minute, back, and far.
fn clock_step(a: u8) -> i64 {
    match a % 16 {
        0 | 10 => 1,
        1 => 999,
        2 => 1_000,
        3 => 30_000,
        4 => 60_000,
        5 => 3_600_000,
        6 => 86_400_000,
        7 => -1,
        8 => -1_500,
        9 => -61_000,
        _ => 10,
    }
}

impl RequestStep {
    fn of(raw: [u8; 12]) -> Self {
        let [
            _,
            node,
            credential,
            token,
            number,
            line,
            organization,
            other,
            route,
            hold,
            at,
            address,
        ] = raw;
        Self {
            node,
            credential,
            token: match token {
                0..=214 => TokenForm::Whole,
                215..=222 => TokenForm::OtherSecret,
                223..=228 => TokenForm::SecretOfNext,
                229..=231 => TokenForm::Truncated,
                232..=234 => TokenForm::Longer,
                235..=237 => TokenForm::UpperPrefix,
                238..=241 => TokenForm::Unknown,
                242 => TokenForm::PrefixOnly,
                243..=255 => TokenForm::Foreign(number),
            },
            line: match line {
                0..=229 => LineForm::Bearer,
                230..=231 => LineForm::OddCase,
                232..=234 => LineForm::Absent,
                235..=237 => LineForm::Basic,
                238..=240 => LineForm::SchemeOnly,
                241..=243 => LineForm::Tab,
                244..=248 => LineForm::Twice,
                249..=252 => LineForm::Comma,
                253..=255 => LineForm::Trailing,
            },
            organization: match organization {
                0..=189 => OrganizationForm::Fitting,
                190..=214 => OrganizationForm::One(other),
                215..=224 => OrganizationForm::Absent,
                225..=229 => OrganizationForm::Empty,
                230..=239 => OrganizationForm::Twice(other),
                240..=249 => OrganizationForm::Unknown,
                250..=255 => OrganizationForm::Malformed,
            },
            route: match route {
                0..=139 => Route::Plain,
                140..=169 => Route::OneScope,
                170..=199 => Route::TwoScopes,
                200..=229 => Route::UserScoped,
                230..=234 => Route::Optional,
                235..=239 => Route::OptionalOrganization,
                240..=255 => Route::Descendant,
            },
            target: number,
            hold: hold % 3 == 0,
            at,
            address,
            agent: hold / 3,
        }
    }
}

impl CallStep {
    fn of(raw: [u8; 12]) -> Self {
        let [_, node, _, actor, number, call, target, a, b, c, d, e] = raw;
        Self {
            node,
            actor: match actor {
                0..=69 => ActorForm::OperatorOfTarget,
                70..=99 => ActorForm::OperatorOfOrganization(number),
                100..=114 => ActorForm::OperatorOfUser(number),
                115..=144 => ActorForm::Session(number),
                145..=184 => ActorForm::SessionIn(number, c),
                185..=255 => ActorForm::Held(number),
            },
            call: match call {
                0..=49 => CallForm::IssueKey,
                50..=84 => CallForm::IssueToken,
                85..=114 => CallForm::Rotate,
                115..=122 => CallForm::Rename,
                123..=154 => CallForm::Edit,
                155..=169 => CallForm::Disable,
                170..=189 => CallForm::Enable,
                190..=201 => CallForm::Delete,
                202..=207 => CallForm::RevokePresented,
                208..=211 => CallForm::RevokeAll,
                212..=225 => CallForm::Import,
                226..=230 => CallForm::Get,
                231..=245 => CallForm::List,
                246..=255 => CallForm::Events,
            },
            target,
            details: [a, b, c],
            attributes: [d, e],
        }
    }

    /// A second call beside the first one of the same numbers, often of the same target.
    fn beside(raw: [u8; 12]) -> Self {
        let [kind, node, skew, actor, number, call, target, a, b, c, d, e] = raw;
        let target = if skew % 4 == 0 {
            target.wrapping_add(1)
        } else {
            target
        };
        let (actor, call) = (
            actor.rotate_left(3),
            call.wrapping_mul(37).wrapping_add(skew),
        );
        Self::of([
            kind,
            node.wrapping_add(1),
            0,
            actor,
            number,
            call,
            target,
            b,
            a,
            c,
            d.wrapping_add(1),
            e,
        ])
    }
}

impl ArrangeStep {
    fn of(kind: u8, a: u8, b: u8, c: u8) -> Self {
        match kind {
            0..=39 => Self::CreateOrganization(a, b),
            40..=46 => Self::DeleteOrganization(a),
            47..=79 => Self::CreateUser(a),
            80..=114 => Self::SetUserEnabled(a, !b.is_multiple_of(3)),
            115..=124 => Self::DeleteUser(a),
            125..=204 => Self::SetMember(a, b, c),
            205..=229 => Self::RemoveMember(a, b),
            230..=255 => Self::Ask(a, b),
        }
    }
}

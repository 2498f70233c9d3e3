//! The crate's types as the model has them, and the reverse.

use std::collections::BTreeSet;

use tower_api_key::{
    Principal as Caller,
    clock::UnixMillis,
    credential::Kind as RealKind,
    id::{OrgId, UserId},
    manage::{Import, Issued},
    secret::Digest,
    store::{
        AuditActor, AuditEvent, CredentialInfo, EffectiveStatus, Filter as RealFilter,
        Owner as RealOwner, Restrictions, Status as RealStatus, WriteError,
    },
};

use super::attributes::{attributes, real_attributes};
use crate::model::{
    By, Credential, Event, Filter, Grant, Issue, Kind, Limits, Minted, Origin, Outcome, Owner,
    Principal, State, Status,
};

pub(super) fn write_error(error: &WriteError) -> &'static str {
    match error {
        WriteError::UnknownOrganization(_) => "unknown_organization",
        WriteError::UnknownUser(_) => "unknown_user",
        WriteError::UnknownRole(_) => "unknown_role",
        WriteError::Taken(_) => "taken",
        WriteError::InvalidId(_) => "invalid_id",
        _ => "another error",
    }
}

/// Returns a principal as the model has it. Its expiry is not public: the caller adds it.
pub(super) fn principal(caller: &Caller) -> Principal {
    Principal {
        kind: kind(caller.kind()),
        id: caller.credential_id().into(),
        organization: caller.organization().map(Into::into),
        user: caller.user().map(Into::into),
        role: caller.role().map(Into::into),
        scopes: caller.scopes().iter().map(Into::into).collect(),
        expires_at: None,
        limits: limits(caller),
        attributes: caller.attributes().map(attributes).unwrap_or_default(),
    }
}

fn limits(caller: &Caller) -> Limits {
    let only = caller.restrictions();
    let scopes = only.and_then(Restrictions::scopes);
    let organizations = only.and_then(Restrictions::organizations);
    Limits {
        scopes: scopes.map(|scopes| scopes.iter().map(Into::into).collect()),
        organizations: organizations.map(texts),
    }
}

fn texts(organizations: &[OrgId]) -> BTreeSet<String> {
    let ids = organizations.iter().map(OrgId::as_str);
    ids.map(Into::into).collect()
}

pub(super) fn issued(issued: Issued) -> (Outcome, Option<Minted>) {
    let (info, secret) = issued.into_parts();
    let minted = secret.map(|secret| Minted {
        id: info.id.as_str().into(),
        token: secret.expose_secret().into(),
    });
    (Outcome::Issued(credential(&info), minted.is_some()), minted)
}

pub(super) fn import(issue: &Issue, minted: &Minted, created_at: Option<i64>) -> Import {
    let digest = Digest::of(minted.token.as_bytes());
    let new = Import::new(minted.id.as_str(), digest, &issue.name);
    let new = new
        .expiring_at(issue.expires_at.map(UnixMillis))
        .with_attributes(real_attributes(&issue.attributes));
    let new = match created_at {
        Some(moment) => new.with_created_at(UnixMillis(moment)),
        None => new,
    };
    let new = match &issue.organizations {
        Some(organizations) => new.with_organizations(organizations.iter().map(String::as_str)),
        None => new,
    };
    match &issue.grant {
        Grant::Role(role) => new.with_role(role),
        Grant::Scopes(scopes) => new.with_scopes(scopes.iter().map(String::as_str)),
        Grant::Nothing => new,
    }
}

/// Returns a credential as the model has it.
pub(super) fn credential(info: &CredentialInfo) -> Credential {
    let scopes_of = |scopes: &[Box<str>]| scopes.iter().map(|scope| (**scope).into()).collect();
    Credential {
        id: info.id.as_str().into(),
        owner: owner(&info.owner),
        name: if info.damaged {
            "damaged".into()
        } else {
            (*info.name).into()
        },
        grant: match (&info.role, &info.scopes) {
            (Some(role), _) => Grant::Role((**role).into()),
            (None, Some(scopes)) => Grant::Scopes(scopes_of(scopes)),
            (None, None) => Grant::Nothing,
        },
        organizations: info.organizations.as_deref().map(texts),
        attributes: attributes(&info.attributes),
        status: match info.status {
            RealStatus::Deleted => Status::Deleted,
            RealStatus::Active => Status::Active,
            _ => Status::Disabled,
        },
        created_by: info.created_by.as_ref().map(by),
        created_at: info.created_at.0,
        expires_at: info.expires_at.map(|end| end.0),
        first_used_at: info.first_used_at.map(|used| used.0),
        last_used_at: info.last_used_at.map(|used| used.0),
        last_origin: Origin {
            address: info.last_address,
            user_agent: info.last_user_agent.as_deref().map(Into::into),
        },
        rotated_from: info.rotated_from.as_ref().map(|id| id.as_str().into()),
        rotated_to: info.rotated_to.as_ref().map(|id| id.as_str().into()),
        rotated_at: info.rotated_at.map(|then| then.0),
        deleted_at: info.deleted_at.map(|then| then.0),
    }
}

/// Returns an event as the model has it, of no group.
pub(super) fn event(event: &AuditEvent) -> Event {
    Event {
        group: 0,
        action: event.action.as_str(),
        credential: event.credential.as_str().into(),
        owner: owner(&event.owner),
        at: event.at.0,
        related: event.related.as_ref().map(|id| id.as_str().into()),
        by: by(&event.by),
        attributes: attributes(&event.attributes),
    }
}

fn by(actor: &AuditActor) -> By {
    let user = |id: &UserId| match id.as_str() {
        id if id.starts_with("erased-") => "erased".into(),
        id => id.to_owned(),
    };
    match actor {
        AuditActor::Key(id) => By::Key(id.as_str().into()),
        AuditActor::Token { id, user: of } => By::Token(id.as_str().into(), user(of)),
        AuditActor::User(id) => By::User(user(id)),
        AuditActor::Operator(_) => By::Operator,
        _ => By::Bearer,
    }
}

pub(super) fn kind(kind: RealKind) -> Kind {
    match kind {
        RealKind::OrgKey => Kind::Key,
        RealKind::PersonalToken => Kind::Token,
    }
}

pub(super) fn real_kind(kind: Kind) -> RealKind {
    match kind {
        Kind::Key => RealKind::OrgKey,
        Kind::Token => RealKind::PersonalToken,
    }
}

pub(super) fn owner(owner: &RealOwner) -> Owner {
    match owner {
        RealOwner::Organization(id) => Owner::Organization(id.as_str().into()),
        RealOwner::User(id) => Owner::User(id.as_str().into()),
    }
}

/// Returns the crate's owner.
#[must_use]
pub fn real_owner(owner: &Owner) -> RealOwner {
    RealOwner::of(real_kind(owner.kind()), owner.id())
}

pub(super) fn real_filter(filter: &Filter) -> RealFilter {
    let state = filter.state.map(|state| match state {
        State::Active => EffectiveStatus::Active,
        State::Disabled => EffectiveStatus::Disabled,
        State::Expired => EffectiveStatus::Expired,
        State::Deleted => EffectiveStatus::Deleted,
    });
    let mut real = RealFilter::default()
        .with_state(state)
        .with_expiring_before(filter.expiring_before.map(UnixMillis))
        .with_unused_since(filter.unused_since.map(UnixMillis));
    if let Some(name) = &filter.name {
        real = real.with_name(name.as_str());
    }
    match &filter.metadata {
        Some((key, value)) => real.with_metadata(key.as_str(), value.as_str()),
        None => real,
    }
}

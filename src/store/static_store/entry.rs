//! Turns an entry of the list into the records of its credential.

use std::{collections::HashSet, sync::Arc};

use super::{
    error::{StaticError, StaticProblem, has_token, is_minted, shown},
    fields::Fields,
};
use crate::{
    clock::UnixMillis,
    credential::{Kind, check_credential_id},
    id::{InvalidId, OrgId, check_organization_id, check_user_id},
    scope::{ScopeSet, Tables},
    secret::Digest,
    store::{Record, Restrictions, Status, TokenEntry},
};

pub(super) const KEY_FIELDS: &[&str] = &[
    "id",
    "digest",
    "organization",
    "role",
    "scopes",
    "expires_at",
    "disabled",
];

pub(super) const TOKEN_FIELDS: &[&str] = &[
    "id",
    "digest",
    "user",
    "memberships",
    "scopes",
    "organizations",
    "expires_at",
    "disabled",
];

const MEMBERSHIP_FIELDS: &[&str] = &["organization", "role"];

/// Creates the record of a key.
pub(super) fn key(fields: &mut Fields, tables: &Tables) -> Result<Record, StaticError> {
    let (id, digest) = identity(fields, Kind::OrgKey)?;
    let organization = fields.id("organization", check_organization_id)?;
    let record = Record::org_key(id, digest, organization);
    let record = match (fields.text("role")?, scopes(fields, tables)?) {
        (Some(role), None) => record.keeping(Some(&role), None),
        (None, Some(scopes)) => record.keeping(None, Some(scopes)),
        (Some(_), Some(_)) => return Err(fields.error(StaticProblem::RoleAndScopes)),
        (None, None) => return Err(fields.error(StaticProblem::NoRoleOrScopes)),
    };
    with_validity(resolved(&record, fields, tables)?, fields)
}

/// Creates the records of a personal token.
pub(super) fn token(fields: &mut Fields, tables: &Tables) -> Result<TokenEntry, StaticError> {
    let (id, digest) = identity(fields, Kind::PersonalToken)?;
    let user = fields.id("user", check_user_id)?;
    let scopes = scopes(fields, tables)?;
    let organizations = fields.organizations("organizations")?;
    let alone = Record::personal_token(id, digest, user)
        .restricted_to(Restrictions::of_lists(None, organizations))
        .keeping(None, scopes);
    let alone = with_validity(resolved(&alone, fields, tables)?, fields)?;
    let memberships = memberships(&alone, fields, tables)?;
    Ok(TokenEntry::new(alone, memberships))
}

/// Takes the id and the digest, and makes sure that neither is the token.
fn identity(fields: &mut Fields, kind: Kind) -> Result<(String, Digest), StaticError> {
    let id = fields.required("id")?;
    let text = fields.required("digest")?;
    let digest = Digest::from_hex(&text);
    let is_its_token = |digest: &Digest| Digest::of(id.as_bytes()).words() == digest.words();
    if is_minted(&id) || digest.as_ref().is_ok_and(is_its_token) {
        return Err(fields.error(StaticProblem::PlainToken("id")));
    }
    if check_credential_id(kind, &id).is_err() {
        // What follows a dot would be the secret of a key.
        let public = id.split('.').next().unwrap_or_default();
        let (field, source) = ("id", InvalidId::from(&*shown(public)));
        return Err(fields.error(StaticProblem::InvalidId { field, source }));
    }
    fields.set_id(&id);
    match digest {
        Ok(digest) => Ok((id, digest)),
        Err(_) if has_token(&text) => Err(fields.error(StaticProblem::PlainToken("digest"))),
        Err(_) => Err(fields.error(StaticProblem::InvalidDigest(text.len()))),
    }
}

/// Takes the expiry and whether the credential is disabled.
fn with_validity(record: Record, fields: &mut Fields) -> Result<Record, StaticError> {
    let status = match fields.flag("disabled")? {
        Some(true) => Status::Disabled,
        Some(false) | None => Status::Active,
    };
    let expires_at = fields.integer("expires_at")?.map(UnixMillis);
    Ok(record.expiring_at(expires_at).with_status(status))
}

/// Takes a list of scopes, all of them in the catalogue.
fn scopes(fields: &mut Fields, tables: &Tables) -> Result<Option<ScopeSet>, StaticError> {
    let Some(scopes) = fields.texts("scopes")? else {
        return Ok(None);
    };
    match scopes.iter().find(|scope| !tables.knows(scope)) {
        Some(unknown) => Err(fields.error(StaticProblem::UnknownScope(shown(unknown)))),
        None => Ok(Some(scopes.into_iter().collect())),
    }
}

/// Grants what the record's role or its scopes stand for.
fn resolved(record: &Record, fields: &Fields, tables: &Tables) -> Result<Record, StaticError> {
    let role = || shown(record.role().unwrap_or_default());
    let unknown = |_| fields.error(StaticProblem::UnknownRole(role()));
    record.resolved(tables).map_err(unknown)
}

/// Takes the memberships, and creates a record of the token for each.
fn memberships(
    alone: &Record,
    fields: &mut Fields,
    tables: &Tables,
) -> Result<Vec<Arc<Record>>, StaticError> {
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    for mut fields in fields.tables("memberships", MEMBERSHIP_FIELDS)? {
        let organization = OrgId::from(fields.id("organization", check_organization_id)?);
        if !seen.insert(organization.clone()) {
            let twice = shown(organization.as_str());
            return Err(fields.error(StaticProblem::RepeatedMembership(twice)));
        }
        let role = fields.required("role")?;
        if tables.scopes_of(&role).is_none() {
            return Err(fields.error(StaticProblem::UnknownRole(shown(&role))));
        }
        records.push(Arc::new(alone.as_member(&organization, &role, tables)));
    }
    Ok(records)
}

//! A line of an import: its fields, checked, and what is wrong with it. No error repeats a value,
//! since a digest or a token may be in the wrong field.

use serde_json::Value;
use tower_api_key::{
    clock::UnixMillis,
    credential::{Kind, key_id_of_digest},
    manage::{Import, ManageError},
    secret::{Digest, Salt},
    store::{Attributes, Owner},
};

use super::lines::Object;
use crate::{commands::credential::args::OwnerArgs, moment, settings};

/// Why a line is not imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadLine {
    #[error("invalid JSON at column {column}")]
    NotJson { column: usize },
    #[error("not a JSON object")]
    NotObject,
    #[error("not as many columns as in the first line, or not UTF-8")]
    NotCsv,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} must be a string")]
    NotText(&'static str),
    #[error("{0} must be a list of strings")]
    NotList(&'static str),
    #[error("{0} must be an RFC 3339 date, or milliseconds since 1970")]
    NotMoment(&'static str),
    #[error("digest must be 32 bytes in hexadecimal or Base64")]
    Digest,
    #[error("salt must be in hexadecimal, with salted: sha256-prefix or sha256-suffix")]
    Salt,
    #[error("role and scopes cannot be combined")]
    RoleAndScopes,
    #[error("unknown field: see --help for the fields")]
    UnknownField,
    #[error("{}", refusal(.0))]
    Refused(#[from] ManageError),
}

impl BadLine {
    /// Returns whether the credential is there already, or another in its place.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Refused(ManageError::Taken(_)))
    }
}

/// Returns the text of a refusal, without the values that some of them repeat.
fn refusal(error: &ManageError) -> String {
    match error {
        ManageError::Taken(_) => "the id or the token's digest is already taken".to_owned(),
        ManageError::InvalidId(_) => "invalid id: use one that a token can carry".to_owned(),
        ManageError::UnknownRole(_) => "unknown role".to_owned(),
        ManageError::UnknownScope(_) => "unknown scope".to_owned(),
        ManageError::NotAllowed => "a token cannot have a role, nor a key organizations".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the import in a line, and for whom it is.
pub(super) fn parse<O: OwnerArgs>(
    mut fields: Object,
    default: Option<&str>,
) -> Result<(Owner, Import), BadLine> {
    let owner = text(&mut fields, O::FIELD)?.or_else(|| default.map(str::to_owned));
    let owner = Owner::of(O::KIND, &owner.ok_or(BadLine::Missing(O::FIELD))?);
    let digest = digest(&required(&mut fields, "digest")?)?;
    let id = match (text(&mut fields, "id")?, O::KIND) {
        (Some(id), _) => id.into(),
        (None, Kind::OrgKey) => key_id_of_digest(&digest),
        (None, Kind::PersonalToken) => return Err(BadLine::Missing("id")),
    };
    let mut import = Import::new(id, digest, &required(&mut fields, "name")?);
    if let Some(salt) = salt(&mut fields)? {
        import = import.with_salt(salt);
    }
    if let Some(created_at) = moment(&mut fields, "created_at")? {
        import = import.with_created_at(created_at);
    }
    if let Some(description) = text(&mut fields, "description")? {
        import = import.with_attributes(Attributes::default().with_description(description));
    }
    import = import.expiring_at(moment(&mut fields, "expires_at")?);
    import = with_rights(&mut fields, import)?;
    match fields.is_empty() {
        true => Ok((owner, import)),
        false => Err(BadLine::UnknownField),
    }
}

fn with_rights(fields: &mut Object, mut import: Import) -> Result<Import, BadLine> {
    import = match (text(fields, "role")?, list(fields, "scopes")?) {
        (Some(_), Some(_)) => return Err(BadLine::RoleAndScopes),
        (Some(role), None) => import.with_role(&role),
        (None, Some(scopes)) => import.with_scopes(scopes),
        (None, None) => import,
    };
    Ok(match list(fields, "organizations")? {
        Some(organizations) => import.with_organizations(organizations),
        None => import,
    })
}

fn digest(text: &str) -> Result<Digest, BadLine> {
    Digest::from_hex(text)
        .or_else(|_| Digest::from_base64(text))
        .map_err(|_| BadLine::Digest)
}

fn salt(fields: &mut Object) -> Result<Option<Salt>, BadLine> {
    match (text(fields, "salt")?, text(fields, "salted")?) {
        (None, None) => Ok(None),
        (Some(salt), Some(name)) => parse_salt(&name, &salt).map(Some).ok_or(BadLine::Salt),
        _ => Err(BadLine::Salt),
    }
}

fn parse_salt(name: &str, salt: &str) -> Option<Salt> {
    let salt = settings::from_hex(salt)?;
    settings::salted_digests().ok()?.salt(name, &salt).ok()
}

/// Takes a field out; `None` if it is absent or null.
fn take(fields: &mut Object, name: &str) -> Option<Value> {
    fields.remove(name).filter(|value| !value.is_null())
}

fn text(fields: &mut Object, name: &'static str) -> Result<Option<String>, BadLine> {
    match take(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(BadLine::NotText(name)),
    }
}

fn required(fields: &mut Object, name: &'static str) -> Result<String, BadLine> {
    text(fields, name)?.ok_or(BadLine::Missing(name))
}

/// Takes a list out, which CSV has as a text with blanks.
fn list(fields: &mut Object, name: &'static str) -> Result<Option<Vec<String>>, BadLine> {
    let item = |item| match item {
        Value::String(text) => Ok(text),
        _ => Err(BadLine::NotList(name)),
    };
    match take(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.split_whitespace().map(str::to_owned).collect())),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(item)
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(BadLine::NotList(name)),
    }
}

fn moment(fields: &mut Object, name: &'static str) -> Result<Option<UnixMillis>, BadLine> {
    let Some(value) = take(fields, name) else {
        return Ok(None);
    };
    let millis = match &value {
        Value::String(text) => moment::date(text).or_else(|| text.parse().map(UnixMillis).ok()),
        other => other.as_i64().map(UnixMillis),
    };
    millis.map(Some).ok_or(BadLine::NotMoment(name))
}

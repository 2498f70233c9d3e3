//! How a credential is shown: its fields, or a row of a list.

use serde_json::{Value, json};
use tower_api_key::{
    clock::{Clock, SystemClock, UnixMillis},
    credential::Kind,
    store::{AuditActor, CredentialInfo},
};

use crate::{
    moment,
    output::{Cell, Fields},
};

/// The columns of a list.
pub(super) const HEADINGS: &[&str] = &[
    "ID",
    "NAME",
    "STATUS",
    "RIGHTS",
    "CREATED",
    "EXPIRES",
    "LAST USED",
];

/// Returns a row of a list.
pub(super) fn row(info: &CredentialInfo) -> Vec<Cell> {
    let moment = |at: Option<UnixMillis>| Cell::optional(at.map(moment::show_short));
    vec![
        Cell::new(info.id.as_str()),
        Cell::new(&info.name),
        Cell::status(status(info)),
        Cell::new(rights(info)),
        moment(Some(info.created_at)),
        moment(info.expires_at),
        moment(info.last_used_at),
    ]
}

/// Returns all that is known of a credential.
pub(crate) fn fields(info: &CredentialInfo) -> Fields {
    let organizations = info.organizations.as_ref();
    let organizations =
        organizations.map(|ids| ids.iter().map(|id| id.as_str()).collect::<Vec<_>>());
    let mut fields = vec![
        ("kind", json!(info.kind().as_str())),
        ("id", json!(info.id.as_str())),
        ("org", json!(info.owner.organization())),
        ("user", json!(info.owner.user())),
        ("name", json!(info.name)),
        ("status", json!(status(info))),
        ("role", json!(info.role)),
        ("scopes", json!(info.scopes)),
        ("organizations", json!(organizations)),
    ];
    fields.extend(attributes(info));
    fields.extend(history(info));
    fields
}

fn attributes(info: &CredentialInfo) -> Fields {
    let attributes = &info.attributes;
    let metadata: serde_json::Map<_, _> = attributes
        .metadata
        .iter()
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let networks = attributes.conditions.networks();
    let networks = networks.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
    vec![
        ("description", json!(attributes.description)),
        ("metadata", Value::Object(metadata)),
        ("networks", json!(networks)),
        ("environment", json!(attributes.conditions.environment())),
    ]
}

fn history(info: &CredentialInfo) -> Fields {
    let moment = |at: Option<UnixMillis>| json!(at.map(moment::show));
    let by = info.created_by.as_ref().map(AuditActor::columns);
    vec![
        ("created_by_kind", json!(by.map(|by| by.kind))),
        ("created_by_id", json!(by.and_then(|by| by.id))),
        ("created_by_user", json!(by.and_then(|by| by.user))),
        ("created_at", moment(Some(info.created_at))),
        ("expires_at", moment(info.expires_at)),
        ("first_used_at", moment(info.first_used_at)),
        ("last_used_at", moment(info.last_used_at)),
        (
            "last_address",
            json!(info.last_address.map(|ip| ip.to_string())),
        ),
        ("last_user_agent", json!(info.last_user_agent)),
        (
            "rotated_from",
            json!(info.rotated_from.as_ref().map(|id| id.as_str())),
        ),
        (
            "rotated_to",
            json!(info.rotated_to.as_ref().map(|id| id.as_str())),
        ),
        ("rotated_at", moment(info.rotated_at)),
        ("deleted_at", moment(info.deleted_at)),
        ("damaged", json!(info.damaged)),
    ]
}

fn status(info: &CredentialInfo) -> &'static str {
    info.effective_status(SystemClock::default().now()).as_str()
}

/// Returns the role or the scopes. A token without a list may do what its owner may.
fn rights(info: &CredentialInfo) -> String {
    match (&info.role, &info.scopes, info.kind()) {
        (Some(role), _, _) => role.to_string(),
        (None, Some(scopes), _) if !scopes.is_empty() => scopes.join(" "),
        (None, None, Kind::PersonalToken) => "the user's".to_owned(),
        _ => "none".to_owned(),
    }
}

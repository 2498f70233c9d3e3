//! Fills a store with the fixtures of the corpus.

use std::collections::HashSet;

use serde_json::{Map, Value};
use tower_api_key::clock::UnixMillis;
use tower_api_key::credential::Kind;
use tower_api_key::scope::Catalogue;
use tower_api_key::secret::Digest;
use tower_api_key::store::{Directory, ManageStore, MemoryStore, Owner, Record};

use super::BoxError;
#[path = "../it/support/now.rs"]
mod now;

use now::now;

/// Creates a store with all fixtures; `scopes` are granted to the keys that take theirs from the
/// case.
pub(super) fn fill(fixtures: &Value, scopes: &[String]) -> Result<MemoryStore, BoxError> {
    let store = MemoryStore::with_catalogue(catalogue(fixtures, scopes)?);
    create_organizations(&store, fixtures)?;
    create_users(&store, fixtures)?;
    for (name, key) in members(fixtures, "keys")? {
        insert_key(&store, key, scopes).map_err(|error| format!("{name}: {error}"))?;
    }
    for (name, token) in members(fixtures, "pats")? {
        let digest = Digest::of(text(token, "token")?.as_bytes());
        let record = Record::personal_token(name.as_str(), digest, text(token, "user")?);
        now(store.insert(record.expiring_at(expiry(token))))?;
        if is(token, "deleted") {
            now(store.delete(&Owner::of(Kind::PersonalToken, text(token, "user")?), name))?;
        }
    }
    // Last, because nothing new can be created in a deleted organization.
    for (id, user) in members(fixtures, "users")? {
        if in_state(user, "disabled") {
            now(store.set_user_enabled(id, false))?;
        }
    }
    for (id, organization) in members(fixtures, "orgs")? {
        if in_state(organization, "deleted") {
            now(store.delete_organization(id))?;
        }
    }
    Ok(store)
}

/// The ids of the keys whose stored digest is invalid.
pub(super) fn unreadable(fixtures: &Value) -> HashSet<String> {
    let keys = fixtures.get("keys").and_then(Value::as_object);
    let damaged = keys
        .into_iter()
        .flat_map(Map::values)
        .filter(|key| key.get("stored_hash").is_some());
    damaged
        .filter_map(|key| key.get("id")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// The roles of the fixtures with the two implications that the protocol states, and a role that
/// holds the valid scopes of the case: scopes outside the catalogue grant nothing.
fn catalogue(fixtures: &Value, scopes: &[String]) -> Result<Catalogue, BoxError> {
    let mut builder = Catalogue::builder()
        .implies("members:manage", "members:read")
        .implies("conversations:read_sensitive", "conversations:read");
    for (role, scopes) in members(fixtures, "roles")? {
        let scopes = scopes.as_array().ok_or("a role is not a list of scopes")?;
        builder = builder.role(role, scopes.iter().filter_map(Value::as_str));
    }
    let is_scope = |name: &String| {
        Catalogue::builder()
            .role("case", [name.as_str()])
            .build()
            .is_ok()
    };
    let of_case = granted(scopes)?.into_iter().filter(is_scope);
    Ok(builder.role("scopes of the case", of_case).build()?)
}

/// Creates parents before their children, in any file order.
fn create_organizations(store: &MemoryStore, fixtures: &Value) -> Result<(), BoxError> {
    let organizations = members(fixtures, "orgs")?;
    let mut created = HashSet::new();
    while created.len() < organizations.len() {
        let before = created.len();
        for (id, organization) in organizations {
            let parent = organization.get("parent").and_then(Value::as_str);
            if !created.contains(id.as_str())
                && parent.is_none_or(|parent| created.contains(parent))
            {
                now(store.create_organization(id, parent))?;
                created.insert(id.as_str());
            }
        }
        if created.len() == before {
            return Err("an organization has a parent that does not exist".into());
        }
    }
    Ok(())
}

/// Creates the users; every member of a user that names an organization is a membership.
fn create_users(store: &MemoryStore, fixtures: &Value) -> Result<(), BoxError> {
    let organizations = members(fixtures, "orgs")?;
    for (id, user) in members(fixtures, "users")? {
        now(store.create_user(id))?;
        for (organization, role) in user.as_object().into_iter().flatten() {
            if organizations.contains_key(organization) {
                now(store.set_member(
                    id,
                    organization,
                    role.as_str().ok_or("a role is not a text")?,
                ))?;
            }
        }
    }
    Ok(())
}

fn insert_key(store: &MemoryStore, key: &Value, scopes: &[String]) -> Result<(), BoxError> {
    let id = text(key, "id")?;
    let digest = Digest::of(text(key, "token")?.as_bytes());
    let record = Record::org_key(id, digest, text(key, "org")?).expiring_at(expiry(key));
    let record = match key.get("role").and_then(Value::as_str) {
        Some(role) => record.with_role(role, store.catalogue())?,
        None => record.with_scopes(store.catalogue().expand(granted(scopes)?)),
    };
    now(store.insert(record))?;
    if is(key, "deleted") {
        now(store.delete(&Owner::of(Kind::OrgKey, text(key, "org")?), id))?;
    }
    Ok(())
}

/// Expands `gen:<template with {N}> <count>`.
fn granted(scopes: &[String]) -> Result<Vec<String>, BoxError> {
    let mut granted = Vec::new();
    for scope in scopes {
        let Some(generated) = scope.strip_prefix("gen:") else {
            granted.push(scope.clone());
            continue;
        };
        let (template, count) = generated
            .rsplit_once(' ')
            .ok_or("a scope template has no count")?;
        if !template.contains("{N}") {
            return Err(format!("a scope template has no {{N}}: {scope}").into());
        }
        let count: usize = count.parse()?;
        granted.extend((0..count).map(|number| template.replace("{N}", &number.to_string())));
    }
    Ok(granted)
}

fn members<'a>(fixtures: &'a Value, name: &str) -> Result<&'a Map<String, Value>, BoxError> {
    Ok(fixtures
        .get(name)
        .and_then(Value::as_object)
        .ok_or_else(|| format!("the fixtures have no `{name}`"))?)
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, BoxError> {
    Ok(value
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("a fixture has no `{name}`"))?)
}

fn expiry(value: &Value) -> Option<UnixMillis> {
    value
        .get("expires_at")
        .and_then(Value::as_i64)
        .map(UnixMillis)
}

fn is(value: &Value, flag: &str) -> bool {
    value.get(flag).and_then(Value::as_bool).unwrap_or(false)
}

fn in_state(value: &Value, state: &str) -> bool {
    value.get("state").and_then(Value::as_str) == Some(state)
}

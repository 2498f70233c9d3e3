//! The JSON text, which needs no crate.

use super::CallerInfo;
use crate::{
    id::{OrgId, UserId},
    rejection::push_string,
    scope::ScopeSet,
    store::{Conditions, Network, Restrictions},
};

impl CallerInfo {
    /// Returns a JSON object with these fields, in this order. Moments are milliseconds since 1970,
    /// and scopes are sorted.
    ///
    /// ```json
    /// {
    ///   "kind": "personal_access_token",
    ///   "credential_id": "4bG7mJ0vQzR",
    ///   "organization": "org_1",
    ///   "user": "alice",
    ///   "role": null,
    ///   "scopes": ["agents:read"],
    ///   "expires_at": 1767225600000,
    ///   "restrictions": { "scopes": ["agents:read"], "organizations": null },
    ///   "conditions": { "networks": ["192.0.2.0/24"], "environment": null }
    /// }
    /// ```
    ///
    /// The kind is `organization_api_key` or `personal_access_token`. What there is not is `null`:
    /// `user` for a key, `organization` on a user-scoped route, `role` where the scopes do not come
    /// from a role alone, `expires_at` if the credential does not expire, and `restrictions`,
    /// `conditions` or a part of them where nothing is restricted.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"kind\":");
        push_string(&mut json, self.kind_name());
        json.push_str(",\"credential_id\":");
        push_string(&mut json, self.credential_id.as_str());
        json.push_str(",\"organization\":");
        push_optional(&mut json, self.organization.as_ref().map(OrgId::as_str));
        json.push_str(",\"user\":");
        push_optional(&mut json, self.user.as_ref().map(UserId::as_str));
        json.push_str(",\"role\":");
        push_optional(&mut json, self.role.as_deref());
        json.push_str(",\"scopes\":");
        push_list(&mut json, Some(self.scopes.iter()));
        json.push_str(",\"expires_at\":");
        match self.expires_at {
            Some(moment) => json.push_str(&moment.0.to_string()),
            None => json.push_str("null"),
        }
        json.push_str(",\"restrictions\":");
        push_restrictions(&mut json, self.restrictions.as_ref());
        json.push_str(",\"conditions\":");
        push_conditions(&mut json, self.conditions.as_ref());
        json.push('}');
        json
    }
}

fn push_restrictions(json: &mut String, restrictions: Option<&Restrictions>) {
    let Some(only) = restrictions else {
        return json.push_str("null");
    };
    json.push_str("{\"scopes\":");
    push_list(json, only.scopes().map(ScopeSet::iter));
    json.push_str(",\"organizations\":");
    let organizations = only.organizations();
    push_list(json, organizations.map(|ids| ids.iter().map(OrgId::as_str)));
    json.push('}');
}

fn push_conditions(json: &mut String, conditions: Option<&Conditions>) {
    let Some(conditions) = conditions else {
        return json.push_str("null");
    };
    json.push_str("{\"networks\":");
    let networks = conditions.networks();
    push_list(
        json,
        networks.map(|networks| networks.iter().map(Network::to_string)),
    );
    json.push_str(",\"environment\":");
    push_optional(json, conditions.environment());
    json.push('}');
}

fn push_optional(json: &mut String, text: Option<&str>) {
    match text {
        Some(text) => push_string(json, text),
        None => json.push_str("null"),
    }
}

fn push_list(json: &mut String, texts: Option<impl Iterator<Item: AsRef<str>>>) {
    let Some(texts) = texts else {
        return json.push_str("null");
    };
    json.push('[');
    for (number, text) in texts.enumerate() {
        if number > 0 {
            json.push(',');
        }
        push_string(json, text.as_ref());
    }
    json.push(']');
}

//! The same fields as in the JSON text, for any format that serde writes.

use serde_core::{Serialize, Serializer, ser::SerializeStruct};

use super::CallerInfo;
use crate::{
    id::{OrgId, UserId},
    scope::ScopeSet,
    store::{Conditions, Network, Restrictions},
};

/// Writes the fields of [`to_json`](CallerInfo::to_json).
impl Serialize for CallerInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let organization = self.organization.as_ref().map(OrgId::as_str);
        let user = self.user.as_ref().map(UserId::as_str);
        let expires_at = self.expires_at.map(|moment| moment.0);
        let restrictions = self.restrictions.as_ref().map(Only);
        let mut info = serializer.serialize_struct("CallerInfo", 9)?;
        info.serialize_field("kind", self.kind_name())?;
        info.serialize_field("credential_id", self.credential_id.as_str())?;
        info.serialize_field("organization", &organization)?;
        info.serialize_field("user", &user)?;
        info.serialize_field("role", &self.role.as_deref())?;
        info.serialize_field("scopes", &names(&self.scopes))?;
        info.serialize_field("expires_at", &expires_at)?;
        info.serialize_field("restrictions", &restrictions)?;
        info.serialize_field("conditions", &self.conditions.as_ref().map(Under))?;
        info.end()
    }
}

/// Restrictions, as a part of [`CallerInfo`].
struct Only<'a>(&'a Restrictions);

impl Serialize for Only<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut only = serializer.serialize_struct("Restrictions", 2)?;
        only.serialize_field("scopes", &self.0.scopes().map(names))?;
        only.serialize_field("organizations", &self.0.organizations().map(ids))?;
        only.end()
    }
}

/// Conditions, as a part of [`CallerInfo`].
struct Under<'a>(&'a Conditions);

impl Serialize for Under<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = |networks: &[Network]| Vec::from_iter(networks.iter().map(Network::to_string));
        let mut under = serializer.serialize_struct("Conditions", 2)?;
        under.serialize_field("networks", &self.0.networks().map(texts))?;
        under.serialize_field("environment", &self.0.environment())?;
        under.end()
    }
}

fn names(scopes: &ScopeSet) -> Vec<&str> {
    scopes.iter().collect()
}

fn ids(organizations: &[OrgId]) -> Vec<&str> {
    organizations.iter().map(OrgId::as_str).collect()
}

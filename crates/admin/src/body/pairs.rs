//! Pairs of metadata, as a JSON object of strings.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use tower_api_key::store::{InvalidMetadata, Metadata};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// The pairs as the body has them. A map would keep only the last of two with the same key, which
/// [`Metadata::new`] refuses.
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    pub(super) fn metadata(self) -> Result<Metadata, InvalidMetadata> {
        Metadata::new(self.0)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

impl Pairs {
    /// Returns the schema of so many pairs.
    pub(crate) fn schema_of(most: usize) -> ObjectBuilder {
        let matching = |pattern| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(pattern))
        };
        ObjectBuilder::new()
            .property_names(Some(matching("^[A-Za-z0-9./:_-]+$")))
            .additional_properties(Some(matching(r"^[^\u0000-\u001f\u007f-\u009f]*$")))
            .max_properties(Some(most))
    }
}

impl PartialSchema for Pairs {
    fn schema() -> RefOr<Schema> {
        Self::schema_of(16)
            .description(Some("At most 1024 bytes of UTF-8 together."))
            .into()
    }
}

impl ToSchema for Pairs {
    fn name() -> Cow<'static, str> {
        "CredentialMetadata".into()
    }
}

//! The list as it is read from a configuration file.

use std::fmt;

use serde_core::{Deserialize, Deserializer};

use super::value::Value;

/// A list of credentials, read by serde from TOML, JSON or another format, by itself or as a part
/// of a larger configuration. A [`StaticStore`](super::StaticStore) checks it.
///
/// ```
/// # let text = r#"
/// [[keys]]
/// id = "billing" # in the token ak_billing.…
/// digest = "9436e65a7323d7ff4b85984af79b7c5cd708f663c0a1144586111e42952a2b53"
/// organization = "org_1"
/// role = "viewer" # or scopes = ["agents:read"]
/// expires_at = 1924992000000 # milliseconds since 1970
///
/// [[tokens]]
/// id = "alice-laptop" # for logs; it is not in the token
/// digest = "6a76ade03db623ceff0e2629f4985dcec8f34d729f23976607f7ebfe686d2fe8"
/// user = "alice"
/// memberships = [{ organization = "org_1", role = "admin" }]
/// scopes = ["agents:read"] # what the token may do at most
/// organizations = ["org_1"] # where it may do so at most
/// disabled = true
/// # "#;
/// # use tower_api_key::{scope::Catalogue, store::StaticStore};
/// # let store = StaticStore::new(toml::from_str(text)?, Catalogue::anyreach())?;
/// # assert_eq!(format!("{store:?}"), "StaticStore { keys: 1, tokens: 1, .. }");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | field | of | meaning |
/// |---|---|---|
/// | `id` | both | the public id: for a key the part of it between prefix and dot |
/// | `digest` | both | the SHA-256 [digest](crate::secret::Digest) of the whole token, 64 hexadecimal digits |
/// | `organization` | keys | the organization that owns the key |
/// | `role` or `scopes` | keys | what the key may do; one of the two is required, and `scopes = []` grants nothing |
/// | `user` | tokens | the user who owns the token |
/// | `memberships` | tokens | the owner's `role` in each `organization`; without it, in none |
/// | `scopes`, `organizations` | tokens | [restrictions](super::super::Restrictions) of the token; without them, there are none |
/// | `expires_at` | both | milliseconds since 1970; without it, the credential does not expire |
/// | `disabled` | both | `true` to refuse the credential, and keep its entry |
///
/// One of the lists can be left out, but not both: an empty file is more likely a mistake than the
/// wish to revoke everything.
///
/// [`TokenFormat::mint`](crate::credential::TokenFormat::mint) mints a token together with its id
/// and digest. For a token from elsewhere, `printf %s "$TOKEN" | sha256sum` prints the digest.
///
/// Reading succeeds for whatever is well-formed, and the store reports what is wrong: the error of
/// a format may quote the line, and a token may have been pasted there. A file that is not
/// well-formed still fails in the format. Of its error log the position, and for the crate `toml`
/// the `message()`; its `Display` quotes the line.
pub struct StaticCredentials(pub(super) Value);

impl<'de> Deserialize<'de> for StaticCredentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticCredentials(..)")
    }
}

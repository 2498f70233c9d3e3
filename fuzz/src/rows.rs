//! Rows of a database with anything in their columns, and what may be read from them.

use std::{collections::BTreeMap, net::IpAddr};

use arbitrary::{Arbitrary, Unstructured};
use tower_api_key::{
    scope::Catalogue,
    store::{StoreError, backend::Columns},
};

use crate::{
    grammar::sha256,
    networks::{Network, stored_list},
};

/// The token whose rows are read.
pub const KEY: &str = "ak_k1.fuzz-secret-1";
/// The personal token whose rows are read.
pub const TOKEN: &str = "pat_fuzz-secret-3";
/// The name of the store's current pepper.
pub const PEPPER: &str = "2026";
/// Its secret, a test value.
pub const PEPPER_SECRET: [u8; 32] = [b't'; 32];

/// The name of the store's salted digest: SHA-256 of salt and token.
pub const SALTED: &str = "sha256-prefix";

/// A value in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// Text.
    Text(String),
    /// An integer.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// What the driver cannot decode.
    Unreadable,
}

/// The columns, each with values that mean something in it.
const COLUMNS: [(&str, &[&str]); 39] = [
    ("status", &["active", "disabled", "deleted"]),
    (
        "pepper",
        &[
            PEPPER,
            "2025",
            ".sha256-prefix.dGVzdC1zYWx0", // test-salt
            ".sha256-prefix.dGVzdC1zYWx",  // bits to spare
            ".sha256-prefix.dGVzdC1zYWx0=",
            ".sha256-prefix.",
            ".sha256-gone.dGVzdC1zYWx0",
            "sha256-prefix.dGVzdC1zYWx0",
        ],
    ),
    ("organization_id", &["org_a", "org_b", ""]),
    ("user_id", &["alice", ""]),
    ("id", &["k1", "t3"]),
    ("role", &["admin", "viewer", "janitor", ""]),
    (
        "scopes",
        &["[]", r#"["agents:read"]"#, r#"["nothing"]"#, "[1]", "{}"],
    ),
    (
        "own_scopes",
        &["[]", r#"["agents:read"]"#, r#"["nothing"]"#, "[1]", "{}"],
    ),
    (
        "own_organizations",
        &["[]", r#"["org_a"]"#, r#"["org_b"]"#, "[1]", "{}"],
    ),
    ("name", &["ci"]),
    ("description", &["For the nightly export.", ""]),
    (
        "metadata",
        &["{}", r#"{"team":"billing","a":""}"#, r#"{"team":1}"#, "[]"],
    ),
    (
        "allowed_networks",
        &[
            "",
            "10.0.0.0/8",
            "10.0.0.0/8 2001:db8::/32",
            "2001:db8::/32 10.0.0.0/8",
            "10.0.0.1/8",
            "10.0.0.1",
            "::ffff:10.0.0.0/104",
        ],
    ),
    ("environment", &["live", "test", ""]),
    ("rotated_from", &["k0"]),
    ("rotated_to", &["k2"]),
    ("action", &["issued", "unknown", "used_after_rotation"]),
    ("credential_id", &["k1"]),
    ("related_id", &["k2"]),
    (
        "actor_kind",
        &["org_key", "pat", "user", "operator", "bearer", "unknown"],
    ),
    ("actor_id", &["k1"]),
    ("actor_user_id", &["alice"]),
    ("origin", &["192.0.2.1"]),
    (
        "created_by_kind",
        &["org_key", "pat", "user", "operator", "bearer", "unknown"],
    ),
    ("created_by_id", &["k1"]),
    ("created_by_user_id", &["alice"]),
    ("digest", &[]),
    ("expires_at", &[]),
    ("created_at", &[]),
    ("first_used_at", &[]),
    ("last_used_at", &[]),
    ("last_address", &["192.0.2.1", "2001:db8::1", "here"]),
    ("last_user_agent", &["curl/8.5.0", ""]),
    ("rotated_at", &[]),
    ("deleted_at", &[]),
    ("number", &[]),
    ("at", &[]),
    ("rotated", &[]),
    ("enabled", &[]),
];

/// A row with a value in each column that a store reads.
#[derive(Clone, Debug)]
pub struct Row(Vec<(&'static str, Cell)>);

impl<'a> Arbitrary<'a> for Row {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let columns = COLUMNS.into_iter().chain([("deleted", &[][..])]);
        let cells = columns.map(|(column, words)| Ok((column, cell(input, column, words)?)));
        cells.collect::<arbitrary::Result<_>>().map(Self)
    }
}

/// Chooses a value: mostly one that means something in its column.
fn cell(input: &mut Unstructured<'_>, column: &str, words: &[&str]) -> arbitrary::Result<Cell> {
    Ok(match u8::arbitrary(input)? {
        0..200 => usual(input, column, words)?,
        200..210 => Cell::Null,
        210..225 => Cell::Text(String::arbitrary(input)?),
        225..240 => Cell::Number(i64::arbitrary(input)?),
        240..250 => Cell::Bytes(Vec::arbitrary(input)?),
        _ => Cell::Unreadable,
    })
}

fn usual(input: &mut Unstructured<'_>, column: &str, words: &[&str]) -> arbitrary::Result<Cell> {
    let choice = u8::arbitrary(input)?;
    if column == "digest" {
        return Ok(Cell::Bytes(digest(choice).to_vec()));
    }
    if !words.is_empty() {
        let word = words.get(usize::from(choice) % (words.len() + 1));
        return Ok(word.map_or(Cell::Null, |word| Cell::Text((*word).to_owned())));
    }
    Ok(match choice % 4 {
        0 => Cell::Null,
        1 => Cell::Number(i64::from(choice / 4 % 3)),
        _ => Cell::Number(crate::world::NOW + i64::from(choice) - 128),
    })
}

/// The digests that a store may hold of the two tokens, and one of another.
fn digest(choice: u8) -> [u8; 32] {
    match choice % 6 {
        0 => sha256(KEY.as_bytes()),
        1 => sha256(TOKEN.as_bytes()),
        2 => peppered(KEY),
        3 => peppered(TOKEN),
        4 => sha256(&[b"test-salt", KEY.as_bytes()].concat()),
        _ => sha256(b"another"),
    }
}

/// Returns HMAC-SHA-256 (RFC 2104) of a token's digest, under the pepper's secret.
pub fn peppered(token: &str) -> [u8; 32] {
    let padded = |byte: u8| {
        let mut block = [byte; 64];
        for (padding, secret) in block.iter_mut().zip(PEPPER_SECRET) {
            *padding ^= secret;
        }
        block
    };
    let inner = [&padded(0x36)[..], &sha256(token.as_bytes())].concat();
    sha256(&[&padded(0x5c)[..], &sha256(&inner)].concat())
}

/// Returns the salt in the column `pepper`, in the URL-safe Base64 without padding (RFC 4648,
/// section 5), if it has 1 to 36 bytes and belongs to the store's salted digest.
pub fn salt(column: &str) -> Option<Vec<u8>> {
    let text = column.strip_prefix(&format!(".{SALTED}."))?;
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut bits = Vec::new();
    for digit in text.bytes() {
        let value = value(digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let (bytes, spare) = bits.split_at(bits.len() / 8 * 8);
    let whole = spare.len() < 6 && !spare.contains(&1);
    let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| 2 * byte + bit);
    let salt: Vec<u8> = bytes.chunks(8).map(byte).collect();
    Some(salt).filter(|salt| whole && (1..=36).contains(&salt.len()))
}

impl Row {
    /// Returns a value.
    ///
    /// # Panics
    /// If no row has such a column.
    pub fn cell(&self, column: &str) -> &Cell {
        let found = self.0.iter().find(|(name, _)| *name == column);
        &found.unwrap_or_else(|| panic!("no column {column}")).1
    }

    /// Returns whether each of the columns is NULL or text.
    pub fn has_texts(&self, columns: &[&str]) -> bool {
        let text = |cell: &Cell| matches!(cell, Cell::Null | Cell::Text(_));
        columns.iter().all(|column| text(self.cell(column)))
    }

    /// Returns whether each of the columns is NULL or a number.
    pub fn has_numbers(&self, columns: &[&str]) -> bool {
        let number = |cell: &Cell| matches!(cell, Cell::Null | Cell::Number(_));
        columns.iter().all(|column| number(self.cell(column)))
    }

    /// Returns whether each of the columns is NULL, 0 or 1.
    pub fn has_flags(&self, columns: &[&str]) -> bool {
        let flag = |cell: &Cell| matches!(cell, Cell::Null | Cell::Number(0 | 1));
        columns.iter().all(|column| flag(self.cell(column)))
    }

    /// Returns the text in a column, if there is some.
    pub fn word(&self, column: &str) -> Option<&str> {
        match self.cell(column) {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether the column `status` has one of the three words.
    pub fn has_status(&self) -> bool {
        matches!(self.word("status"), Some("active" | "disabled" | "deleted"))
    }

    /// Returns the 32 bytes in the column `digest`.
    pub fn digest(&self) -> Option<[u8; 32]> {
        match self.cell("digest") {
            Cell::Bytes(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }

    /// Returns whether a column can be read: NULL, or a list of texts.
    pub fn has_list(&self, column: &str) -> bool {
        match self.cell(column) {
            Cell::Null => true,
            Cell::Text(text) => serde_json::from_str::<Vec<String>>(text).is_ok(),
            _ => false,
        }
    }

    /// Returns the list in a column.
    pub fn words(&self, column: &str) -> Option<Vec<String>> {
        serde_json::from_str(self.word(column)?).ok()
    }

    /// Returns whether the column `metadata` can be read: NULL, or an object of texts.
    pub fn has_metadata(&self) -> bool {
        match self.cell("metadata") {
            Cell::Null => true,
            Cell::Text(text) => serde_json::from_str::<BTreeMap<String, String>>(text).is_ok(),
            _ => false,
        }
    }

    /// Returns whether the conditions can be read.
    pub fn has_conditions(&self) -> bool {
        let networks = match self.cell("allowed_networks") {
            Cell::Null => true,
            Cell::Text(text) => stored_list(text).is_some(),
            _ => false,
        };
        let environment = match self.cell("environment") {
            Cell::Null => true,
            Cell::Text(name) => {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                (1..=64).contains(&name.len()) && name.bytes().all(allowed)
            }
            _ => false,
        };
        networks && environment
    }

    /// Returns whether the description, the metadata and the conditions can be read.
    pub fn has_attributes(&self) -> bool {
        self.has_texts(&["description"]) && self.has_metadata() && self.has_conditions()
    }

    /// Returns whether conditions that can be read are met by a request to a service that is `live`
    /// and finds this address.
    pub fn accepts(&self, address: Option<IpAddr>) -> bool {
        let networks = self.word("allowed_networks").and_then(stored_list);
        let has = |networks: Vec<Network>| {
            let mut networks = networks.into_iter();
            networks.any(|network| address.is_some_and(|address| network.contains(address)))
        };
        networks.is_none_or(has) && matches!(self.word("environment"), None | Some("live"))
    }

    /// Returns whether the column `role` is NULL or has a role of the catalogue.
    pub fn has_role(&self) -> bool {
        matches!(self.cell("role"), Cell::Null)
            || matches!(self.word("role"), Some("admin" | "viewer"))
    }

    /// Returns whether the credential is unexpired at `now`.
    pub fn lasts_beyond(&self, now: i64) -> bool {
        match self.cell("expires_at") {
            Cell::Number(end) => now < *end,
            _ => true,
        }
    }
}

impl Columns for Row {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.clone())),
            _ => Err(StoreError::corrupt("not text")),
        }
    }

    fn number(&self, column: &str) -> Result<Option<i64>, StoreError> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            Cell::Number(number) => Ok(Some(*number)),
            _ => Err(StoreError::corrupt("not a number")),
        }
    }

    fn flag(&self, column: &str) -> Result<Option<bool>, StoreError> {
        match self.number(column)? {
            None => Ok(None),
            Some(flag @ (0 | 1)) => Ok(Some(flag == 1)),
            Some(_) => Err(StoreError::corrupt("not a flag")),
        }
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        match self.cell(column) {
            Cell::Bytes(bytes) => Ok(bytes.clone()),
            _ => Err(StoreError::corrupt("not bytes")),
        }
    }

    fn list(&self, column: &str) -> Result<Option<Vec<String>>, StoreError> {
        let list = self.text(column)?;
        let list = list.map(|list| serde_json::from_str(&list));
        list.transpose().map_err(StoreError::corrupt)
    }

    fn pairs(&self, column: &str) -> Result<Option<Vec<(String, String)>>, StoreError> {
        let pairs = self.text(column)?;
        let pairs = pairs.map(|pairs| serde_json::from_str::<BTreeMap<_, _>>(&pairs));
        let pairs = pairs.transpose().map_err(StoreError::corrupt)?;
        Ok(pairs.map(|pairs| pairs.into_iter().collect()))
    }
}

/// Returns the roles of the rows.
pub fn catalogue() -> Catalogue {
    Catalogue::anyreach()
}

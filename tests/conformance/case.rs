//! A case of the corpus as stored on disk, and the small languages inside its values.
//!
//! This module knows no id or literal of the corpus, because other corpora have more cases of the
//! same form.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// The maximum token length of the layer under test, named `MAX_TOKEN_LEN` in the corpus.
pub(crate) const MAX_TOKEN_LEN: usize = 512;

/// A request and the expected response.
///
/// A key that this type does not name is an error, so that no case passes although half of it was
/// ignored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub id: String,
    pub method: String,
    pub path_kind: PathKind,
    pub headers: Vec<(String, String)>,
    pub http_version: Version,
    /// A map, because `check` goes through its keys and refuses unknown ones.
    pub expect: Map<String, Value>,
    pub undocumented: bool,
    #[serde(default)]
    pub query: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub trailers: Vec<(String, String)>,
    #[serde(default)]
    pub request_target: Option<String>,
    #[serde(default)]
    pub raw: bool,
    #[serde(default)]
    pub requires_any: Option<Vec<String>>,
    #[serde(default)]
    pub setup: BTreeMap<String, Value>,
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
    /// Steps in prose, which the scenario's own test carries out.
    #[serde(default)]
    pub repeat: Option<Value>,
    #[serde(rename = "group")]
    _group: IgnoredAny,
    #[serde(rename = "credential_state")]
    _credential_state: IgnoredAny,
    #[serde(rename = "why")]
    _why: IgnoredAny,
}

/// The kind of route that a case requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PathKind {
    OrgScoped,
    UserScoped,
    ScopeGated,
    Public,
    Grpc,
}

impl PathKind {
    /// The path that the server under test assigns to this kind.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::OrgScoped => "/org_scoped",
            Self::UserScoped => "/user_scoped",
            Self::ScopeGated => "/scope_gated",
            Self::Public => "/public",
            Self::Grpc => "/conformance.Echo/WhoAmI",
        }
    }
}

/// The HTTP version that a case is sent over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub(crate) enum Version {
    #[serde(rename = "1.0")]
    Http10,
    #[serde(rename = "1.1")]
    Http11,
    #[serde(rename = "2")]
    Http2,
}

impl Case {
    /// Reads every case of a file; an unreadable one is an `Err` with its id and fails on its own.
    pub(crate) fn read_all(text: &str) -> Vec<Result<Self, (String, String)>> {
        let raw: Vec<Value> = serde_json::from_str(text).expect("the case file is a JSON array");
        raw.into_iter().map(Self::read).collect()
    }

    fn read(mut value: Value) -> Result<Self, (String, String)> {
        if let Some(members) = value.as_object_mut() {
            members.retain(|_, member| !member.is_null());
        }
        let id = value
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or("(no id)")
            .to_owned();
        serde_json::from_value(value).map_err(|error| (id, error.to_string()))
    }

    /// The target of the request line: `request_target` with `PATH` filled in, or the kind's path
    /// and the query.
    pub(crate) fn target(&self) -> Result<Vec<u8>, String> {
        let path = self.path_kind.path();
        if let Some(target) = &self.request_target {
            return expand(&target.replace("/PATH", path).replace("PATH", path));
        }
        let mut target = path.as_bytes().to_vec();
        if let Some(query) = &self.query {
            target.push(b'?');
            target.extend(expand(query)?);
        }
        Ok(target)
    }

    /// Everything that selects the server of a case; equal values share a server.
    pub(crate) fn environment(&self) -> Value {
        serde_json::json!({
            "setup": self.setup,
            "config": self.config,
            "requires_any": self.requires_any,
        })
    }

    /// The key of the text in the error body.
    pub(crate) fn body_key(&self) -> &str {
        self.config
            .get("error_body_key")
            .and_then(Value::as_str)
            .unwrap_or("detail")
    }

    /// The gRPC or gRPC-Web content-type of the request, if any, which decides the form of a
    /// refusal.
    pub(crate) fn content_type(&self) -> Option<&str> {
        let field = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        field.map(|(_, value)| value.as_str())
    }
}

/// Expands a value of the corpus to bytes: `hex:` bytes, a `gen:` template, or the text itself.
pub(crate) fn expand(value: &str) -> Result<Vec<u8>, String> {
    if let Some(digits) = value.strip_prefix("hex:") {
        return unhex(digits);
    }
    match value.strip_prefix("gen:") {
        Some(template) => generate(template),
        None => Ok(value.as_bytes().to_vec()),
    }
}

/// Reads pairs of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Result<Vec<u8>, String> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(u8::try_from(nibble(high)? * 16 + nibble(low)?).ok()?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or_else(|| format!("not hexadecimal: {digits}"))
}

/// Expands every `{<char>*<count>}` of a template; a template without any is an error in the
/// corpus.
fn generate(template: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut rest, mut repeats) = (Vec::new(), template, 0);
    while let Some(character) = rest.chars().next() {
        if let Some((run, after)) = rest.strip_prefix('{').and_then(repeat) {
            bytes.extend(run.into_bytes());
            rest = after;
            repeats += 1;
        } else {
            let (literal, after) = rest.split_at(character.len_utf8());
            bytes.extend(literal.as_bytes());
            rest = after;
        }
    }
    if repeats == 0 {
        return Err(format!("a template without a repeat: {template}"));
    }
    Ok(bytes)
}

/// Reads `<char>*<count>}` and returns the run and the rest.
fn repeat(text: &str) -> Option<(String, &str)> {
    let unit = text.chars().next()?;
    let (count, after) = text
        .strip_prefix(unit)?
        .strip_prefix('*')?
        .split_once('}')?;
    Some((unit.to_string().repeat(count_of(count)?), after))
}

/// Reads a number, or `MAX_TOKEN_LEN` plus or minus a number.
fn count_of(text: &str) -> Option<usize> {
    let Some(offset) = text.trim().strip_prefix("MAX_TOKEN_LEN") else {
        return text.trim().parse().ok();
    };
    match offset.trim() {
        "" => Some(MAX_TOKEN_LEN),
        signed => MAX_TOKEN_LEN.checked_add_signed(signed.replace(' ', "").parse().ok()?),
    }
}

#[test]
fn values_expand_to_their_bytes() {
    for (value, bytes) in [
        ("plain {A*3}", "plain {A*3}"),
        ("gen:a{b*3}c{ *2}", "abbbc  "),
        ("gen:{**2}{{*2}{}*2}", "**{{}}"),
        ("gen:{\"k\": {o*2}}", "{\"k\": oo}"),
        ("hex:41ff", "A\u{0}"),
    ] {
        let wanted = if value == "hex:41ff" {
            vec![0x41, 0xff]
        } else {
            bytes.as_bytes().to_vec()
        };
        assert_eq!(expand(value).unwrap(), wanted, "{value}");
    }
    assert_eq!(
        expand("gen:{A*MAX_TOKEN_LEN-4}").unwrap().len(),
        MAX_TOKEN_LEN - 4
    );
    assert_eq!(
        expand("gen:{A*MAX_TOKEN_LEN + 1}").unwrap().len(),
        MAX_TOKEN_LEN + 1
    );
    for broken in ["gen:nothing", "gen:{A*many}", "hex:4", "hex:zz"] {
        assert!(expand(broken).is_err(), "{broken}");
    }
}

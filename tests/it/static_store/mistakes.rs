//! Each mistake in a list is reported where it is, in words.

use super::*;
use tower_api_key::store::StaticProblem;

/// The error of a list with one good key and the entry.
pub(super) fn of_key(entry: Value) -> StaticError {
    store(json!({ "keys": [key_entry("good", "viewer"), entry] })).unwrap_err()
}

pub(super) fn of_token(entry: Value) -> StaticError {
    store(json!({ "tokens": [entry] })).unwrap_err()
}

/// Replaces or adds a field; removes it if the value is `null`.
pub(super) fn with(mut entry: Value, field: &str, value: Value) -> Value {
    let fields = entry.as_object_mut().unwrap();
    match value {
        Value::Null => drop(fields.remove(field)),
        value => drop(fields.insert(field.to_owned(), value)),
    }
    entry
}

/// The error of a key of which one field is wrong.
fn key_with(field: &str, value: Value) -> String {
    of_key(with(key_entry("k", "viewer"), field, value)).to_string()
}

fn token_with(field: &str, value: Value) -> String {
    of_token(with(token_entry("t"), field, value)).to_string()
}

const ID_RULE: &str = "use 1 to 256 visible ASCII characters, \
                       for a key only letters, digits, `-`, `_`, `~`, `+` and `/`";

#[test]
fn mistakes_in_keys_name_the_entry_the_field_and_the_value() {
    let no_rights =
        "neither `role` nor `scopes` is given: write `scopes = []` to grant nothing".to_owned();
    let both = "`role` and `scopes` are both given: use one of them".to_owned();
    let seconds = "found a number that is not a 64-bit integer in `expires_at`: use an integer";
    for (field, value, problem) in [
        ("organization", json!(null), "`organization` is missing".to_owned()),
        ("organization", json!(""), format!("`organization`: invalid id \"\": {ID_RULE}")),
        ("organization", json!("A B"), format!("`organization`: invalid id \"A B\": {ID_RULE}")),
        ("role", json!("owner"), "the catalogue has no role \"owner\"".to_owned()),
        ("role", json!(7), "found an integer in `role`: use a string".to_owned()),
        ("role", json!(null), no_rights),
        ("scopes", json!([]), both),
        ("expires_at", json!("2030"), "found a string in `expires_at`: use an integer".to_owned()),
        ("expires_at", json!(u64::MAX), seconds.to_owned()),
        ("expires_at", json!(1.5), seconds.to_owned()),
        ("disabled", json!("yes"), "found a string in `disabled`: use a boolean".to_owned()),
        ("digest", json!("00"), "`digest` has 2 bytes of text: use the 64 hexadecimal digits of the token's SHA-256 digest".to_owned()),
    ] {
        assert_eq!(key_with(field, value), format!("keys, entry 2 (\"k\"): {problem}"));
    }
    let without_role = with(key_entry("k", "viewer"), "role", json!(null));
    for (value, problem) in [
        (
            json!(["agents:read", "a:b"]),
            "the catalogue has no scope \"a:b\"",
        ),
        (
            json!(["agents:read", 7]),
            "found an integer in `scopes`: use a list of strings",
        ),
        (
            json!("agents:read"),
            "found a string in `scopes`: use a list of strings",
        ),
        (
            json!({}),
            "found a table in `scopes`: use a list of strings",
        ),
    ] {
        let error = of_key(with(without_role.clone(), "scopes", value)).to_string();
        assert_eq!(error, format!("keys, entry 2 (\"k\"): {problem}"));
    }
}

#[test]
fn an_entry_without_a_good_id_is_named_by_its_number() {
    let fields = "id, digest, organization, role, scopes, expires_at, disabled";
    let long = "k".repeat(257);
    for (field, value, problem) in [
        ("id", json!(null), "`id` is missing".to_owned()),
        (
            "id",
            json!(7),
            "found an integer in `id`: use a string".to_owned(),
        ),
        ("id", json!(""), format!("`id`: invalid id \"\": {ID_RULE}")),
        (
            "id",
            json!("a b"),
            format!("`id`: invalid id \"a b\": {ID_RULE}"),
        ),
        (
            "id",
            json!("billing.export"),
            format!("`id`: invalid id \"billing\": {ID_RULE}"),
        ),
        (
            "id",
            json!(long),
            format!("`id`: invalid id {long:?}: {ID_RULE}"),
        ),
        ("digest", json!(null), "`digest` is missing".to_owned()),
        (
            "rol",
            json!("admin"),
            format!("unknown field \"rol\": use {fields}"),
        ),
    ] {
        assert_eq!(key_with(field, value), format!("keys, entry 2: {problem}"));
    }
    for (entry, found) in [
        (json!("ak_k.test-secret"), "a string"),
        (json!(null), "null"),
    ] {
        let error = of_key(entry).to_string();
        assert_eq!(error, format!("keys, entry 2: found {found}: use a table"));
    }
}

#[test]
fn mistakes_in_tokens_name_the_membership() {
    let fields = "organization, role";
    let good = json!({ "organization": OTHER_ORG, "role": "viewer" });
    for (membership, problem) in [
        (
            json!({ "organization": ORG, "role": "owner" }),
            "the catalogue has no role \"owner\"",
        ),
        (json!({ "organization": ORG }), "`role` is missing"),
        (json!({ "role": "viewer" }), "`organization` is missing"),
        (
            good.clone(),
            "the membership in \"org_other\" is given twice",
        ),
        (json!(ORG), "found a string: use a table"),
        (
            json!({ "org": ORG }),
            &*format!("unknown field \"org\": use {fields}"),
        ),
    ] {
        let error = token_with("memberships", json!([good, membership]));
        assert_eq!(
            error,
            format!("tokens, entry 1 (\"t\"), membership 2: {problem}")
        );
    }
    for (field, value, problem) in [
        ("user", json!(null), "`user` is missing".to_owned()),
        (
            "user",
            json!("a b"),
            format!("`user`: invalid id \"a b\": {ID_RULE}"),
        ),
        (
            "memberships",
            json!({}),
            "found a table in `memberships`: use a list".to_owned(),
        ),
        (
            "scopes",
            json!(["a:b"]),
            "the catalogue has no scope \"a:b\"".to_owned(),
        ),
        (
            "organizations",
            json!([""]),
            format!("`organizations`: invalid id \"\": {ID_RULE}"),
        ),
    ] {
        assert_eq!(
            token_with(field, value),
            format!("tokens, entry 1 (\"t\"): {problem}")
        );
    }
    let error = token_with("role", json!("admin"));
    assert!(
        error.starts_with("tokens, entry 1: unknown field \"role\": use id, "),
        "{error}"
    );
}

#[test]
fn an_id_and_a_digest_are_used_once() {
    let (one, other) = (key_entry("one", "viewer"), key_entry("other", "viewer"));
    let same_id = with(other.clone(), "id", json!("one"));
    let error = store(json!({ "keys": [one, same_id] })).unwrap_err();
    assert_eq!(error.problem(), &StaticProblem::RepeatedId(1));
    assert_eq!(
        error.to_string(),
        "keys, entry 2 (\"one\"): `id` is that of entry 1 already"
    );

    let same_digest = with(other.clone(), "digest", one["digest"].clone());
    let error = store(json!({ "keys": [one, same_digest] })).unwrap_err();
    assert_eq!(
        error.problem(),
        &StaticProblem::RepeatedDigest {
            list: "keys",
            entry: 1
        }
    );
    let of_a_key = with(token_entry("t"), "digest", other["digest"].clone());
    let error = store(json!({ "keys": [one, other], "tokens": [of_a_key] })).unwrap_err();
    let text = "tokens, entry 1 (\"t\"): `digest` is that of keys, entry 2 already";
    assert_eq!(error.to_string(), text);

    // A key and a token are found in different ways.
    let alike = json!({ "keys": [key_entry("id", "viewer")], "tokens": [token_entry("id")] });
    assert!(store(alike).is_ok());
}

#[test]
fn a_list_of_another_shape_is_refused() {
    let no_list = "neither `keys` nor `tokens` is given: write `keys = []` if there are no \
                   credentials";
    for (list, text) in [
        (json!({}), no_list),
        (json!({ "keys": null }), "found null in `keys`: use a list"),
        (json!(null), "found null: use a table"),
        (json!([]), "found a list: use a table"),
        (json!({ "keys": {} }), "found a table in `keys`: use a list"),
        (
            json!({ "key": [] }),
            "unknown field \"key\": use keys, tokens",
        ),
    ] {
        assert_eq!(store(list).unwrap_err().to_string(), text);
    }
    assert!(store(json!({ "tokens": [] })).is_ok());
    let twice = r#"{ "keys": [{ "id": "a", "role": "viewer", "id": "b" }] }"#;
    let twice = serde_json::from_str(twice).unwrap();
    let error = StaticStore::new(twice, Catalogue::anyreach()).unwrap_err();
    assert_eq!(error.to_string(), "keys, entry 1: `id` is given twice");
}

/// A list whose items are commented out in YAML is `null`. As no list it would restrict nothing.
#[test]
fn null_stands_for_no_expiry_and_for_nothing_else() {
    let nothing = |mut entry: Value, field: &str| {
        entry[field] = Value::Null;
        entry
    };
    for field in ["id", "digest", "organization", "role", "scopes", "disabled"] {
        let error = of_key(nothing(key_entry("k", "viewer"), field)).to_string();
        assert!(
            error.contains(&format!("found null in `{field}`")),
            "{error}"
        );
    }
    for field in ["user", "memberships", "scopes", "organizations"] {
        let error = of_token(nothing(token_entry("t"), field)).to_string();
        assert!(
            error.contains(&format!("found null in `{field}`")),
            "{error}"
        );
    }
    for list in ["keys", "tokens"] {
        let other = if list == "keys" { "tokens" } else { "keys" };
        let error = store(json!({ list: null, other: [] })).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("found null in `{list}`")),
            "{error}"
        );
    }
    assert!(store(json!({ "keys": [nothing(key_entry("k", "viewer"), "expires_at")] })).is_ok());
}

//! The sentences under `invariants`: a small grammar over what the inner service received.
//!
//! `if <status> then <sentence>`, `principal.<member> == <value>`, `principal.<member> != <value>`,
//! `principal.<member> is never anything but <value>`, `principal == <name of a fixture>`.

use serde_json::{Value, json};

use super::{Check, CheckResult, Fault, ensure, texts};

/// Checks every sentence that the scenario does not prove itself.
pub(super) fn check_all(check: &Check<'_>, want: &Value) -> CheckResult {
    let own = texts(want)?
        .into_iter()
        .filter(|sentence| !check.setting.proved.contains(sentence));
    for sentence in own {
        check_one(check, sentence.trim())?;
    }
    Ok(())
}

fn check_one(check: &Check<'_>, sentence: &str) -> CheckResult {
    if let Some((status, then)) = sentence
        .strip_prefix("if ")
        .and_then(|rest| rest.split_once(" then "))
    {
        let applies = status.trim().parse() == Ok(check.answer.status);
        // The sentence after the condition is always parsed, so that an unknown form is found.
        let met = check_one(check, then.trim());
        return if applies || parse(check, then.trim()).is_none() {
            met
        } else {
            Ok(())
        };
    }
    let Some(holds) = parse(check, sentence) else {
        return Err(Fault::Failure(format!("unknown invariant: {sentence}")));
    };
    let broken = check.seen.calls.iter().find(|principal| !holds(principal));
    ensure(broken.is_none(), || {
        format!("invariant broken: {sentence}; the inner service saw {broken:?}")
    })
}

/// A test of one principal.
type Predicate = Box<dyn Fn(&Value) -> bool>;

fn parse(check: &Check<'_>, sentence: &str) -> Option<Predicate> {
    if let Some(name) = sentence.strip_prefix("principal ==") {
        let wanted = fixture(check.setting.fixtures, name.trim())?;
        return Some(Box::new(move |principal| {
            wanted.as_object().is_some_and(|members| {
                members
                    .iter()
                    .all(|(key, value)| principal.get(key) == Some(value))
            })
        }));
    }
    let rest = sentence.strip_prefix("principal.")?;
    let (member, value, equal) = [
        (" is never anything but ", true),
        (" == ", true),
        (" != ", false),
    ]
    .into_iter()
    .find_map(|(word, equal)| {
        rest.split_once(word)
            .map(|(member, value)| (member, value, equal))
    })?;
    let (member, value) = (member.trim().to_owned(), literal(value.trim()));
    Some(Box::new(move |principal| {
        (principal.get(&member).unwrap_or(&Value::Null) == &value) == equal
    }))
}

fn literal(text: &str) -> Value {
    if text == "null" {
        Value::Null
    } else {
        json!(text)
    }
}

/// What the inner service must receive for a credential of the fixtures.
fn fixture(fixtures: &Value, name: &str) -> Option<Value> {
    if let Some(key) = fixtures.get("keys").and_then(|keys| keys.get(name)) {
        return Some(
            json!({ "kind": "org_key", "credential_id": key.get("id")?, "org": key.get("org")? }),
        );
    }
    let token = fixtures.get("pats")?.get(name)?;
    Some(json!({ "kind": "pat", "user": token.get("user")? }))
}

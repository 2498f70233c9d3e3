//! Fingerprints of requests to issue a credential: they distinguish a repeated request from a
//! different one with the same idempotency key.
//!
//! A fingerprint is the digest of the request's fields, encoded so that no two requests share an
//! encoding: each text and each list follows its length, and each option begins with whether it has
//! a value.

use super::issue::IssueRequest;
use crate::{credential::Kind, secret::Digest};

/// Returns a fingerprint that distinguishes a request from others with the same idempotency key.
pub(super) fn fingerprint(kind: Kind, request: &IssueRequest) -> [u8; 32] {
    let mut fields = Vec::new();
    push_text(&mut fields, kind.as_str());
    push_text(&mut fields, &request.name);
    push_option(&mut fields, request.role.as_deref(), push_text);
    push_option(&mut fields, request.scopes.as_deref(), push_texts);
    push_option(&mut fields, request.expires_at, |fields, moment| {
        fields.extend(moment.0.to_le_bytes());
    });
    Digest::of(&fields).to_bytes()
}

/// Appends a text after its length.
fn push_text(fields: &mut Vec<u8>, text: &str) {
    push_length(fields, text.len());
    fields.extend(text.as_bytes());
}

/// Appends a list of texts after its length.
fn push_texts(fields: &mut Vec<u8>, texts: &[Box<str>]) {
    push_length(fields, texts.len());
    for text in texts {
        push_text(fields, text);
    }
}

/// Appends whether there is a value, then the value.
fn push_option<T>(fields: &mut Vec<u8>, value: Option<T>, push: impl FnOnce(&mut Vec<u8>, T)) {
    fields.push(value.is_some().into());
    if let Some(value) = value {
        push(fields, value);
    }
}

fn push_length(fields: &mut Vec<u8>, length: usize) {
    fields.extend((length as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        clock::UnixMillis,
        manage::{NewKey, NewToken},
    };

    fn with_scopes(scopes: &[&str]) -> IssueRequest {
        NewKey::named("n").with_scopes(scopes.iter().copied()).0
    }

    #[test]
    fn different_requests_have_different_fingerprints() {
        let (key, token) = (NewKey::named("n").0, NewToken::named("n").0);
        let named = |name| NewKey::named(name).0;
        let with_role = |role| NewKey::named("n").with_role(role).0;
        let until = |millis| NewKey::named("n").expiring_at(UnixMillis(millis)).0;
        let requests = [
            key,   // with no scopes
            token, // with scopes unset
            named(""),
            named("n\0"),
            named("nn"),
            with_role(""),
            with_role("n"),
            with_scopes(&["a", "b"]),
            with_scopes(&["b", "a"]),
            with_scopes(&["ab"]),
            with_scopes(&["ab", ""]),
            with_scopes(&["", "ab"]),
            with_scopes(&["a,b"]),
            with_scopes(&["a\",\"b"]),
            with_scopes(&["a", "", "b"]),
            with_scopes(&[""]),
            with_scopes(&["", ""]),
            until(0),
            until(1),
            until(256),
            until(-1),
        ];
        let fingerprints: HashSet<_> = requests
            .iter()
            .flat_map(|request| {
                [Kind::OrgKey, Kind::PersonalToken].map(|kind| fingerprint(kind, request))
            })
            .collect();
        assert_eq!(fingerprints.len(), 2 * requests.len());
    }

    #[test]
    fn the_same_request_has_the_same_fingerprint() {
        let of = |request: NewKey| fingerprint(Kind::OrgKey, &request.0);
        let request = || NewKey::named("n").with_scopes(["a", "b"]);
        let repeated = request().with_idempotency_key("once more");
        assert_eq!(of(request()), of(repeated));
    }
}

//! Fingerprints of requests to issue or to rotate a credential: they distinguish a repeated request
//! from a different one with the same idempotency key.
//!
//! A fingerprint is the digest of the request's fields, encoded so that no two requests share an
//! encoding: each text and each list follows its length, and each option begins with whether it has
//! a value.

use super::{Rotation, request::IssueRequest};
use crate::{
    clock::UnixMillis,
    credential::Kind,
    secret::Digest,
    store::{Attributes, backend::networks_text},
};

/// Returns a fingerprint that distinguishes a request from others with the same idempotency key.
pub(super) fn fingerprint(kind: Kind, request: &IssueRequest) -> [u8; 32] {
    let mut fields = Vec::new();
    push_text(&mut fields, kind.as_str());
    push_text(&mut fields, &request.name);
    push_option(&mut fields, request.role.as_deref(), push_text);
    push_option(&mut fields, request.scopes.as_deref(), push_texts);
    push_option(&mut fields, request.expires_at, push_moment);
    // Left out without a list, as in requests from before there were such lists.
    if let Some(organizations) = &request.organizations {
        push_length(&mut fields, organizations.len());
        for organization in organizations {
            push_text(&mut fields, organization.as_str());
        }
    }
    // Likewise. The name keeps attributes apart from a list: no list is as long as its text would
    // mean.
    if !request.attributes.is_empty() {
        push_text(&mut fields, "attributes");
        push_attributes(&mut fields, &request.attributes);
    }
    Digest::of(&fields).to_bytes()
}

/// The same for a request to rotate the credential `id`. The first text is not a kind, as it is in
/// that of a request to issue one.
pub(super) fn of_rotation(kind: Kind, id: &str, rotation: &Rotation) -> [u8; 32] {
    let mut fields = Vec::new();
    push_text(&mut fields, "rotation");
    push_text(&mut fields, kind.as_str());
    push_text(&mut fields, id);
    fields.extend(rotation.overlap.as_nanos().to_le_bytes());
    push_option(&mut fields, rotation.expires_at, |fields, end| {
        push_option(fields, end, push_moment);
    });
    Digest::of(&fields).to_bytes()
}

fn push_attributes(fields: &mut Vec<u8>, attributes: &Attributes) {
    push_option(fields, attributes.description.as_deref(), push_text);
    push_length(fields, attributes.metadata.len());
    for (key, value) in attributes.metadata.iter() {
        push_text(fields, key);
        push_text(fields, value);
    }
    let networks = networks_text(&attributes.conditions);
    push_option(fields, networks.as_deref(), push_text);
    push_option(fields, attributes.conditions.environment(), push_text);
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

fn push_moment(fields: &mut Vec<u8>, moment: UnixMillis) {
    fields.extend(moment.0.to_le_bytes());
}

fn push_length(fields: &mut Vec<u8>, length: usize) {
    fields.extend((length as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use super::*;
    use crate::{
        manage::{NewKey, NewToken},
        store::{Conditions, Metadata},
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
        let within = |organizations: &[&str]| {
            let organizations = organizations.iter().copied();
            NewToken::named("n").with_organizations(organizations).0
        };
        let having = |change: fn(&mut Attributes), pairs: &[(&str, &str)]| {
            let mut attributes = Attributes::default();
            change(&mut attributes);
            attributes.metadata = Metadata::new(pairs.iter().copied()).unwrap();
            NewToken::named("m").with_attributes(attributes).0
        };
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
            until(0),
            until(1),
            until(256),
            until(-1),
            within(&[]),
            within(&["a"]),
            within(&["a", "b"]),
            within(&["ab"]),
            having(|_| {}, &[]),
            having(|of| of.description = Some("".into()), &[]),
            having(|of| of.description = Some("a".into()), &[]),
            having(|_| {}, &[("a", "b")]),
            having(|_| {}, &[("a", "bc")]),
            having(|_| {}, &[("ab", "c")]),
            having(|_| {}, &[("a", ""), ("b", "")]),
            having(
                |of| of.conditions = Conditions::default().with_networks([]),
                &[],
            ),
            having(
                |of| of.conditions = Conditions::default().with_networks(["::/0".parse().unwrap()]),
                &[],
            ),
            having(
                |of| of.conditions = Conditions::default().with_environment("a"),
                &[],
            ),
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
    fn different_rotations_have_different_fingerprints() {
        let at_once = Rotation::default();
        let after = |nanos| Rotation::default().with_overlap(Duration::from_nanos(nanos));
        let until = |end: Option<i64>| Rotation::default().expiring_at(end.map(UnixMillis));
        let rotations = [
            at_once,
            after(1),
            after(1_000_000),
            until(None),
            until(Some(0)),
            until(Some(1)),
        ];
        let mut fingerprints = HashSet::new();
        for rotation in &rotations {
            for (kind, id) in [
                (Kind::OrgKey, "a"),
                (Kind::OrgKey, "b"),
                (Kind::OrgKey, ""),
                (Kind::PersonalToken, "a"),
            ] {
                fingerprints.insert(of_rotation(kind, id, rotation));
            }
        }
        assert_eq!(fingerprints.len(), 4 * rotations.len());
    }

    #[test]
    fn the_same_request_has_the_same_fingerprint() {
        let of = |request: NewKey| fingerprint(Kind::OrgKey, &request.0);
        let request = || NewKey::named("n").with_scopes(["a", "b"]);
        let repeated = request().with_idempotency_key("once more");
        assert_eq!(of(request()), of(repeated));
        let rotation = |rotation: Rotation| of_rotation(Kind::OrgKey, "a", &rotation);
        let repeated = Rotation::default().with_idempotency_key("once more");
        assert_eq!(rotation(Rotation::default()), rotation(repeated));
    }
}

//! No error about a list shows a secret.

use proptest::{collection::vec, prelude::*, sample::select};
use tower_api_key::store::StaticProblem;

use super::{
    mistakes::{of_key, of_token, with},
    *,
};

/// Tokens of all kinds, and a digest.
fn secrets() -> Vec<String> {
    let other = |key, token| TokenFormat::default().with_prefixes(key, token).unwrap();
    let others = [other("acme_k_", "acme_t_"), other("acme-k_", "acme-t_")];
    let minted = [TokenFormat::default()]
        .into_iter()
        .chain(others)
        .flat_map(|format| {
            [Kind::OrgKey, Kind::PersonalToken].map(|kind| {
                let minted = format.mint(kind).unwrap();
                minted.secret.expose_secret().to_owned()
            })
        });
    let elsewhere = [key("imported"), pat("imported"), digest("ak_k.test-other")];
    minted.chain(elsewhere).collect()
}

/// The part of a secret that may not be shown: of a key, what follows the dot.
fn hidden(secret: &str) -> &str {
    secret.split_once('.').map_or(secret, |(_, hidden)| hidden)
}

#[track_caller]
fn assert_hidden(error: &StaticError, secret: &str) {
    for text in [
        error.to_string(),
        format!("{error:?}"),
        format!("{:?}", error.problem()),
    ] {
        assert!(!text.contains(hidden(secret)), "{text}");
    }
}

#[test]
fn a_token_in_the_place_of_its_digest_is_recognized_and_not_shown() {
    for secret in secrets() {
        if Digest::from_hex(&secret).is_ok() {
            continue;
        }
        let error = of_key(with(key_entry("k", "viewer"), "digest", json!(secret)));
        assert_eq!(
            error.problem(),
            &StaticProblem::PlainToken("digest"),
            "{secret}"
        );
        assert_hidden(&error, &secret);
        // Beside its own digest, a token is recognized with any prefix.
        for token in [secret, "acme_imported".to_owned()] {
            let entry = with(token_entry("t"), "digest", json!(digest(&token)));
            let error = of_token(with(entry, "id", json!(token)));
            assert_eq!(error.problem(), &StaticProblem::PlainToken("id"), "{token}");
            assert_hidden(&error, &token);
        }
    }
    // Beside another digest, only one that has a checksum.
    let minted = TokenFormat::default().mint(Kind::PersonalToken).unwrap();
    let minted = minted.secret.expose_secret();
    let error = of_token(with(token_entry("t"), "id", json!(minted)));
    assert_eq!(error.problem(), &StaticProblem::PlainToken("id"));
    assert_hidden(&error, minted);
    // A prefix inside of a short word begins no token.
    let error = of_key(with(key_entry("k", "viewer"), "digest", json!("xak_a.b")));
    assert_eq!(error.problem(), &StaticProblem::InvalidDigest(7));
    let unknown = "acme_imported.test-secret"; // not known to be a token
    for field in ["digest", "id"] {
        let error = of_key(with(key_entry("k", "viewer"), field, json!(unknown)));
        assert_hidden(&error, unknown);
    }
}

#[test]
fn a_secret_is_not_shown_wherever_it_is() {
    for secret in secrets() {
        for written in [
            secret.clone(),
            format!("Bearer {secret}"),
            format!(" {secret}\n"),
            format!("token='{secret}'"),
            format!("ci/{secret}"),
            format!("sha256-{secret}"),
            format!("x{secret}.y"),
        ] {
            for error in errors_with(&written) {
                assert_hidden(&error, &secret);
            }
        }
    }
}

#[test]
fn a_short_token_is_not_shown_behind_a_sign() {
    for token in ["ak_l.test", "pat_test"] {
        for sign in ["", "+", "-", "/", "_", ".", "'"] {
            let role = json!(format!("{sign}{token}"));
            let error = of_key(with(key_entry("k", "viewer"), "role", role));
            assert!(!error.to_string().contains(token), "{error}");
        }
    }
}

#[test]
fn a_name_that_has_letters_of_a_prefix_is_shown() {
    for role in ["break_glass", "team/weak_reader"] {
        let error = of_key(with(key_entry("k", "viewer"), "role", json!(role)));
        assert!(error.to_string().contains(role), "{error}");
    }
}

/// The errors of lists that have `text` in one place each.
fn errors_with(text: &str) -> Vec<StaticError> {
    let fields = ["id", "digest", "organization", "role", "user", "token"];
    let texts = fields.map(|field| (field, json!(text)));
    let lists = ["scopes", "organizations", "memberships"];
    let lists = lists.map(|field| (field, json!([text])));
    let role = (
        "memberships",
        json!([{ "organization": ORG, "role": text }]),
    );
    let name = (text, json!("a value"));
    let entries = texts.into_iter().chain(lists).chain([role, name]);
    let entries = entries.flat_map(|(field, value)| {
        let key = with(key_entry("k", "viewer"), field, value.clone());
        let token = with(token_entry("t"), field, value);
        [json!({ "keys": [key] }), json!({ "tokens": [token] })]
    });
    let shapes = [json!({ "keys": [text] }), json!({ text: [] }), json!(text)];
    let refused = entries.chain(shapes).filter_map(|list| store(list).err());
    let refused: Vec<_> = refused.collect();
    assert!(refused.len() > 15, "{refused:?}");
    refused
}

/// Any JSON that is made of the names and values of lists.
fn document() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 14] = [
        "keys",
        "tokens",
        "id",
        "digest",
        "organization",
        "role",
        "scopes",
        "user",
        "memberships",
        "organizations",
        "expires_at",
        "disabled",
        "viewer",
        "pat_planted-secret",
    ];
    let digest = digest("ak_k.test-secret");
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i64>().prop_map(|integer| json!(integer)),
        any::<f64>().prop_map(|number| json!(number)),
        select(&NAMES[..]).prop_map(|name| json!(name)),
        Just(json!(digest)),
        ".{0,3}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let table = vec((select(&NAMES[..]), inner.clone()), 0..6);
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| json!(items)),
            table.prop_map(
                |fields| json!(std::collections::HashMap::<&str, Value>::from_iter(fields))
            ),
        ]
    })
}

proptest! {
    #[test]
    fn every_document_is_accepted_or_refused_without_a_secret(
        whole in document(), list in vec(document(), 0..3), name in select(&["keys", "tokens"][..]),
    ) {
        for document in [whole, json!({ name: list })] {
            if let Err(error) = store(document) {
                let text = format!("{error} {error:?}");
                prop_assert!(!text.contains("planted-secret"), "{text}");
                prop_assert!(!text.contains(&digest("ak_k.test-secret")), "{text}");
            }
        }
    }
}

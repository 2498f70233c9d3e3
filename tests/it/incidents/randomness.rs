//! Secrets that could be guessed, or compared byte by byte.

use std::collections::HashSet;

use tower_api_key::{
    AuthLayer,
    credential::{Kind, TokenFormat},
};

use crate::support::{ask, bearer, memory};

/// prefixed-api-key: a clone of a controller cloned its generator, and both issued the same keys.
/// Here a format has no state, and each secret comes from the operating system.
#[test]
fn prefixed_api_key_a_cloned_generator_repeats_keys() {
    let format = TokenFormat::default();
    let formats = [format.clone(), format.clone(), format];
    let mut seen = HashSet::new();
    for format in formats.iter().cycle().take(3000) {
        for kind in [Kind::OrgKey, Kind::PersonalToken] {
            let minted = format.mint(kind).unwrap();
            let token = minted.secret.expose_secret().to_owned();
            assert!(seen.insert(token), "a token came twice");
        }
    }
}

/// NetBox made tokens with `random.choice` and compared them with `==`. Here no part of a secret is
/// like that of another, and a guess that is right up to its last byte is as wrong as any.
#[tokio::test]
async fn netbox_random_choice_and_equality() {
    let format = TokenFormat::default();
    let secrets: Vec<Vec<u8>> = (0..2000)
        .map(|_| format.mint(Kind::PersonalToken).unwrap())
        .map(|minted| minted.secret.expose_secret().as_bytes().to_vec())
        .collect();
    let start = "pat_".len();
    let end = secrets[0].len() - 6; // a checksum follows
    for position in start..end {
        let values: HashSet<u8> = secrets.iter().map(|secret| secret[position]).collect();
        assert!(
            values.len() > 20,
            "position {position} has {} values",
            values.len()
        );
    }
    let auth = AuthLayer::new(memory());
    let guesses = [
        "test-secres",
        "test-secre",
        "test-secrett",
        "Test-secret",
        "test-secret=",
    ];
    let mut answers = Vec::new();
    for guess in guesses {
        let answer = ask(&auth, bearer(format!("ak_testkey.{guess}"))).await;
        assert_eq!(answer.cause(), "wrong_secret", "{guess}");
        answers.push(format!("{:?}", answer.wire()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "every guess is answered alike");
}

//! Exactly one credential: random headers that are almost one, against a rule that is written down
//! a second time.

use crate::support::{
    DELETED_ORG, KEY, ORG, ORG_HEADER, OTHER_ORG, TOKEN, ask, memory, request, with,
};

use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestRunner},
};
use tower_api_key::AuthLayer;

const SCHEMES: [&str; 9] = [
    "Bearer", "Bearer", "Bearer", "bearer", "BEARER", "Basic", "Bearer,", "Bear", "",
];
const SPACES: [&str; 8] = [" ", " ", " ", "   ", "\t", "", " \t", ", "];
const TAILS: [&str; 14] = [
    "",
    "",
    "",
    "",
    " ",
    "\t",
    ",",
    ";",
    "=",
    "\"",
    " x",
    ", ",
    "%20",
    ", Bearer ak_testkey.test-secret",
];
const ORGANIZATIONS: [&str; 10] = [
    ORG,
    ORG,
    OTHER_ORG,
    DELETED_ORG,
    "",
    " org_test ",
    "ORG_TEST",
    "org_test,org_other",
    "org",
    "*",
];

/// The headers of one request.
#[derive(Clone, Debug)]
struct Sent {
    credentials: Vec<Vec<u8>>,
    organizations: Vec<&'static str>,
    /// Credentials where none is read.
    elsewhere: Vec<&'static str>,
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(KEY.to_owned()),
        4 => Just(TOKEN.to_owned()),
        1 => Just(KEY.to_uppercase()),
        1 => Just(format!("{KEY}x")),
        1 => Just(KEY.replace('.', "..")),
        1 => Just(String::new()),
    ]
}

/// A credential, with a random byte put in somewhere in one of five.
fn credential() -> impl Strategy<Value = Vec<u8>> {
    let of = |list: &'static [&'static str]| prop::sample::select(list);
    let written = (of(&SCHEMES), of(&SPACES), token(), of(&TAILS));
    let written = written.prop_map(|(scheme, space, token, tail)| {
        format!("{scheme}{space}{token}{tail}").into_bytes()
    });
    let right = prop::sample::select(&[KEY, TOKEN][..]);
    let right = right.prop_map(|token| format!("Bearer {token}").into_bytes());
    let written = prop_oneof![2 => written, 1 => right];
    let byte = prop_oneof![Just(b'\t'), 0x20_u8..0x7f, 0x80_u8..=0xff];
    let damage = prop::option::weighted(0.2, (any::<prop::sample::Index>(), byte));
    (written, damage).prop_map(|(mut written, damage)| {
        if let Some((at, byte)) = damage {
            written.insert(at.index(written.len() + 1), byte);
        }
        written
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let names = &[
        "proxy-authorization",
        "x-authorization",
        "cookie",
        "authorization_",
    ][..];
    let credentials = prop_oneof![
        1 => Just(0_usize..=0), 8 => Just(1..=1), 2 => Just(2..=3),
    ];
    (
        credentials.prop_flat_map(|count| prop::collection::vec(credential(), count)),
        prop::collection::vec(prop::sample::select(&ORGANIZATIONS[..]), 0..=2),
        prop::collection::vec(prop::sample::select(names), 0..=2),
    )
        .prop_map(|(credentials, organizations, elsewhere)| Sent {
            credentials,
            organizations,
            elsewhere,
        })
}

/// Returns the token of a value that is the scheme, spaces, and nothing else.
fn token_of(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The organization that the request acts in, if it may pass.
fn rule(sent: &Sent) -> Option<&'static str> {
    let [value] = &sent.credentials[..] else {
        return None;
    };
    let organizations: Vec<_> = sent.organizations.iter().map(|name| name.trim()).collect();
    match token_of(value)? {
        KEY => organizations
            .iter()
            .all(|name| name.is_empty() || *name == ORG)
            .then_some(ORG),
        TOKEN => match organizations[..] {
            [ORG] => Some(ORG),
            [OTHER_ORG] => Some(OTHER_ORG),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn a_request_passes_exactly_if_it_has_one_credential_and_no_other_organization() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let auth = AuthLayer::new(memory());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 50_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    });
    let accepted = std::cell::Cell::new(0);
    let outcome = runner.run(&sent(), |sent| {
        let mut request = request();
        for value in &sent.credentials {
            request = with(request, "authorization", value);
        }
        for organization in &sent.organizations {
            request = with(request, ORG_HEADER, organization);
        }
        for name in &sent.elsewhere {
            request = with(request, name, format!("Bearer {KEY}"));
        }
        let answer = runtime.block_on(ask(&auth, request));
        let acting_in = answer.principal().and_then(|caller| caller.organization());
        prop_assert_eq!(acting_in, rule(&sent), "{}", answer.cause());
        accepted.set(accepted.get() + usize::from(acting_in.is_some()));
        Ok(())
    });
    outcome.unwrap();
    assert!(accepted.get() > 1_000, "only {} passed", accepted.get());
}

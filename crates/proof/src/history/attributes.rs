//! Turns the numbers of a step into attributes, edits, thresholds, and where a request comes from and
//! goes to.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::model::{Attributes, Conditions, Edit, Keeps, Millis, Surroundings};

/// What the layers of a node can check: each node has one of each.
pub const SURROUNDINGS: [Surroundings; 5] = [
    at(Some("live"), true),
    at(Some("test"), true),
    at(None, true),
    at(Some("live"), false),
    at(None, false),
];

const fn at(environment: Option<&'static str>, finds_addresses: bool) -> Surroundings {
    Surroundings {
        environment,
        finds_addresses,
    }
}

/// What a service of a node keeps of last uses, in some services nothing: of each two nodes mostly the
/// first one keeps both.
pub fn keeps(node: usize, at: Surroundings) -> Keeps {
    let [live, test, no_environment, no_addresses, _] = SURROUNDINGS;
    let first = node.is_multiple_of(2);
    let finds = if first { live } else { test };
    Keeps {
        address: at == finds || at == no_addresses,
        user_agent: at == live && first || at == no_environment,
    }
}

/// Few user agents: some of which only a part is kept, or nothing.
pub(super) fn user_agent(number: u8) -> Option<Vec<u8>> {
    Some(match number % 8 {
        0 => return None,
        1..=3 => b"curl/8.5.0".to_vec(),
        4 => "é".repeat(201).into_bytes(),
        5 => b"tab\tand \xff".to_vec(),
        6 => b"\t".to_vec(),
        _ => b"Mozilla/5.0 'quoted' \"twice\" {}".to_vec(),
    })
}

/// Some of these thresholds, or none.
pub(super) fn thresholds(number: u8) -> BTreeSet<Millis> {
    const DAY: Millis = 86_400_000;
    let all = [
        1,
        1_000,
        60_000,
        3_600_000,
        DAY,
        DAY + 1,
        7 * DAY,
        365 * DAY,
    ];
    let chosen = all.into_iter().enumerate();
    let chosen = chosen.filter(|(bit, _)| number >> bit & 1 == 1);
    chosen.map(|(_, threshold)| threshold).collect()
}

/// Mostly a service that can check everything.
pub(super) fn surroundings(number: u8) -> Surroundings {
    let [live, test, no_environment, no_addresses, nothing] = SURROUNDINGS;
    match number {
        0..=149 => live,
        150..=199 => test,
        200..=219 => no_environment,
        220..=239 => no_addresses,
        240..=255 => nothing,
    }
}

/// A few addresses, inside and outside of the networks; `None` is one that is not known.
pub(super) fn address(number: u8) -> Option<IpAddr> {
    let text = match number {
        0..=79 => "10.0.0.1",
        80..=119 => "10.0.0.2",
        120..=149 => "10.1.0.1",
        150..=169 => "::ffff:10.0.0.1",
        170..=199 => "192.0.2.7",
        200..=229 => "2001:db8::1",
        230..=239 => "::1",
        240..=255 => return None,
    };
    text.parse().ok()
}

/// The attributes of a new credential: mostly none.
pub(super) fn attributes([conditions, texts]: [u8; 2]) -> Attributes {
    Attributes {
        description: description(texts),
        metadata: metadata(texts),
        conditions: match conditions {
            0..=149 => Conditions::default(),
            number => self::conditions(number),
        },
    }
}

/// An edit of one or several parts.
pub(super) fn edit(name: String, parts: u8, [conditions, texts]: [u8; 2]) -> Edit {
    let when = |bits: u8| parts & bits != 0;
    let Conditions {
        networks,
        environment,
    } = self::conditions(conditions);
    Edit {
        name: Some(name).filter(|_| parts & 3 == 3),
        description: when(4).then(|| description(texts)),
        metadata: when(8).then(|| metadata(texts)),
        networks: Some(networks).filter(|_| when(16)),
        environment: Some(environment).filter(|_| when(32)),
    }
}

/// A pair that a list asks for, if it asks for one.
pub(super) fn pair(number: u8) -> Option<(String, String)> {
    let (key, value) = match number % 8 {
        0 => ("team", "billing"),
        1 => ("team", "voice"),
        2 => ("empty", ""),
        3 => ("none", ""),
        _ => return None,
    };
    Some((key.into(), value.into()))
}

fn description(number: u8) -> Option<String> {
    match number {
        0..=99 => None,
        100..=149 => Some("For the nightly export.".into()),
        150..=239 => Some("two\nlines, 'quoted' \"twice\" é".into()),
        240..=247 => Some("é".repeat(500)),
        248 => Some("é".repeat(501)),
        249 => Some("a\0b".into()),
        250 => Some(String::new()),
        251..=255 => None,
    }
}

fn metadata(number: u8) -> BTreeMap<String, String> {
    let pairs = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        owned.collect()
    };
    match number {
        0..=49 | 100..=119 => pairs(&[]),
        50..=79 | 120..=159 => pairs(&[("team", "billing")]),
        80..=99 | 160..=199 => pairs(&[("team", "voice"), ("empty", "")]),
        200..=247 => pairs(&[
            ("empty", ""),
            ("a/b:c", "é \"quoted\" \\ {}"),
            ("team", "Billing"),
        ]),
        248..=250 => pairs(&[]),
        251 => pairs(&[("a b", "")]),
        252 => pairs(&[("line", "a\nb")]),
        253 => pairs(&[("long", &"v".repeat(1021))]),
        254 => pairs(&[("full", &"v".repeat(1020))]),
        255 => (0..17)
            .map(|number| (number.to_string(), String::new()))
            .collect(),
    }
}

/// Conditions that are narrower or wider than one another, or neither.
fn conditions(number: u8) -> Conditions {
    let only = |networks: &[&str], environment: Option<&str>| Conditions {
        networks: Some(networks.iter().map(ToString::to_string).collect()),
        environment: environment.map(Into::into),
    };
    let within = |environment: &str| Conditions {
        networks: None,
        environment: Some(environment.into()),
    };
    match number {
        248 => within("not a name"),
        249 => within(&"e".repeat(65)),
        250 => only(&[], None),
        251 => Conditions {
            networks: Some((0..=100).map(|host| format!("10.0.0.{host}/32")).collect()),
            environment: None,
        },
        number => match number % 12 {
            0 => Conditions::default(),
            1 => only(&["10.0.0.0/8"], None),
            2 => only(&["10.0.0.0/24"], None),
            3 => only(&["10.0.0.1/32"], None),
            4 => only(&["10.0.0.0/24", "192.0.2.0/24"], None),
            5 => only(&["0.0.0.0/0"], None),
            6 => only(&["::/0", "10.0.0.0/8"], None),
            7 => only(&["2001:db8::/32", "10.0.0.1/32"], None),
            8 => within("live"),
            9 => within("test"),
            10 => only(&["10.0.0.0/8"], Some("live")),
            _ => only(&["10.0.0.0/24"], Some("live")),
        },
    }
}

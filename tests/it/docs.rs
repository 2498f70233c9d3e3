//! The README is true: its tables are compared with the code.

use std::{
    convert::Infallible,
    future::ready,
    path::{Path, PathBuf},
};

use http::{Request, Response, StatusCode, header::WWW_AUTHENTICATE};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{AuthLayer, Messages, Reason, credential::TokenFormat, store::MemoryStore};

const README: &str = include_str!("../../README.md");
const MANIFEST: &str = include_str!("../../Cargo.toml");

/// The cells of the table whose header row begins with `| <first> |`.
fn table(first: &str) -> Vec<Vec<String>> {
    let mut lines = README
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {first} |")));
    lines.next().expect("the table is in the README");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| row.trim_matches('|').split(" |").map(cell).collect())
        .collect()
}

#[test]
fn the_response_table_matches_the_code() {
    let rows = table("reason");
    assert_eq!(rows.len(), Reason::ALL.len());
    for (row, reason) in rows.iter().zip(Reason::ALL) {
        assert_eq!(row[0], reason.code());
        assert_eq!(row[1], reason.status().as_str(), "{reason:?}");
        assert_eq!(row[2], reason.grpc_code().to_string(), "{reason:?}");
        assert_eq!(row[3], *Messages::default().of(reason), "{reason:?}");
    }
}

#[tokio::test]
async fn the_challenges_in_the_table_match_the_responses() {
    let rows = table("reason");
    let listed = |code: &str| rows.iter().find(|row| row[0] == code).unwrap()[4].clone();
    for (code, authorization) in [
        ("missing_credential", None),
        ("unrecognized_token", Some("Bearer x")),
        ("invalid_token", Some("Bearer pat_x")),
    ] {
        let service = ServiceBuilder::new()
            .layer(AuthLayer::new(MemoryStore::new()))
            .service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
        let mut request = Request::new(());
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert("authorization", value.parse().unwrap());
        }
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], listed(code), "{code}");
    }
}

#[test]
fn the_feature_table_matches_the_manifest() {
    let section = MANIFEST
        .split("[features]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let declared = section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned());
    let declared: Vec<_> = declared.filter(|name| name != "default").collect();
    let listed: Vec<_> = table("feature").iter().map(|row| row[0].clone()).collect();
    assert_eq!(listed, declared);
}

#[test]
fn the_documented_scanner_regex_matches_the_code() {
    let line = format!("\n//! {}\n", TokenFormat::default().scanner_regex());
    assert!(include_str!("../../src/guide/managing.rs").contains(&line));
}

#[test]
fn the_documented_rust_version_matches_the_manifest() {
    let version = MANIFEST
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"');
    assert!(README.contains(&format!("Rust {version} or newer")));
}

/// Collects the code in `folder`, without comments and up to the first unit tests.
fn code_in(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            code_in(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let lines = code
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.starts_with("//"));
        found.extend(lines.map(|line| (path.clone(), line.to_owned())));
    }
}

#[test]
fn product_literals_are_in_one_file() {
    let mut code = Vec::new();
    code_in(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut code,
    );
    let literals = [
        "x-anyreach",
        "\"ak_",
        "\"pat_",
        "ak_...",
        "pat_...",
        "conversations:",
    ];
    let holds = |line: &str| {
        literals
            .iter()
            .any(|literal| line.to_lowercase().contains(literal))
    };
    let (inside, outside): (Vec<_>, Vec<_>) = code
        .iter()
        .filter(|(_, line)| holds(line))
        .partition(|(path, _)| path.ends_with("src/anyreach.rs"));
    assert!(inside.len() >= literals.len());
    assert!(outside.is_empty(), "{outside:#?}");
}

#[test]
fn dependencies_are_in_alphabetical_order() {
    for section in ["\n[dependencies]\n", "\n[dev-dependencies]\n"] {
        let listed = MANIFEST.split(section).nth(1).unwrap();
        let listed = listed.split("\n\n").next().unwrap().lines();
        let names: Vec<_> = listed.map(|line| line.split(' ').next().unwrap()).collect();
        assert!(
            names.len() > 10 && names.is_sorted(),
            "{section}: {names:?}"
        );
    }
}

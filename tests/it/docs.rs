//! The README is true: its tables are compared with the code.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::ready,
    path::{Path, PathBuf},
};

use http::{Request, Response, StatusCode, header::WWW_AUTHENTICATE};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{AuthLayer, Messages, Reason, credential::TokenFormat, store::MemoryStore};

const README: &str = include_str!("../../README.md");
const MANIFEST: &str = include_str!("../../Cargo.toml");
const COMPANION_MANIFEST: &str = include_str!("../../crates/sqlx/Cargo.toml");

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

/// The Rust version that a manifest promises.
fn promised_rust(manifest: &str) -> &str {
    let mut lines = manifest.lines();
    let version = lines.find_map(|line| line.strip_prefix("rust-version = "));
    version.unwrap().trim_matches('"')
}

/// The versions in the sentences of `text` that say "Rust 1.x or newer".
fn rust_versions(text: &str) -> Vec<&str> {
    let sentences = text.split("Rust ").skip(1);
    sentences
        .filter_map(|rest| Some(rest.split_once(" or newer")?.0))
        .filter(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
        .collect()
}

#[test]
fn the_documented_rust_versions_match_the_manifests() {
    let core = promised_rust(MANIFEST);
    let companion = promised_rust(COMPANION_MANIFEST);
    assert!(README.contains(&format!("Rust {core} or newer")));
    assert!(README.contains(companion), "SQLite needs Rust {companion}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in ["", "src", "src/guide", "crates/sqlx", "crates/sqlx/src"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let is_text = |path: &PathBuf| path.extension().is_some_and(|it| it == "md" || it == "rs");
        texts.extend(files.filter(is_text));
    }
    let mut named_by_companion = 0;
    for path in texts {
        let text = std::fs::read_to_string(&path).unwrap();
        for version in rust_versions(&text) {
            assert!(
                [core, companion].contains(&version),
                "{} names Rust {version}",
                path.display()
            );
            let is_companion = path.starts_with(root.join("crates/sqlx"));
            named_by_companion += usize::from(is_companion && version == companion);
        }
    }
    assert!(named_by_companion > 0, "its docs name Rust {companion}");
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

/// The lines of a section of a manifest, up to the next empty line.
fn section<'a>(manifest: &'a str, header: &str) -> Vec<&'a str> {
    let lines = manifest.lines().skip_while(|line| *line != header);
    lines.skip(1).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn dependencies_are_in_alphabetical_order() {
    for manifest in [MANIFEST, COMPANION_MANIFEST] {
        for header in ["[dependencies]", "[dev-dependencies]"] {
            let listed = section(manifest, header);
            let names: Vec<_> = listed.iter().map(|line| line.split(' ').next()).collect();
            assert!(names.len() > 5 && names.is_sorted(), "{header}: {names:?}");
        }
    }
}

#[test]
fn every_required_dependency_has_its_reason() {
    let listed = section(MANIFEST, "[dependencies]").into_iter();
    let required: Vec<_> = listed
        .filter(|line| !line.contains("optional = true"))
        .collect();
    for line in &required {
        assert!(line.contains(" # "), "without a reason: {line}");
    }
    assert_eq!(
        required.len(),
        13,
        "each user compiles these: {required:#?}"
    );

    // What only some systems need has its reason above it.
    let lines: Vec<_> = MANIFEST.lines().collect();
    let targets = lines
        .windows(2)
        .filter(|pair| pair[1].starts_with("[target."));
    for pair in targets {
        assert!(pair[0].starts_with("# "), "without a reason: {}", pair[1]);
        assert_eq!(section(MANIFEST, pair[1]).len(), 1, "{}", pair[1]);
    }
}

/// The rows of a table in the auditors' chapter, without its head.
fn auditors_table(head: &str) -> impl Iterator<Item = &'static str> {
    let lines = include_str!("../../src/guide/auditing.rs").lines();
    let lines = lines.map(|line| line.trim_start_matches("//! "));
    let rows = lines.skip_while(move |line| !line.starts_with(head));
    rows.skip(2).take_while(|line| line.starts_with("| "))
}

/// The parts of a text in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_auditors_table_lists_the_required_dependencies() {
    let listed: BTreeSet<_> = auditors_table("| crate |")
        .flat_map(|row| code(row.split('|').nth(1).unwrap()))
        .collect();
    let targets = MANIFEST.lines().filter(|line| line.starts_with("[target."));
    let all = section(MANIFEST, "[dependencies]").into_iter();
    let required: BTreeSet<_> = all
        .filter(|line| !line.contains("optional = true"))
        .chain(targets.flat_map(|target| section(MANIFEST, target)))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(listed, required);
}

#[test]
fn the_files_that_the_auditors_table_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named: Vec<_> = auditors_table("| promise |")
        .flat_map(|row| code(row.split('|').nth(2).unwrap()))
        .filter(|path| path.starts_with("src/") || path.starts_with("tests/"))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for path in named {
        let (before, alternatives) = path.split_once('{').unwrap_or((path, "}"));
        let (alternatives, after) = alternatives.split_once('}').unwrap();
        for name in alternatives.split(',') {
            let file = format!("{before}{name}{after}");
            let exists = [root.to_owned(), root.join("crates/sqlx")]
                .iter()
                .any(|crate_root| crate_root.join(&file).exists());
            assert!(exists, "{file}");
        }
    }
}

#[test]
fn the_package_has_the_examples_that_build_from_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut packaged = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue; // not in the package, as `/examples/*.rs` says
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let needs_more = text.contains("tower_api_key_sqlx") || text.contains("\"../");
        let excluded = MANIFEST.contains(&format!("\"!/examples/{name}\""));
        assert_eq!(excluded, needs_more, "`include` and {name}");
        packaged += usize::from(!excluded);
    }
    assert!(packaged >= 4, "{packaged} examples are packaged");
}

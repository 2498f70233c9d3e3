//! The list of claims is complete and true to the texts: each quote stands in its file, each named
//! test is found by its name, and no sentence with an absolute word is missing from it.

mod targets;

use std::{collections::BTreeMap, fs, path::Path};

use targets::{Targets, running};

const CLAIMS: &str = include_str!("../claims.md");
const SECURITY: &str = include_str!("../../SECURITY.md");

/// The words that make a sentence a claim; the list states the same ones.
const WORDS: [&str; 16] = [
    "never",
    "always",
    "at once",
    "exactly",
    "same bytes",
    "byte-identical",
    "at most",
    "at least",
    "cannot",
    "nothing",
    "nobody",
    "no one",
    "immediately",
    "whatever",
    "forever",
    "permanently",
];

/// A row of the list.
struct Row {
    quote: &'static str,
    files: Vec<&'static str>,
    /// The tests, or the reason why there are none.
    last: &'static str,
    is_plain: bool,
}

fn rows() -> Vec<Row> {
    let (claims, plain) = CLAIMS.split_once("\n## Plain uses\n").unwrap();
    let of = |text: &'static str, is_plain| {
        let lines = text.lines().filter(|line| line.starts_with("| "));
        let cells = lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim));
        cells.filter_map(move |mut cells| {
            let (quote, files, last) = (cells.next()?, cells.next()?, cells.next()?);
            assert!(cells.next().is_none(), "three cells: {quote}");
            (files != "where").then(|| Row {
                quote,
                files: files.split(", ").collect(),
                last,
                is_plain,
            })
        })
    };
    of(claims, false).chain(of(plain, true)).collect()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The lines of a text, or of the documentation in a source file, without their markers; code is
/// an empty line.
fn prose(file: &str) -> Vec<String> {
    let text = read(file);
    let documentation = |line: &str| {
        let marked = line.strip_prefix("//!");
        let marked = marked.or_else(|| line.strip_prefix("///"));
        marked.unwrap_or_default().trim().to_owned()
    };
    let lines = text.lines().map(str::trim);
    match file.ends_with(".rs") {
        true => lines.map(documentation).collect(),
        false => lines.map(str::to_owned).collect(),
    }
}

/// Joins lines into paragraphs: items of lists and rows of tables are their own, examples and
/// headings are left out.
fn paragraphs(file: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut in_example = false;
    for line in prose(file) {
        let is_fence = line.starts_with("```");
        in_example ^= is_fence;
        let is_item = line.starts_with("- ") || line.starts_with("| ") || is_numbered(&line);
        if is_fence || in_example || line.is_empty() || line.starts_with('#') {
            found.push(String::new());
            continue;
        }
        if is_item {
            found.push(String::new());
        }
        let last = found.last_mut().unwrap();
        *last = format!("{last} {line}").trim().to_owned();
    }
    found
}

fn is_numbered(line: &str) -> bool {
    line.split_once(". ")
        .is_some_and(|(number, _)| number.parse::<u8>().is_ok())
}

/// Splits a paragraph after each full stop, colon or question mark that no small letter follows.
fn sentences(paragraph: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = paragraph;
    let mut from = 0;
    while let Some(at) = rest[from..].find(['.', ':', '?']).map(|at| from + at + 1) {
        from = at;
        let Some(next) = rest[at..].strip_prefix(' ') else {
            continue;
        };
        if !next.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            found.push(&rest[..at]);
            (rest, from) = (next, 0);
        }
    }
    found.push(rest);
    found
}

fn has_word(words: &[&str], text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_inside = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || letter == '`';
    words.iter().any(|word| {
        text.match_indices(word).any(|(at, _)| {
            !text[..at].ends_with(is_inside) && !text[at + word.len()..].starts_with(is_inside)
        })
    })
}

/// The sentences of a file with one of the words that no row of the list is about.
fn unlisted(file: &str, words: &[&str], rows: &[Row]) -> Vec<String> {
    let listed: Vec<_> = rows
        .iter()
        .filter(|row| row.files.contains(&file) && has_word(words, row.quote))
        .collect();
    let mut found = Vec::new();
    for paragraph in paragraphs(file) {
        for sentence in sentences(&paragraph) {
            let is_listed = listed.iter().any(|row| sentence.contains(row.quote));
            if has_word(words, sentence) && !is_listed {
                found.push(format!("{file}: {sentence}"));
            }
        }
    }
    found
}

/// The texts in which each such sentence has to be listed.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_dir(root.join("src/guide")).unwrap();
    let guide = guide.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => format!("{name}/mod.rs"), // a chapter with code of its own
            false => name,
        }
    });
    let texts = ["README.md", "SECURITY.md", "crates/sqlx/README.md"];
    let texts = texts.map(str::to_owned).into_iter();
    texts
        .chain(guide.map(|file| format!("src/guide/{file}")))
        .collect()
}

/// The Rust files of the repository that can contain tests, by their path without `.rs`.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = ["src", "tests", "benches", "crates"]
        .map(|name| root.join(name))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.with_extension("").to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The parts of a cell in backticks.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn each_quote_is_in_its_file() {
    let mut absent = Vec::new();
    for row in rows() {
        for file in &row.files {
            let text = prose(file).join(" ");
            let text: Vec<_> = text.split_whitespace().collect();
            if !text.join(" ").contains(row.quote) {
                absent.push(format!("{file}: {}", row.quote));
            }
        }
    }
    assert!(absent.is_empty(), "{absent:#?}");
}

#[test]
fn each_claim_has_a_test_that_its_name_finds() {
    let targets = Targets::read();
    let rows = rows();
    assert!(rows.iter().filter(|row| !row.is_plain).count() > 80);
    let mut absent = Vec::<&str>::new();
    for row in rows.iter().filter(|row| !row.is_plain) {
        assert!(code(row.last).next().is_some(), "no test: {}", row.quote);
        let is_found = |name: &&str| match name.rsplit_once("--bench ") {
            Some((_, bench)) => running("bench", bench).contains(name),
            None => !targets.running(name).is_empty(),
        };
        absent.extend(code(row.last).filter(|name| !is_found(name)));
    }
    assert!(absent.is_empty(), "{absent:#?}");
}

#[test]
fn each_command_of_the_security_policy_finds_what_its_row_names() {
    let targets = Targets::read();
    let (_, table) = SECURITY
        .split_once("| property | test or program |")
        .unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut faults = Vec::new();
    let mut tests = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, named, commands, _] = cells[..] else {
            panic!("four cells: {row}");
        };
        let mut idle: Vec<_> = commands
            .split("; ")
            .map(|it| it.trim_matches('`'))
            .collect();
        let commands = idle.clone();
        for part in named.split("; ") {
            let runs = |name| match part.split('`').next().unwrap().trim() {
                "" => targets.running(name),
                kind => running(kind, name),
            };
            tests += code(part).count();
            for name in code(part) {
                let runs = runs(name);
                idle.retain(|command| !runs.contains(command));
                if !commands.iter().any(|command| runs.contains(command)) {
                    faults.push(format!("{name}: {runs:?}, not {commands:?}"));
                }
            }
        }
        idle.retain(|command| !["fuzz/run", ".ci/mutants/run"].contains(command));
        faults.extend(idle.iter().map(|command| format!("{command}: {named}")));
    }
    assert!(tests > 60, "{tests} tests are named");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_sentence_with_an_absolute_word_is_listed() {
    let rows = rows();
    let texts = texts();
    assert!(texts.len() > 15, "{texts:?}");
    let missing: Vec<_> = texts
        .iter()
        .flat_map(|file| unlisted(file, &WORDS, &rows))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_never_in_the_documentation_of_the_code_is_listed() {
    let rows = rows();
    let sources = sources();
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    let files = sources.keys().filter_map(|path| path.strip_prefix(&root));
    let is_library = |file: &&str| file.starts_with("src/") || file.starts_with("crates/sqlx/src/");
    let files = files
        .filter(is_library)
        .filter(|file| !file.starts_with("src/guide/"));
    let missing: Vec<_> = files
        .flat_map(|file| unlisted(&format!("{file}.rs"), &["never"], &rows))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_list_states_its_words() {
    let stated = CLAIMS.lines().filter_map(|line| line.strip_prefix("> "));
    let stated: Vec<_> = stated.collect();
    assert_eq!(stated.join(" "), WORDS.join(", "));
}

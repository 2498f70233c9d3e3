//! Keeps the dependencies between the modules of the crate pointing down.
//!
//! A *room* is a top-level module of `src/` with everything in its folder. An *arrow* leads from
//! the room of a file to each room that the file names, in a `use` or in another path that starts
//! at the crate root. [`ROOMS`] lists the rooms from top to bottom: a file may name rooms below its
//! own, never one above. So a reader who starts at the top never needs a module that comes later,
//! and there are no cycles.
//!
//! A failure names the file and the line. Move the needed item down to where both rooms can see it,
//! or pass a plain value; [`EXCEPTIONS`] lists the arrows that must point up, with reasons.
//! Comments and a file's own `mod tests` do not count. No module names `lib.rs`, which only
//! re-exports the rooms.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// From top to bottom.
const ROOMS: &[&str] = &[
    "lib",
    "guide",
    "prelude",
    "testing", // at the top, because it tests every room
    "axum",
    "tonic",
    "utoipa",
    "either_auth",
    "every_route", // takes its responses from an `AuthLayer`, as the requirements do
    "oauth",       // sets what an `AuthLayer` answers
    "origins",     // takes its responses from an `AuthLayer`, too
    "require",
    "public",
    "layer",
    "service",
    "future",
    "decided",
    "probe",
    "manage",
    "caller_info",
    "authenticate",
    "condition",
    "principal",
    "end_notices",
    "last_use",
    "rejection",
    "store",
    "observe", // takes plain values, so that every room above can report
    "scope",
    "credential",
    "secret",
    "anyreach",
    "id",
    "clock",
    "error",
    "sync",
    "panics",
];

/// Arrows that point up: from, to, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "principal",
    "authenticate",
    "a principal is built only from the last proof, which only `authenticate` can create",
)];

/// A path that starts at the crate root.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    line: usize,
    first: String,
}

#[test]
fn modules_depend_only_on_modules_below_them() {
    let mut faults = Vec::new();
    let mut arrows = BTreeSet::new();
    for file in sources(&source_folder()) {
        let module = module_of(&file);
        let room = module.first().map_or("lib", String::as_str);
        if rank(room).is_none() {
            faults.push(format!("{}: `{room}` is not in ROOMS", file.display()));
        } else if room != "lib" {
            let text = fs::read_to_string(&file).unwrap();
            for named in named_in(&text, module.len()) {
                let place = format!("{}:{}", file.display(), named.line);
                faults.extend(fault(room, &named.first).map(|fault| format!("{place}: {fault}")));
                if room != named.first && rank(&named.first).is_some() {
                    arrows.insert((room.to_owned(), named.first));
                }
            }
        }
    }
    let up = |(from, to): &&(String, String)| rank(to) < rank(from);
    let upward = arrows.iter().filter(up).count();
    println!("{} arrows, {upward} of them upward", arrows.len());
    assert!(arrows.len() > 50, "the scan missed most of the crate");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_exception_is_needed() {
    let used = |from: &str, to: &str| {
        sources(&source_folder()).iter().any(|file| {
            let module = module_of(file);
            let names = named_in(&fs::read_to_string(file).unwrap(), module.len());
            module.first().is_some_and(|room| room == from)
                && names.iter().any(|named| named.first == to)
        })
    };
    for (from, to, _) in EXCEPTIONS {
        assert!(rank(to) < rank(from), "{from} -> {to} points down");
        assert!(used(from, to), "{from} -> {to} no longer exists");
    }
}

#[test]
fn every_form_of_a_path_is_found() {
    let text = "\
use crate::{
    manage::{Actor, Manager},
    Principal, store::Record,
}; // crate::comment
/// [link](crate::doc)
pub(crate) fn f(of: &crate::layer::AuthLayer) -> super::super::service::X {
    super::inner::g(super::super::{a::B, c});
}

#[cfg(test)]
mod tests {
    use crate::testing::X;
}

fn after() -> crate::error::E {}
";
    let found: Vec<_> = named_in(text, 2)
        .into_iter()
        .map(|named| format!("{}:{}", named.line, named.first))
        .collect();
    let wanted = [
        "2:manage",
        "3:Principal",
        "3:store",
        "6:layer",
        "6:service",
        "7:a",
        "7:c",
        "15:error",
    ];
    assert_eq!(found, wanted);
    assert_eq!(fault("store", "store"), None);
    assert_eq!(fault("manage", "store"), None);
    assert!(fault("store", "manage").unwrap().contains("points up"));
    assert!(fault("store", "Principal").unwrap().contains("lib.rs"));
}

fn fault(from: &str, to: &str) -> Option<String> {
    let allowed = EXCEPTIONS.iter().any(|(a, b, _)| (*a, *b) == (from, to));
    match rank(to) {
        None => Some(format!(
            "`crate::{to}` is not a room: do not import from lib.rs"
        )),
        Some(rank_of_to) if rank(from) > Some(rank_of_to) && !allowed => {
            Some(format!("`{from}` -> `{to}` points up"))
        }
        Some(_) => None,
    }
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Lists every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => sources(&entry.path()),
            false => vec![entry.path()],
        })
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

/// The module path of a file; empty for `lib.rs`.
fn module_of(file: &Path) -> Vec<String> {
    let below = file
        .strip_prefix(source_folder())
        .unwrap()
        .with_extension("");
    below
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .filter(|part| part != "mod" && part != "lib")
        .collect()
}

/// Finds the paths that start at the crate root, in the text of a module at `depth`.
fn named_in(text: &str, depth: usize) -> Vec<Named> {
    let code = code_of(text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = at_next_word(&code, at) {
        let word_end = end_of_word(&code, start);
        let mut rest = &code[word_end..];
        let to_root = match &code[start..word_end] {
            "crate" => rest.starts_with("::"),
            "super" => {
                let mut supers = 1;
                while rest.starts_with("::super") {
                    supers += 1;
                    rest = &rest["::super".len()..];
                }
                rest.starts_with("::") && supers >= depth
            }
            _ => false,
        };
        at = code.len() - rest.len();
        if to_root {
            // A macro with such a name is exported, and so at the root, for the use of another.
            let named = firsts(&code, at + 2).into_iter();
            found.extend(named.filter(|named| !named.first.starts_with("__")));
        }
    }
    found
}

/// The first names of a path, or of each path in a group.
fn firsts(code: &str, start: usize) -> Vec<Named> {
    let named = |at: usize| Named {
        line: code[..at].matches('\n').count() + 1,
        first: code[at..end_of_word(code, at)].to_owned(),
    };
    if !code[start..].starts_with('{') {
        return vec![named(start)];
    }
    let mut found = Vec::new();
    let mut depth = 0;
    let mut expected = false;
    for (offset, character) in code[start..].char_indices() {
        match character {
            '{' => {
                depth += 1;
                expected = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => expected = true,
            _ if expected && is_of_word(character) => {
                found.push(named(start + offset));
                expected = false;
            }
            _ => {}
        }
    }
    found
}

/// Blanks comments and `mod tests`, keeping the lines.
fn code_of(text: &str) -> String {
    let mut in_tests = false;
    let mut before = "";
    let mut code = String::new();
    for line in text.lines() {
        in_tests |= before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{');
        let comment = match line.trim_start().starts_with("//") {
            true => Some(0),
            false => line.find(" //"),
        };
        if !in_tests {
            code.push_str(&line[..comment.unwrap_or(line.len())]);
        }
        code.push('\n');
        in_tests &= line != "}";
        before = line;
    }
    code
}

fn at_next_word(code: &str, from: usize) -> Option<usize> {
    code[from..].find(is_of_word).map(|offset| from + offset)
}

fn end_of_word(code: &str, start: usize) -> usize {
    let rest = &code[start..];
    start + rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

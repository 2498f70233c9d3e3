//! Compares the descriptions of routes with a lock file.

use std::{fs, io, path::Path};

/// The environment variable that makes a test write the file.
const VARIABLE: &str = "ROUTES_LOCK";

/// Returns the difference between the file and `found`, or writes the file if the environment asks
/// so.
pub(super) fn compare(path: &Path, found: &str) -> Result<(), String> {
    let overwrites = std::env::var_os(VARIABLE).is_some_and(|value| value == "overwrite");
    compare_or_write(path, found, overwrites)
}

fn compare_or_write(path: &Path, found: &str, overwrites: bool) -> Result<(), String> {
    let name = path.display();
    if overwrites {
        return fs::write(path, found).map_err(|error| format!("cannot write {name}: {error}"));
    }
    let (state, locked) = match fs::read_to_string(path) {
        Ok(text) => ("the routes differ from", text.replace("\r\n", "\n")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => ("there is no", String::new()),
        Err(error) => return Err(format!("cannot read {name}: {error}")),
    };
    if locked == found {
        return Ok(());
    }
    Err(format!(
        "{state} {name}:\n\n--- {name}\n+++ the service\n{}\nIf this is meant, run \
         the test with {VARIABLE}=overwrite, and commit the file.",
        difference(&locked, found)
    ))
}

/// Returns all lines of both texts: ` ` before a line of both, `-` before one of the old text only,
/// `+` before one of the new text only.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let mut text = String::new();
    let (mut a, mut b) = (old.as_slice(), new.as_slice());
    loop {
        let (sign, line) = match (a.split_first(), b.split_first()) {
            (Some((x, rest)), Some((y, others))) if x == y => {
                (a, b) = (rest, others);
                (' ', x)
            }
            // The file is sorted, so that a line that comes later on the other side is recognized
            // by looking ahead.
            (Some((x, rest)), next) if next.is_none() || !b.contains(x) => {
                a = rest;
                ('-', x)
            }
            (_, Some((y, others))) => {
                b = others;
                ('+', y)
            }
            (Some((x, rest)), None) => {
                a = rest;
                ('-', x)
            }
            (None, None) => return text,
        };
        text.extend([sign].into_iter().chain(line.chars()).chain(['\n']));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_the_lines_of_both_sides() {
        let diff = difference("a\nb\nc\ne\n", "a\nB\nc\nd\ne\n");
        assert_eq!(diff, " a\n-b\n+B\n c\n+d\n e\n");
        assert_eq!(difference("", "a\n"), "+a\n");
        assert_eq!(difference("a\nb\n", "b\na\n"), "+b\n a\n-b\n");
    }

    #[test]
    fn a_missing_file_is_a_difference_and_is_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.lock");
        let message = compare_or_write(&path, "a\n", false).unwrap_err();
        assert!(message.starts_with("there is no "), "{message}");
        assert!(message.contains("\n+a\n"), "{message}");
        assert!(message.contains("ROUTES_LOCK=overwrite"), "{message}");
        assert!(!path.exists());
    }

    #[test]
    fn the_file_is_written_only_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.lock");
        compare_or_write(&path, "a\n", true).unwrap();
        assert_eq!(compare_or_write(&path, "a\n", false), Ok(()));
        let message = compare_or_write(&path, "b\n", false).unwrap_err();
        assert!(message.starts_with("the routes differ from "), "{message}");
        assert!(message.contains("\n-a\n+b\n"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\n");
        compare_or_write(&path, "b\n", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "b\n");
    }

    #[test]
    fn line_ends_of_a_checkout_make_no_difference() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.lock");
        fs::write(&path, "a\r\nb\r\n").unwrap();
        assert_eq!(compare_or_write(&path, "a\nb\n", false), Ok(()));
    }
}

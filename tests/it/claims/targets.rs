//! The tests that exist, by the binary that runs them: read from the sources as cargo finds them,
//! from a target's root through its modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The commands that run tests, each with the root of what it runs, in the words of `SECURITY.md`.
const TARGETS: [(&str, &str); 10] = [
    ("core", "tests/it/main.rs"),
    ("sqlx", "crates/sqlx/tests/it/main.rs"),
    ("admin", "crates/admin/tests/it/main.rs"),
    ("browser", "crates/admin/tests/browser/main.rs"),
    ("cargo test --all-features --lib", "src/lib.rs"),
    (
        "cargo test --all-features --test allocations",
        "tests/allocations/main.rs",
    ),
    (
        "cargo test --all-features --test conformance",
        "tests/conformance.rs",
    ),
    ("cargo test --all-features --test loom", "tests/loom.rs"),
    (
        "cargo test -p tower-api-key-sqlx --all-features --lib",
        "crates/sqlx/src/lib.rs",
    ),
    (
        "cargo test -p tower-api-key-proof --test model",
        "crates/proof/tests/model.rs",
    ),
];

/// The paths of the tests of each command.
pub(super) struct Targets(BTreeMap<&'static str, BTreeSet<String>>);

impl Targets {
    pub(super) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tests = TARGETS.map(|(command, file)| {
            let mut found = BTreeSet::new();
            match command.ends_with("loom") {
                true => found.extend(models(&root.join("tests/loom"))),
                false => Reader::new(&mut found).read(&root.join(file), true, ""),
            }
            assert!(!found.is_empty(), "{file} has no test");
            (command, found)
        });
        Self(tests.into())
    }

    /// Returns the commands that run a test when this name is their filter: those with a test
    /// whose path is the name, or ends with it after a module.
    pub(super) fn running(&self, name: &str) -> Vec<&'static str> {
        let end = format!("::{name}");
        let runs = |path: &String| path == name || path.ends_with(&end);
        let targets = self.0.iter().filter(|(_, tests)| tests.iter().any(runs));
        targets.map(|(command, _)| *command).collect()
    }
}

/// The command that runs a program of this kind, if there is one with this name.
pub(super) fn running(kind: &str, name: &str) -> Vec<&'static str> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (files, command) = match kind {
        "program" => (
            [
                format!("crates/proof/src/bin/{name}.rs"),
                format!("crates/proof/src/bin/{name}/main.rs"),
            ],
            "proof",
        ),
        "bench" => (
            [format!("crates/counted/benches/{name}.rs"), String::new()],
            "cargo bench -p tower-api-key-counted --bench counted",
        ),
        "fuzz targets" => (
            [format!("fuzz/fuzz_targets/{name}.rs"), String::new()],
            "fuzz/run",
        ),
        kind => panic!("{kind} `{name}`"),
    };
    let exists = files.iter().any(|file| root.join(file).is_file());
    exists.then_some(command).into_iter().collect()
}

/// The models that loom's binary lists, which has no harness: their names are in its lists.
fn models(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let listed = |text: String| {
        let literals = text.split('"').skip(1).step_by(2).map(str::to_owned);
        let named = literals.filter(|name| {
            let Some((_, function)) = name.split_once("::") else {
                return false;
            };
            text.contains(&format!("\nfn {function}() -> usize {{\n"))
        });
        named.collect::<Vec<_>>()
    };
    texts.flat_map(listed).collect()
}

/// Reads a target's modules, formatted by rustfmt.
struct Reader<'f> {
    found: &'f mut BTreeSet<String>,
    /// The bodies of macros that may make tests, by their names.
    macros: BTreeMap<String, Vec<String>>,
}

impl<'f> Reader<'f> {
    fn new(found: &'f mut BTreeSet<String>) -> Self {
        let macros = BTreeMap::from([("tower_api_key::contract_tests".into(), contract())]);
        Self { found, macros }
    }

    /// Reads the file of the module `path`, and those of its modules. Those of a target's root, of
    /// a `mod.rs`, and of a file that an attribute names are beside it.
    fn read(&mut self, file: &Path, has_beside: bool, path: &str) {
        let text = fs::read_to_string(file);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let folder = file.parent().unwrap();
        let place = Place {
            beside: folder.to_owned(),
            below: match has_beside || file.ends_with("mod.rs") {
                true => folder.to_owned(),
                false => file.with_extension(""),
            },
        };
        self.scan(&lines, &place, path);
    }

    fn scan(&mut self, lines: &[String], place: &Place, path: &str) {
        let mut attributes = String::new();
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            at += 1;
            let code = line.trim();
            if code.is_empty() || code.starts_with("//") {
                continue;
            }
            let is_open = attributes.matches('[').count() > attributes.matches(']').count();
            if is_open || code.starts_with("#[") {
                attributes.push_str(code);
                continue;
            }
            let block = block(lines, at - 1);
            let item = item(code);
            if let Some(module) = item.strip_prefix("mod ") {
                let name = module.trim_end_matches([' ', '{', ';']);
                let path = joined(path, name);
                match module.ends_with(';') {
                    true => self.module(place, name, &attributes, &path),
                    false => self.scan(&lines[at..at + block], place, &path),
                }
                at += block;
            } else if let Some(name) = item.strip_prefix("macro_rules! ") {
                let name = name.trim_end_matches(" {").to_owned();
                self.macros.insert(name, lines[at..at + block].to_vec());
                at += block;
            } else if let Some((name, _)) = item.split_once("!(")
                && let Some(body) = self.macros.get(name).cloned()
            {
                self.scan(&body, place, path);
            } else if let Some(name) = function(item)
                && is_test(&attributes)
            {
                self.found.insert(joined(path, name));
            }
            attributes.clear();
        }
    }

    fn module(&mut self, place: &Place, name: &str, attributes: &str, path: &str) {
        let given = attributes.split_once("path = \"");
        if let Some((given, _)) = given.and_then(|(_, rest)| rest.split_once('"')) {
            return self.read(&place.beside.join(given), true, path);
        }
        let file = place.below.join(name).with_extension("rs");
        let folder = place.below.join(name).join("mod.rs");
        let file = if file.exists() { file } else { folder };
        self.read(&file, false, path);
    }
}

/// Where the files of a module's modules are.
struct Place {
    /// Of those with a path.
    beside: PathBuf,
    /// Of the others.
    below: PathBuf,
}

fn joined(path: &str, name: &str) -> String {
    let parts = [path, name].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("::")
}

/// Returns an item without its visibility.
fn item(code: &str) -> &str {
    let code = code.strip_prefix("pub(crate) ").unwrap_or(code);
    code.strip_prefix("pub ").unwrap_or(code)
}

/// Returns the name of the function that begins here.
fn function(item: &str) -> Option<&str> {
    let item = item.strip_prefix("async ").unwrap_or(item);
    let (name, _) = item.strip_prefix("fn ")?.split_once(['(', '<'])?;
    Some(name)
}

fn is_test(attributes: &str) -> bool {
    let kinds = ["#[test]", "#[tokio::test]", "#[tokio::test("];
    kinds.iter().any(|kind| attributes.contains(kind)) && !attributes.contains("#[ignore")
}

/// Returns how many lines the block has that a line opens, up to the brace that ends it.
fn block(lines: &[String], opening: usize) -> usize {
    let line = &lines[opening];
    if !line.ends_with('{') {
        return 0;
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    let end = format!("{indent}}}");
    let length = lines[opening + 1..].iter().position(|line| *line == end);
    length.unwrap_or(0)
}

/// What `contract_tests!` makes: a test of each claim of the list, in the module of its subject.
fn contract() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/contract/claims.rs");
    let text = fs::read_to_string(path).unwrap();
    let (_, list) = text.split_once("$($given)*\n").unwrap();
    let (list, _) = list.split_once("\n    } };").unwrap();
    let test = |line: &str| {
        let groups = ["reading ", "store ", "tree ", "managed "];
        let claim = groups
            .iter()
            .find_map(|group| line.trim().strip_prefix(group));
        match claim {
            None if line.ends_with('{') => vec![format!("mod {}", line.trim())],
            None => vec!["}".to_owned()],
            Some(claim) => {
                let name = claim.split([' ', ',']).next().unwrap();
                vec!["#[test]".to_owned(), format!("fn {name}() {{}}")]
            }
        }
    };
    let lines = list.lines().filter(|line| !line.trim().starts_with('['));
    lines.flat_map(test).collect()
}

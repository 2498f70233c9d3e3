//! Instructions per call, counted by callgrind and compared with `counted.limits`: growth by more
//! than 3 % fails.
//!
//! `cargo bench -p tower-api-key-counted --bench counted` needs `valgrind`. `-- --write` stores the current
//! counts as limits.
//!
//! The binary runs itself under callgrind, which dumps and clears its counter whenever [`mark`]
//! returns. A count is the difference between a case and its base (the same request without the
//! layer), so it contains only the layer. Callgrind (valgrind 3.19) hides the processor's SHA
//! extensions from the program: one block of SHA-256 counts about 3400 here and 231 natively.
//! Compare these counts only with each other.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "prints its tables"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench stops at the first failure"
)]

use std::{fs, hint::black_box, path::Path, process::Command, process::ExitCode};

mod cases;
#[path = "../../../benches/support/mod.rs"]
mod support;

use cases::Case;
use support::service::with_timer;

const CALLS: u32 = 100;
const INSIDE: &str = "--under-callgrind";
const LIMITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counted.limits");
const DUMPS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/counted");

/// Callgrind dumps when this function returns, which it finds by name.
#[inline(never)]
fn mark() {
    black_box(());
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if has(INSIDE) {
        with_timer(
            || match arguments.last().and_then(|name| cases::probe(name)) {
                Some(mut probe) => run(&mut probe),
                None => cases::all().iter_mut().for_each(run),
            },
        );
        return ExitCode::SUCCESS;
    }
    if !has("--bench") {
        println!("counted: skipped when run as a test");
        return ExitCode::SUCCESS;
    }
    let counts = count();
    print(&counts);
    if has("--write") {
        write(&counts);
        return ExitCode::SUCCESS;
    }
    let faults: Vec<String> = grown(&counts)
        .into_iter()
        .chain(unlike(&counts))
        .chain(uneven())
        .collect();
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Produces three dumps: the warm-up, the base, the case.
fn run(case: &mut Case) {
    (case.base)(3);
    (case.run)(3);
    mark();
    (case.base)(CALLS);
    mark();
    (case.run)(CALLS);
    mark();
}

/// The cost of a case, over all its calls.
struct Count {
    name: String,
    instructions: i64,
}

impl Count {
    fn per_call(&self) -> f64 {
        self.instructions as f64 / f64::from(CALLS)
    }
}

fn count() -> Vec<Count> {
    let names = with_timer(|| {
        cases::all()
            .into_iter()
            .map(|case| case.name)
            .collect::<Vec<_>>()
    });
    let instructions = under_callgrind("every case", names.len());
    names
        .into_iter()
        .zip(instructions)
        .map(|(name, instructions)| Count { name, instructions })
        .collect()
}

/// Runs this binary under callgrind for the cases that `which` selects, and returns the cost of
/// each.
fn under_callgrind(which: &str, cases: usize) -> Vec<i64> {
    let _ = fs::remove_dir_all(DUMPS);
    fs::create_dir_all(DUMPS).unwrap();
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--dump-after=counted::mark",
            &format!("--callgrind-out-file={DUMPS}/out"),
        ])
        .arg(std::env::current_exe().unwrap())
        .args([INSIDE, which])
        .output()
        .expect("valgrind starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let dump = |case: usize, which: usize| {
        total(&Path::new(DUMPS).join(format!("out.{}", 3 * case + which)))
    };
    (0..cases)
        .map(|case| dump(case, 3) - dump(case, 2))
        .collect()
}

fn total(dump: &Path) -> i64 {
    let text = fs::read_to_string(dump).expect("one dump for each mark");
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    line.and_then(|total| total.trim().parse().ok())
        .expect("a total in each dump")
}

fn print(counts: &[Count]) {
    println!("| case | instructions |\n|---|---:|");
    for count in counts {
        println!("| {} | {:.0} |", count.name, count.per_call());
    }
    println!("\n| extensions | sum of parts | hit | hit / sum | without the hash | hash at 231 |");
    println!("|---|---:|---:|---:|---:|---:|");
    for (word, sum, hit, hash) in sums(counts) {
        let (bare, native) = (
            (hit - hash) / (sum - hash),
            (hit - hash + 231.0) / (sum - hash + 231.0),
        );
        println!(
            "| {word} | {sum:.0} | {hit:.0} | {:.3} | {bare:.3} | {native:.3} |",
            hit / sum
        );
    }
}

/// For empty and for warm extensions: the sum of the parts, the whole hit, and the hash contained
/// in both.
fn sums(counts: &[Count]) -> [(&'static str, f64, f64, f64); 2] {
    let of = |name: &str| {
        counts
            .iter()
            .find(|count| count.name == name)
            .map(Count::per_call)
            .expect("a case")
    };
    let parts = counts
        .iter()
        .filter(|count| count.name.starts_with("part: "));
    let common: f64 = parts
        .filter(|part| !part.name.contains("extensions"))
        .map(Count::per_call)
        .sum();
    ["empty", "warm"].map(|word| {
        let insert = of(&format!("part: insert one word into {word} extensions"));
        (
            word,
            common + insert,
            of(&format!("accept: key, {word} extensions")),
            of("part: SHA-256 of 55 bytes"),
        )
    })
}

/// The limits by name: the counts per call, and a hit in percent of its parts.
fn limited(counts: &[Count]) -> Vec<(String, f64)> {
    let cases = counts
        .iter()
        .filter(|count| !count.name.starts_with("part: "));
    let mut limited: Vec<_> = cases
        .map(|count| (count.name.clone(), count.per_call()))
        .collect();
    for (word, sum, hit, hash) in sums(counts) {
        limited.push((
            format!("hit by parts in percent, {word}, hash apart"),
            100.0 * (hit - hash) / (sum - hash),
        ));
    }
    limited
}

fn write(counts: &[Count]) {
    let lines = limited(counts)
        .into_iter()
        .map(|(name, count)| format!("{count:6.0}  {name}\n"));
    fs::write(LIMITS, lines.collect::<String>()).unwrap();
}

fn grown(counts: &[Count]) -> Vec<String> {
    let text = fs::read_to_string(LIMITS).unwrap_or_default();
    let limit = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once("  "));
        lines
            .find(|(_, of)| *of == name)
            .and_then(|(limit, _)| limit.parse::<f64>().ok())
    };
    let fault = |(name, count): (String, f64)| match limit(&name) {
        None => Some(format!("no limit for `{name}`: run with `-- --write`")),
        Some(limit) if count > limit * 1.03 => {
            Some(format!("`{name}` grew from {limit:.0} to {count:.0}"))
        }
        Some(_) => None,
    };
    limited(counts).into_iter().filter_map(fault).collect()
}

/// The cost must not reveal whether an id is known. An omitted HMAC would be nearly half of it; the
/// record that is found and dropped again is less than a hundredth.
fn unlike(counts: &[Count]) -> Option<String> {
    let alike = counts
        .iter()
        .filter(|count| count.name.starts_with(cases::ALIKE))
        .map(Count::per_call);
    let (least, most) = alike.fold((f64::MAX, 0.0_f64), |(least, most), count| {
        (least.min(count), most.max(count))
    });
    (most > least * 1.02).then(|| format!("`{}`: from {least:.0} to {most:.0}", cases::ALIKE))
}

/// The cost must not reveal where a secret or a digest is wrong, not by one instruction. Each
/// position has its own process, so that only the bytes differ: in one process the allocator's
/// state would differ too.
fn uneven() -> Vec<String> {
    let spread = |(kind, positions): &(&str, usize)| {
        let probed: Vec<i64> = (0..*positions)
            .flat_map(|position| under_callgrind(&format!("{kind}{position:02}"), 1))
            .collect();
        let delta = probed
            .iter()
            .max()
            .zip(probed.iter().min())
            .map_or(i64::MAX, |(max, min)| max - min);
        println!(
            "{kind}0 … {}: a difference of {delta} instructions over {CALLS} calls each",
            positions - 1
        );
        (delta != 0)
            .then(|| format!("`{kind}`: the position changes the count by {delta} instructions"))
    };
    cases::PROBES.iter().filter_map(spread).collect()
}

//! Makes the example `axum_api` a module of the target that fuzzes it: its own attributes and
//! documentation, which can stand only at the head of a file, are left out.

use std::{env, error::Error, fs, path::Path};

const EXAMPLE: &str = "../examples/axum_api.rs";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={EXAMPLE}");
    let text = fs::read_to_string(EXAMPLE)?;
    let is_inner = |line: &&str| line.starts_with("//!") || line.starts_with("#![");
    let lines: Vec<&str> = text.lines().filter(|line| !is_inner(line)).collect();
    let copy = Path::new(&env::var("OUT_DIR")?).join("axum_api.rs");
    Ok(fs::write(copy, lines.join("\n"))?)
}

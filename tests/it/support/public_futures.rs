//! The public futures of a crate, read from the listing of its API.

use std::collections::BTreeSet;

/// The name without its path and its parameters: `Type::method`, or the type if there is no method.
fn short(path: &str, parts: usize) -> String {
    let mut plain = String::new();
    let mut depth = 0_i32;
    for letter in path.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            '(' | ' ' if depth == 0 => break,
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let segments: Vec<&str> = plain.split("::").collect();
    segments[segments.len().saturating_sub(parts)..].join("::")
}

/// The async functions of an API, as `Type::method`, and its types that are futures.
pub(crate) fn public_futures(api: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in api.lines() {
        let future = line.split_once("core::future::future::Future for ");
        if let Some((_, name)) = future {
            found.insert(short(name, 1));
        }
        let function = line.strip_prefix("pub async fn ").or_else(|| {
            let returns = line.split_once(" -> ")?.1;
            let boxed = "core::pin::Pin<alloc::boxed::Box<(dyn core::future::future::Future";
            let named = "impl core::future::future::Future";
            let waits = returns.starts_with(boxed) || returns.starts_with(named);
            line.strip_prefix("pub fn ").filter(|_| waits)
        });
        if let Some(name) = function {
            found.insert(short(name, 2));
        }
    }
    found
}

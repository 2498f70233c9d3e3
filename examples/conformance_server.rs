//! Serves one environment of the conformance corpus until it is stopped, for clients in other
//! languages.
//!
//! ```text
//! cargo run --all-features --example conformance_server -- --fixtures tests/conformance/fixtures.json --env '{}'
//! ```
//!
//! Prints one line of JSON with its ports, such as `{"http":40001,"grpc":40002}`.

#![allow(
    dead_code,
    reason = "the server's handles are for tests that start it in their own process"
)]

#[path = "../tests/conformance/server.rs"]
mod server;

use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use server::{BoxError, Environment, Server};

/// Serves one environment of the conformance corpus.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file with organizations, users, roles and credentials.
    #[arg(long)]
    fixtures: PathBuf,
    /// A JSON object with a case's `setup`, `config` and `requires_any`.
    #[arg(long, default_value = "{}")]
    env: String,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let fixtures = serde_json::from_str(&std::fs::read_to_string(&arguments.fixtures)?)?;
    let environment = Environment::read(&serde_json::from_str(&arguments.env)?)?;
    let server = Server::start(&fixtures, &environment).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&server.ports)?)?;
    out.flush()?;
    std::future::pending().await
}

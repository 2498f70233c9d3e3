//! `api-keys completions`: completions of shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{args::Cli, failure::Failure, output::Output};

pub(crate) const EXAMPLES: &str = "\
Examples:
  api-keys completions bash >~/.local/share/bash-completion/completions/api-keys
  api-keys completions fish >~/.config/fish/completions/api-keys.fish";

#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Generates into memory, since the generator panics if its reader goes away.
pub(crate) fn run(arguments: &Completions) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "api-keys", &mut text);
    let text = String::from_utf8_lossy(&text);
    Ok(Output::default().line(text.trim_end())?)
}

//! `api-keys`: operators manage the organizations, users, keys and tokens in a store of
//! `tower-api-key`, beside the services that use it.
//!
//! A command is read by `args`, runs in `commands` over a store that `database` opens as `settings`
//! say, and ends in an `output` or a `failure`, which has an exit code. Everything it changes goes
//! through the manager of `tower-api-key`, so the rules and the audit trail are those of a service.

mod args;
mod commands;
mod database;
mod failure;
mod moment;
mod output;
mod redact;
mod session;
mod settings;
mod stdin;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use args::Cli;
use failure::{Exit, Failure};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if redact::contains_token(&arguments) {
        return failure::report(&Failure::TokenInArguments);
    }
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => end(start(cli)),
        Err(error) => usage(&error, &arguments),
    }
}

/// Runs the command on the only thread that it needs.
fn start(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(Failure::Runtime)?
        .block_on(commands::run(cli))
}

fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure::report(&failure),
    }
}

/// Shows the help or the version that was asked for, or why the arguments are refused.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        output::remark_raw(&redact::hide(text, arguments));
        return Exit::Usage.into();
    }
    end(output::Output::default()
        .styled(&text)
        .map_err(Failure::from))
}

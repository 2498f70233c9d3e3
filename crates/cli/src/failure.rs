//! Why a command ends without success: the text for the operator, and the exit code for scripts.

use std::{error::Error, io, process::ExitCode};

use tower_api_key::{ConfigError, manage::ManageError, store::WriteError};
use tower_api_key_sqlx::SetupError;

use crate::{moment::InvalidMoment, output, settings::SettingsError};

/// The exit codes; the help and the README list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    Broken = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(
        "an argument looks like a token: pass tokens on standard input. Other users can see \
         arguments and the shell keeps them, so revoke the token if it is a real one"
    )]
    TokenInArguments,
    #[error(
        "name the database with --database or API_KEYS_DATABASE: sqlite:PATH, or \
         postgres://user@host:port/database"
    )]
    NoDatabase,
    #[error("a SQLite database has no schemas: leave --schema out")]
    SchemaOfSqlite,
    #[error(
        "no token on standard input: send it as the first line, as in api-keys whois <token.txt"
    )]
    NoToken,
    #[error("invalid value for {0}")]
    Argument(&'static str, #[source] Box<dyn Error + Send + Sync>),
    #[error(transparent)]
    Moment(#[from] InvalidMoment),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Manage(#[from] ManageError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the token on standard input is not a credential here")]
    UnknownToken,
    #[error(
        "this request has already issued {id}, whose secret was shown then: rotate it to get another"
    )]
    IssuedBefore { id: Box<str> },
    #[error("{id} was issued, but its secret could not be written: revoke or rotate it")]
    SecretLost { id: Box<str>, source: io::Error },
    #[error(
        "{refused} lines were refused and {taken} were already taken; the others were imported"
    )]
    Import { refused: u64, taken: u64 },
    #[error("the import stopped at line {line}; run it again with --skip-taken")]
    ImportStopped { line: u64, source: ManageError },
    #[error("assumptions of the store that do not hold: {0}")]
    Check(usize),
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    #[error("cannot start")]
    Runtime(#[source] io::Error),
}

impl Failure {
    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::TokenInArguments
            | Self::NoDatabase
            | Self::SchemaOfSqlite
            | Self::NoToken
            | Self::Argument(..)
            | Self::Moment(_)
            | Self::Settings(_)
            | Self::Config(_) => Exit::Usage,
            Self::Setup(error) => exit_of_setup(error),
            Self::Manage(error) => exit_of_manage(error),
            Self::Write(error) => exit_of_write(error),
            Self::UnknownToken | Self::IssuedBefore { .. } | Self::Import { .. } => Exit::Refused,
            Self::Check(_) => Exit::Broken,
            // The reader has what it wanted, as in `api-keys key list … | head -1`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::SecretLost { .. }
            | Self::ImportStopped { .. }
            | Self::Input(_)
            | Self::Output(_)
            | Self::Runtime(_) => Exit::Failed,
        }
    }

    /// Returns whether the database failed, so that checking it may show why.
    pub(crate) fn is_of_database(&self) -> bool {
        matches!(
            self,
            Self::Manage(ManageError::Unavailable(_))
                | Self::Write(WriteError::Store(_))
                | Self::ImportStopped { .. }
        )
    }
}

fn exit_of_setup(error: &SetupError) -> Exit {
    match error {
        SetupError::BrokenAssumptions { .. } => Exit::Broken,
        SetupError::InvalidUrl { .. } | SetupError::InvalidSchema { .. } => Exit::Usage,
        _ => Exit::Failed,
    }
}

fn exit_of_manage(error: &ManageError) -> Exit {
    match error {
        ManageError::Unavailable(_) | ManageError::Mint(_) => Exit::Failed,
        _ => Exit::Refused,
    }
}

fn exit_of_write(error: &WriteError) -> Exit {
    match error {
        WriteError::Store(_) | WriteError::Unsupported => Exit::Failed,
        _ => Exit::Refused,
    }
}

/// Writes what went wrong to standard error, and returns the exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    let exit = failure.exit();
    if exit != Exit::Done {
        output::error(&chain(failure));
    }
    if matches!(
        failure,
        Failure::Setup(SetupError::Missing { .. } | SetupError::MissingMigration { .. })
    ) {
        output::remark("to create or update the store, run: api-keys migrate");
    }
    exit.into()
}

/// Returns the text of an error and of those below it, each once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let source_text = source.to_string();
        if !text.contains(&source_text) {
            text = format!("{text}: {source_text}");
        }
        next = source.source();
    }
    text
}

//! The commands, a file for each noun.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod credential;
pub(crate) mod events;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod member;
pub(crate) mod org;
pub(crate) mod presented;
pub(crate) mod prune;
pub(crate) mod token;
pub(crate) mod user;

use crate::{
    args::{Cli, Command, Global},
    database::{Backend, Database},
    failure::{Failure, chain},
    output::{self, Output},
    session::Session,
};

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Migrate => migrate(&cli.global).await,
        Command::Whois(input) | Command::Revoke(input) if !input.refused.is_empty() => {
            Err(Failure::TokenInArguments)
        }
        Command::Check => match Database::open(&cli.global).await {
            Err(failure) => check::refused(Output::new(cli.global.json), failure),
            Ok(database) => open(database, Command::Check, &cli.global).await,
        },
        command => open(Database::open(&cli.global).await?, command, &cli.global).await,
    }
}

async fn open(database: Database, command: Command, global: &Global) -> Result<(), Failure> {
    match database {
        Database::Sqlite(store) => over(store, command, global).await,
        Database::Postgres(store) => over(store, command, global).await,
    }
}

/// Runs a command over a store. If the store fails, adds what a check of it finds.
async fn over<S: Backend>(store: S, command: Command, global: &Global) -> Result<(), Failure> {
    let session = Session::new(store, global)?;
    let result = dispatch(&session, command).await;
    if result.as_ref().is_err_and(Failure::is_of_database)
        && let Err(found) = session.store().check().await
    {
        output::remark(&format!("a check of the database found: {}", chain(&found)));
    }
    session.store().close().await;
    result
}

async fn dispatch<S: Backend>(session: &Session<S>, command: Command) -> Result<(), Failure> {
    match command {
        Command::Org(command) => org::run(session, command).await,
        Command::User(command) => user::run(session, command).await,
        Command::Member(command) => member::run(session, command).await,
        Command::Key(command) => credential::run(session, command).await,
        Command::Token(command) => credential::run(session, command).await,
        Command::Whois(_) => presented::whois(session).await,
        Command::Revoke(_) => presented::revoke(session).await,
        Command::Check => check::run(session).await,
        Command::Events(arguments) => events::run(session, &arguments).await,
        Command::Prune(arguments) => prune::run(session, &arguments).await,
        Command::Migrate | Command::Completions(_) => Ok(()), // need no open store
    }
}

async fn migrate(global: &Global) -> Result<(), Failure> {
    Database::migrate(global).await?;
    let fields = vec![("migrated", true.into())];
    Output::new(global.json).changed("the schema is up to date", &fields)?;
    Ok(())
}

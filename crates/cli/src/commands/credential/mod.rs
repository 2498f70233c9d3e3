//! `api-keys key` and `api-keys token`: what both kinds of credentials have in common.

pub(crate) mod args;
mod attributes;
mod change;
mod create;
mod edit;
mod list;
pub(crate) mod view;

use args::{Command, OwnerArgs};

use super::import;
use crate::{database::Backend, failure::Failure, session::Session};

pub(crate) async fn run<O: OwnerArgs, S: Backend>(
    session: &Session<S>,
    command: Command<O>,
) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create::run(session, arguments).await,
        Command::List(arguments) => list::run(session, &arguments).await,
        Command::Show(one) => change::show(session, &one).await,
        Command::Edit(arguments) => edit::run(session, arguments).await,
        Command::Rotate(arguments) => change::rotate(session, &arguments).await,
        Command::Disable(one) => change::disable(session, &one).await,
        Command::Enable(one) => change::enable(session, &one).await,
        Command::Revoke(arguments) => change::revoke(session, &arguments).await,
        Command::Import(arguments) => import::run(session, arguments).await,
    }
}

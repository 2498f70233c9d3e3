//! `api-keys user`: users, who own personal tokens.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{database::Backend, failure::Failure, session::Session};

const EXAMPLES: &str = "\
Examples:
  api-keys user create user_1
  api-keys user disable user_1
  api-keys user delete user_1";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum User {
    /// Creates a user without memberships
    Create(Id),
    /// Disables a user: their tokens are refused until the user is enabled
    Disable(Id),
    /// Enables a user again
    Enable(Id),
    /// Deletes a user with their tokens, memberships and last uses
    ///
    /// The audit trail keeps what they did, under a pseudonym.
    Delete(Id),
}

#[derive(Args)]
pub(crate) struct Id {
    /// The user's id
    #[arg(value_name = "USER")]
    id: String,
}

pub(crate) async fn run<S: Backend>(session: &Session<S>, command: User) -> Result<(), Failure> {
    let store = session.store();
    let (did, state, id) = match command {
        User::Create(Id { id }) => {
            store.create_user(&id).await?;
            ("created", "active", id)
        }
        User::Disable(Id { id }) => {
            store.set_user_enabled(&id, false).await?;
            ("disabled", "disabled", id)
        }
        User::Enable(Id { id }) => {
            store.set_user_enabled(&id, true).await?;
            ("enabled", "active", id)
        }
        User::Delete(Id { id }) => {
            store.delete_user(&id).await?;
            ("deleted", "deleted", id)
        }
    };
    let fields = vec![("user", json!(id)), ("status", json!(state))];
    let what = format!("{did} user {id}");
    Ok(session.output.changed(&what, &fields)?)
}

//! `api-keys member`: which user is in which organization, in which role.

use clap::Subcommand;
use serde_json::json;

use crate::{database::Backend, failure::Failure, session::Session};

const EXAMPLES: &str = "\
Examples:
  api-keys member set --org org_1 --user user_1 --role viewer
  api-keys member remove --org org_1 --user user_1";

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Member {
    /// Makes a user a member of an organization, or changes their role there
    #[command(alias = "create")]
    Set {
        /// The organization
        #[arg(long)]
        org: String,
        /// The user
        #[arg(long)]
        user: String,
        /// A role of the catalogue
        #[arg(long)]
        role: String,
    },
    /// Ends a membership; does nothing if there is none
    Remove {
        /// The organization
        #[arg(long)]
        org: String,
        /// The user
        #[arg(long)]
        user: String,
    },
}

pub(crate) async fn run<S: Backend>(session: &Session<S>, command: Member) -> Result<(), Failure> {
    let store = session.store();
    let (org, user, role) = match command {
        Member::Set { org, user, role } => {
            store.set_member(&user, &org, &role).await?;
            (org, user, Some(role))
        }
        Member::Remove { org, user } => {
            store.remove_member(&user, &org).await?;
            (org, user, None)
        }
    };
    let what = match &role {
        Some(role) => format!("{user} is a member of {org} in the role {role}"),
        None => format!("{user} is not a member of {org}"),
    };
    let fields = vec![
        ("org", json!(org)),
        ("user", json!(user)),
        ("role", json!(role)),
    ];
    Ok(session.output.changed(&what, &fields)?)
}
